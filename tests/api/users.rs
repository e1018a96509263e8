//! Users: made known, looked up, listed, off-boarded.

use serde_json::{Value, json};

use crate::support::{Act, Server};

#[test]
fn a_user_is_made_known_once_and_keeps_the_kind() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let upsert = |body: Value| console.call("upsertUser").json(&body).send();
    let first = upsert(json!({ "external_id": "ana", "display_name": "Ana" })).ok();
    let again = upsert(json!({ "external_id": "ana", "display_name": "Ana B." })).ok();
    assert_eq!((&again["id"], &again["display_name"]), (&first["id"], &json!("Ana B.")));
    let other = json!({ "external_id": "ana", "display_name": "Ana", "kind": "service" });
    assert_eq!(upsert(other).refused("invalid-request")["field"], "kind");
    // Nothing is written first: the harness counts refusals after a write.
    let both = json!({ "external_id": "ana", "display_name": "Anna", "kind": "service" });
    assert_eq!(upsert(both).refused("invalid-request")["field"], "kind");
    let odd = json!({ "external_id": "a\u{0}b", "display_name": "Ana" });
    assert_eq!(upsert(odd).refused("invalid-request")["field"], "external_id");
    let number = json!({ "external_id": "ana", "display_name": 7 });
    assert_eq!(upsert(number).refused("invalid-request")["field"], "display_name");
    let member = json!({ "external_id": "ana", "display_name": "Ana", "groups": ["a", 7] });
    assert_eq!(upsert(member).refused("invalid-request")["field"], "groups[1]");
    let shown = console.call("getUser").at("user_id", first["id"].as_str().unwrap()).send().ok();
    assert_eq!(shown["display_name"], "Ana B.");
}

#[test]
fn pages_follow_each_other_to_the_end() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    for name in ["a", "b", "c", "d"] {
        console.user(name);
    }
    for odd in ["%00", "usr_%C3%9F", "A"] {
        let refused = console.call("listUsers").query("cursor", odd).send();
        assert_eq!(refused.refused("invalid-request")["field"], "cursor", "{odd}");
    }
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut call = console.call("listUsers").query("limit", "2");
        if let Some(cursor) = &cursor {
            call = call.query("cursor", cursor);
        }
        let page = call.send().ok();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    // The administrator too.
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted());
}

#[test]
fn off_boarding_ends_everything_and_doing_it_again_changes_nothing() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let ana = console.user("ana").enrolled();
    let token = ana.token();
    let offboard = || console.call("offboardUser").at("user_id", &ana.id).send();
    let first = offboard().ok();
    server.advance(10);
    assert_eq!(offboard().ok(), first);
    let call = server.call("getMfaStatus").at("user_id", &ana.id).bearer(&token);
    call.send().refused("unauthenticated");
    let status = console.call("getMfaStatus").at("user_id", &ana.id).send().ok();
    assert_eq!(
        (&status["factor"], &status["offboarded_at"]),
        (&json!(null), &first["offboarded_at"])
    );
}

#[test]
fn nobody_with_a_role_is_off_boarded_by_a_machine() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, bo) = (tenant.administrator(), tenant.console.user("bo"));
    admin.act(&Act::grant(&bo.id, "auditor")).ok();
    for id in [&admin.id, &bo.id] {
        tenant.console.call("offboardUser").at("user_id", id).send().refused("holds-role");
    }
}

#[test]
fn the_mfa_status_says_what_is_open_and_what_is_not() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let ana = console.user("ana").enrolled();
    let status = console.call("getMfaStatus").at("user_id", &ana.id).send().ok();
    let action = |name: &str| {
        let all = status["actions"].as_array().unwrap();
        all.iter().find(|action| action["operation"] == name).unwrap().clone()
    };
    assert_eq!(action("requestDisable")["allowed"], false);
    assert_eq!(action("beginRotation")["allowed"], true);
    assert_eq!(action("beginEnrollment")["obstacle"], "already-enrolled");
    assert_eq!(status["factor"]["recovery_codes_left"], 10);
    let other = console.user("bo");
    ana.call("getMfaStatus").at("user_id", &other.id).send().refused("not-found");
}

/// A page costs as many statements as one row does.
#[test]
fn a_longer_page_costs_no_more_statements() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let lists = ["listUsers", "listOverrides", "listClients"];
    let costs = || {
        lists.map(|list| {
            let read = || admin.call(list).query("limit", "100").send().ok();
            // The credential is checked now, and remembered on both replicas.
            let rows = [read(), read()].map(|page| page["items"].as_array().unwrap().len())[0];
            let count = || server.pawls().iter().map(|p| p.metrics.tally.statements()).sum::<u64>();
            let before = count();
            read();
            (rows, count() - before)
        })
    };
    let grant = |name: &str| {
        let user = tenant.console.user(name);
        admin.act(&Act::grant(&user.id, "auditor")).ok();
        admin.act(&Act::client(name, &["login"])).ok();
    };
    grant("a");
    let few = costs();
    for name in ["b", "c", "d"] {
        grant(name);
    }
    let many = costs();
    for ((list, few), many) in lists.iter().zip(few).zip(many) {
        assert!(many.0 >= few.0 + 3, "{list}: {few:?} {many:?}");
        assert_eq!(many.1, few.1, "{list}: {few:?} {many:?}");
    }
}
