//! Clients: made by the protocol, disabled for good, and never the last one.

use serde_json::{Value, json};

use crate::support::signer::Signer;
use crate::support::{Act, Answer, Console, Server, User};

#[test]
fn a_new_client_does_what_its_scopes_say() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let portal = tenant.console.another(&admin, "portal", &["users"]);
    portal.user("ana");
    portal
        .call("evaluateLogin")
        .json(&portal.login("ana", &["portal"]))
        .send()
        .refused("forbidden");
    let shown = admin.call("getClient").at("client_id", &portal.client_id).send().ok();
    assert_eq!((&shown["scopes"], &shown["audiences"]), (&json!(["users"]), &json!(["portal"])));
    let list = admin.call("listClients").send().ok();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
}

#[test]
fn what_a_client_may_be_has_bounds() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let act =
        |name: &str, value| admin.try_act(&Act::client("portal", &["login"]).set(name, value));
    for audience in [tenant.console.own_audience(), "https://pawl.test/t/other".to_owned()] {
        act("audiences", json!([audience])).refused("audience-reserved");
    }
    let foreign = "dir_00000000000000000000000000000000";
    let wrong = [("scopes", json!([])), ("key_days", json!(91)), ("directory_id", json!(foreign))];
    for (name, value) in wrong {
        assert_eq!(act(name, value).refused("invalid-request")["field"], name);
    }
}

#[test]
fn a_disabled_client_is_refused_at_once_and_so_are_its_tokens() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let portal = console.another(&admin, "portal", &["login", "users"]);
    let ana = portal.user("ana").enrolled();
    let token = ana.token();
    let disable = |id: &str| admin.act(&Act::disable(id));
    assert!(disable(&portal.client_id).ok()["disabled_at"].is_string());
    portal.call("listUsers").send().refused("unauthenticated");
    let call = server.call("getMfaStatus").at("user_id", &ana.id).bearer(&token);
    call.send().refused("unauthenticated");
    disable(&portal.client_id).refused("client-disabled");
    disable(&console.client_id).refused("last-client");
}

#[test]
fn a_key_ends_with_its_days() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let made = admin.act(&Act::client("portal", &["users"]).set("key_days", json!(1))).ok();
    let key = made["client_key"]["key"].as_str().unwrap();
    let list = || server.call("listUsers").bearer(key).send();
    list().ok();
    server.advance(86_400 - 60);
    list().ok();
    server.advance(60);
    list().refused("unauthenticated");
}

/// With one phone lost there are too few administrators for an approval, and a leaked key still ends.
#[test]
fn a_leaked_key_is_ended_also_where_there_are_too_few_administrators() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let second = tenant.second_administrator(&admin, "second");
    let leaked = tenant.console.another(&admin, "leaked", &["login"]);
    let twice = tenant.console.another(&admin, "twice", &["login"]);
    let (_, secret) = key_of(&admin.act(&Act::rotate(&twice.client_id)).ok());
    admin.tighten(|policy| policy["base"]["approvals"] = json!(1));
    let code = second.code();
    second.report(&second.challenge(), Some(&code)).ok();
    revoke(&admin, &twice.client_id, &secret).ok();
    admin.act(&Act::disable(&leaked.client_id)).ok();
    admin.act(&Act::disable(&twice.client_id)).ok();
    admin.act(&Act::disable(&tenant.console.client_id)).refused("last-client");
}

/// Ending the last way in would disable the client, which takes a code.
#[test]
fn the_last_way_in_of_a_client_ends_with_the_client() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let made = admin.act(&Act::client("portal", &["login"])).ok();
    let (_, secret) = key_of(&made);
    let portal = made["client_key"]["client_id"].as_str().unwrap();
    revoke(&admin, portal, &secret).refused("last-way-in");
    let console = Console { client_id: portal.to_owned(), ..tenant.console.clone() };
    let (_, key) = Signer::added(&console, &admin);
    revoke(&admin, portal, &secret).ok();
    let remove = admin.call("removeClientKey").at("client_id", portal).at("key_id", &key);
    remove.send().refused("last-way-in");
}

/// A secret that ends within a day is no other way in.
#[test]
fn a_dying_secret_does_not_replace_the_one_in_use() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let made = admin.act(&Act::client("portal", &["login"])).ok();
    let (_, used) = key_of(&made);
    let portal = made["client_key"]["client_id"].as_str().unwrap();
    let (_, dying) = key_of(&admin.act(&Act::rotate(portal).set("key_days", json!(1))).ok());
    server.advance(60);
    revoke(&admin, portal, &used).refused("last-way-in");
    revoke(&admin, portal, &dying).ok();
}

fn key_of(answer: &Value) -> (String, String) {
    let text = |name: &str| answer["client_key"][name].as_str().unwrap().to_owned();
    (text("key"), text("secret_id"))
}

fn revoke(admin: &User, client: &str, secret: &str) -> Answer {
    admin.call("revokeClientSecret").at("client_id", client).at("secret_id", secret).send()
}

#[test]
fn a_client_has_two_keys_while_it_changes_from_one_to_the_other() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let rotate = Act::rotate(&console.client_id).set("key_days", json!(2));
    admin.try_act(&rotate).refused("proof-required");
    let wrong = Act::rotate(&console.client_id).set("key_days", json!(0));
    assert_eq!(admin.try_act(&wrong).refused("invalid-request")["field"], "key_days");
    let (key, secret) = key_of(&admin.act(&rotate).ok());
    assert_ne!(key, console.key);
    let list = |key: &str| server.call("listUsers").bearer(key).send();
    let ids = |of: &str| {
        let client = admin.call("getClient").at("client_id", of).send().ok();
        let text = client.to_string();
        assert!(!text.contains("hash") && !text.contains("pawl_"), "{text}");
        let secrets = client["secrets"].as_array().unwrap().clone();
        secrets.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let live = ids(&console.client_id);
    assert_eq!((live.len(), &live[1]), (2, &secret));
    list(&key).ok();
    list(&console.key).ok();
    // Not a third one, before any code is asked for.
    admin.try_act(&rotate).refused("too-many-secrets");
    assert_eq!(revoke(&admin, &console.client_id, &live[0]).ok()["secrets"][0]["id"], secret);
    list(&console.key).refused("unauthenticated");
    list(&key).ok();
    revoke(&admin, &console.client_id, &live[0]).refused("not-found");
    revoke(&admin, &console.client_id, &secret).refused("last-client");
    // What has run out leaves room too.
    let second = admin.act(&Act::rotate(&console.client_id)).ok();
    server.advance(2 * 86_400);
    list(&key).refused("unauthenticated");
    let renewed = crate::support::Console { key: key_of(&second).0, ..console.clone() };
    renewed.call("listUsers").send().ok();
    assert_eq!(
        renewed.call("getClient").at("client_id", &console.client_id).send().ok()["secrets"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_key_that_ends_within_a_day_is_no_way_in() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    let client = admin.call("getClient").at("client_id", &console.client_id).send().ok();
    let first = client["secrets"][0]["id"].as_str().unwrap();
    let (_, short) =
        key_of(&admin.act(&Act::rotate(&console.client_id).set("key_days", json!(1))).ok());
    revoke(&admin, &console.client_id, first).refused("last-client");
    revoke(&admin, &console.client_id, &short).ok();
    admin.act(&Act::rotate(&console.client_id).set("key_days", json!(2))).ok();
    revoke(&admin, &console.client_id, first).ok();
}

#[test]
fn a_secret_belongs_to_its_client_and_its_tenant() {
    let server = Server::start();
    let (tenant, other) = (server.tenant("acme"), server.tenant("other"));
    let (admin, stranger) = (tenant.administrator(), other.administrator());
    let portal = tenant.console.another(&admin, "portal", &["users"]);
    let (key, secret) = key_of(&admin.act(&Act::rotate(&portal.client_id)).ok());
    revoke(&admin, &tenant.console.client_id, &secret).refused("not-found");
    revoke(&stranger, &portal.client_id, &secret).refused("not-found");
    stranger.try_act(&Act::rotate(&portal.client_id)).refused("not-found");
    server.call("listUsers").bearer(&key).send().ok();
    admin.act(&Act::disable(&portal.client_id)).ok();
    server.call("listUsers").bearer(&key).send().refused("unauthenticated");
    admin.try_act(&Act::rotate(&portal.client_id)).refused("client-disabled");
}

#[test]
fn a_rotation_that_waited_is_looked_at_again_when_it_is_approved_and_when_it_is_collected() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let second = tenant.second_administrator(&admin, "second");
    let portal = tenant.console.another(&admin, "portal", &["users"]);
    admin.tighten(|policy| policy["base"]["approvals"] = json!(1));
    let ask = || {
        let asked = admin.act(&Act::rotate(&portal.client_id)).ok();
        assert!(asked["client_key"].is_null(), "{asked}");
        asked["override"].clone()
    };
    let approve = |asked: &Value| second.act(&Act::approve(asked));
    let (first, next, full, late) = (ask(), ask(), ask(), ask());
    approve(&first).ok();
    approve(&next).ok();
    let (key, secret) = key_of(&admin.collect(&first).ok());
    server.call("listUsers").bearer(&key).send().ok();
    approve(&full).refused("too-many-secrets");
    admin.collect(&next).refused("too-many-secrets");
    revoke(&admin, &portal.client_id, &secret).ok();
    admin.act(&Act::disable(&portal.client_id)).ok();
    approve(&late).refused("client-disabled");
    admin.collect(&next).refused("client-disabled");
}
