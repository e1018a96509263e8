//! What administrators do. An act that weakens goes in two steps: Pawl is told the whole act and says
//! it in words, and the code that is typed below those words pays for this act alone.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::admin::{answers_ticket, kind_in_words, own_token};
use super::api::{Failure, is_id};
use super::bar::bar;
use super::html::{Page, alert, see, when};
use super::people::random;
use super::sessions::{PendingAct, SignedIn};
use super::steps::code_field;
use super::trouble::{Trouble, advice};
use super::visit::{Posted, Visit};
use super::{AUDIENCE, html};

/// What Pawl makes of an act.
#[derive(Deserialize)]
struct StepUp {
    challenge: Challenge,
    act: String,
}

#[derive(Deserialize)]
struct Challenge {
    handle: String,
}

/// What became of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome {
    /// Of a request, or of what its requester collects.
    Requested {
        r#override: Override,
        ticket: Option<Ticket>,
    },
    Ticket(Ticket),
    /// Of an approval: it never has a ticket.
    Approved(Override),
}

#[derive(Deserialize)]
struct Override {
    kind: String,
    state: String,
}

/// Shown once.
#[derive(Deserialize)]
struct Ticket {
    ticket: String,
    expires_at: String,
}

/// An operation as its form describes it.
struct Act {
    operation: &'static str,
    /// What is in the operation's path, beside its body.
    target: Option<(&'static str, String)>,
    path: String,
    body: Value,
}

impl Act {
    fn read(posted: &Posted) -> Result<Self, Trouble> {
        let (id, reason) = (posted.field("id").to_owned(), posted.field("reason"));
        match (posted.field("operation"), posted.field("help")) {
            ("takeUpPetition", _) if is_id(&id) => Ok(Self {
                operation: "takeUpPetition",
                path: format!("/v1/petitions/{id}/take-up"),
                target: Some(("petition_id", id)),
                body: fields(json!({ "reason": reason }), posted.field("kind"), posted)?,
            }),
            ("approveOverride", _) if is_id(&id) => Ok(Self {
                operation: "approveOverride",
                path: format!("/v1/overrides/{id}/approve"),
                target: Some(("override_id", id)),
                // Of what the page showed: if it has changed since, Pawl refuses.
                body: json!({ "digest": posted.field("digest") }),
            }),
            (_, "ticket") => Ok(Self {
                operation: "createTicket",
                path: "/v1/tickets".to_owned(),
                target: None,
                body: json!({ "user_id": posted.field("user_id"), "reason": reason }),
            }),
            (_, kind @ ("reset" | "exempt" | "unlock" | "resume")) => {
                let user_id = posted.field("user_id");
                let body = json!({ "user_id": user_id, "kind": kind, "reason": reason });
                Ok(Self {
                    operation: "requestOverride",
                    path: "/v1/overrides".to_owned(),
                    target: None,
                    body: fields(body, kind, posted)?,
                })
            }
            _ => Err(Trouble::NotFound),
        }
    }

    /// What `beginStepUp` is told: the operation, what is in its path, and its body.
    fn whole(&self) -> Value {
        let mut whole = Map::new();
        whole.insert("operation".to_owned(), json!(self.operation));
        if let Some((name, id)) = &self.target {
            whole.insert((*name).to_owned(), json!(id));
        }
        whole.insert("body".to_owned(), self.body.clone());
        Value::Object(whole)
    }
}

/// An exemption says where it holds and until when; nothing else does.
fn fields(mut body: Value, kind: &str, posted: &Posted) -> Result<Value, Trouble> {
    if let (Some(body), "exempt") = (body.as_object_mut(), kind) {
        let hours = posted.field("hours").parse().unwrap_or_default();
        let until = Timestamp::now().checked_add(SignedDuration::from_hours(hours));
        let until = until.map_err(|_| Trouble::NotFound)?;
        body.insert("audiences".to_owned(), json!([AUDIENCE]));
        body.insert("expires_at".to_owned(), json!(until.to_string()));
    }
    Ok(body)
}

#[post("/admin/act")]
async fn begin_act(posted: Posted) -> Result<HttpResponse, Trouble> {
    let signed_in = posted.visit.signed_in()?;
    let act = Act::read(&posted)?;
    let token = own_token(signed_in)?;
    let step_up: StepUp = posted.visit.console.api.post(token, "/v1/step-ups", act.whole()).await?;
    let pending = PendingAct {
        name: URL_SAFE_NO_PAD.encode(random::<16>().map_err(Trouble::Broken)?),
        path: act.path,
        body: act.body,
        challenge: step_up.challenge.handle,
        words: step_up.act,
    };
    posted.visit.change(|signed_in| signed_in.act = Some(pending));
    Ok(see("/admin/act"))
}

#[get("/admin/act")]
async fn show_act(visit: Visit) -> Result<HttpResponse, Trouble> {
    Ok(page(&visit, None)?.map_or_else(|| see("/admin"), Page::ok))
}

fn page(visit: &Visit, message: Option<&str>) -> Result<Option<Page>, Trouble> {
    let signed_in = visit.signed_in()?;
    let Some(act) = &signed_in.act else { return Ok(None) };
    let body = html!(
        r#"{}<form method="post" action="/admin/act/prove" class="card narrow">{}<p>This is what your code will do:</p>
<p class="lead"><strong>{}</strong></p><input type="hidden" name="act" value="{}">{}<button>Do it</button> <a href="/admin">Leave it</a></form>"#,
        message.map(alert),
        visit.csrf(),
        act.words,
        act.name,
        code_field()
    );
    Ok(Some(Page { title: "A code for one act", bar: Some(bar(visit, signed_in)?), body }))
}

#[post("/admin/act/prove")]
async fn prove_act(posted: Posted) -> Result<HttpResponse, Trouble> {
    let visit = &posted.visit;
    let signed_in = visit.signed_in()?;
    let Some(act) = &signed_in.act else { return Ok(see("/admin")) };
    // A code pays for the act whose words stood above it, and for no other.
    if posted.field("act") != act.name {
        let page =
            page(visit, Some("Another act was begun since. Read it before you type a code."))?;
        let again = |page: Page| page.with(StatusCode::CONFLICT);
        return Ok(page.map_or_else(|| see("/admin"), again));
    }
    let mut body = act.body.clone();
    if let Some(body) = body.as_object_mut() {
        let proof = json!({ "challenge": act.challenge, "code": posted.code() });
        body.insert("proof".to_owned(), proof);
    }
    let answered = visit.console.api.post(own_token(signed_in)?, &act.path, body).await;
    let outcome: Outcome = match answered {
        Ok(outcome) => outcome,
        Err(Failure::Refused(problem))
            if matches!(problem.code.as_str(), "code-rejected" | "too-many-attempts") =>
        {
            let page = page(visit, Some(&advice(&problem)))?;
            let again = |page: Page| page.with(StatusCode::UNPROCESSABLE_ENTITY);
            return Ok(page.map_or_else(|| see("/admin"), again));
        }
        Err(failure) => return Err(failure.into()),
    };
    // Another tab may have begun another since.
    visit.change(|now| drop(now.act.take_if(|pending| pending.name == act.name)));
    Ok(done(visit, signed_in, &outcome)?.ok())
}

fn done(visit: &Visit, signed_in: &SignedIn, outcome: &Outcome) -> Result<Page, Trouble> {
    let (words, ticket) = match outcome {
        Outcome::Ticket(ticket) => ("The ticket is made.".to_owned(), Some(ticket)),
        Outcome::Requested { r#override, ticket } => (in_words(r#override), ticket.as_ref()),
        Outcome::Approved(r#override) => (in_words(r#override), None),
    };
    let ticket = ticket.map(|ticket| {
        html!(
            r#"<section class="card narrow"><p>Give this ticket to the user, and to nobody else. It works only with the user's own password, and shows a picture that you will never see. It is shown only now, and good until {}.</p>
<p><code class="ticket">{}</code></p></section>"#,
            when(&ticket.expires_at),
            ticket.ticket
        )
    });
    let body = html!(
        r#"<p class="lead">{}</p>{}<p><a href="/admin">To the requests</a></p>"#,
        words,
        ticket
    );
    Ok(Page { title: "Done", bar: Some(bar(visit, signed_in)?), body })
}

fn in_words(entry: &Override) -> String {
    let what = kind_in_words(&entry.kind);
    match entry.state.as_str() {
        "requested" => format!("Asked for: {what}. It waits for a second administrator."),
        "approved" if answers_ticket(&entry.kind) => {
            format!(
                "Approved: {what}. It is done when the administrator who asked collects the ticket."
            )
        }
        "approved" => format!("In force: {what}."),
        "used" => format!("Done: {what}."),
        other => format!("{other}: {what}."),
    }
}

/// The requester's last step after the approvals: the only answer that has the ticket.
#[post("/admin/collect")]
async fn collect(posted: Posted) -> Result<HttpResponse, Trouble> {
    let visit = &posted.visit;
    let signed_in = visit.signed_in()?;
    let id = Some(posted.field("id")).filter(|id| is_id(id)).ok_or(Trouble::NotFound)?;
    let path = format!("/v1/overrides/{id}/collect");
    let token = own_token(signed_in)?;
    let outcome: Outcome = visit.console.api.post(token, &path, Value::Null).await?;
    Ok(done(visit, signed_in, &outcome)?.ok())
}

/// Denying weakens nothing, so it needs no proof.
#[post("/admin/deny")]
async fn deny(posted: Posted) -> Result<HttpResponse, Trouble> {
    let body = json!({ "reason": posted.field("reason") });
    tighten(&posted, "petitions", "deny", body, "Denied.").await
}

/// Nor does ending an exception.
#[post("/admin/revoke")]
async fn revoke(posted: Posted) -> Result<HttpResponse, Trouble> {
    tighten(&posted, "overrides", "revoke", Value::Null, "Revoked: the code is asked for again.")
        .await
}

async fn tighten(
    posted: &Posted,
    of: &str,
    verb: &str,
    body: Value,
    notice: &str,
) -> Result<HttpResponse, Trouble> {
    let signed_in = posted.visit.signed_in()?;
    let id = Some(posted.field("id")).filter(|id| is_id(id)).ok_or(Trouble::NotFound)?;
    let path = format!("/v1/{of}/{id}/{verb}");
    let token = own_token(signed_in)?;
    let _: Value = posted.visit.console.api.post(token, &path, body).await?;
    posted.visit.notify(notice);
    Ok(see("/admin"))
}

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(begin_act).service(show_act).service(prove_act).service(collect);
    config.service(deny).service(revoke);
}
