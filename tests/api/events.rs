//! The record: every change has its event, and it can be read in order.

use serde_json::{Value, json};

use crate::support::{Act, Server};

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
