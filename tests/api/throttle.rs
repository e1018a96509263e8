//! How often a code may be guessed, over HTTP, with a clock that the test moves.

use serde_json::{Value, json};

use crate::support::{Act, Answer, Console, Server, User};

const HOUR: i64 = 3600;

/// A user with a new challenge for each code.
fn user(server: &Server, name: &str) -> User {
    server.tenant("acme").console.user(name).enrolled()
}

fn wrong(user: &User) -> Answer {
    user.verify(&user.challenge(), &user.wrong_code())
}

#[track_caller]
fn fails(user: &User) {
    wrong(user).refused("code-rejected");
}

/// The seconds that a blocked user must wait.
#[track_caller]
fn wait(answer: Answer) -> i64 {
    let told = answer.header("retry-after").map(|text| text.parse::<i64>().unwrap());
    let body = answer.refused("too-many-attempts");
    assert_eq!(body["retry_after_seconds"].as_i64(), told);
    told.unwrap()
}

/// The delay that the n-th failure in a row brings.
fn delay(failure: u32) -> i64 {
    if failure < 3 { 0 } else { (30 << (failure - 3)).min(HOUR) }
}

#[test]
fn ten_codes_empty_the_bucket_and_six_hours_bring_one_back() {
    let server = Server::start();
    let bob = user(&server, "bob");
    let mut passed = 0;
    for failure in 1..=10 {
        fails(&bob);
        server.advance(delay(failure));
        passed += delay(failure);
    }
    // The delay is over; what is left is the bucket.
    assert_eq!(wait(wrong(&bob)), 6 * HOUR - passed);
    server.advance(6 * HOUR - passed - 1);
    assert_eq!(wait(wrong(&bob)), 1);
    server.advance(1);
    fails(&bob);
    server.advance(HOUR);
    assert_eq!(wait(wrong(&bob)), 5 * HOUR);
    server.advance(5 * HOUR);
    bob.sign_in().ok();
}

#[test]
fn from_the_third_failure_in_a_row_on_a_delay_doubles_up_to_an_hour() {
    let server = Server::start();
    let bob = user(&server, "bob");
    // Six hours between failures keep the bucket from running dry.
    for failure in 1..=12 {
        fails(&bob);
        if failure >= 3 {
            assert_eq!(wait(wrong(&bob)), delay(failure));
            server.advance(delay(failure) - 1);
            assert_eq!(wait(wrong(&bob)), 1);
            server.advance(6 * HOUR - delay(failure) + 1);
        }
    }
    bob.sign_in().ok();
    // A success ends the row.
    fails(&bob);
    fails(&bob);
    fails(&bob);
    assert_eq!(wait(wrong(&bob)), 30);
}

/// A wrong code every six hours, a hundred times, for each user; then ten days.
fn cap(server: &Server, users: &[&User]) {
    for _ in 0..100 {
        for user in users {
            fails(user);
        }
        server.advance(6 * HOUR);
    }
    server.advance(10 * 24 * HOUR);
    for user in users {
        assert_eq!(wait(wrong(user)), HOUR);
        assert_eq!(wait(user.sign_in()), HOUR);
    }
}

#[test]
fn a_hundred_failures_in_a_row_end_only_by_unlock_recovery_or_reset() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let console = &tenant.console;
    let enrolled = |name: &str| console.user(name).enrolled();
    let (una, rex, mut eve, ned) =
        (enrolled("una"), enrolled("rex"), enrolled("eve"), enrolled("ned"));
    cap(&server, &[&una, &rex, &eve, &ned]);

    admin.act(&Act::request(&una.id, "unlock")).ok();
    una.sign_in().ok();

    let body = json!({ "challenge": rex.challenge(), "recovery_code": rex.recovery_codes[0] });
    console.call("useRecoveryCode").json(&body).send().ok();
    rex.sign_in().ok();

    let reset = admin.act(&Act::request(&eve.id, "reset")).ok();
    let body = json!({ "challenge": eve.challenge(), "ticket": reset["ticket"]["ticket"] });
    let begun = console.call("redeemTicket").json(&body).send().ok();
    eve.scan(&begun).ok();
    eve.sign_in().ok();

    assert_eq!(wait(ned.sign_in()), HOUR, "nobody lifted this one");
}

/// An answer but for what names its request.
fn bare(answer: Answer) -> (u16, Value, Option<String>) {
    let mut body = answer.body.clone();
    body.as_object_mut().unwrap().remove("instance").unwrap();
    (answer.status, body, answer.header("retry-after").map(str::to_owned))
}

#[test]
fn a_right_code_during_a_block_is_answered_like_a_wrong_one_and_works_afterwards() {
    let server = Server::start();
    let bob = user(&server, "bob");
    let right = bob.code();
    (0..3).for_each(|_| fails(&bob));
    let challenge = bob.challenge();
    let of_wrong = bare(bob.verify(&challenge, &bob.wrong_code()));
    let of_right = bare(bob.verify(&challenge, &right));
    assert_eq!(of_right, of_wrong);
    assert_eq!(of_right.0, 429);
    // The delay is thirty seconds, the code is one step old then, and the window takes it.
    server.advance(30);
    assert!(bob.phone.as_ref().unwrap().might_show(&server, &right));
    bob.verify(&challenge, &right).ok();
    bob.verify(&bob.challenge(), &right).refused("code-rejected");
}

#[test]
fn a_success_returns_its_own_charge_and_no_earlier_one() {
    let server = Server::start();
    let bob = user(&server, "bob");
    // Signing in alone costs nothing.
    for _ in 0..15 {
        bob.sign_in().ok();
    }
    // Somebody guesses between the logins of the user.
    for _ in 0..4 {
        fails(&bob);
        fails(&bob);
        bob.sign_in().ok();
    }
    fails(&bob);
    fails(&bob);
    let waits = wait(bob.sign_in());
    assert!((5 * HOUR..=6 * HOUR).contains(&waits), "{waits}");
}

#[test]
fn a_new_challenge_and_another_console_reset_nothing() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let bob = tenant.console.user("bob").enrolled();
    let there = tenant.console.another(&admin, "portal", &["login", "users"]).user("bob");
    assert_eq!(there.id, bob.id);
    let wrong_there = || there.verify(&there.challenge(), &bob.wrong_code());
    fails(&bob);
    wrong_there().refused("code-rejected");
    fails(&bob);
    assert_eq!(wait(wrong_there()), 30);
    assert_eq!(wait(wrong(&bob)), 30);
}

/// Everything on record about a user, and whether anything blocks them.
fn record(console: &Console, user: &str) -> (Value, Value) {
    let call = console.call("listEvents").query("user_id", user).query("limit", "100");
    let status = console.call("getMfaStatus").at("user_id", user).send().ok();
    (call.send().ok()["items"].clone(), status)
}

#[test]
fn without_a_live_challenge_no_counter_moves() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let bob = tenant.console.user("bob").enrolled();
    let portal = tenant.console.another(&admin, "portal", &["login", "users"]);
    let expired = bob.challenge();
    server.advance(301);
    let consumed = bob.challenge();
    bob.verify(&consumed, &bob.code()).ok();
    let foreign = portal.user("bob").challenge();
    let before = record(&tenant.console, &bob.id);
    for number in 0..100 {
        let made_up = format!("mch_{number:043}");
        for handle in [&expired, &consumed, &foreign, &made_up] {
            bob.verify(handle, &bob.wrong_code()).refused("challenge-over");
            bob.verify(handle, "000000").refused("challenge-over");
        }
    }
    assert_eq!(record(&tenant.console, &bob.id), before);
    // All of the bucket is there, and no failure in a row.
    fails(&bob);
    fails(&bob);
    bob.sign_in().ok();
}

#[test]
fn recovery_codes_have_their_own_budget_of_five_an_hour_and_twenty_a_day() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let bob = tenant.console.user("bob").enrolled();
    let other = tenant.console.user("eve").enrolled();
    let guess = |code: &str| {
        let body = json!({ "challenge": bob.challenge(), "recovery_code": code });
        tenant.console.call("useRecoveryCode").json(&body).send()
    };
    for code in &other.recovery_codes[..5] {
        guess(code).refused("code-rejected");
    }
    assert_eq!(wait(guess(&bob.recovery_codes[0])), 12 * 60);
    // The codes of the authenticator are not concerned, and do not help.
    bob.sign_in().ok();
    assert!((11 * 60..=12 * 60).contains(&wait(guess(&bob.recovery_codes[0]))));
    let mut tried = 5;
    loop {
        server.advance(12 * 60);
        let answer = guess(&other.recovery_codes[0]);
        if answer.status == 429 {
            break;
        }
        answer.refused("code-rejected");
        tried += 1;
    }
    // Twenty, and those that came back meanwhile at one in 72 minutes.
    assert_eq!(tried, 23);
    fails(&bob);
    server.advance(24 * HOUR);
    guess(&bob.recovery_codes[0]).ok();
}
