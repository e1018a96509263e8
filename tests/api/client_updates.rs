//! What a client may do changes by the protocol, and its next call is judged by it.

use serde_json::{Value, json};

use crate::api::overrides::Board;
use crate::support::{Act, REASON, Server};

#[test]
fn a_client_does_what_its_new_scopes_say() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let portal = tenant.console.another(&admin, "portal", &["users"]);
    let list = || portal.call("listUsers").send();
    let login = |audience: &str| {
        portal.call("evaluateLogin").json(&portal.login("ana", &[audience])).send()
    };
    list().ok();
    login("portal").refused("forbidden");
    let act = Act::update(&portal.client_id, json!(["login"]), json!(["shop"]));
    let words = r#"Change the client "portal": scopes from users to login, from the audiences "portal" to the audiences "shop", in the directory "console", where administrators sign in"#;
    assert_eq!(admin.words(&act), format!(r#"{words}. Reason: "{REASON}""#));
    let done = admin.act(&act);
    assert_eq!((done.status, &done.body["override"]["state"]), (201, &json!("used")));
    list().refused("forbidden");
    login("portal").refused("audience-not-registered");
    login("shop").ok();
    let shown = admin.call("getClient").at("client_id", &portal.client_id).send().ok();
    assert_eq!((&shown["scopes"], &shown["audiences"]), (&json!(["login"]), &json!(["shop"])));
    let events = admin.call("listEvents").query("kind", "client.updated").send().ok();
    let event = &events["items"][0];
    assert_eq!(event["object_id"], portal.client_id.as_str());
    assert_eq!(event["data"]["scopes"], json!(["login"]));
}

#[test]
fn an_update_has_the_bounds_of_a_new_client() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let portal = tenant.console.another(&admin, "portal", &["users"]).client_id;
    let own = tenant.console.own_audience();
    let try_it = |client: &str, scopes: Value, audiences: Value| {
        admin.act(&Act::update(client, scopes, audiences))
    };
    try_it(&portal, json!(["login"]), json!([own])).refused("audience-reserved");
    try_it(&portal, json!([]), json!([])).refused("invalid-request");
    let same = try_it(&portal, json!(["users"]), json!(["portal"])).refused("invalid-request");
    assert_eq!(same["reason"], "wants other scopes or audiences than the client has");
    let nobody = format!("cli_{}", "0".repeat(32));
    try_it(&nobody, json!(["login"]), json!([])).refused("not-found");
    let console = tenant.console.client_id.as_str();
    try_it(console, json!(["users"]), json!(["acme"])).refused("last-client");
    admin.act(&Act::disable(&portal)).ok();
    try_it(&portal, json!(["login"]), json!([])).refused("client-disabled");
}

/// What was true at the request is asked again at the approval.
#[test]
fn an_update_that_waited_is_looked_at_again_when_it_is_approved() {
    let board = Board::set();
    let (other, _) = board.elsewhere(&board.b);
    let console = board.tenant.console.client_id.clone();
    let shown = board.a.call("getClient").at("client_id", &console).send().ok();
    let blinded =
        board.waiting(&Act::update(&console, json!(["users"]), shown["audiences"].clone()));
    let wider =
        || Act::update(&other.client_id, json!(["login", "users"]), json!(["other", "shop"]));
    let (first, again) = (board.waiting(&wider()), board.waiting(&wider()));
    let told = board.b.words(&Act::approve(&first));
    assert!(told.contains(r#"Change the client "other": scopes from"#), "{told}");
    board.b.act(&Act::approve(&first)).ok();
    board.b.act(&Act::approve(&again)).refused("override-not-open");
    board.a.act(&Act::disable(&other.client_id)).ok();
    board.b.act(&Act::approve(&blinded)).refused("last-client");
    let now = board.a.call("getClient").at("client_id", &console).send().ok();
    assert_eq!(now["scopes"], shown["scopes"]);
}
