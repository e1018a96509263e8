//! Enrollments and rotations: a secret is shown once and bound by its first code.

use serde_json::{Value, json};

use crate::support::{Act, Answer, Console, Server, User};

fn begin(console: &Console, challenge: &str) -> Answer {
    console.call("beginEnrollment").json(&json!({ "challenge": challenge })).send()
}

fn confirm(console: &Console, enrollment: &Value, code: &str) -> Answer {
    let body = json!({ "enrollment": enrollment, "code": code });
    console.call("confirmEnrollment").json(&body).send()
}

fn cancel(console: &Console, enrollment: &Value) -> Answer {
    console.call("cancelEnrollment").json(&json!({ "enrollment": enrollment })).send()
}

#[test]
fn a_confirmed_enrollment_answers_the_logins_tokens_and_ten_recovery_codes() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let mut ana = console.user("ana");
    let begun = begin(&console, &ana.challenge()).ok();
    assert_eq!((&begun["digits"], &begun["period"]), (&json!(6), &json!(30)));
    let done = ana.scan(&begun).ok();
    assert_eq!(done["tokens"][0]["audience"], json!(console.own_audience()));
    assert_eq!(done["recovery_codes"].as_array().unwrap().len(), 10);
    let status = ana.call("getMfaStatus").at("user_id", &ana.id).send().ok();
    assert_eq!(status["factor"]["state"], "active");
}

#[test]
fn every_algorithm_works() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    for algorithm in ["SHA1", "SHA256", "SHA512"] {
        let mut user = console.user(algorithm);
        let body = json!({ "challenge": user.challenge(), "algorithm": algorithm });
        let begun = console.call("beginEnrollment").json(&body).send().ok();
        assert_eq!(begun["algorithm"], algorithm);
        user.scan(&begun).ok();
        user.sign_in().ok();
    }
}

#[test]
fn beginning_takes_a_live_challenge_of_a_user_who_may() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let console = &tenant.console;
    let (admin, mut ana) = (tenant.administrator(), console.user("ana"));
    begin(console, "mch_nothing").refused("challenge-over");
    let (first, second, third) = (ana.challenge(), ana.challenge(), ana.challenge());
    let begun = begin(console, &first).ok();
    begin(console, &first).refused("challenge-over");
    ana.scan(&begun).ok();
    begin(console, &second).refused("already-enrolled");
    server.advance(300);
    begin(console, &third).refused("challenge-over");
    let bo = console.user("bo");
    let early = bo.challenge();
    admin.tighten(|policy| policy["base"]["self_enrollment"] = json!("ticket_only"));
    begin(console, &early).refused("ticket-required");
}

#[test]
fn a_wrong_first_code_is_charged_and_a_dead_enrollment_is_over() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let mut ana = console.user("ana");
    confirm(&console, &json!("men_nothing"), "000000").refused("enrollment-over");
    let begun = begin(&console, &ana.challenge()).ok();
    let phone = crate::support::Authenticator::scan(begun["otpauth_uri"].as_str().unwrap());
    for _ in 0..3 {
        let wrong = phone.wrong_code(&server);
        confirm(&console, &begun["enrollment"], &wrong).refused("code-rejected");
    }
    let code = phone.fresh_code(&server);
    confirm(&console, &begun["enrollment"], &code).refused("too-many-attempts");
    server.advance(30);
    ana.confirm(&begun["enrollment"], phone).ok();
    let over = json!({ "enrollment": begun["enrollment"] });
    console.call("cancelEnrollment").json(&over).send().refused("enrollment-over");
}

#[test]
fn an_enrollment_waits_fifteen_minutes_and_a_later_one_replaces_it() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let mut ana = console.user("ana");
    let earlier = begin(&console, &ana.challenge()).ok();
    let later = begin(&console, &ana.challenge()).ok();
    ana.scan(&earlier).refused("enrollment-over");
    server.advance(900);
    ana.scan(&later).refused("enrollment-over");
}

#[test]
fn a_cancelled_enrollment_is_over() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let mut ana = console.user("ana");
    cancel(&console, &json!("men_nothing")).refused("enrollment-over");
    let begun = begin(&console, &ana.challenge()).ok();
    assert_eq!(cancel(&console, &begun["enrollment"]).status, 204);
    ana.scan(&begun).refused("enrollment-over");
    assert_eq!(ana.evaluate().ok()["decision"], "enroll");
}

fn rotate(user: &User) -> Value {
    user.act(&Act::new("beginRotation", json!({}))).ok()
}

#[test]
fn in_a_rotation_the_old_factor_works_until_the_new_one_is_confirmed() {
    let server = Server::start();
    let mut ana = server.tenant("acme").console.user("ana").enrolled();
    let begun = rotate(&ana);
    ana.sign_in().ok();
    let old = ana.phone.take().unwrap();
    ana.scan(&begun).ok();
    ana.verify(&ana.challenge(), &old.fresh_code(&server)).refused("code-rejected");
    ana.sign_in().ok();
}

#[test]
fn new_recovery_codes_void_the_old_ones() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana").enrolled();
    let act = Act::new("regenerateRecoveryCodes", json!({}));
    let fresh = ana.act(&act).ok()["recovery_codes"][0].as_str().unwrap().to_owned();
    let recover = |code: &str| {
        let body = json!({ "challenge": ana.challenge(), "recovery_code": code });
        ana.console.call("useRecoveryCode").json(&body).send()
    };
    recover(&ana.recovery_codes[0]).refused("code-rejected");
    assert_eq!(recover(&fresh).ok()["recovery_codes_left"], 9);
}
