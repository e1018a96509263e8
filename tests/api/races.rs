//! Many at once: whatever the order, a code, a handle, a ticket or a proof works once, and no more
//! guesses are looked at than the bucket holds.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::support::{Act, Answer, Authenticator, Call, Console, REASON, Server, User, code_of};

const EVERY_SCOPE: &[&str] = &["login", "users", "offboard", "petitions", "tenant:read"];

/// Sends all calls at one moment, each from its own thread.
fn at_once(calls: Vec<Call>) -> Vec<Answer> {
    let barrier = Barrier::new(calls.len());
    let start = &barrier;
    thread::scope(|scope| {
        let sent: Vec<_> = calls
            .into_iter()
            .map(|call| {
                scope.spawn(move || {
                    start.wait();
                    call.send()
                })
            })
            .collect();
        sent.into_iter().map(|answer| answer.join().unwrap()).collect()
    })
}

/// The codes of all answers that say no, and how many say yes.
fn tally(answers: &[Answer]) -> (usize, Vec<&str>) {
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status < 300);
    let mut lost: Vec<&str> = lost.into_iter().map(code_of).collect();
    lost.sort_unstable();
    lost.dedup();
    (won.len(), lost)
}

#[track_caller]
fn one_winner(answers: &[Answer], losers: &[&str]) {
    let (won, lost) = tally(answers);
    assert_eq!(won, 1, "exactly one wins; the others: {lost:?}");
    for code in lost {
        assert!(losers.contains(&code), "a loser is told {code}");
    }
}

/// A tenant with its administrator and two consoles that share a directory.
fn two_consoles(server: &Server) -> (User, Vec<Console>) {
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let other = tenant.console.another(&admin, "portal", EVERY_SCOPE);
    (admin, vec![tenant.console, other])
}

/// Opens challenges for a user at all consoles in turn.
fn challenges(consoles: &[Console], external_id: &str, count: usize) -> Vec<(Console, String)> {
    let open = |console: &Console| {
        let own = console.own_audience();
        let body = console.login(external_id, &[&own]);
        let decision = console.call("evaluateLogin").json(&body).send().ok();
        decision["challenge"]["handle"].as_str().unwrap().to_owned()
    };
    let consoles = consoles.iter().cycle().take(count);
    consoles.map(|console| (console.clone(), open(console))).collect()
}

fn verify((console, challenge): &(Console, String), code: &str) -> Call {
    console.call("verifyCode").json(&json!({ "challenge": challenge, "code": code }))
}

#[test]
fn one_of_fifty_callers_with_one_code_gets_the_token() {
    let server = Server::start();
    let (_admin, consoles) = two_consoles(&server);
    for round in 0..20 {
        let name = format!("user{round}");
        let user = consoles[0].user(&name).enrolled();
        let code = user.code();
        let open = challenges(&consoles, &name, 10);
        let calls = open.iter().cycle().take(50).map(|at| verify(at, &code)).collect();
        let losers = ["code-rejected", "challenge-over", "too-many-attempts"];
        one_winner(&at_once(calls), &losers);
    }
}

/// The comparisons that were made of a user's codes and failed, as the record has them.
fn compared(console: &Console, user: &str) -> usize {
    let call = console.call("listEvents").query("user_id", user).query("limit", "100");
    let events = call.query("kind", "code.rejected").send().ok();
    let events = events["items"].as_array().unwrap();
    events.iter().filter(|event| event["evaluated"] == true).count()
}

#[test]
fn two_hundred_guesses_at_once_are_not_looked_at_more_often_than_the_bucket_holds() {
    let server = Server::start();
    let (_admin, consoles) = two_consoles(&server);
    let user = consoles[0].user("bob").enrolled();
    let wrong = user.wrong_code();
    let open = challenges(&consoles, "bob", 40);
    let calls = open.iter().cycle().take(200).map(|at| verify(at, &wrong)).collect();
    let answers = at_once(calls);
    let looked_at = answers.iter().filter(|answer| answer.status == 422).count();
    assert_eq!(tally(&answers), (0, vec!["code-rejected", "too-many-attempts"]));
    assert_eq!(compared(&consoles[0], &user.id), looked_at, "each comparison is on record");
    // Two are free of delay, the third brings it, and time stands still.
    assert_eq!(looked_at, 3);
    // Whoever waits for the delays finds the bucket empty after ten.
    for _ in 0..12 {
        server.advance(1920);
        let wrong = user.wrong_code();
        let open = challenges(&consoles, "bob", 10);
        let calls = open.iter().cycle().take(20).map(|at| verify(at, &wrong)).collect();
        let _ = at_once(calls);
        if compared(&consoles[0], &user.id) >= 10 {
            break;
        }
    }
    // Later than the ten before: of those that are too many the oldest are closed.
    server.advance(1);
    let wrong = user.wrong_code();
    let open = challenges(&consoles, "bob", 40);
    server.advance(240);
    let calls = open.iter().cycle().take(200).map(|at| verify(at, &wrong)).collect();
    assert_eq!(tally(&at_once(calls)), (0, vec!["too-many-attempts"]));
    assert_eq!(compared(&consoles[0], &user.id), 10);
}

#[test]
fn an_enrollment_is_confirmed_once() {
    let server = Server::start();
    let (_admin, consoles) = two_consoles(&server);
    let console = &consoles[0];
    let user = console.user("bob");
    let challenge = json!({ "challenge": user.challenge() });
    let begun = console.call("beginEnrollment").json(&challenge).send().ok();
    let phone = Authenticator::scan(begun["otpauth_uri"].as_str().unwrap());
    let code = phone.fresh_code(&server);
    let body = json!({ "enrollment": begun["enrollment"], "code": code });
    let call = console.call("confirmEnrollment").json(&body);
    one_winner(&at_once(vec![call; 20]), &["enrollment-over"]);
}

#[test]
fn a_challenge_begins_one_enrollment() {
    let server = Server::start();
    let (_admin, consoles) = two_consoles(&server);
    let challenge = json!({ "challenge": consoles[0].user("bob").challenge() });
    let call = consoles[0].call("beginEnrollment").json(&challenge);
    one_winner(&at_once(vec![call; 20]), &["challenge-over"]);
}

#[test]
fn a_ticket_is_redeemed_once() {
    let server = Server::start();
    let (admin, consoles) = two_consoles(&server);
    let user = consoles[0].user("bob");
    let body = json!({ "user_id": user.id, "reason": REASON });
    let ticket = admin.act(&Act::new("createTicket", body)).ok();
    let calls = challenges(&consoles, "bob", 20).into_iter().map(|(console, challenge)| {
        let body = json!({ "challenge": challenge, "ticket": ticket["ticket"] });
        console.call("redeemTicket").json(&body)
    });
    one_winner(&at_once(calls.collect()), &["ticket-over"]);
}

#[test]
fn a_recovery_code_is_used_once() {
    let server = Server::start();
    let (_admin, consoles) = two_consoles(&server);
    let user = consoles[0].user("bob").enrolled();
    let code = user.recovery_codes[0].clone();
    let calls = challenges(&consoles, "bob", 20).into_iter().map(|(console, challenge)| {
        let body = json!({ "challenge": challenge, "recovery_code": code });
        console.call("useRecoveryCode").json(&body)
    });
    one_winner(&at_once(calls.collect()), &["code-rejected", "too-many-attempts"]);
}

#[test]
fn a_proof_buys_one_act() {
    let server = Server::start();
    let (admin, consoles) = two_consoles(&server);
    let user = consoles[0].user("bob").enrolled();
    // Unlocking can be done any number of times, so only the proof can stop the second one.
    let act = Act::request(&user.id, "unlock");
    let token = admin.token();
    let code = admin.code();
    let challenge = admin.step_up(&act);
    let mut body = act.body.clone();
    body["proof"] = json!({ "challenge": challenge, "code": code });
    let call = server.call("requestOverride").bearer(&token).json(&body);
    one_winner(&at_once(vec![call; 10]), &["challenge-over"]);
    let overrides = consoles[0].call("listOverrides").query("user_id", &user.id).send().ok();
    assert_eq!(overrides["items"].as_array().unwrap().len(), 1);
}

/// Three seasoned administrators under a policy that asks for two approvals.
fn three_administrators(first: User) -> [User; 3] {
    let console = first.console.clone();
    let second = console.user("second").enrolled();
    let third = console.user("third").enrolled();
    first.act(&Act::grant(&second.id, "admin")).ok();
    console.server.advance(25 * 3600);
    let waiting = first.act(&Act::grant(&third.id, "admin")).ok();
    second.act(&approval(&waiting)).ok();
    first.tighten(|policy| policy["base"]["approvals"] = json!(2));
    [first, second, third]
}

/// The approval of a waiting override, as its answer showed it.
fn approval(waiting: &Value) -> Act {
    let shown = &waiting["override"];
    assert_eq!(shown["state"], "requested", "{waiting}");
    let act = Act::new("approveOverride", json!({ "digest": shown["digest"] }));
    act.with("override_id", shown["id"].as_str().unwrap())
}

#[test]
fn one_person_approves_once() {
    let server = Server::start();
    let (admin, consoles) = two_consoles(&server);
    let user = consoles[0].user("bob").enrolled();
    let [first, second, third] = three_administrators(admin);
    let waiting = first.act(&Act::request(&user.id, "unlock")).ok();
    let act = approval(&waiting);
    let id = waiting["override"]["id"].as_str().unwrap();
    let token = second.token();
    let codes = [second.code(), second.code()];
    let calls = codes.iter().map(|code| {
        let mut body = act.body.clone();
        body["proof"] = json!({ "challenge": second.step_up(&act), "code": code });
        let call = server.call("approveOverride").bearer(&token);
        call.at("override_id", id).json(&body)
    });
    one_winner(&at_once(calls.collect()), &["not-an-approver"]);
    let shown = consoles[0].call("getOverride").at("override_id", id).send().ok();
    assert_eq!(shown["approved_by"], json!([second.id]));
    assert_eq!(shown["state"], "requested");
    let done = third.act(&act).ok();
    assert_eq!(done["state"], "used");
}

#[test]
fn a_secret_is_collected_once() {
    let server = Server::start();
    let (admin, consoles) = two_consoles(&server);
    let user = consoles[0].user("bob").enrolled();
    let [first, second, third] = three_administrators(admin);
    let waiting = first.act(&Act::request(&user.id, "reset")).ok();
    let act = approval(&waiting);
    second.act(&act).ok();
    third.act(&act).ok();
    let id = waiting["override"]["id"].as_str().unwrap();
    let call = server.call("collectOverride").bearer(&first.token()).at("override_id", id);
    let answers = at_once(vec![call; 20]);
    one_winner(&answers, &["override-not-open"]);
    let told = answers.iter().filter(|answer| answer.body.to_string().contains("mtk_"));
    assert_eq!(told.count(), 1);
    let tickets = consoles[0].call("listTickets").send().ok();
    assert_eq!(tickets["items"].as_array().unwrap().len(), 1);
}

#[test]
fn one_of_two_changes_of_one_policy_version_is_taken() {
    let server = Server::start();
    let (admin, _consoles) = two_consoles(&server);
    let policy = admin.call("getPolicy").send();
    let version = policy.header("etag").unwrap().to_owned();
    let document = policy.ok()["policy"].clone();
    let token = admin.token();
    let calls = [240, 120].map(|seconds| {
        let mut document = document.clone();
        document["base"]["token_ttl_seconds"] = json!(seconds);
        let call = server.call("putPolicy").bearer(&token).header("if-match", &version);
        call.json(&json!({ "policy": document }))
    });
    one_winner(&at_once(calls.into()), &["version-mismatch"]);
}

#[test]
fn of_two_administrators_who_depose_each_other_one_is_left() {
    let server = Server::start();
    for round in 0..10 {
        let tenant = server.tenant(&format!("tenant{round}"));
        let first = tenant.administrator();
        let second = tenant.second_administrator(&first, "second");
        let depose = |by: &User, whom: &User| {
            let _ = by.token();
            let code = by.code();
            let challenge = by.step_up(&Act::revoke(&whom.id, "admin"));
            let call = by.call("revokeRole").at("user_id", &whom.id).at("role", "admin");
            let proof = json!({ "challenge": challenge, "code": code });
            call.json(&json!({ "reason": REASON, "proof": proof }))
        };
        let calls = vec![depose(&first, &second), depose(&second, &first)];
        one_winner(&at_once(calls), &["unauthenticated", "forbidden", "last-administrator"]);
        let is_admin = |user: &User| {
            let shown = tenant.console.call("getUser").at("user_id", &user.id).send().ok();
            shown["roles"].as_array().unwrap().contains(&json!("admin"))
        };
        assert_eq!([is_admin(&first), is_admin(&second)].iter().filter(|is| **is).count(), 1);
    }
}
