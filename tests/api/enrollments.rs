//! Enrollments and rotations: a secret is shown once and bound by its first code.

use serde_json::{Value, json};

use crate::support::{Act, Answer, Authenticator, Console, Server, User};

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

/// The label of an entry, as the app shows it, and the side of its picture in modules.
fn label_and_side(begun: &Value) -> (String, usize) {
    let uri = begun["otpauth_uri"].as_str().unwrap();
    let label = uri.strip_prefix("otpauth://totp/").unwrap().split('?').next().unwrap().to_owned();
    let svg = begun["qr"]["svg"].as_str().unwrap();
    let side = svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap();
    // The quiet zone is four modules on each side.
    (label, side.parse::<usize>().unwrap() - 8)
}

#[test]
fn entries_that_an_app_could_confuse_have_different_labels() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let begin_as = |id: &str, name: &str| {
        let mut login = console.login(id, &["acme"]);
        login["display_name"] = json!(name);
        let decision = console.call("evaluateLogin").json(&login).send().ok();
        begin(&console, decision["challenge"]["handle"].as_str().unwrap()).ok()
    };
    let (one, _) = label_and_side(&begin_as("jsmith", "John Smith"));
    let (other, _) = label_and_side(&begin_as("jsmith2", "John Smith"));
    assert_eq!((one.as_str(), other.as_str()), {
        ("acme:John%20Smith%20%28jsmith%29", "acme:John%20Smith%20%28jsmith2%29")
    });
    let ana = console.user("ana").enrolled();
    let rotation = ana.act(&Act::new("beginRotation", json!({}))).ok();
    let (new, _) = label_and_side(&rotation);
    assert!(new != "acme:ana" && new.starts_with("acme:ana%20"), "{new}");
    let (_, side) = label_and_side(&begin_as("ж".repeat(100).as_str(), &"Ж".repeat(200)));
    assert!(side <= 61, "{side} modules");
}

#[test]
fn a_code_of_an_earlier_picture_is_told_that_it_may_be_one() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let ana = console.user("ana");
    let (one, other) = (ana.challenge(), ana.challenge());
    let first = begin(&console, &one).ok();
    let second = begin(&console, &other).ok();
    let phone = |begun: &Value| Authenticator::scan(begun["otpauth_uri"].as_str().unwrap());
    let said = |code: &str| {
        let problem = confirm(&console, &second["enrollment"], code).refused("code-rejected");
        problem["detail"].as_str().unwrap().to_owned()
    };
    let of_the_first = said(&phone(&first).fresh_code(&server));
    assert!(of_the_first.contains("an earlier picture is void"), "{of_the_first}");
    // Nothing is said about whether the code was right for the first one.
    assert_eq!(said(&phone(&second).wrong_code(&server)), of_the_first);
    confirm(&console, &second["enrollment"], &phone(&second).fresh_code(&server)).ok();
}
