//! The record: every change has its event, and it can be read in order.

use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};

use pawl::operations::Done;
use serde_json::{Value, json};

use crate::support::{Act, Server, waited};

fn kinds(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

#[test]
fn what_was_done_is_on_record_in_order() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    admin.act(&Act::grant(&ana.id, "auditor")).ok();
    let page = ana.call("listEvents").query("user_id", &ana.id).send().ok();
    let kinds = kinds(&page);
    let place = |kind: &str| kinds.iter().position(|have| *have == kind).expect(kind);
    assert!(place("user.created") < place("enrollment.begun"));
    assert!(place("enrollment.begun") < place("enrollment.confirmed"));
    assert!(place("override.requested") < place("role.granted"));
}

#[test]
fn events_are_filtered_and_paged() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let console = &tenant.console;
    let early = console.user("a");
    server.advance(60);
    let since = server.at(0);
    let late = console.user("b");
    let list = |pairs: &[(&str, &str)]| {
        let call = console.call("listEvents");
        pairs.iter().fold(call, |call, (name, value)| call.query(name, value)).send()
    };
    let created = list(&[("kind", "user.created"), ("since", &since)]).ok();
    assert_eq!(created["items"].as_array().unwrap().len(), 1);
    assert_eq!(created["items"][0]["user_id"], json!(late.id));
    let before = list(&[("kind", "user.created"), ("until", &since)]).ok();
    let users: Vec<&Value> =
        before["items"].as_array().unwrap().iter().map(|e| &e["user_id"]).collect();
    assert!(users.contains(&&json!(early.id)) && !users.contains(&&json!(late.id)));
    let first = list(&[("limit", "1")]).ok();
    let next = list(&[("limit", "1"), ("cursor", first["next_cursor"].as_str().unwrap())]).ok();
    assert_ne!(first["items"][0]["id"], next["items"][0]["id"]);
    list(&[("kind", "no.such")]).refused("invalid-request");
    list(&[("cursor", "x")]).refused("invalid-request");
}

#[test]
fn a_tenant_reads_its_own_record_only() {
    let server = Server::start();
    let (one, other) = (server.tenant("one"), server.tenant("other"));
    let eve = other.console.user("eve");
    let page = one.console.call("listEvents").query("user_id", &eve.id).send().ok();
    assert_eq!(page["items"], json!([]));
}

/// Every combination of filters says what the whole record says, filtered by hand.
#[test]
fn each_combination_of_filters_reads_what_it_names() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let ana = tenant.console.user("ana").enrolled();
    server.advance(60);
    let since = server.at(0);
    let ben = tenant.console.user("ben").enrolled();
    ana.sign_in().ok();
    server.advance(60);
    let until = server.at(0);
    ana.sign_in().ok();
    ben.sign_in().ok();
    let all = tenant.console.call("listEvents").query("limit", "100").send().ok();
    let all = all["items"].as_array().unwrap();
    for number in 0..16 {
        let pairs = [
            ("user_id", ana.id.as_str()),
            ("kind", "code.verified"),
            ("since", since.as_str()),
            ("until", until.as_str()),
        ];
        let chosen: Vec<(&str, &str)> =
            (0..4).filter(|bit| number & (1 << bit) != 0).map(|bit| pairs[bit]).collect();
        let is_wanted = |event: &&Value| {
            chosen.iter().all(|(name, value)| match *name {
                "since" => event["at"].as_str().unwrap() >= *value,
                "until" => event["at"].as_str().unwrap() < *value,
                name => event[name] == *value,
            })
        };
        let wanted: Vec<&Value> = all.iter().filter(is_wanted).collect();
        assert!(!wanted.is_empty(), "{chosen:?}");
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut call = ana.console.call("listEvents").query("limit", "2");
            for (name, value) in
                chosen.iter().copied().chain(cursor.as_deref().map(|c| ("cursor", c)))
            {
                call = call.query(name, value);
            }
            let page = call.send().ok();
            let items = page["items"].as_array().unwrap().clone();
            if items.is_empty() {
                break;
            }
            found.extend(items);
            cursor = Some(page["next_cursor"].as_str().unwrap().to_owned());
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{chosen:?}");
    }
}

/// Replicas' clocks differ by a little. A search for a time halves the record, so it is in order.
#[test]
fn the_times_of_a_tenants_events_never_decrease() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    tenant.console.user("a");
    server.advance(-20);
    tenant.console.user("b").enrolled();
    let page = tenant.console.call("listEvents").query("limit", "100").send().ok();
    let times: Vec<&str> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

/// A client that lists without end takes the connections of lists, and no credential waits for them.
#[test]
fn reads_that_hang_keep_no_credential_waiting() {
    let server = Server::start();
    let (acme, other) = (server.tenant("acme"), server.tenant("other"));
    let ana = other.console.user("ana").enrolled();
    let (begun, has_begun) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut ends = Vec::new();
        for pawl in server.pawls() {
            for _ in 0..4 {
                let (end, ended) = mpsc::channel::<()>();
                ends.push(end);
                let (begun, ended) = (begun.clone(), Mutex::new(ended));
                scope.spawn(move || {
                    waited(pawl.store.read_through("hang", move |_| -> Done<()> {
                        begun.send(()).unwrap();
                        let _ = ended.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        Ok(())
                    }))
                });
            }
        }
        for _ in &ends {
            has_begun.recv().unwrap();
        }
        // Two calls each: on PostgreSQL two replicas take turns. None of these was checked before.
        for _ in 0..2 {
            ana.sign_in().ok();
            assert_eq!(server.probe("/readyz"), 200);
            acme.console.call("createPetition").json(&json!({})).send().refused("invalid-request");
        }
    });
}
