//! The account page. What it offers is what `getMfaStatus` says under `actions`: the console has no
//! opinion of its own about who may do what.

use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Failure;
use super::bar::bar;
use super::html::{Html, Page, see, when};
use super::sessions::{Because, SignedIn};
use super::trouble::Trouble;
use super::visit::{Posted, Visit};
use super::{AUDIENCE, html};

/// A user's MFA, as far as the page shows it.
#[derive(Deserialize)]
struct Status {
    requirement: Requirement,
    factor: Option<Factor>,
    exemptions: Vec<Exemption>,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Requirement {
    policy_version: i64,
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    mfa: String,
}

#[derive(Deserialize)]
struct Factor {
    state: String,
    activated_at: Option<String>,
    recovery_codes_left: i64,
}

#[derive(Deserialize)]
struct Exemption {
    audiences: Vec<String>,
    expires_at: String,
}

/// One thing that the user may want, whether it would be done, and if not, why not and who could.
#[derive(Deserialize)]
struct Action {
    operation: String,
    allowed: bool,
    obstacle: Option<String>,
    who: Option<String>,
}

#[get("/account")]
async fn show_account(visit: Visit) -> Result<HttpResponse, Trouble> {
    let signed_in = visit.signed_in()?;
    let status = status(&visit, signed_in).await?;
    let body = html!(
        r#"<div class="columns"><section class="card"><h2>Multi-factor authentication</h2>{}{}</section>{}</div>
<h2>What you can do</h2>
<div class="scroll" tabindex="0" role="region" aria-label="What you can do"><table><thead><tr><th scope="col">What</th><th scope="col">Now</th><th scope="col">Why not, and who could</th></tr></thead>
<tbody>{}</tbody></table></div>"#,
        facts(&status),
        disable_button(&visit, &status),
        petition_form(&visit, &status),
        status.actions.iter().map(row).collect::<Vec<_>>()
    );
    Ok(Page { title: "Your account", bar: Some(bar(&visit, signed_in)?), body }.ok())
}

/// What Pawl says now. Whom it exempts no more is out: an exemption can be revoked before its end, and
/// this page, and what is asked for on it, is all that one opens. Ask so on each page that one opens.
async fn status(visit: &Visit, signed_in: &SignedIn) -> Result<Status, Trouble> {
    let (_, tenant) = visit.whose(signed_in.person)?;
    let path = format!("/v1/users/{}/mfa", signed_in.user_id);
    let status: Status = visit.console.api.get(&tenant.client_key, &path).await?;
    let here = |exemption: &Exemption| exemption.audiences.iter().any(|name| name == AUDIENCE);
    if matches!(signed_in.because, Because::Exempt(_)) && !status.exemptions.iter().any(here) {
        visit.end();
        return Err(Trouble::SignIn);
    }
    Ok(status)
}

fn facts(status: &Status) -> Html {
    let factor = status.factor.as_ref().map_or_else(
        || html!("<dt>Authenticator</dt><dd>None</dd>"),
        |factor| {
            let since = factor.activated_at.as_deref().map(when).unwrap_or_default();
            html!(
                "<dt>Authenticator</dt><dd>{}, since {}</dd><dt>Recovery codes left</dt><dd>{}</dd>",
                factor.state,
                since,
                factor.recovery_codes_left
            )
        },
    );
    let exemptions = status.exemptions.iter();
    let exemptions: Vec<_> = exemptions
        .map(|exemption| html!("<dt>Exempt</dt><dd>until {}</dd>", when(&exemption.expires_at)))
        .collect();
    html!(
        "<dl><dt>Your organization</dt><dd>MFA is {} (policy {})</dd>{}{}</dl>",
        status.requirement.attributes.mfa,
        status.requirement.policy_version,
        factor,
        exemptions
    )
}

fn find<'a>(status: &'a Status, operation: &str) -> Option<&'a Action> {
    status.actions.iter().find(|action| action.operation == operation)
}

/// The button of the article. It stays where people look for it, and says why it does nothing.
fn disable_button(visit: &Visit, status: &Status) -> Html {
    match find(status, "requestDisable") {
        Some(action) if action.allowed => html!(
            r#"<form method="post" action="/account/disable">{}<button>Disable MFA</button></form>"#,
            visit.csrf()
        ),
        Some(action) => html!(
            r#"<p><button type="button" disabled aria-describedby="why">Disable MFA</button></p>
<p id="why" class="soft">{} {}</p>"#,
            why(action),
            who(action)
        ),
        None => html!(""),
    }
}

/// Asking is open where switching off is not.
fn petition_form(visit: &Visit, status: &Status) -> Option<Html> {
    find(status, "createPetition").filter(|action| action.allowed)?;
    Some(html!(
        r#"<form method="post" action="/account/disable" class="card">{}<h2>Ask for an exception</h2>
<p>An administrator can exempt you for some hours, if there is a reason. It is on record.</p>
<label for="reason">Your reason, in a sentence</label>
<input id="reason" name="reason" minlength="15" maxlength="200" required>
<button>Ask an administrator</button></form>"#,
        visit.csrf()
    ))
}

fn row(action: &Action) -> Html {
    let what = match action.operation.as_str() {
        "requestDisable" => "Switch MFA off",
        "createPetition" => "Ask for an exception",
        "beginEnrollment" => "Set up a first authenticator",
        "beginRotation" => "Replace the authenticator",
        "regenerateRecoveryCodes" => "Get new recovery codes",
        "reportLoss" => "Report the authenticator lost",
        "useRecoveryCode" => "Use a recovery code",
        other => other,
    };
    let (class, word) = if action.allowed { ("yes", "open") } else { ("no", "closed") };
    let why = if action.allowed { html!("") } else { html!("{} {}", why(action), who(action)) };
    html!(
        r#"<tr><td>{}</td><td><span class="tag {}">{}</span></td><td>{}</td></tr>"#,
        what,
        class,
        word,
        why
    )
}

/// The obstacle is the code of the problem that the operation would answer.
fn why(action: &Action) -> &'static str {
    match action.obstacle.as_deref() {
        Some("mfa-disable-refused") => "MFA cannot be switched off: your organization requires it.",
        Some("already-enrolled") => "You have an authenticator.",
        Some("ticket-required") => "It takes a ticket.",
        Some("unauthenticated") => "It takes a sign-in with a code.",
        Some("challenge-over") => "There is no authenticator.",
        Some("code-rejected") => "No recovery code is left.",
        Some("user-offboarded") => "You have left.",
        Some(_) | None => "It is not possible now.",
    }
}

fn who(action: &Action) -> &'static str {
    match action.who.as_deref() {
        Some("administrator") => {
            "An administrator can make a dated exception, with a written reason."
        }
        Some(_) | None => "",
    }
}

/// Pawl always refuses, and that is no failure: with a reason, the refusal is a petition.
#[post("/account/disable")]
async fn ask_to_disable(posted: Posted) -> Result<HttpResponse, Trouble> {
    let signed_in = posted.visit.signed_in()?;
    status(&posted.visit, signed_in).await?;
    let (_, tenant) = posted.visit.whose(signed_in.person)?;
    let path = format!("/v1/users/{}/mfa/disable", signed_in.user_id);
    let reason = Some(posted.field("reason")).filter(|reason| !reason.is_empty());
    let body = json!({ "petition": reason.is_some(), "reason": reason });
    let answered = posted.visit.console.api.post::<Value>(&tenant.client_key, &path, body).await;
    let notice = match answered {
        Err(Failure::Refused(problem)) if problem.code == "mfa-disable-refused" => {
            match problem.petition_id {
                Some(_) => "MFA stays on. Your request is with the administrators.",
                None => "MFA stays on: only an administrator can make an exception.",
            }
        }
        Err(failure) => return Err(failure.into()),
        // No Pawl answers this.
        Ok(_) => return Err(Trouble::Closed),
    };
    posted.visit.notify(notice);
    Ok(see("/account"))
}

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(show_account).service(ask_to_disable);
}
