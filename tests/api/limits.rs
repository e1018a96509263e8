//! What one user can have open: challenges, step-ups, petitions.

use std::thread;

use serde_json::{Value, json};

use crate::support::{Act, Console, REASON, Server, User};

/// Challenges of one user, client and purpose that are open at once.
const MOST_OPEN: usize = 20;

fn open(server: &Server, purpose: &str) -> usize {
    let query = format!(
        "SELECT CAST(count(*) AS TEXT) FROM challenges WHERE closed_at IS NULL AND purpose = '{purpose}'"
    );
    server.value(&query).parse().unwrap()
}

/// Of two that are opened in one millisecond none is the older one.
fn later<T>(server: &Server, open: impl Fn() -> T) -> T {
    server.advance(1);
    open()
}

/// `user`, who signs in at another console.
fn at(console: &Console, user: &User) -> User {
    let there = console.user(&user.external_id);
    assert_eq!(there.id, user.id, "one directory");
    there
}

#[test]
fn one_challenge_more_closes_the_oldest() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    let other = tenant.console.another(&admin, "other", &["login", "users"]);
    let there = at(&other, &ana);
    server.advance(30);
    let elsewhere = there.challenge();
    let handles: Vec<String> =
        (0..MOST_OPEN + 2).map(|_| later(&server, || ana.challenge())).collect();
    assert_eq!(open(&server, "login"), MOST_OPEN + 1, "and the other console's");
    let code = ana.code();
    for over in &handles[..2] {
        ana.verify(over, &code).refused("challenge-over");
    }
    ana.verify(&handles[2], &code).ok();
    server.advance(30);
    // The other console's is the oldest of all, and none of the many.
    let code = ana.code();
    there.verify(&elsewhere, &code).ok();
}

#[test]
fn who_opens_challenges_for_a_user_does_not_keep_the_user_out() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana").enrolled();
    for _ in 0..3 * MOST_OPEN {
        ana.challenge();
    }
    assert_eq!(open(&server, "login"), MOST_OPEN);
    let own = later(&server, || ana.challenge());
    for _ in 0..MOST_OPEN - 1 {
        later(&server, || ana.challenge());
    }
    let code = ana.code();
    ana.verify(&own, &code).ok();
}

#[test]
fn challenges_that_are_opened_at_once_are_counted_together() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana").enrolled();
    let before: Vec<String> = (0..MOST_OPEN).map(|_| ana.challenge()).collect();
    let code = ana.wrong_code();
    let (login, console) = (ana.console.login("ana", &["acme"]), &ana.console);
    thread::scope(|scope| {
        let evaluations: Vec<_> = (0..2 * MOST_OPEN)
            .map(|_| scope.spawn(|| console.call("evaluateLogin").json(&login).send().ok()))
            .collect();
        // A charge beside the opening that closes what is charged.
        let body = json!({ "challenge": before[0], "code": code });
        let charged = scope.spawn(move || console.call("verifyCode").json(&body).send());
        for opened in evaluations {
            opened.join().unwrap();
        }
        let charged = charged.join().unwrap();
        assert!([410, 422].contains(&charged.status), "{}", charged.body);
    });
    let most = MOST_OPEN + 1;
    assert!((MOST_OPEN..=most).contains(&open(&server, "login")), "{}", open(&server, "login"));
    ana.challenge();
    assert_eq!(open(&server, "login"), MOST_OPEN);
}

#[test]
fn one_step_up_more_closes_the_oldest() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    let act = Act::ticket(&tenant.console.user("eve").id);
    let _ = admin.token();
    let handles: Vec<String> =
        (0..=MOST_OPEN).map(|_| later(&server, || admin.step_up(&act))).collect();
    assert_eq!(open(&server, "act"), MOST_OPEN);
    let code = admin.code();
    admin.act_with(&act, &handles[0], &code).refused("challenge-over");
    admin.act_with(&act, &handles[1], &code).ok();
    // Another person's are their own.
    ana.step_up(&Act::new("beginRotation", json!({})));
    assert_eq!(open(&server, "act"), MOST_OPEN);
}

#[test]
fn three_petitions_of_a_kind_wait_for_one_user() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let console = &tenant.console;
    let (admin, ana) = (tenant.administrator(), console.user("ana").enrolled());
    let filed: Vec<Value> = (0..3).map(|_| console.petition(&ana.id, "reset").ok()).collect();
    console.petition(&ana.id, "reset").refused("too-many-petitions");
    let body = json!({ "user_id": ana.id, "kind": "reset", "reason": REASON });
    ana.call("createPetition").json(&body).send().refused("too-many-petitions");
    console.petition(&ana.id, "unlock").ok();
    console.petition(&console.user("eve").id, "reset").ok();
    let id = filed[0]["id"].as_str().unwrap();
    let denial = json!({ "reason": REASON });
    admin.call("denyPetition").at("petition_id", id).json(&denial).send().ok();
    console.petition(&ana.id, "reset").ok();
    let open = admin.call("listPetitions").query("state", "open").query("user_id", &ana.id);
    assert_eq!(open.send().ok()["items"].as_array().unwrap().len(), 4);
}

#[test]
fn what_a_petition_comes_with_is_not_refused_for_three_that_wait() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let ana = console.user("ana").enrolled();
    let wish = || {
        let call = console.call("requestDisable").at("user_id", &ana.id);
        let wish = json!({ "petition": true, "reason": REASON });
        call.json(&wish).send().refused("mfa-disable-refused")["petition_id"].clone()
    };
    let newest = |next: &dyn Fn() -> Value| {
        let filed: Vec<Value> = (0..3)
            .map(|_| {
                server.advance(1);
                next()
            })
            .collect();
        assert!(filed[0] != filed[1] && filed[1] != filed[2] && filed[0] != filed[2]);
        filed[2].clone()
    };
    assert_eq!(newest(&wish), wish());
    let loss = || ana.report(&ana.challenge(), None).ok()["petition"]["id"].clone();
    assert_eq!(newest(&loss), loss());
    assert_eq!(server.value("SELECT CAST(count(*) AS TEXT) FROM petitions"), "6");
}
