//! Between the password and the door: a code, an enrollment, a ticket, a recovery code.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::api::Failure;
use super::html::{Html, Page, alert, see};
use super::sessions::{Because, Halfway, SignedIn, Stage, Step};
use super::sign_in::enter;
use super::tokens::Wanted;
use super::trouble::{Trouble, advice};
use super::visit::{Posted, Visit};
use super::{AUDIENCE, html};

#[derive(Deserialize)]
struct Tokens {
    tokens: Vec<Token>,
    #[serde(default)]
    recovery_codes: Vec<String>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    audience: String,
}

/// A new secret. It goes to the page, and nowhere else.
#[derive(Deserialize)]
struct Secret {
    enrollment: String,
    #[serde(rename = "secret")]
    typed: String,
    qr: Qr,
}

#[derive(Deserialize)]
struct Qr {
    png_base64: String,
}

#[derive(Deserialize)]
struct Recovered {
    challenge: Open,
}

#[derive(Deserialize)]
struct Open {
    handle: String,
}

#[get("/step")]
async fn show_step(visit: Visit) -> Result<HttpResponse, Trouble> {
    Ok(page(&visit, visit.halfway()?, None).ok())
}

/// The page of whatever step it is.
fn page(visit: &Visit, halfway: &Halfway, message: Option<&str>) -> Page {
    let (title, body) = match halfway.step {
        Step::Code(_) => ("Your code", code_form(visit)),
        Step::Enroll(_) => ("Set up your authenticator", enroll_form(visit)),
        Step::Confirm(_) => ("Your first code", confirm_form(visit, None)),
        Step::Ticket(_) => ("You need a ticket", ticket_form(visit)),
        Step::Recover(_) => ("Your authenticator is reported lost", recovery_form(visit)),
    };
    Page { title, bar: None, body: html!("{}{}", message.map(alert), body) }
}

/// The field for a code.
pub fn code_field() -> Html {
    html!(
        r#"<label for="code">Code from your authenticator</label>
<input id="code" name="code" class="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9 ]{{6,9}}" maxlength="9" required>"#
    )
}

fn code_form(visit: &Visit) -> Html {
    html!(
        r#"<form method="post" action="/code" class="card narrow">{}{}<button>Go on</button></form>
<details class="narrow"><summary>My authenticator is lost</summary>
<form method="post" action="/lost" class="card">{}
<p>Your administrator hears of it. With a recovery code, the lost authenticator stops working at once.</p>
<label for="reason">What happened, in a sentence</label>
<input id="reason" name="reason" minlength="15" maxlength="200" required>
<label for="recovery">Recovery code, if you have one</label>
<input id="recovery" name="recovery" autocomplete="off" spellcheck="false">
<button>Report the loss</button></form></details>"#,
        visit.csrf(),
        code_field(),
        visit.csrf()
    )
}

fn enroll_form(visit: &Visit) -> Html {
    html!(
        r#"<form method="post" action="/enroll" class="card narrow">{}
<p>Here everybody signs in with a password and a code. You need an authenticator app on your phone, and
one minute.</p>
<p>The next page shows a picture to scan, once. It is for your phone alone: nobody else should see it,
your administrator neither.</p>
<button>Show me the picture</button></form>"#,
        visit.csrf()
    )
}

/// A form for the first code, with the picture if it was made just now.
fn confirm_form(visit: &Visit, secret: Option<&Secret>) -> Html {
    let picture = secret.map(|secret| {
        html!(
            r#"<p>Scan this with your authenticator app.</p>
<img class="qr" alt="QR code of your new authenticator" src="data:image/png;base64,{}">
<p>Or type this in: <code class="secret">{}</code></p>"#,
            secret.qr.png_base64,
            secret.typed
        )
    });
    let begun = html!(
        "<p>Your authenticator was set up and waits for its first code. If you have no picture any \
         more, sign in again later, or ask your administrator.</p>"
    );
    html!(
        r#"<form method="post" action="/confirm" class="card narrow">{}{}{}<button>Go on</button></form>"#,
        visit.csrf(),
        picture.unwrap_or(begun),
        code_field()
    )
}

fn ticket_form(visit: &Visit) -> Html {
    html!(
        r#"<form method="post" action="/ticket" class="card narrow">{}
<p>To set up an authenticator you need a ticket. Your administrator makes one, and it works only
together with your password.</p>
<label for="ticket">Ticket</label>
<input id="ticket" name="ticket" autocomplete="off" spellcheck="false" required>
<button>Go on</button></form>"#,
        visit.csrf()
    )
}

fn recovery_form(visit: &Visit) -> Html {
    html!(
        r#"<form method="post" action="/recover" class="card narrow">{}
<p>No code of it is accepted any more. A recovery code lets you set up a new one; without one, ask your
administrator.</p>
<label for="recovery">Recovery code</label>
<input id="recovery" name="recovery" autocomplete="off" spellcheck="false" required>
<button>Go on</button></form>"#,
        visit.csrf()
    )
}

/// What can be tried again stays on its page with a message; what is over begins anew.
fn again(visit: &Visit, halfway: &Halfway, failure: Failure) -> Result<HttpResponse, Trouble> {
    const CORRECTABLE: [&str; 4] =
        ["code-rejected", "too-many-attempts", "ticket-over", "invalid-request"];
    match failure {
        Failure::Refused(problem) if CORRECTABLE.contains(&problem.code.as_str()) => {
            let page = page(visit, halfway, Some(&advice(&problem)));
            Ok(page.with(StatusCode::UNPROCESSABLE_ENTITY))
        }
        Failure::Refused(_) | Failure::Unknown(_) => Err(failure.into()),
    }
}

#[post("/code")]
async fn verify_code(posted: Posted) -> Result<HttpResponse, Trouble> {
    let visit = &posted.visit;
    let halfway = visit.halfway()?;
    let Step::Code(challenge) = &halfway.step else { return Ok(see("/step")) };
    let body = json!({ "challenge": challenge, "code": posted.code() });
    let (_, tenant) = visit.whose(halfway.person)?;
    let answered = visit.console.api.post(&tenant.client_key, "/v1/challenges/verify", body).await;
    match answered {
        Ok(tokens) => enter(visit, admit(visit, halfway, &tokens).await?),
        Err(failure) => again(visit, halfway, failure),
    }
}

/// A code was right, says Pawl's answer; the console believes the token, once it checked it itself.
async fn admit(visit: &Visit, halfway: &Halfway, got: &Tokens) -> Result<SignedIn, Trouble> {
    let (_, tenant) = visit.whose(halfway.person)?;
    let of = |audience: &str| got.tokens.iter().find(|token| token.audience == audience);
    let token = of(AUDIENCE).map_or("", |token| &token.access_token);
    let now = Timestamp::now().as_second();
    let wanted = Wanted { issuer: &tenant.issuer, audience: AUDIENCE, now };
    let subject = visit.console.keys.check(token, &wanted).await?;
    let subject = subject.filter(|subject| subject.as_str() == halfway.user_id);
    let subject = subject.ok_or(Trouble::Closed)?;
    let mut signed_in =
        SignedIn::new(halfway.person, halfway.user_id.clone(), Because::Code(subject));
    signed_in.own_token = of(&tenant.issuer).map(|token| token.access_token.clone());
    Ok(signed_in)
}

#[post("/enroll")]
async fn begin_enrollment(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Step::Enroll(challenge) = &posted.visit.halfway()?.step else { return Ok(see("/step")) };
    begin(&posted.visit, "/v1/enrollments", json!({ "challenge": challenge })).await
}

#[post("/ticket")]
async fn redeem_ticket(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Step::Ticket(challenge) = &posted.visit.halfway()?.step else { return Ok(see("/step")) };
    let body = json!({ "ticket": posted.field("ticket"), "challenge": challenge });
    begin(&posted.visit, "/v1/tickets/redeem", body).await
}

/// Shows a new secret: in the answer to this one request, and never again.
async fn begin(
    visit: &Visit,
    path: &str,
    body: serde_json::Value,
) -> Result<HttpResponse, Trouble> {
    let halfway = visit.halfway()?;
    let (_, tenant) = visit.whose(halfway.person)?;
    match visit.console.api.post::<Secret>(&tenant.client_key, path, body).await {
        Ok(secret) => {
            visit.go_on(Step::Confirm(secret.enrollment.clone()));
            let body = confirm_form(visit, Some(&secret));
            Ok(Page { title: "Scan this", bar: None, body }.ok())
        }
        Err(failure) => again(visit, halfway, failure),
    }
}

#[post("/confirm")]
async fn confirm_enrollment(posted: Posted) -> Result<HttpResponse, Trouble> {
    let visit = &posted.visit;
    let halfway = visit.halfway()?;
    let Step::Confirm(enrollment) = &halfway.step else { return Ok(see("/step")) };
    let body = json!({ "enrollment": enrollment, "code": posted.code() });
    let (_, tenant) = visit.whose(halfway.person)?;
    let answered =
        visit.console.api.post(&tenant.client_key, "/v1/enrollments/confirm", body).await;
    let tokens: Tokens = match answered {
        Ok(tokens) => tokens,
        Err(failure) => return again(visit, halfway, failure),
    };
    let signed_in = admit(visit, halfway, &tokens).await?;
    let page = recovery_codes(&tokens.recovery_codes);
    visit.renew(Stage::SignedIn(signed_in), page.ok())
}

/// Shown once too.
fn recovery_codes(codes: &[String]) -> Page {
    let codes: Vec<_> = codes.iter().map(|code| html!("<li><code>{}</code></li>", code)).collect();
    let body = html!(
        r#"<section class="card narrow"><p>Your authenticator works. These codes are for the day on which
you lose it: each lets you set up a new one, once. Print them or write them down; they are shown only
now.</p><ul class="codes">{}</ul><p><a class="button" href="/">I have them</a></p></section>"#,
        codes
    );
    Page { title: "Keep these recovery codes", bar: None, body }
}

#[post("/recover")]
async fn use_recovery_code(posted: Posted) -> Result<HttpResponse, Trouble> {
    let visit = &posted.visit;
    let halfway = visit.halfway()?;
    let Step::Recover(challenge) = &halfway.step else { return Ok(see("/step")) };
    let body = json!({ "challenge": challenge, "recovery_code": posted.field("recovery") });
    let (_, tenant) = visit.whose(halfway.person)?;
    let answered = visit.console.api.post(&tenant.client_key, "/v1/challenges/recover", body).await;
    let recovered: Recovered = match answered {
        Ok(recovered) => recovered,
        Err(failure) => return again(visit, halfway, failure),
    };
    visit.go_on(Step::Enroll(recovered.challenge.handle));
    Ok(see("/step"))
}

#[post("/lost")]
async fn report_loss(posted: Posted) -> Result<HttpResponse, Trouble> {
    let visit = &posted.visit;
    let halfway = visit.halfway()?;
    let Step::Code(challenge) = &halfway.step else { return Ok(see("/step")) };
    let given = Some(posted.field("recovery")).filter(|code| !code.is_empty());
    let body =
        json!({ "challenge": challenge, "reason": posted.field("reason"), "recovery_code": given });
    let (_, tenant) = visit.whose(halfway.person)?;
    let answered =
        visit.console.api.post(&tenant.client_key, "/v1/challenges/report-loss", body).await;
    let report: LossReport = match answered {
        Ok(report) => report,
        Err(failure) => return again(visit, halfway, failure),
    };
    let text = match report {
        LossReport::Suspended => {
            "The lost authenticator works no more. Sign in again: a recovery code lets you set up a \
             new one."
        }
        LossReport::Petitioned => {
            "Your administrator was asked for a reset, and will want to know that it is you. You get \
             a ticket from them, and sign in again with it."
        }
    };
    let body = html!(r#"<p class="lead">{}</p><p><a href="/sign-in">Sign in</a></p>"#, text);
    visit.renew(Stage::Stranger, Page { title: "Reported", bar: None, body }.ok())
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum LossReport {
    Suspended,
    Petitioned,
}

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(show_step).service(verify_code).service(begin_enrollment);
    config.service(redeem_ticket).service(confirm_enrollment);
    config.service(use_recovery_code).service(report_loss);
}
