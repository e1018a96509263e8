//! Authority is checked when it counts: a request or an approval of a person who lost a phone, the role or
//! the console since is none.

use serde_json::json;

use crate::api::overrides::{Board, state_of};
use crate::support::{Act, REASON, Server, User};

#[test]
fn the_approval_of_a_person_who_reported_a_loss_does_not_count() {
    let board = Board::set();
    board.a.tighten(|policy| policy["base"]["approvals"] = json!(2));
    let asked = board.waiting(&Act::request(&board.ana.id, "unlock"));
    assert_eq!(board.b.act(&Act::approve(&asked)).status, 202);
    board.b.lose_phone();
    assert_eq!(board.c.act(&Act::approve(&asked)).status, 202);
    assert_eq!(state_of(&board.a, &asked), "requested");
}

#[test]
fn a_loss_withdraws_the_requests_of_its_person() {
    let board = Board::set();
    let asked = board.waiting(&Act::request(&board.ana.id, "unlock"));
    board.a.lose_phone();
    assert_eq!(state_of(&board.b, &asked), "withdrawn");
    board.b.act(&Act::approve(&asked)).refused("override-not-open");
}

/// A console that was disabled since vouches for nothing any more.
#[test]
fn what_came_through_a_disabled_client_does_not_count() {
    let board = Board::set();
    let (console, elsewhere) = board.elsewhere(&board.b);
    let asked = elsewhere.act(&Act::request(&board.ana.id, "unlock")).ok()["override"].clone();
    assert_eq!(state_of(&board.a, &asked), "requested");
    board.a.act(&Act::disable(&console.client_id)).ok();
    board.c.act(&Act::approve(&asked)).refused("override-not-open");
}

#[test]
fn one_administrator_does_not_resume_the_factor_of_another() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let first = tenant.administrator();
    let bea = tenant.second_administrator(&first, "bea");
    bea.lose_phone();
    first.forget();
    first.act(&Act::request(&bea.id, "resume")).refused("second-person-required");
    first.act(&Act::request(&bea.id, "unlock")).ok();
    assert_eq!(bea.evaluate().ok()["decision"], "recover");
}

#[test]
fn a_suspended_factor_is_resumed_by_an_override_of_that_kind() {
    let board = Board::set();
    board.a.act(&Act::request(&board.ana.id, "resume")).refused("factor-not-suspended");
    board.ana.lose_phone();
    let asked = board.waiting(&Act::request(&board.ana.id, "resume"));
    let twice = board.waiting(&Act::request(&board.ana.id, "resume"));
    board.b.act(&Act::approve(&asked)).ok();
    board.ana.sign_in().ok();
    board.b.act(&Act::approve(&twice)).refused("factor-not-suspended");
}

/// A reset that was asked for before ends no factor that the user bound since.
#[test]
fn a_reset_that_waited_ends_no_new_factor() {
    let mut board = Board::set();
    let asked = board.waiting(&Act::request(&board.ana.id, "reset"));
    let begun = board.ana.act(&Act::new("beginRotation", json!({}))).ok();
    board.ana.scan(&begun).ok();
    board.b.act(&Act::approve(&asked)).refused("override-not-open");
}

/// The phone that is lost again is not resumed by what was asked for before.
#[test]
fn a_request_to_resume_ends_with_the_next_report_of_loss() {
    let board = Board::set();
    board.ana.lose_phone();
    let take = |user: &User| {
        let petition = board.tenant.console.petition(&user.id, "resume").ok();
        let act = Act::new("takeUpPetition", json!({ "reason": REASON }));
        act.with("petition_id", petition["id"].as_str().unwrap())
    };
    board.a.act(&take(&board.b)).refused("factor-not-suspended");
    let asked = board.waiting(&take(&board.ana));
    let decision = board.ana.evaluate().ok();
    let body = json!({
        "challenge": decision["challenge"]["handle"], "reason": REASON,
        "recovery_code": board.ana.recovery_codes[0],
    });
    board.tenant.console.call("reportLoss").json(&body).send().ok();
    assert_eq!(state_of(&board.a, &asked), "withdrawn");
    board.b.act(&Act::approve(&asked)).refused("override-not-open");
}
