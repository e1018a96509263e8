//! Steps 9 to 16: the button "Disable MFA", and the one way in which a user is relieved of codes for a while.

use serde_json::{Value, json};

use super::screen::{line, show};
use super::story::{AUDIENCE, Phone, Step, Story};
use super::talk::By;
use crate::mfa::time::{Span, Timestamp};

/// In their order.
pub(super) const STEPS: &[Step] = &[
    Step {
        title: "Ana presses \"Disable MFA\"",
        why: "The console could have known from the status that the button leads nowhere, and hidden it. \
              Pressed all the same, it is refused: there is no switch behind it, for anybody.",
        play: disable_is_refused,
        so: "refused, with the rule that demands MFA; the attempt is on record",
    },
    Step {
        title: "Ana files a petition",
        why: "What a user and a console can do is ask. A petition changes nothing by itself.",
        play: petition_is_filed,
        so: "it waits for an administrator",
    },
    Step {
        title: "The administrator takes the petition up, for 60 seconds",
        why: "The token alone is not enough to weaken: beginStepUp binds a challenge to exactly this act, \
              and a fresh code of the administrator's own phone is spent on it.",
        play: petition_is_taken_up,
        so: "an override: by name, for a reason, for one audience, with an end that can only come earlier",
    },
    Step {
        title: "Ana signs in without a code",
        why: "While the override runs the console may let ana into its own session.",
        play: ana_is_exempt,
        so: "exempt, until a date; no token, so every other console still refuses her",
    },
    Step {
        title: "The 60 seconds are over",
        why: "Nobody has to remember to switch MFA on again: expiry counts when a login is evaluated.",
        play: exemption_expires,
        so: "challenge again, by the clock alone",
    },
    Step {
        title: "A second override, ended early",
        why: "The repair takes longer, so the administrator relieves ana for an hour, with another fresh \
              code: each buys one act. Then the phone is back. Ending an override tightens, so the token \
              is enough, and it counts at once.",
        play: exemption_is_revoked,
        so: "exempt for an hour became challenge with one request",
    },
    Step {
        title: "Ana signs in with a code as ever",
        why: "Through all of this her factor stayed what it was: an exemption does not touch it.",
        play: ana_still_has_her_factor,
        so: "a token again",
    },
    Step {
        title: "An auditor asks what happened",
        why: "Every change has its event in the same transaction: no event, no change.",
        play: record_is_read,
        so: "who asked, who was refused, who weakened what, until when",
    },
];

fn disable_is_refused(story: &mut Story) -> Result<(), String> {
    let path = format!("/v1/users/{}/mfa", story.ana_id);
    let status = story.talk.get("getMfaStatus", &path, By::Console)?.with(200)?;
    let actions = status.list("/actions");
    let action = actions.iter().find(|action| text(action, "operation") == "requestDisable");
    let action = action.ok_or("expected `actions` to name requestDisable")?;
    story.screen.remark("Of its actions, the one behind the button:")?;
    show(action)?;
    let is_open = action.get("allowed") != Some(&Value::Bool(false));
    if is_open || text(action, "obstacle") != "mfa-disable-refused" {
        return Err("expected requestDisable not to be allowed: mfa-disable-refused".to_owned());
    }
    let path = format!("{path}/disable");
    story.screen.remark("Pressed all the same:")?;
    let refusal = story.talk.post("requestDisable", &path, By::Console, &json!({}))?;
    let refusal = refusal.refused(403, "mfa-disable-refused")?;
    refusal.text("/detail")?;
    refusal.says("/rule", "base")?.says("/policy_version", 1)?;
    Ok(())
}

fn petition_is_filed(story: &mut Story) -> Result<(), String> {
    let body = json!({
        "user_id": story.ana_id,
        "kind": "exempt",
        "reason": "My phone is in repair until this afternoon.",
    });
    let petition = story.talk.post("createPetition", "/v1/petitions", By::Console, &body)?;
    let petition = petition.with(201)?.says("/state", "open")?;
    story.petition_id = petition.text("/id")?;
    story.screen.remark("Ana signs in meanwhile:")?;
    story.ana_is_challenged()
}

fn petition_is_taken_up(story: &mut Story) -> Result<(), String> {
    let listed = story.talk.get("listPetitions", "/v1/petitions", By::Administrator)?.with(200)?;
    listed.says("/items/0/id", story.petition_id.as_str())?;
    let path = format!("/v1/petitions/{}/take-up", story.petition_id);
    let wish = json!({ "reason": "Ana showed her badge and the repair receipt.", "audiences": [AUDIENCE] });
    let body = with(&wish, "expires_at", in_a_minute(story));
    story.screen.remark("With the token alone:")?;
    let bare = story.talk.post("takeUpPetition", &path, By::Administrator, &body)?;
    bare.refused(403, "proof-required")?;
    // Read first, for that may take a while; then the 60 seconds begin.
    story.read_code(Phone::Administrator)?;
    let end = in_a_minute(story);
    let body = with(&wish, "expires_at", end.clone());
    let act = json!({
        "operation": "takeUpPetition", "petition_id": story.petition_id, "body": body,
    });
    let body = with(&body, "proof", proof(story, &act)?);
    let taken = story.talk.post("takeUpPetition", &path, By::Administrator, &body)?.with(201)?;
    let taken = taken.says("/override/state", "approved")?;
    let taken = taken.says("/override/requested_by", story.administrator_id.as_str())?;
    taken.says("/override/expires_at", end)?;
    Ok(())
}

fn in_a_minute(story: &Story) -> Value {
    json!(story.waiting.now().after(Span::seconds(60)))
}

/// The same body with one more member.
fn with(body: &Value, name: &str, value: Value) -> Value {
    let mut members = body.as_object().cloned().unwrap_or_default();
    members.insert(name.to_owned(), value);
    Value::Object(members)
}

/// The text of a member; empty if there is none.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The challenge for one act, and the code for it.
fn proof(story: &Story, act: &Value) -> Result<Value, String> {
    let step_up = story.talk.post("beginStepUp", "/v1/step-ups", By::Administrator, act)?;
    let challenge = step_up.with(200)?.text("/challenge/handle")?;
    Ok(json!({ "challenge": challenge, "code": story.code }))
}

fn ana_is_exempt(story: &mut Story) -> Result<(), String> {
    let answer = story.ana_signs_in("exempt")?;
    if !answer.at("/tokens").is_null() {
        return Err("expected no token for an exempt login".to_owned());
    }
    let until = answer.text("/expires_at")?;
    story.exempt_until =
        Timestamp::parse(&until).map_err(|_| "expected `expires_at` to be an instant")?;
    Ok(())
}

fn exemption_expires(story: &mut Story) -> Result<(), String> {
    story.waiting.until(story.exempt_until, "the override is over", story.screen)?;
    story.ana_is_challenged()
}

fn exemption_is_revoked(story: &mut Story) -> Result<(), String> {
    story.read_code(Phone::Administrator)?;
    let body = json!({
        "user_id": story.ana_id,
        "kind": "exempt",
        "reason": "The repair takes an hour longer.",
        "audiences": [AUDIENCE],
        "expires_at": story.waiting.now().after(Span::hours(1)),
    });
    let act = json!({ "operation": "requestOverride", "body": body });
    let body = with(&body, "proof", proof(story, &act)?);
    let made = story.talk.post("requestOverride", "/v1/overrides", By::Administrator, &body)?;
    let made = made.with(201)?.says("/override/state", "approved")?;
    let id = made.text("/override/id")?;
    story.screen.remark("Ana signs in:")?;
    story.ana_signs_in("exempt")?.says("/override_id", id.as_str())?;
    story.screen.remark("The phone is back, and the administrator ends the override:")?;
    let path = format!("/v1/overrides/{id}/revoke");
    let revoked = story.talk.post("revokeOverride", &path, By::Administrator, &json!({}))?;
    revoked.with(200)?.says("/state", "revoked")?;
    story.screen.remark("Ana signs in again:")?;
    story.ana_is_challenged()
}

fn ana_still_has_her_factor(story: &mut Story) -> Result<(), String> {
    story.read_code(Phone::Ana)?;
    story.verified()
}

/// What must be on record about ana, in this order: the kind, and what kind of actor it was.
const RECORD: &[(&str, &str)] = &[
    ("user.created", "client"),
    ("enrollment.begun", "client"),
    ("code.rejected", "client"),
    ("enrollment.confirmed", "client"),
    ("code.rejected", "client"),
    ("code.verified", "client"),
    ("code.rejected", "client"),
    ("disable.refused", "client"),
    ("petition.filed", "client"),
    ("override.approved", "person"),
    ("login.exempt", "client"),
    ("challenge.opened", "client"),
    ("override.approved", "person"),
    ("login.exempt", "client"),
    ("override.revoked", "person"),
    ("challenge.opened", "client"),
    ("code.verified", "client"),
];

fn record_is_read(story: &mut Story) -> Result<(), String> {
    let path = "/v1/events?limit=100";
    let page = story.talk.get_quietly("listEvents", path, By::Administrator)?.with(200)?;
    let events = page.list("/items");
    for event in events {
        line(&format!("    {}", row(story, event)))?;
    }
    let mut found = events.iter().filter(|event| text(event, "user_id") == story.ana_id);
    for (kind, actor) in RECORD {
        let is_it = |e: &Value| text(e, "kind") == *kind && text(e, "actor_kind") == *actor;
        if !found.any(is_it) {
            return Err(format!("expected the event {kind} by a {actor}, and in its place"));
        }
    }
    Ok(())
}

/// One event in one line: when, what, by whom, about whom.
fn row(story: &Story, event: &Value) -> String {
    let name = |id: &str| match id {
        id if id == story.ana_id => "ana",
        id if id == story.administrator_id => "admin",
        "server" => "server",
        "" => "",
        _ => "console",
    };
    let (by, about) = (name(text(event, "actor_id")), name(text(event, "user_id")));
    let (at, kind) = (text(event, "at"), text(event, "kind"));
    let about = if about.is_empty() { String::new() } else { format!("about {about}") };
    format!("{at}  {kind:<24} by {by:<8} {about}").trim_end().to_owned()
}
