//! The administrators' pages: what was asked for, what was decided, and who is here. They are read with
//! the administrator's own token, so that Pawl says who may see what.

use std::collections::HashMap;

use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::bar::bar;
use super::html;
use super::html::{Html, Page, when};
use super::sessions::SignedIn;
use super::trouble::Trouble;
use super::visit::Visit;

/// The first page of a list. A console with more than a hundred follows `next_cursor`.
#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    display_name: String,
    roles: Vec<String>,
    offboarded_at: Option<String>,
}

#[derive(Deserialize)]
struct Petition {
    id: String,
    kind: String,
    user_id: String,
    reason: String,
    created_at: String,
}

#[derive(Deserialize)]
struct Override {
    id: String,
    kind: String,
    user_id: Option<String>,
    state: String,
    reason: String,
    digest: String,
    /// What exactly was asked for: what a second administrator answers for.
    facts: Map<String, Value>,
    requested_by: String,
    approved_by: Vec<String>,
    required_approvals: i64,
    expires_at: String,
}

#[derive(Deserialize)]
struct Ticket {
    user_id: String,
    expires_at: String,
    redeemed_at: Option<String>,
    revoked_at: Option<String>,
}

/// Names by Pawl's ids.
struct Names(HashMap<String, String>);

impl Names {
    fn of<'a>(&'a self, id: &'a str) -> &'a str {
        self.0.get(id).map_or(id, String::as_str)
    }
}

/// The administrator's credential for Pawl itself.
///
/// # Errors
/// [`Trouble::CodeOnly`]: they are in without one.
pub fn own_token(signed_in: &SignedIn) -> Result<&str, Trouble> {
    signed_in.own_token.as_deref().ok_or(Trouble::CodeOnly)
}

async fn users(visit: &Visit, token: &str) -> Result<(Vec<User>, Names), Trouble> {
    let users: List<User> = visit.console.api.get(token, "/v1/users?limit=100").await?;
    let names = users.items.iter().map(|user| (user.id.clone(), user.display_name.clone()));
    let names = Names(names.collect());
    Ok((users.items, names))
}

#[get("/admin")]
async fn show_requests(visit: Visit) -> Result<HttpResponse, Trouble> {
    let signed_in = visit.signed_in()?;
    let token = own_token(signed_in)?;
    let (_, names) = users(&visit, token).await?;
    let api = &visit.console.api;
    let petitions: List<Petition> = api.get(token, "/v1/petitions?state=open&limit=100").await?;
    let overrides: List<Override> = api.get(token, "/v1/overrides?limit=100").await?;
    let petitions: Vec<_> =
        petitions.items.iter().map(|petition| petition_card(&visit, petition, &names)).collect();
    let none =
        petitions.is_empty().then(|| html!(r#"<p class="soft">Nobody asks for anything.</p>"#));
    let overrides: Vec<_> = overrides
        .items
        .iter()
        .map(|entry| override_row(&visit, signed_in, entry, &names))
        .collect();
    let body = html!(
        r#"<h2>Petitions</h2>{}<div class="columns">{}</div>
<h2>Exceptions</h2><p class="soft">Each has a reason and an end, is on record, and takes a second administrator.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Exceptions"><table><thead><tr><th scope="col">For</th><th scope="col">What</th><th scope="col">Reason</th><th scope="col">Who</th><th scope="col">Until</th><th scope="col">State</th></tr></thead>
<tbody>{}</tbody></table></div>"#,
        none,
        petitions,
        overrides
    );
    Ok(Page { title: "Requests", bar: Some(bar(&visit, signed_in)?), body }.ok())
}

/// What an override or a petition of this kind is about.
pub fn kind_in_words(kind: &str) -> &str {
    match kind {
        "exempt" => "sign in without a code",
        "reset" => "reset a lost authenticator",
        "unlock" => "unlock after too many codes",
        "resume" => "use the phone again that was reported lost",
        "policy" => "a looser policy",
        "role" => "a role",
        "ticket" => "a ticket",
        "client" => "a client",
        other => other,
    }
}

/// Whether an override of this kind answers a ticket to who asked for it.
pub fn answers_ticket(kind: &str) -> bool {
    matches!(kind, "reset" | "ticket")
}

fn petition_card(visit: &Visit, petition: &Petition, names: &Names) -> Html {
    let id = &petition.id;
    let hours = (petition.kind == "exempt").then(|| hours_field(id));
    html!(
        r#"<section class="card"><h3>{}: {}</h3><p>“{}”</p><p class="soft">{}</p>
<form method="post" action="/admin/act">{}<input type="hidden" name="operation" value="takeUpPetition">
<input type="hidden" name="id" value="{}"><input type="hidden" name="kind" value="{}">
<label for="reason-{}">Your reason, in a sentence</label><input id="reason-{}" name="reason" minlength="15" maxlength="200" required>{}
<button>Take up</button></form>
<form method="post" action="/admin/deny">{}<input type="hidden" name="id" value="{}">
<input type="hidden" name="reason" value="denied on the console"><button class="quiet">Deny</button></form></section>"#,
        names.of(&petition.user_id),
        kind_in_words(&petition.kind),
        petition.reason,
        when(&petition.created_at),
        visit.csrf(),
        id,
        petition.kind,
        id,
        id,
        hours,
        visit.csrf(),
        id
    )
}

fn hours_field(id: &str) -> Html {
    html!(
        r#"<label for="hours-{}">For how many hours</label>
<input id="hours-{}" name="hours" type="number" min="1" max="168" value="8" required>"#,
        id,
        id
    )
}

/// All that stands in no other column.
fn facts(facts: &Map<String, Value>) -> Vec<Html> {
    let elsewhere = ["kind", "user_id", "reason", "requested_by", "expires_at"];
    let rest = facts.iter().filter(|(name, _)| !elsewhere.contains(&name.as_str()));
    rest.map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        html!(r#"<br><span class="soft">{}: {}</span>"#, name, value)
    })
    .collect()
}

fn override_row(visit: &Visit, signed_in: &SignedIn, entry: &Override, names: &Names) -> Html {
    let approvals = format!("{} of {}", entry.approved_by.len(), entry.required_approvals);
    let approve = (entry.state == "requested").then(|| {
        html!(
            r#"<form method="post" action="/admin/act">{}<input type="hidden" name="operation" value="approveOverride">
<input type="hidden" name="id" value="{}"><input type="hidden" name="digest" value="{}"><button class="quiet">Approve</button></form>"#,
            visit.csrf(),
            entry.id,
            entry.digest
        )
    });
    let is_own = entry.requested_by == signed_in.user_id;
    let collect = (entry.state == "approved" && is_own && answers_ticket(&entry.kind)).then(|| {
        html!(
            r#"<form method="post" action="/admin/collect">{}<input type="hidden" name="id" value="{}"><button>Collect the ticket</button></form>"#,
            visit.csrf(),
            entry.id
        )
    });
    let revoke = (entry.state == "approved").then(|| {
        html!(
            r#"<form method="post" action="/admin/revoke">{}<input type="hidden" name="id" value="{}"><button class="quiet">Revoke</button></form>"#,
            visit.csrf(),
            entry.id
        )
    });
    html!(
        r#"<tr><td>{}</td><td>{}{}</td><td>{}</td><td>{}<br><span class="soft">{} approved</span></td><td>{}</td><td><span class="tag">{}</span>{}{}{}</td></tr>"#,
        entry.user_id.as_deref().map_or("everybody", |id| names.of(id)),
        kind_in_words(&entry.kind),
        facts(&entry.facts),
        entry.reason,
        names.of(&entry.requested_by),
        approvals,
        when(&entry.expires_at),
        entry.state,
        approve,
        collect,
        revoke
    )
}

#[get("/admin/people")]
async fn show_people(visit: Visit) -> Result<HttpResponse, Trouble> {
    let signed_in = visit.signed_in()?;
    let token = own_token(signed_in)?;
    let (users, names) = users(&visit, token).await?;
    let tickets: List<Ticket> = visit.console.api.get(token, "/v1/tickets?limit=100").await?;
    let rows: Vec<_> = users.iter().map(user_row).collect();
    let options: Vec<_> = users
        .iter()
        .map(|user| html!(r#"<option value="{}">{}</option>"#, user.id, user.display_name))
        .collect();
    let tickets: Vec<_> = tickets.items.iter().map(|ticket| ticket_row(ticket, &names)).collect();
    let body = html!(
        r#"<div class="scroll" tabindex="0" role="region" aria-label="People"><table><thead><tr><th scope="col">Name</th><th scope="col">Roles</th><th scope="col">State</th></tr></thead><tbody>{}</tbody></table></div>
<div class="columns">{}<section><h2>Tickets</h2><div class="scroll" tabindex="0" role="region" aria-label="Tickets"><table><thead><tr><th scope="col">For</th><th scope="col">Until</th><th scope="col">State</th></tr></thead><tbody>{}</tbody></table></div></section></div>"#,
        rows,
        help_form(&visit, &options),
        tickets
    );
    Ok(Page { title: "People", bar: Some(bar(&visit, signed_in)?), body }.ok())
}

fn user_row(user: &User) -> Html {
    let state = if user.offboarded_at.is_some() { "left" } else { "here" };
    let roles = if user.roles.is_empty() { "user".to_owned() } else { user.roles.join(", ") };
    html!("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", user.display_name, roles, state)
}

fn ticket_row(ticket: &Ticket, names: &Names) -> Html {
    let state = match (&ticket.redeemed_at, &ticket.revoked_at) {
        (Some(_), _) => "used",
        (None, Some(_)) => "revoked",
        (None, None) => "open",
    };
    html!(
        "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
        names.of(&ticket.user_id),
        when(&ticket.expires_at),
        state
    )
}

fn help_form(visit: &Visit, options: &[Html]) -> Html {
    let options: String = options.iter().map(|option| option.0.as_str()).collect();
    html!(
        r#"<section><h2>Help somebody</h2><form method="post" action="/admin/act" class="card">{}
<label for="user">Who</label><select id="user" name="user_id">{}</select>
<label for="help">How</label><select id="help" name="help">
<option value="ticket">A ticket for a first authenticator</option>
<option value="reset">Reset a lost authenticator</option>
<option value="exempt">Sign in without a code, for some hours</option>
<option value="unlock">Unlock after too many codes</option>
<option value="resume">Use the phone again that was reported lost</option></select>
<label for="reason">Your reason, in a sentence</label><input id="reason" name="reason" minlength="15" maxlength="200" required>
{}<button>Go on</button></form></section>"#,
        visit.csrf(),
        Html(options),
        hours_field("help")
    )
}

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(show_requests).service(show_people);
}
