//! Housekeeping: what is past its keeping goes in small batches, and nobody notices.

use std::sync::Barrier;
use std::thread;

use pawl::mfa::ids::TenantId;
use pawl::operations::Purged;
use serde_json::{Value, json};

use crate::support::{Act, Console, Server, User};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn count(server: &Server, rows: &str) -> usize {
    server.value(&format!("SELECT CAST(count(*) AS TEXT) FROM {rows}")).parse().unwrap()
}

/// Rows of the four kinds: challenges, enrollments, tickets, rows of tokens.
fn kept(server: &Server) -> [usize; 4] {
    ["challenges", "enrollments", "tickets", "issued_tokens"].map(|table| count(server, table))
}

fn sum(batches: &[Purged]) -> Purged {
    batches.iter().fold(Purged::default(), |mut sum, batch| {
        sum += *batch;
        sum
    })
}

fn begin(user: &User) -> Value {
    let challenge = json!({ "challenge": user.challenge() });
    user.console.call("beginEnrollment").json(&challenge).send().ok()
}

/// The number of sealed secrets that no factor in force has.
fn pending_secrets(server: &Server) -> usize {
    count(server, "factors WHERE state = 'pending' AND sealed IS NOT NULL")
}

/// What the record says that was purged in a tenant, an entry for each transaction.
fn recorded(console: &Console) -> Vec<Value> {
    let call = console.call("listEvents").query("kind", "retention.purged").query("limit", "100");
    call.send().ok()["items"].as_array().unwrap().clone()
}

#[test]
fn what_is_past_its_keeping_goes_and_what_is_open_or_still_kept_stays() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let (ana, mut bob) = (console.user("ana").enrolled(), console.user("bob"));
    begin(&bob);
    admin.act(&Act::ticket(&console.user("cyd").id)).ok();
    ana.challenge();
    let before = kept(&server);
    assert_eq!(server.purge(), [], "everything is young");
    // All of the above expired within the first hour, and is kept for another.
    server.advance(2 * HOUR - 60 - server.now().seconds() % HOUR);
    ana.sign_in().ok();
    assert_eq!(server.purge(), [], "everything is kept");
    assert_eq!(pending_secrets(&server), 1);
    server.advance(60);
    let purged = sum(&server.purge());
    // Ana's last challenge and token are younger, and so is the ticket.
    let [challenges, enrollments, tickets, tokens] = before;
    let all = [purged.challenges, purged.enrollments, purged.tickets, purged.issued_tokens];
    assert_eq!(all, [challenges, enrollments, 0, tokens]);
    assert_eq!(kept(&server), [1, 0, tickets, 1]);
    assert_eq!((purged.factors, pending_secrets(&server)), (1, 0), "Bob's secret is destroyed");
    assert_eq!(count(&server, "factors WHERE state = 'active'"), 2);
    ana.sign_in().ok();
    let again = begin(&bob);
    bob.scan(&again).ok();
}

#[test]
fn a_batch_is_one_event_of_its_tenant_and_the_record_only_grows() {
    let server = Server::start();
    let consoles = ["acme", "umbrella"].map(|name| server.tenant(name).console);
    let users = consoles.clone().map(|console| console.user("ana").enrolled());
    let events = count(&server, "events");
    server.advance(3 * HOUR);
    let batches = server.purge();
    assert_eq!(batches.len(), 2);
    assert_eq!(count(&server, "events"), events + 2);
    for (console, user) in consoles.iter().zip(&users) {
        let recorded = recorded(console);
        let [event] = recorded.as_slice() else { panic!("{recorded:?}") };
        assert_eq!(event["actor_kind"], "server");
        assert_eq!(event["user_id"], Value::Null);
        // The first administrator's printed secret, which nobody scanned, went too.
        let counts = json!({
            "challenges": 1, "enrollments": 2, "factors": 1, "tickets": 0, "issued_tokens": 1,
            "client_tokens": 0,
        });
        assert_eq!(event["data"], counts);
        user.sign_in().ok();
    }
    assert_eq!(server.purge(), [], "nothing is due, so nothing is written");
    assert_eq!(count(&server, "events WHERE kind = 'retention.purged'"), 2);
}

#[test]
fn tickets_are_kept_for_thirty_days_after_their_end() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let (mut bob, cyd) = (console.user("bob"), console.user("cyd"));
    let used = admin.act(&Act::ticket(&bob.id)).ok();
    let body = json!({ "ticket": used["ticket"], "challenge": bob.challenge() });
    let begun = console.call("redeemTicket").json(&body).send().ok();
    bob.scan(&begun).ok();
    admin.act(&Act::ticket(&cyd.id)).ok();
    // A ticket lives for three days. The client's key is good for ninety.
    server.advance(33 * DAY - 60);
    server.purge();
    assert_eq!(count(&server, "tickets"), 2);
    server.advance(2 * HOUR);
    assert_eq!(sum(&server.purge()).tickets, 2);
    assert_eq!(count(&server, "tickets"), 0);
    bob.sign_in().ok();
}

#[test]
fn an_enrollment_that_began_later_keeps_its_secret() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let mut bob = tenant.console.user("bob");
    begin(&bob);
    server.advance(2 * HOUR - 60 - server.now().seconds() % HOUR);
    let begun = begin(&bob);
    server.advance(60);
    let purged = sum(&server.purge());
    // Bob's first one, which the second replaced, and the administrator's: the printed and the console's.
    assert_eq!((purged.enrollments, purged.factors), (3, 0));
    assert_eq!(pending_secrets(&server), 1);
    bob.scan(&begun).ok();
    bob.sign_in().ok();
    admin.sign_in().ok();
}

#[test]
fn a_factor_waits_for_its_last_enrollment() {
    let server = Server::start();
    server.advance(40 * 60);
    let tenant = server.tenant("acme");
    // The console's handle is good until 00:55, the printed enrollment until 01:10.
    assert_eq!(tenant.console.user("admin").evaluate().ok()["decision"], "enroll");
    server.advance(80 * 60);
    let purged = sum(&server.purge());
    assert_eq!((purged.enrollments, purged.factors, pending_secrets(&server)), (1, 0, 1));
    server.advance(HOUR);
    let purged = sum(&server.purge());
    assert_eq!((purged.enrollments, purged.factors, pending_secrets(&server)), (1, 1, 0));
}

/// Leaves more challenges of a user behind than one batch holds, long past their keeping.
fn leave_behind(server: &Server, user: &User, challenges: usize) {
    for _ in 0..challenges {
        user.challenge();
    }
    server.advance(3 * HOUR);
}

#[test]
fn more_than_a_batch_goes_in_several_transactions() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let ana = console.user("ana").enrolled();
    leave_behind(&server, &ana, 249);
    let batches = server.purge();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.challenges).collect();
    assert_eq!(sizes, [100, 100, 50]);
    let told = recorded(&console);
    let told: Vec<&Value> = told.iter().map(|event| &event["data"]["challenges"]).collect();
    assert_eq!(told.len(), 3);
    assert_eq!(told.into_iter().filter_map(Value::as_u64).sum::<u64>(), 250);
    assert_eq!(count(&server, "challenges"), 0);
}

#[test]
fn a_batch_that_another_replica_purged_is_nothing() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let ana = console.user("ana").enrolled();
    leave_behind(&server, &ana, 3);
    let found = server.batches_due();
    let first: Vec<Purged> = found.iter().cloned().map(|due| server.purge_batch(due)).collect();
    assert_eq!(sum(&first).challenges, 4);
    for due in found {
        assert_eq!(server.purge_batch(due), Purged::default());
    }
    assert_eq!(recorded(&console).len(), first.len());
}

#[test]
fn a_tenant_that_cannot_be_purged_does_not_keep_the_rows_of_others() {
    let server = Server::start();
    let [stuck, other] = ["acme", "umbrella"].map(|name| server.tenant(name).console);
    let users = [&stuck, &other].map(|console| console.user("ana").enrolled());
    // More than one batch holds, and all of it before the first row of the other tenant.
    leave_behind(&server, &users[0], 250);
    users[1].challenge();
    server.advance(3 * HOUR);
    // A newest event in the future: nothing can be written in this tenant.
    server.drop_trigger("events_update");
    let id = &stuck.tenant;
    let newest = format!("SELECT max(seq) FROM events WHERE tenant_id = '{id}'");
    let ahead = |by: i64| {
        let of = format!("tenant_id = '{id}' AND seq = ({newest})");
        server.tamper(&format!("UPDATE events SET at = at + {by} WHERE {of}"));
    };
    ahead(30 * DAY * 1000);
    let (purged, failed) = server.purge_all();
    assert_eq!(failed.iter().map(TenantId::as_str).collect::<Vec<_>>(), [id.as_str()]);
    assert!(purged.challenges > 0, "{purged:?}");
    let of = |console: &Console| format!("challenges WHERE tenant_id = '{}'", console.tenant);
    assert_eq!((count(&server, &of(&stuck)), count(&server, &of(&other))), (251, 0));
    ahead(-30 * DAY * 1000);
    assert_eq!((server.purge_all().1, count(&server, &of(&stuck))), (Vec::new(), 0));
}

#[test]
fn two_purges_at_once_purge_everything_once() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let ana = console.user("ana").enrolled();
    leave_behind(&server, &ana, 249);
    let barrier = Barrier::new(2);
    let purge = || {
        barrier.wait();
        server.purge()
    };
    let mut batches = thread::scope(|scope| {
        let both = [scope.spawn(purge), scope.spawn(purge)];
        both.map(|one| one.join().unwrap()).concat()
    });
    // Who found everything gone may have stopped while the other was still at it; it is done by now.
    batches.extend(server.purge());
    let told = recorded(&console);
    let told: u64 = told.iter().filter_map(|event| event["data"]["challenges"].as_u64()).sum();
    assert_eq!((sum(&batches).challenges, told, count(&server, "challenges")), (250, 250, 0));
}

const CALLERS: usize = 8;

#[test]
fn eight_callers_log_in_during_a_purge_and_the_record_stays() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let enrolled = |number| console.user(&format!("user{number}")).enrolled();
    let mut users: Vec<User> = (0..CALLERS).map(enrolled).collect();
    leave_behind(&server, &users[0], 400);
    let events = count(&server, "events");
    let barrier = Barrier::new(CALLERS + 1);
    let begin = &barrier;
    let (logins, purged) = thread::scope(|scope| {
        let log_in = |user: &'_ User, code: &str| {
            let challenges: Vec<String> = (0..10).map(|_| user.challenge()).collect();
            user.verify(challenges.last().unwrap(), code).status
        };
        let callers: Vec<_> = users
            .iter_mut()
            .map(|user| {
                scope.spawn(move || {
                    let code = user.code();
                    begin.wait();
                    log_in(user, &code)
                })
            })
            .collect();
        begin.wait();
        let purged = server.purge();
        let logins: Vec<u16> = callers.into_iter().map(|one| one.join().unwrap()).collect();
        (logins, purged)
    });
    assert_eq!(logins, [200; CALLERS]);
    assert_eq!(sum(&purged).challenges, 408);
    assert_eq!(count(&server, "challenges"), 80, "those of the logins");
    // Ten evaluations and a verified code of each caller, and one event for each batch.
    assert_eq!(count(&server, "events"), events + CALLERS * 11 + purged.len());
}

#[test]
fn a_clock_that_runs_ahead_of_the_databases_purges_nothing() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    tenant.console.user("ana").challenge();
    let before = kept(&server);
    server.advance(100 * 365 * DAY);
    let due = server.batches_due();
    assert!(!due.is_empty());
    assert!(due.into_iter().all(|due| server.purge_fails(due)));
    server.advance(-100 * 365 * DAY);
    assert_eq!(kept(&server), before);
    tenant.console.user("bob").challenge();
}
