//! The cap on users that a client creates in a day.

use std::thread;

use serde_json::{Value, json};

use crate::support::{Answer, Console, Server};

fn evaluate(console: &Console, name: &str) -> Answer {
    console.call("evaluateLogin").json(&console.login(name, &["acme"])).send()
}

fn upsert(console: &Console, name: &str) -> Answer {
    let body = json!({ "external_id": name, "display_name": name });
    console.call("upsertUser").json(&body).send()
}

fn refusals(console: &Console) -> Vec<Value> {
    let call = console.call("listEvents").query("kind", "client.new_users_refused");
    call.send().ok()["items"].as_array().unwrap().clone()
}

#[test]
fn a_client_creates_so_many_users_in_a_day_and_known_users_sign_in() {
    let server = Server::capped(|caps| caps.new_users_per_day = 3);
    let console = server.tenant("acme").console;
    let ana = console.user("ana").enrolled();
    server.advance(3600);
    evaluate(&console, "bob").ok();
    upsert(&console, "cas").ok();
    for refused in [evaluate(&console, "dan"), upsert(&console, "dan"), evaluate(&console, "eve")] {
        let wait = refused.header("retry-after").unwrap().parse::<i64>().unwrap();
        let problem = refused.refused("too-many-new-users");
        assert_eq!(problem["retry_after_seconds"], json!(wait));
        // Until midnight; the enrollment may have moved the clock.
        assert!((82_000..=82_800).contains(&wait), "{wait}");
    }
    let lookup = console.call("lookupUser").json(&json!({ "external_id": "dan" }));
    lookup.send().refused("not-found");
    ana.sign_in().ok();
    evaluate(&console, "bob").ok();
    upsert(&console, "cas").ok();
    let events = refusals(&console);
    assert_eq!(events.len(), 1, "once a day: {events:?}");
    assert_eq!(events[0]["object_id"], json!(console.client_id));
    assert_eq!(
        (&events[0]["data"]["created"], &events[0]["data"]["users"]),
        (&json!(3), &json!(4))
    );
}

#[test]
fn each_day_and_each_client_counts_for_itself() {
    let server = Server::capped(|caps| caps.new_users_per_day = 2);
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let other = console.another(&admin, "acme2", &["login", "users"]);
    let other = |name: &str| upsert(&other, name);
    for day in 0..2 {
        for user in 0..2 {
            upsert(console, &format!("a{day}{user}")).ok();
            other(&format!("b{day}{user}")).ok();
        }
        upsert(console, "new").refused("too-many-new-users");
        other("new").refused("too-many-new-users");
        server.advance(86_400);
    }
    assert_eq!(refusals(console).len(), 4, "two clients on two days");
    let users = "SELECT CAST(sum(users) AS TEXT) FROM directories";
    let counted = server.value("SELECT CAST(count(*) AS TEXT) FROM users");
    assert_eq!(server.value(users), counted, "the directory counts its users");
}

#[test]
fn a_fifth_of_the_directory_may_be_new() {
    let server = Server::capped(|caps| caps.new_users_per_day = 1);
    let console = server.tenant("acme").console;
    server.drop_trigger("directories_update");
    server.tamper("UPDATE directories SET users = 25");
    for user in 0..5 {
        upsert(&console, &format!("u{user}")).ok();
    }
    upsert(&console, "one more").refused("too-many-new-users");
}

#[test]
fn users_that_are_new_at_once_are_counted_together() {
    let server = Server::capped(|caps| caps.new_users_per_day = 5);
    let console = server.tenant("acme").console;
    let created = thread::scope(|scope| {
        let console = &console;
        let logins: Vec<_> = (0..20)
            .map(|user| scope.spawn(move || evaluate(console, &format!("u{user}")).status))
            .collect();
        logins.into_iter().map(|login| login.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(created.iter().filter(|status| **status == 200).count(), 5, "{created:?}");
    assert_eq!(created.iter().filter(|status| **status == 429).count(), 15, "{created:?}");
    assert_eq!(refusals(&console).len(), 1);
}
