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
    let whom =
        format!(r#"Change the client "portal" ({}) in the directory "console","#, portal.client_id);
    let what = r#" where administrators sign in: scopes from users to login, from the audiences "portal" to the audiences "shop""#;
    assert_eq!(admin.words(&act), format!(r#"{whom}{what}. Reason: "{REASON}""#));
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
    let narrower = Act::update(&other.client_id, json!(["login"]), json!(["other"]));
    let (first, again) = (board.waiting(&wider()), board.waiting(&wider()));
    let narrower = board.waiting(&narrower);
    let told = board.b.words(&Act::approve(&first));
    let whom =
        format!(r#"Change the client "other" ({}) in the directory "console","#, other.client_id);
    assert!(told.contains(&whom), "{told}");
    board.b.act(&Act::approve(&first)).ok();
    // Each would undo what was approved meanwhile.
    for late in [&again, &narrower] {
        board.b.act(&Act::approve(late)).refused("override-not-open");
    }
    board.a.act(&Act::disable(&other.client_id)).ok();
    board.b.act(&Act::approve(&blinded)).refused("last-client");
    let now = board.a.call("getClient").at("client_id", &console).send().ok();
    assert_eq!(now["scopes"], shown["scopes"]);
}

/// A handle never becomes worth more than what its client may still ask for.
#[test]
fn a_handle_for_an_audience_that_the_client_lost_is_over() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let portal = tenant.console.another(&admin, "portal", &["login", "users"]);
    let (ana, bo) = (portal.user("ana").enrolled(), portal.user("bo"));
    let open =
        |who: &str| portal.call("evaluateLogin").json(&portal.login(who, &["portal"])).send().ok();
    let handle = |answer: &Value| answer["challenge"]["handle"].as_str().unwrap().to_owned();
    let challenge = handle(&open("ana"));
    let body = json!({ "challenge": handle(&open("bo")) });
    let begun = portal.call("beginEnrollment").json(&body).send().ok();
    let late = json!({ "challenge": handle(&open("bo")) });
    admin.act(&Act::update(&portal.client_id, json!(["login", "users"]), json!(["shop"]))).ok();
    ana.verify(&challenge, &ana.code()).refused("challenge-over");
    portal.call("beginEnrollment").json(&late).send().refused("challenge-over");
    let confirm = json!({ "enrollment": begun["enrollment"], "code": "000000" });
    portal.call("confirmEnrollment").json(&confirm).send().refused("enrollment-over");
    assert_eq!(bo.evaluate().ok()["decision"], "enroll");
}

/// Without the scope `login` a client vouches for nobody any more, as if it were disabled.
#[test]
fn who_signed_in_through_a_client_that_lost_the_scope_is_signed_out() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let portal = tenant.console.another(&admin, "portal", &["login", "users"]);
    let ana = portal.user("ana").enrolled();
    let token = ana.token();
    let status = || server.call("getMfaStatus").at("user_id", &ana.id).bearer(&token).send();
    status().ok();
    admin.act(&Act::update(&portal.client_id, json!(["users"]), json!(["portal"]))).ok();
    status().refused("unauthenticated");
}
