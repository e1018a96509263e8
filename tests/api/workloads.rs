//! Service accounts of a cluster that sign in as clients: a projected token at the token endpoint.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::api::cluster::{ACCOUNT, ClusterKey, Endpoint, ask, claims, jwks, publish, settings};
use crate::support::signer::{Signer, form};
use crate::support::{Act, Answer, Console, Server, Tenant, User};

/// A server in a cluster, and a console whose account may sign in.
struct Site {
    server: Server,
    tenant: Tenant,
    admin: User,
    portal: Console,
    key: ClusterKey,
}

impl Site {
    fn new() -> Self {
        let site = Self::at(Server::in_cluster(settings(None)), ClusterKey::rsa("one"));
        publish(&site.server, &jwks(&[&site.key]));
        site
    }

    fn at(server: Server, key: ClusterKey) -> Self {
        let tenant = server.tenant("acme");
        let admin = tenant.administrator();
        let portal = tenant.console.another(&admin, "portal", &["users"]);
        admin.act(&Act::bind(&portal.client_id, ACCOUNT)).ok();
        Self { server, tenant, admin, portal, key }
    }

    fn ask(&self, token: &str) -> Answer {
        ask(&self.server, &self.portal.client_id, token)
    }

    /// A good token of now, asked of each replica.
    fn each(&self, check: impl Fn(Answer)) {
        (0..self.server.replicas()).for_each(|_| check(self.ask(&self.key.token(&self.server))));
    }

    fn rows(&self, of: &str) -> String {
        self.server.value(&format!("SELECT CAST(count(*) AS TEXT) FROM {of}"))
    }

    fn bindings(&self) -> Value {
        let client = self.admin.call("getClient").at("client_id", &self.portal.client_id);
        client.send().ok()["service_accounts"].clone()
    }
}

/// The same answer for all of them, in both worlds' words.
#[track_caller]
fn invalid_client(answer: Answer) {
    let problem = answer.refused("invalid-client");
    assert_eq!((&problem["error"], &problem["reason"]), (&json!("invalid_client"), &Value::Null));
}

#[track_caller]
fn good(answer: Answer) {
    answer.ok();
}

#[track_caller]
fn unavailable(answer: Answer) {
    // RFC 6749 has no error of the token endpoint for it.
    assert_eq!(answer.refused("unavailable")["error"], Value::Null);
}

#[test]
fn a_projected_token_yields_a_token_of_five_minutes_and_may_be_used_again() {
    let site = Site::new();
    let (server, key) = (&site.server, &site.key);
    let projected = key.token(server);
    let first = site.ask(&projected).ok();
    assert_eq!((&first["expires_in"], &first["scope"]), (&json!(300), &json!("users")));
    let again = site.ask(&projected).ok();
    assert_ne!(first["access_token"], again["access_token"]);
    let token = first["access_token"].as_str().unwrap();
    let list = || server.call("listUsers").bearer(token).send();
    list().ok();
    server.call("evaluateLogin").bearer(token).send().refused("forbidden");
    server.call("listUsers").bearer(&projected).send().refused("unauthenticated");
    server.advance(300);
    list().refused("unauthenticated");
    let narrow = form(&projected, &format!("&client_id={}&scope=login", site.portal.client_id));
    let problem = server.call("issueClientToken").form(&narrow).send().refused("invalid-scope");
    assert_eq!(problem["error"], "invalid_scope");
    // The other kind of key, and an audience that is no list.
    let other = ClusterKey::ec("two");
    publish(server, &jwks(&[key, &other]));
    server.advance(60);
    let mut said = claims(server);
    said["aud"] = json!("pawl");
    site.ask(&other.sign(&json!({ "alg": "ES256", "kid": "two", "typ": "JWT" }), &said)).ok();
}

#[test]
fn an_account_is_added_with_a_proof_and_its_removal_ends_its_tokens() {
    let site = Site::new();
    let (admin, portal) = (&site.admin, &site.portal);
    let bound = site.bindings()[0].clone();
    assert_eq!(bound["service_account"], ACCOUNT);
    let id = bound["id"].as_str().unwrap();
    let token = site.ask(&site.key.token(&site.server)).ok();
    let token = token["access_token"].as_str().unwrap();
    site.server.call("listUsers").bearer(token).send().ok();
    let events = admin.call("listEvents").query("limit", "100").send().ok();
    let added =
        events["items"].as_array().unwrap().iter().find(|e| e["kind"] == "client.key_added");
    assert_eq!(added.unwrap()["data"]["service_account"], ACCOUNT);
    let whole = json!({
        "operation": "addClientKey",
        "client_id": &portal.client_id,
        "body": { "service_account": ACCOUNT, "reason": "the portal has moved" },
    });
    let words = admin.call("beginStepUp").json(&whole).send().ok()["act"].clone();
    let told = format!(
        r#"Let the service account "{ACCOUNT}" sign in as the client "portal" ({})"#,
        portal.client_id
    );
    assert_eq!(words, format!(r#"{told}. Reason: "the portal has moved""#));
    Signer::added(portal, admin);
    let third = Act::bind(&portal.client_id, "system:serviceaccount:shop:third");
    admin.try_act(&third).refused("too-many-keys");
    let remove = admin.call("removeClientKey").at("client_id", &portal.client_id).at("key_id", id);
    assert_eq!(remove.send().ok()["service_accounts"], json!([]));
    site.server.call("listUsers").bearer(token).send().refused("unauthenticated");
    invalid_client(site.ask(&site.key.token(&site.server)));
}

#[test]
fn an_account_that_waited_for_an_approval_signs_in_after_it() {
    let site = Site::new();
    let second = site.tenant.second_administrator(&site.admin, "second");
    site.admin.tighten(|policy| policy["base"]["approvals"] = json!(1));
    let other = "system:serviceaccount:shop:other.console";
    let asked = site.admin.act(&Act::bind(&site.portal.client_id, other)).ok();
    assert_eq!(asked["override"]["facts"]["service_account"], other);
    let mut said = claims(&site.server);
    said["sub"] = json!(other);
    let ask = || site.ask(&site.key.sign(&site.key.header(), &said));
    invalid_client(ask());
    let approval = Act::approve(&asked["override"]);
    let what = format!(r#"Let the service account "{other}" sign in as the client "portal""#);
    assert!(second.words(&approval).contains(&what));
    second.act(&approval).ok();
    good(ask());
}

#[test]
fn whatever_is_wrong_with_a_projected_token_the_answer_is_the_same_and_nothing_is_written() {
    let site = Site::new();
    let (server, key) = (&site.server, &site.key);
    let now = server.now().seconds();
    let said = claims(server);
    let claimed = |name: &str, value: Value| {
        let mut said = said.clone();
        said[name] = value;
        said.as_object_mut().unwrap().retain(|_, value| *value != "absent");
        key.sign(&key.header(), &said)
    };
    let headed = |name: &str, value: Value| {
        let mut header = key.header();
        header[name] = value;
        header.as_object_mut().unwrap().retain(|_, value| *value != "absent");
        key.sign(&header, &said)
    };
    let (stranger, point) = (ClusterKey::rsa("one"), ClusterKey::ec("one"));
    let mut all = vec![
        stranger.sign(&key.header(), &said),
        point.sign(&key.header(), &said),
        point.sign(&point.header(), &said),
        claimed("iss", json!("https://other.cluster")),
        claimed("iss", json!([said["iss"]])),
        claimed("aud", json!(["https://kubernetes.default.svc.cluster.local"])),
        claimed("aud", json!(["pawl", "vault"])),
        claimed("aud", json!([])),
        claimed("aud", json!("pawl2")),
        claimed("sub", json!("system:serviceaccount:shop:other")),
        claimed("sub", json!("system:serviceaccount:other:console")),
        claimed("sub", json!("system:serviceaccount:shop:console:x")),
        claimed("sub", json!("system:admin")),
        claimed("exp", json!(now)),
        claimed("exp", json!(now + 3601)),
        claimed("exp", json!(1e10)),
        claimed("iat", json!(now + 6)),
        claimed("iat", json!(now - 3600)),
        claimed("nbf", json!(now + 6)),
        headed("kid", json!("two")),
        headed("kid", json!("absent")),
        headed("typ", json!("at+jwt")),
        headed("crit", json!(["exp"])),
        headed("jku", json!("https://evil.example/jwks")),
        headed("jwk", stranger.jwk()),
        headed("alg", json!("RS512")),
        headed("alg", json!("PS256")),
        headed("alg", json!("none")),
    ];
    all.extend(
        ["iss", "sub", "aud", "exp", "iat", "nbf"].map(|name| claimed(name, json!("absent"))),
    );
    // The public key as a shared secret, and no signature at all.
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["HS256", "RS256", "none"] {
        let input = format!("{}.{}", part(&json!({ "alg": alg, "kid": "one" })), part(&said));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &key.public());
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&secret, input.as_bytes()));
        all.extend([format!("{input}."), format!("{input}.{tag}")]);
    }
    let events = site.rows("events");
    for token in &all {
        invalid_client(site.ask(token));
    }
    assert_eq!((site.rows("events"), site.rows("client_tokens")), (events, "0".to_owned()));
    good(site.ask(&claimed("exp", json!(now + 3600))));
}

#[test]
fn a_token_speaks_for_the_clients_that_it_was_added_to_and_no_other() {
    let site = Site::new();
    let server = &site.server;
    let token = || site.key.token(server);
    let other = server.tenant("other");
    let stranger = other.administrator();
    let nobody = format!("cli_{}", "0f".repeat(16));
    for client in [&site.tenant.console.client_id, &other.console.client_id, &nobody, "portal"] {
        invalid_client(ask(server, client, &token()));
    }
    let without = server.call("issueClientToken").form(&form(&token(), "")).send();
    let problem = without.refused("invalid-request");
    assert_eq!(
        (&problem["field"], &problem["error"]),
        (&json!("client_id"), &json!("invalid_request"))
    );
    // Another tenant may name the account too: for its own client, and that takes nothing from this one.
    stranger.act(&Act::bind(&other.console.client_id, ACCOUNT)).ok();
    let own = |client: &str| {
        let body = ask(server, client, &token()).ok();
        let token = body["access_token"].as_str().unwrap().to_owned();
        server.call("listUsers").bearer(&token).send().ok()
    };
    site.portal.user("ana");
    assert_eq!(own(&site.portal.client_id)["items"].as_array().unwrap().len(), 2);
    assert_eq!(own(&other.console.client_id)["items"].as_array().unwrap().len(), 1);
    site.admin.act(&Act::disable(&site.portal.client_id)).ok();
    invalid_client(site.ask(&token()));
    own(&other.console.client_id);
}

#[test]
fn one_way_in_is_named_and_only_where_a_cluster_is() {
    let site = Site::new();
    let client = &site.portal.client_id;
    let jwk = Signer::new(&site.portal).jwk();
    let both = Act::bind(client, ACCOUNT).set("jwk", jwk);
    let neither = Act::bind(client, ACCOUNT).set("service_account", Value::Null);
    for act in [both, neither] {
        assert_eq!(site.admin.try_act(&act).refused("invalid-request")["field"], "jwk");
    }
    for name in ["console", "system:serviceaccount:shop", "system:serviceaccount:Shop:console"] {
        site.admin.try_act(&Act::bind(client, name)).refused("invalid-request");
    }
    let apart = Server::start();
    let tenant = apart.tenant("acme");
    let admin = tenant.administrator();
    let act = Act::bind(&tenant.console.client_id, ACCOUNT);
    let problem = admin.try_act(&act).refused("invalid-request");
    assert_eq!(problem["field"], "service_account");
    invalid_client(ask(&apart, &tenant.console.client_id, &site.key.token(&apart)));
}

#[test]
fn the_last_good_keys_are_believed_for_an_hour() {
    let site = Site::new();
    let server = &site.server;
    site.each(good);
    let files = [
        "garbage".to_owned(),
        String::new(),
        r#"{"keys":{}}"#.to_owned(),
        format!(r#"{{"keys":[{}],"x":"{}"}}"#, site.key.jwk(), "x".repeat(64 * 1024)),
    ];
    for file in files {
        publish(server, &file);
        server.advance(60);
        site.each(good);
    }
    std::fs::remove_file(server.data_dir().join("jwks.json")).unwrap();
    server.advance(3600 - 4 * 60 - 1);
    site.each(good);
    server.advance(1);
    site.each(unavailable);
    publish(server, &jwks(&[&site.key]));
    server.advance(10);
    site.each(good);
}

#[test]
fn a_key_that_the_cluster_took_back_is_over_in_a_minute_and_a_new_one_is_known_at_once() {
    let site = Site::new();
    let server = &site.server;
    site.each(good);
    let next = ClusterKey::rsa("two");
    publish(server, &jwks(&[&next]));
    server.advance(9);
    invalid_client(site.ask(&next.token(server)));
    site.each(good);
    server.advance(1);
    (0..server.replicas()).for_each(|_| good(site.ask(&next.token(server))));
    site.each(invalid_client);
    publish(server, &jwks(&[&site.key]));
    server.advance(59);
    (0..server.replicas()).for_each(|_| good(site.ask(&next.token(server))));
    server.advance(1);
    (0..server.replicas()).for_each(|_| invalid_client(site.ask(&next.token(server))));
    site.each(good);
}

/// An emptied key set is the cluster's way to take back every key: it is no failed reading.
#[test]
fn an_emptied_key_set_ends_every_key_in_a_minute() {
    let site = Site::new();
    let server = &site.server;
    site.each(good);
    for emptied in [r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","kid":"one","k":"AQAB"}]}"#] {
        publish(server, emptied);
        server.advance(60);
        site.each(invalid_client);
        publish(server, &jwks(&[&site.key]));
        server.advance(60);
        site.each(good);
    }
}

#[test]
fn keys_that_were_never_read_let_nobody_in() {
    let site = Site::at(Server::in_cluster(settings(None)), ClusterKey::ec("one"));
    site.each(unavailable);
    publish(&site.server, &jwks(&[&site.key]));
    site.server.advance(10);
    site.each(good);
}

#[test]
fn keys_at_an_address_are_asked_for_now_and_then_whatever_tokens_say() {
    let key = ClusterKey::rsa("one");
    let endpoint = Endpoint::start(jwks(&[&key]));
    let server = Server::in_cluster(settings(Some(endpoint.url.clone())));
    let site = Site::at(server, key);
    let (server, replicas) = (&site.server, site.server.replicas());
    (0..3).for_each(|_| site.each(good));
    assert_eq!(endpoint.asked(), replicas, "once for each");
    let stranger = ClusterKey::rsa("unknown");
    server.advance(9);
    (0..10).for_each(|_| invalid_client(site.ask(&stranger.token(server))));
    assert_eq!(endpoint.asked(), replicas);
    server.advance(1);
    (0..10).for_each(|_| invalid_client(site.ask(&stranger.token(server))));
    assert_eq!(endpoint.asked(), 2 * replicas);
    for (status, text) in
        [(500, jwks(&[&site.key])), (302, String::new()), (200, "x".repeat(70_000))]
    {
        endpoint.answers(status, &text);
        server.advance(60);
        site.each(good);
    }
    assert_eq!(endpoint.asked(), 5 * replicas);
    server.advance(3600 - 180);
    site.each(unavailable);
    endpoint.answers(200, &jwks(&[&site.key]));
    server.advance(10);
    site.each(good);
}
