//! Clients: made by the protocol, disabled for good, and never the last one.

use serde_json::json;

use crate::support::{Act, Server};

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
    let disable = |id: &str| admin.call("disableClient").at("client_id", id).send();
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
