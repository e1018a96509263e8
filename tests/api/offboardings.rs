//! The cap on users that a client off-boards in a day.

use std::thread;

use serde_json::{Value, json};

use crate::support::{Answer, Console, Server};

fn offboard(console: &Console, id: &str) -> Answer {
    console.call("offboardUser").at("user_id", id).send()
}

fn users(console: &Console, many: usize) -> Vec<String> {
    (0..many).map(|user| console.user(&format!("u{user}")).id).collect()
}

fn refusals(console: &Console) -> Vec<Value> {
    let call = console.call("listEvents").query("kind", "client.offboardings_refused");
    call.send().ok()["items"].as_array().unwrap().clone()
}

#[test]
fn a_client_offboards_so_many_users_in_a_day_and_no_more() {
    let server = Server::capped(|caps| caps.offboardings_per_day = 2);
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let all = users(console, 4);
    let kept = console.user("ana").enrolled();
    for id in &all[..2] {
        offboard(console, id).ok();
    }
    for id in [&all[2], &kept.id, &all[3]] {
        let refused = offboard(console, id);
        let wait = refused.header("retry-after").unwrap().parse::<i64>().unwrap();
        let problem = refused.refused("too-many-offboardings");
        assert_eq!(problem["retry_after_seconds"], json!(wait));
        assert!((1..=86_400).contains(&wait), "{wait}");
        let user = console.call("getUser").at("user_id", id).send().ok();
        assert!(user["offboarded_at"].is_null(), "{user}");
    }
    kept.sign_in().ok();
    // What was done counts once; what would be refused anyway is told so.
    offboard(console, &all[0]).ok();
    offboard(console, &admin.id).refused("holds-role");
    let events = refusals(console);
    assert_eq!(events.len(), 1, "once a day: {events:?}");
    assert_eq!(events[0]["object_id"], json!(console.client_id));
    let data = &events[0]["data"];
    assert_eq!((&data["offboarded"], &data["users"]), (&json!(2), &json!(6)));
    assert_eq!(data["source"], "127.0.0.1", "where the request came from");
}

#[test]
fn each_day_and_each_client_offboards_for_itself() {
    let server = Server::capped(|caps| caps.offboardings_per_day = 1);
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let other = console.another(&admin, "acme2", &["users", "offboard"]);
    let all = users(console, 6);
    for day in all.chunks(3) {
        offboard(console, &day[0]).ok();
        offboard(console, &day[1]).refused("too-many-offboardings");
        offboard(&other, &day[1]).ok();
        offboard(&other, &day[2]).refused("too-many-offboardings");
        server.advance(86_400);
    }
    assert_eq!(refusals(console).len(), 4, "two clients on two days");
}

#[test]
fn two_hundredths_of_the_directory_may_leave() {
    let server = Server::capped(|caps| caps.offboardings_per_day = 1);
    let console = server.tenant("acme").console;
    let all = users(&console, 4);
    server.drop_trigger("directories_update");
    server.tamper("UPDATE directories SET users = 199");
    for id in &all[..3] {
        offboard(&console, id).ok();
    }
    offboard(&console, &all[3]).refused("too-many-offboardings");
}

#[test]
fn users_that_leave_at_once_are_counted_together() {
    let server = Server::capped(|caps| caps.offboardings_per_day = 3);
    let console = server.tenant("acme").console;
    let all = users(&console, 10);
    let left = thread::scope(|scope| {
        let console = &console;
        let calls: Vec<_> =
            all.iter().map(|id| scope.spawn(move || offboard(console, id).status)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(left.iter().filter(|status| **status == 200).count(), 3, "{left:?}");
    assert_eq!(left.iter().filter(|status| **status == 429).count(), 7, "{left:?}");
    assert_eq!(refusals(&console).len(), 1);
}
