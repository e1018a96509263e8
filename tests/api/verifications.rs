//! `verifyCode`: a code works once, and guessing costs.

use serde_json::json;

use crate::support::{Act, Server, User};

fn ana(server: &Server) -> User {
    server.tenant("acme").console.user("ana").enrolled()
}

#[test]
fn a_right_code_yields_one_token_for_each_audience() {
    let server = Server::start();
    let ana = ana(&server);
    let code = ana.code();
    let own = ana.console.own_audience();
    let decision = ana.evaluate_for(&["acme", &own]).ok();
    let body = ana.verify(decision["challenge"]["handle"].as_str().unwrap(), &code).ok();
    let audiences: Vec<_> =
        body["tokens"].as_array().unwrap().iter().map(|t| &t["audience"]).collect();
    assert_eq!(audiences, [&json!("acme"), &json!(own)]);
}

#[test]
fn a_spent_code_is_refused_like_a_wrong_one() {
    let server = Server::start();
    let ana = ana(&server);
    let code = ana.code();
    ana.verify(&ana.challenge(), &code).ok();
    let challenge = ana.challenge();
    let mut replayed = ana.verify(&challenge, &code).refused("code-rejected");
    let mut wrong = ana.verify(&challenge, &ana.wrong_code()).refused("code-rejected");
    replayed["instance"] = json!(null);
    wrong["instance"] = json!(null);
    assert_eq!(replayed, wrong);
}

#[test]
fn the_code_that_confirmed_an_enrollment_is_spent() {
    let server = Server::start();
    let ana = ana(&server);
    let shown = ana.phone.as_ref().unwrap().shown(&server);
    ana.verify(&ana.challenge(), &shown).refused("code-rejected");
}

#[test]
fn the_third_wrong_code_blocks_even_the_right_one() {
    let server = Server::start();
    let ana = ana(&server);
    let (challenge, code) = (ana.challenge(), ana.code());
    for _ in 0..3 {
        ana.verify(&challenge, &ana.wrong_code()).refused("code-rejected");
    }
    let problem = ana.verify(&challenge, &code);
    assert_eq!(
        problem.header("retry-after"),
        problem.body["retry_after_seconds"].as_i64().map(|s| s.to_string()).as_deref()
    );
    problem.refused("too-many-attempts");
    server.advance(30);
    ana.verify(&challenge, &ana.code()).ok();
}

#[test]
fn a_challenge_takes_five_codes() {
    let server = Server::start();
    let ana = ana(&server);
    let challenge = ana.challenge();
    for wait in [0, 0, 30, 60, 120] {
        server.advance(wait);
        ana.verify(&challenge, &ana.wrong_code()).refused("code-rejected");
    }
    ana.verify(&challenge, &ana.code()).refused("challenge-over");
}

#[test]
fn dead_handles_are_all_alike() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let ana = console.user("ana").enrolled();
    let other = console.another(&admin, "portal", &["login"]);
    let (used, expired) = (ana.challenge(), ana.challenge());
    ana.verify(&used, &ana.code()).ok();
    server.advance(300);
    let enroll = console.user("new").challenge();
    let act = admin.step_up(&Act::request(&ana.id, "unlock"));
    let foreign = server.tenant("other").console.user("eve").enrolled().challenge();
    let code = ana.code();
    let mut said = Vec::new();
    for handle in [&used, &expired, &enroll, &act, &foreign, "", "mch_nothing", &console.key] {
        let mut problem = ana.verify(handle, &code).refused("challenge-over");
        problem["instance"] = json!(null);
        said.push(problem);
    }
    let live = ana.challenge();
    let body = json!({ "challenge": live, "code": code });
    let mut problem = other.call("verifyCode").json(&body).send().refused("challenge-over");
    problem["instance"] = json!(null);
    said.push(problem);
    said.dedup();
    assert_eq!(said.len(), 1);
    console.call("offboardUser").at("user_id", &ana.id).send().ok();
    ana.verify(&live, &code).refused("challenge-over");
}

#[test]
fn a_challenge_is_no_bearer_token() {
    let server = Server::start();
    let ana = ana(&server);
    let call = server.call("getMfaStatus").at("user_id", &ana.id).bearer(&ana.challenge());
    call.send().refused("unauthenticated");
}

#[test]
fn codes_are_taken_as_people_type_them() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana").enrolled();
    let spelled: [fn(&str) -> String; 4] = [
        |code| format!(" {}\u{a0}{} ", &code[..3], &code[3..]),
        |code| format!("{}\u{2013}{}", &code[..3], &code[3..]),
        |code| code.bytes().map(|b| char::from_u32(0xfee0 + u32::from(b)).unwrap()).collect(),
        |code| code.bytes().map(|b| char::from_u32(0x630 + u32::from(b)).unwrap()).collect(),
    ];
    for spell in spelled {
        let code = spell(&ana.code());
        ana.verify(&ana.challenge(), &code).ok();
    }
    for (odd, reason) in [
        ("12345", "wants 6 to 100 characters, has 5"),
        ("1234 567", "wants 6 or 8 digits"),
        ("12345a", "wants 6 or 8 digits"),
    ] {
        let problem = ana.verify(&ana.challenge(), odd).refused("invalid-request");
        assert_eq!((&problem["field"], &problem["reason"]), (&json!("code"), &json!(reason)));
    }
    let code = ana.recovery_codes[0].replace('-', "\u{2013}").to_lowercase();
    let wide: String = code
        .chars()
        .map(|c| if c.is_ascii() { char::from_u32(0xfee0 + u32::from(c)).unwrap() } else { c })
        .collect();
    let body = json!({ "challenge": ana.challenge(), "recovery_code": format!("{wide}.") });
    ana.console.call("useRecoveryCode").json(&body).send().ok();
}
