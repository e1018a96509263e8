//! The password, and what Pawl decides about it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::html::{Html, Page, alert, see};
use super::sessions::{Because, Halfway, SignedIn, Stage, Step};
use super::trouble::Trouble;
use super::visit::{Posted, Visit};
use super::{AUDIENCE, html};

/// What Pawl says must happen. A decision that is not known here lets nobody in.
#[derive(Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
enum Decision {
    Challenge {
        user_id: String,
        challenge: Open,
    },
    Enroll {
        user_id: String,
        challenge: Option<Open>,
        enrollment: Option<Open>,
    },
    TicketRequired {
        user_id: String,
        challenge: Open,
    },
    Recover {
        user_id: String,
        challenge: Open,
    },
    Exempt {
        user_id: String,
        expires_at: String,
    },
    NotRequired {
        user_id: String,
    },
    #[serde(other)]
    Denied,
}

/// A handle. It is worth nothing without the client's credential, and stays here all the same.
#[derive(Deserialize)]
struct Open {
    handle: String,
}

/// To where one belongs.
#[get("/")]
async fn home(visit: Visit) -> HttpResponse {
    see(match visit.stage() {
        Stage::Stranger => "/sign-in",
        Stage::Halfway(_) => "/step",
        Stage::SignedIn(signed_in) => landing(&signed_in.because),
    })
}

/// The first page after signing in.
pub fn landing(because: &Because) -> &'static str {
    match because {
        Because::Code(_) => "/detections",
        Because::Exempt(_) | Because::NotRequired => "/account",
    }
}

#[get("/sign-in")]
async fn ask(visit: Visit) -> Result<HttpResponse, Trouble> {
    visit.welcome(|csrf| form(csrf, None).ok())
}

fn form(csrf: &Html, message: Option<&str>) -> Page {
    let body = html!(
        r#"{}<form method="post" action="/sign-in" class="card narrow">{}
<label for="name">Sign-in name</label>
<input id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button>
</form>"#,
        message.map(alert),
        csrf
    );
    Page { title: "Sign in", bar: None, body }
}

#[post("/sign-in")]
async fn sign_in(posted: Posted) -> Result<HttpResponse, Trouble> {
    let (name, password) = (posted.field("name").to_owned(), posted.field("password").to_owned());
    let console = posted.visit.console.clone();
    let found = web::block(move || console.people.check(&name, &password).map(|person| person.id));
    let Some(person) = found.await.map_err(|error| Trouble::Broken(error.to_string()))? else {
        let page = form(&posted.visit.csrf(), Some("That name and password do not go together."));
        return Ok(page.with(StatusCode::UNAUTHORIZED));
    };
    let decision = evaluate(&posted.visit, person).await?;
    go_on(&posted.visit, person, decision)
}

/// The console checked the password; Pawl says what must happen now.
async fn evaluate(visit: &Visit, id: &str) -> Result<Decision, Trouble> {
    let (person, tenant) = visit.whose(id)?;
    // An exemption opens this console, and never Pawl: only who works with Pawl's own pages asks for it.
    let mut audiences = vec![AUDIENCE];
    if person.is_administrator {
        audiences.push(&tenant.issuer);
    }
    let body = json!({
        "external_id": person.id,
        "display_name": person.name,
        "audiences": audiences,
        "primary_login": { "method": "password", "at": Timestamp::now().to_string() },
        "address": visit.address,
    });
    Ok(visit.console.api.post(&tenant.client_key, "/v1/evaluations", body).await?)
}

fn go_on(visit: &Visit, person: &'static str, decision: Decision) -> Result<HttpResponse, Trouble> {
    let (user_id, step) = match decision {
        Decision::Challenge { user_id, challenge } => (user_id, Step::Code(challenge.handle)),
        Decision::Enroll { user_id, challenge: Some(challenge), .. } => {
            (user_id, Step::Enroll(challenge.handle))
        }
        Decision::Enroll { user_id, enrollment: Some(enrollment), .. } => {
            (user_id, Step::Confirm(enrollment.handle))
        }
        Decision::TicketRequired { user_id, challenge } => {
            (user_id, Step::Ticket(challenge.handle))
        }
        Decision::Recover { user_id, challenge } => (user_id, Step::Recover(challenge.handle)),
        Decision::Exempt { user_id, expires_at } => {
            // An end that cannot be read is none: nobody gets in.
            let until = expires_at.parse().map_err(|_| Trouble::Closed)?;
            return enter(visit, SignedIn::new(person, user_id, Because::Exempt(until)));
        }
        Decision::NotRequired { user_id } => {
            return enter(visit, SignedIn::new(person, user_id, Because::NotRequired));
        }
        Decision::Enroll { .. } | Decision::Denied => {
            let message = "You cannot sign in here. Ask your administrator.";
            return Ok(form(&visit.csrf(), Some(message)).with(StatusCode::FORBIDDEN));
        }
    };
    visit.renew(Stage::Halfway(Halfway { person, user_id, step }), see("/step"))
}

/// Lets somebody in, under a new session name.
///
/// # Errors
/// The system gives no random bytes.
pub fn enter(visit: &Visit, signed_in: SignedIn) -> Result<HttpResponse, Trouble> {
    let to = landing(&signed_in.because);
    visit.renew(Stage::SignedIn(signed_in), see(to))
}

#[post("/sign-out")]
async fn sign_out(posted: Posted) -> Result<HttpResponse, Trouble> {
    posted.visit.renew(Stage::Stranger, see("/sign-in"))
}

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(home).service(ask).service(sign_in).service(sign_out);
}
