//! Recovery codes and reports of loss: a way back in, and never a token.

use serde_json::json;

use crate::support::{Answer, REASON, Server, User};

fn recover(user: &User, challenge: &str, code: &str) -> Answer {
    let body = json!({ "challenge": challenge, "recovery_code": code });
    user.console.call("useRecoveryCode").json(&body).send()
}

fn ana(server: &Server) -> User {
    server.tenant("acme").console.user("ana").enrolled()
}

const WRONG: &str = "00000-00000-00000-00000-00000";

#[test]
fn a_recovery_code_yields_the_right_to_enroll_again() {
    let server = Server::start();
    let mut ana = ana(&server);
    let code = ana.recovery_codes[0].clone();
    let recovered = recover(&ana, &ana.challenge(), &code).ok();
    assert_eq!(recovered["recovery_codes_left"], 9);
    recover(&ana, &ana.challenge(), &code).refused("code-rejected");
    let old = ana.code();
    let challenge = json!({ "challenge": recovered["challenge"]["handle"] });
    let begun = ana.console.call("beginEnrollment").json(&challenge).send().ok();
    ana.verify(&ana.challenge(), &old).ok();
    ana.scan(&begun).ok();
    ana.sign_in().ok();
}

#[test]
fn wrong_recovery_codes_have_a_budget_of_their_own() {
    let server = Server::start();
    let ana = ana(&server);
    recover(&ana, "mch_nothing", &ana.recovery_codes[0]).refused("challenge-over");
    for _ in 0..5 {
        recover(&ana, &ana.challenge(), WRONG).refused("code-rejected");
    }
    recover(&ana, &ana.challenge(), &ana.recovery_codes[0]).refused("too-many-attempts");
    ana.sign_in().ok();
}

#[test]
fn a_loss_reported_with_the_password_alone_is_a_petition() {
    let server = Server::start();
    let ana = ana(&server);
    let challenge = ana.challenge();
    let report = ana.report(&challenge, None).ok();
    assert_eq!(
        (&report["outcome"], &report["petition"]["kind"]),
        (&json!("petitioned"), &json!("reset"))
    );
    ana.report(&challenge, None).refused("challenge-over");
    ana.sign_in().ok();
}

/// With three open petitions a report files no fourth one, and its reason is not lost.
#[test]
fn the_reason_of_each_report_of_loss_is_in_the_log() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    let report = |reason: &str| {
        let body = json!({ "challenge": ana.challenge(), "reason": reason });
        tenant.console.call("reportLoss").json(&body).send().ok()["petition"]["id"].clone()
    };
    let mut filed = Vec::new();
    for number in 1..=4 {
        server.advance(1);
        filed.push(report(&format!("the phone fell into the river, report {number}")));
    }
    assert_eq!(filed[2], filed[3]);
    ana.lose_phone();
    let events = admin.call("listEvents").query("kind", "loss.reported").send().ok();
    let reasons: Vec<&str> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["data"]["reason"].as_str())
        .collect();
    assert_eq!(reasons.len(), 5);
    assert!(
        reasons.contains(&"the phone fell into the river, report 4") && reasons.contains(&REASON)
    );
}

#[test]
fn a_loss_reported_with_a_code_suspends_the_factor() {
    let server = Server::start();
    let ana = ana(&server);
    let token = ana.token();
    ana.report(&ana.challenge(), Some(&ana.wrong_code())).refused("code-rejected");
    let code = ana.code();
    assert_eq!(ana.report(&ana.challenge(), Some(&code)).ok()["outcome"], "suspended");
    let decision = ana.evaluate().ok();
    assert_eq!(decision["decision"], "recover");
    let challenge = decision["challenge"]["handle"].as_str().unwrap();
    ana.verify(challenge, &ana.code()).refused("code-rejected");
    let call = server.call("getMfaStatus").at("user_id", &ana.id).bearer(&token);
    call.send().refused("unauthenticated");
}

/// A thief with the password and one recovery code keeps nothing of what they began, also if the factor
/// was suspended before.
#[test]
fn a_report_of_loss_ends_everything_that_is_open() {
    let server = Server::start();
    let mut ana = ana(&server);
    let opened = |ana: &User, code: usize| {
        let handle = ana.evaluate().ok()["challenge"]["handle"].as_str().unwrap().to_owned();
        let used = recover(ana, &handle, &ana.recovery_codes[code]).ok();
        used["challenge"]["handle"].as_str().unwrap().to_owned()
    };
    let enroll = |ana: &User, challenge: &str| {
        ana.console.call("beginEnrollment").json(&json!({ "challenge": challenge })).send()
    };
    let (first, second) = (opened(&ana, 0), opened(&ana, 1));
    let begun = enroll(&ana, &first).ok();
    let code = ana.code();
    ana.report(&ana.challenge(), Some(&code)).ok();
    enroll(&ana, &second).refused("challenge-over");
    let old = ana.phone.clone();
    ana.scan(&begun).refused("enrollment-over");
    ana.phone = old;
    let third = opened(&ana, 2);
    let handle = ana.evaluate().ok()["challenge"]["handle"].clone();
    let body = json!({
        "challenge": handle, "reason": REASON, "recovery_code": ana.recovery_codes[3],
    });
    assert_eq!(ana.console.call("reportLoss").json(&body).send().ok()["outcome"], "suspended");
    enroll(&ana, &third).refused("challenge-over");
}

#[test]
fn a_loss_reported_with_wrong_codes_is_throttled() {
    let server = Server::start();
    let ana = ana(&server);
    for _ in 0..3 {
        ana.report(&ana.challenge(), Some(&ana.wrong_code())).refused("code-rejected");
    }
    ana.report(&ana.challenge(), Some(&ana.wrong_code())).refused("too-many-attempts");
}

#[test]
fn a_loss_is_reported_with_one_kind_of_code() {
    let server = Server::start();
    let ana = ana(&server);
    let report = |code: Option<String>, recovery_code: &str| {
        let body = json!({
            "challenge": ana.challenge(), "reason": REASON,
            "code": code, "recovery_code": recovery_code,
        });
        ana.console.call("reportLoss").json(&body).send()
    };
    report(Some(ana.code()), &ana.recovery_codes[0]).refused("invalid-request");
    report(None, WRONG).refused("code-rejected");
    assert_eq!(report(None, &ana.recovery_codes[0]).ok()["outcome"], "suspended");
}
