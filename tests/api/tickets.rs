//! Tickets: a right to enroll that is worth nothing without the user's own login.

use serde_json::{Value, json};

use crate::support::{Act, Answer, Console, Server};

fn redeem(console: &Console, ticket: &Value, challenge: &str) -> Answer {
    let body = json!({ "ticket": ticket, "challenge": challenge });
    console.call("redeemTicket").json(&body).send()
}

#[test]
fn a_ticket_enrolls_its_user_after_their_own_login() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    admin.tighten(|policy| policy["base"]["self_enrollment"] = json!("ticket_only"));
    let (mut bo, eve) = (console.user("bo"), console.user("eve"));
    let issued = admin.act(&Act::ticket(&bo.id));
    assert_eq!(issued.status, 201);
    let ticket = issued.ok()["ticket"].clone();
    redeem(console, &ticket, "mch_nothing").refused("challenge-over");
    redeem(console, &ticket, &eve.challenge()).refused("ticket-over");
    redeem(console, &json!("mtk_nothing"), &bo.challenge()).refused("ticket-over");
    let begun = redeem(console, &ticket, &bo.challenge()).ok();
    redeem(console, &ticket, &bo.challenge()).refused("ticket-over");
    let late = bo.challenge();
    bo.scan(&begun).ok();
    redeem(console, &ticket, &late).refused("already-enrolled");
    let list = admin.call("listTickets").send().ok();
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    admin.call("revokeTicket").at("ticket_id", &id).send().refused("ticket-over");
}

#[test]
fn a_ticket_ends_by_time_and_by_revocation() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let bo = console.user("bo");
    let make = || admin.act(&Act::ticket(&bo.id)).ok();
    let (first, revoked) = (make(), make());
    redeem(console, &first["ticket"], &bo.challenge()).refused("ticket-over");
    let revoke =
        || admin.call("revokeTicket").at("ticket_id", revoked["id"].as_str().unwrap()).send();
    assert!(revoke().ok()["revoked_at"].is_string());
    assert!(revoke().ok()["revoked_at"].is_string());
    redeem(console, &revoked["ticket"], &bo.challenge()).refused("ticket-over");
    let expired = make();
    server.advance(72 * 3600);
    redeem(console, &expired["ticket"], &bo.challenge()).refused("ticket-over");
}

#[test]
fn a_ticket_is_for_somebody_else_who_never_enrolled() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let (ana, gone) = (console.user("ana").enrolled(), console.user("gone"));
    console.call("offboardUser").at("user_id", &gone.id).send().ok();
    admin.act(&Act::ticket(&admin.id)).refused("own-account");
    admin.act(&Act::ticket(&gone.id)).refused("user-offboarded");
    admin.act(&Act::ticket(&ana.id)).refused("already-enrolled");
}

#[test]
fn a_reset_answers_a_ticket_and_the_trust_starts_anew() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let mut ana = console.user("ana").enrolled();
    let done = admin.act(&Act::request(&ana.id, "reset")).ok();
    let begun = redeem(console, &done["ticket"]["ticket"], &ana.challenge()).ok();
    ana.scan(&begun).ok();
    ana.sign_in().ok();
}
