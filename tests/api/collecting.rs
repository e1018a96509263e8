//! A secret is answered to who asked for it, once, after the last approval, and to nobody else.

use serde_json::{Value, json};

use crate::api::overrides::{Board, state_of};
use crate::support::{Act, Answer, Server, User};

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

/// What `a` asked for and `b` approved.
fn approved(board: &Board, act: &Act) -> Value {
    let asked = board.waiting(act);
    board.b.act(&Act::approve(&asked)).ok();
    asked
}

fn redeem(board: &Board, user: &User, ticket: &Value) -> Answer {
    let body = json!({ "challenge": user.challenge(), "ticket": ticket["ticket"] });
    board.tenant.console.call("redeemTicket").json(&body).send()
}

#[test]
fn the_approver_reads_no_secret_and_the_requester_reads_it_once() {
    let board = Board::set();
    let cleo = board.tenant.console.user("cleo");
    let role = board.waiting(&Act::grant(&cleo.id, "helpdesk"));
    board.b.act(&Act::approve(&role)).ok();
    let portal = board.tenant.console.client_id.clone();
    let acts = [
        ("ticket", "mtk_", Act::request(&board.ana.id, "reset")),
        ("ticket", "mtk_", Act::ticket(&cleo.id)),
        ("client_key", "pawl_", Act::client("shop", &["login", "users"])),
        ("client_key", "pawl_", Act::rotate(&portal)),
    ];
    for (member, prefix, act) in acts {
        let what = act.operation();
        let asked = board.waiting(&act);
        board.a.collect(&asked).refused("override-not-open");
        let said = board.b.act(&Act::approve(&asked));
        assert_eq!((said.status, &said.body["state"]), (200, &json!("approved")), "{what}");
        assert!(!said.body.to_string().contains(prefix), "{what}: {}", said.body);
        for other in [&board.b, &board.c] {
            other.collect(&asked).refused("not-an-approver");
        }
        let collected = board.a.collect(&asked).ok();
        assert_eq!(collected["override"]["state"], "used", "{what}");
        let secret = if member == "ticket" { "ticket" } else { "key" };
        let secret = collected[member][secret].as_str().unwrap().to_owned();
        assert!(secret.starts_with(prefix), "{what}");
        board.a.collect(&asked).refused("override-not-open");
        let shown = board.a.call("getOverride").at("override_id", &id(&asked)).send().ok();
        assert!(!shown.to_string().contains(&secret), "{what}: {shown}");
    }
}

/// Another console, at which the requester signs in too, does not collect what was asked for here.
#[test]
fn another_console_does_not_collect() {
    let board = Board::set();
    let (_, elsewhere) = board.elsewhere(&board.a);
    let asked = approved(&board, &Act::request(&board.ana.id, "reset"));
    elsewhere.collect(&asked).refused("not-an-approver");
    board.a.collect(&asked).ok();
}

#[test]
fn what_was_collected_works_and_its_event_is_the_requesters() {
    let board = Board::set();
    let mut ana = board.tenant.console.user("ana");
    let reset = board.a.collect(&approved(&board, &Act::request(&ana.id, "reset"))).ok();
    let begun = redeem(&board, &ana, &reset["ticket"]).ok();
    ana.scan(&begun).ok();
    ana.sign_in().ok();
    let asked = approved(&board, &Act::client("shop", &["login", "users"]));
    let made = board.a.collect(&asked).ok();
    let key = made["client_key"]["key"].as_str().unwrap();
    board.server.call("listUsers").bearer(key).send().ok();
    for kind in ["override.used", "ticket.created", "factor.ended", "client.created"] {
        let events = board.tenant.console.call("listEvents").query("kind", kind).send().ok();
        let last = events["items"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["actor_id"], json!(board.a.id), "{kind}: {last}");
    }
}

/// The whole execution is the requester's: until then the factor of who is reset works.
#[test]
fn a_reset_ends_the_factor_when_it_is_collected() {
    let board = Board::set();
    let asked = approved(&board, &Act::request(&board.ana.id, "reset"));
    board.ana.sign_in().ok();
    board.a.collect(&asked).ok();
    assert_eq!(board.ana.evaluate().ok()["decision"], "ticket_required");
}

#[test]
fn only_an_approved_override_with_a_secret_is_collected() {
    let board = Board::set();
    let until = json!(board.server.at(3600));
    let exempt = Act::request(&board.ana.id, "exempt").set("audiences", json!(["acme"]));
    let in_force = approved(&board, &exempt.set("expires_at", until));
    assert_eq!(state_of(&board.a, &in_force), "approved");
    board.a.collect(&in_force).refused("override-not-open");
    let done = approved(&board, &Act::request(&board.ana.id, "unlock"));
    assert_eq!(state_of(&board.a, &done), "used");
    board.a.collect(&done).refused("override-not-open");
    let unknown = json!({ "id": format!("ovr_{}", "0".repeat(32)) });
    board.a.collect(&unknown).refused("not-found");
    let revoked = approved(&board, &Act::request(&board.ana.id, "reset"));
    board.b.call("revokeOverride").at("override_id", &id(&revoked)).send().ok();
    board.a.collect(&revoked).refused("override-not-open");
}

#[test]
fn an_override_that_nobody_collects_expires() {
    let board = Board::set();
    let asked = approved(&board, &Act::request(&board.ana.id, "reset"));
    board.server.advance(24 * 3600);
    board.a.forget();
    board.a.collect(&asked).refused("override-not-open");
    assert_eq!(state_of(&board.a, &asked), "expired");
    board.ana.sign_in().ok();
}

#[test]
fn a_loss_of_the_requester_ends_what_they_did_not_collect() {
    let board = Board::set();
    let asked = approved(&board, &Act::request(&board.ana.id, "reset"));
    let client = approved(&board, &Act::client("shop", &["login"]));
    board.a.lose_phone();
    for one in [&asked, &client] {
        assert_eq!(state_of(&board.b, one), "revoked");
    }
    let resume = board.b.act(&Act::request(&board.a.id, "resume")).ok();
    board.c.act(&Act::approve(&resume["override"])).ok();
    board.a.collect(&asked).refused("override-not-open");
}

#[test]
fn the_requesters_role_is_looked_at_again() {
    let board = Board::set();
    let asked = approved(&board, &Act::request(&board.ana.id, "reset"));
    board.b.act(&Act::revoke(&board.a.id, "admin")).ok();
    board.a.forget();
    board.a.collect(&asked).refused("forbidden");
    let again = board.b.act(&Act::grant(&board.a.id, "admin")).ok();
    board.c.act(&Act::approve(&again["override"])).ok();
    board.a.forget();
    board.a.collect(&asked).refused("override-not-open");
    assert_eq!(state_of(&board.a, &asked), "approved");
}

#[test]
fn the_approvals_are_counted_again() {
    let board = Board::set();
    let asked = approved(&board, &Act::request(&board.ana.id, "reset"));
    board.b.lose_phone();
    board.a.collect(&asked).refused("override-not-open");
    board.ana.sign_in().ok();
}

#[test]
fn a_policy_that_demands_more_approvals_since_is_obeyed() {
    let board = Board::set();
    let asked = approved(&board, &Act::request(&board.ana.id, "reset"));
    board.a.tighten(|policy| policy["base"]["approvals"] = json!(2));
    board.a.collect(&asked).refused("override-not-open");
}

#[test]
fn what_became_impossible_is_not_collected() {
    let board = Board::set();
    let gone = board.tenant.console.user("gone").enrolled();
    let of_gone = approved(&board, &Act::request(&gone.id, "reset"));
    board.tenant.console.call("offboardUser").at("user_id", &gone.id).send().ok();
    board.a.collect(&of_gone).refused("user-offboarded");
    let mut late = board.tenant.console.user("late");
    approved(&board, &Act::grant(&late.id, "helpdesk"));
    let tickets = [(); 2].map(|()| approved(&board, &Act::ticket(&late.id)));
    let issued = board.a.collect(&tickets[0]).ok();
    let begun = redeem(&board, &late, &issued["ticket"]).ok();
    late.scan(&begun).ok();
    board.a.collect(&tickets[1]).refused("already-enrolled");
}

#[test]
fn what_is_done_has_a_place_and_what_waits_has_one() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    let place = |answer: &Answer| answer.header("location").unwrap().to_owned();
    let made = admin.act(&Act::client("shop", &["login"]));
    let client = made.body["client_key"]["client_id"].as_str().unwrap();
    assert_eq!(made.status, 201);
    assert_eq!(place(&made), format!("https://pawl.test/v1/clients/{client}"));
    let reset = admin.act(&Act::request(&ana.id, "reset"));
    let url = |answer: &Answer| {
        let id = answer.body["override"]["id"].as_str().unwrap();
        format!("https://pawl.test/v1/overrides/{id}")
    };
    assert_eq!((reset.status, place(&reset)), (201, url(&reset)));
    assert!(reset.body["ticket"]["ticket"].is_string(), "no approval is needed: {}", reset.body);
    let role = admin.act(&Act::grant(&ana.id, "auditor"));
    assert_eq!((role.status, place(&role)), (201, url(&role)));
    let board = Board::set();
    for act in [
        Act::client("shop", &["login"]),
        Act::request(&board.ana.id, "reset"),
        Act::grant(&board.ana.id, "auditor"),
        Act::rotate(&board.tenant.console.client_id),
    ] {
        let waits = board.a.act(&act);
        assert_eq!((waits.status, place(&waits)), (202, url(&waits)), "{}", act.operation());
    }
}
