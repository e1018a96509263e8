//! Clients without a shared secret: `private_key_jwt`, and the opaque token that it yields.

use std::thread;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::signer::{Signer, form};
use crate::support::{Act, Answer, Console, REASON, Server, Tenant, User};

fn acme() -> (Server, Tenant, User) {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    (server, tenant, admin)
}

fn rows(server: &Server, of: &str) -> String {
    server.value(&format!("SELECT CAST(count(*) AS TEXT) FROM {of}"))
}

/// The same answer for all of them, in both worlds' words.
#[track_caller]
fn invalid_client(answer: Answer) {
    let problem = answer.refused("invalid-client");
    assert_eq!((&problem["error"], &problem["reason"]), (&json!("invalid_client"), &Value::Null));
}

fn remove(admin: &User, console: &Console, key: &str) -> Answer {
    admin.call("removeClientKey").at("client_id", &console.client_id).at("key_id", key).send()
}

#[test]
fn a_signed_assertion_yields_a_token_of_five_minutes_that_does_what_the_client_may() {
    let (server, tenant, admin) = acme();
    let console = &tenant.console;
    let (signer, _) = Signer::added(console, &admin);
    let answer = signer.ask(&signer.assertion("one"), "");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.ok();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert_eq!(body["scope"], "login users offboard petitions tenant:read");
    let token = body["access_token"].as_str().unwrap();
    assert!(token.starts_with("pawl_at_") && !token.contains('.'), "no JWT without a code");
    let list = || server.call("listUsers").bearer(token).send();
    list().ok();
    let body = console.login("ana", &[&console.own_audience()]);
    let login = server.call("evaluateLogin").bearer(token).json(&body).send().ok();
    assert_eq!(login["decision"], "enroll");
    server.call("putPolicy").bearer(token).send().refused("forbidden");
    assert!(!String::from_utf8_lossy(&server.stored()).contains(&token[41..]));
    server.advance(299);
    list().ok();
    server.advance(1);
    list().refused("unauthenticated");
    let metadata = server.call("getServerMetadata").at("tenant_id", &console.tenant).send().ok();
    let mut claims = signer.claims("two");
    assert_eq!(metadata["token_endpoint"], claims["aud"]);
    assert_eq!(metadata["token_endpoint_auth_methods_supported"], json!(["private_key_jwt"]));
    claims["aud"] = metadata["issuer"].clone();
    signer.ask(&signer.sign(&json!({ "alg": "ES256" }), &claims), "").ok();
}

#[test]
fn whatever_is_wrong_with_an_assertion_the_answer_is_the_same_and_nothing_is_written() {
    let (server, tenant, admin) = acme();
    let (signer, _) = Signer::added(&tenant.console, &admin);
    let stranger = Signer::new(&tenant.console);
    let events = rows(&server, "events");
    let now = server.now().seconds();
    let claims = signer.claims("one");
    let claimed = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims.as_object_mut().unwrap().retain(|_, value| *value != "absent");
        signer.sign(&Signer::header(), &claims)
    };
    let headed = |name: &str, value: Value| {
        let mut header = Signer::header();
        header[name] = value;
        signer.sign(&header, &claims)
    };
    let other = format!("cli_{}", "0f".repeat(16));
    let mut all = vec![
        String::new(),
        "a.b".to_owned(),
        "x".repeat(5000),
        stranger.assertion("one"),
        admin.token(),
        claimed("jti", json!("")),
        claimed("jti", json!("x".repeat(129))),
        claimed("iss", json!(other)),
        claimed("sub", json!(other)),
        claimed("aud", json!([claims["aud"]])),
        claimed("aud", json!(format!("{}/", claims["aud"].as_str().unwrap()))),
        claimed("aud", json!("https://pawl.test")),
        claimed("exp", json!(now)),
        claimed("exp", json!(now + 301)),
        claimed("exp", json!(1e10)),
        claimed("iat", json!(now + 6)),
        claimed("nbf", json!(now + 6)),
        headed("typ", json!("at+jwt")),
        headed("typ", json!("secevent+jwt")),
        headed("crit", json!(["exp"])),
        headed("jku", json!("https://evil.example/jwks")),
        headed("jwk", stranger.jwk()),
        headed("alg", json!("RS256")),
        headed("alg", json!("none")),
    ];
    all.extend(["iss", "sub", "aud", "exp", "jti"].map(|name| claimed(name, json!("absent"))));
    let long = json!({ "iss": claims["iss"], "sub": claims["sub"], "aud": claims["aud"],
        "jti": "one", "exp": now + 3600 });
    all.push(signer.sign(&Signer::header(), &long));
    // The public key as a shared secret, and no signature at all.
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["HS256", "ES256", "none"] {
        let input = format!("{}.{}", part(&json!({ "alg": alg })), part(&claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &signer.public());
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, input.as_bytes()));
        all.extend([format!("{input}."), format!("{input}.{tag}")]);
    }
    for assertion in &all {
        invalid_client(signer.ask(assertion, ""));
    }
    invalid_client(signer.ask(&signer.assertion("one"), &format!("&client_id={other}")));
    assert_eq!((rows(&server, "events"), rows(&server, "client_tokens")), (events, "0".to_owned()));
    signer.ask(&signer.assertion("one"), &format!("&client_id={}", signer.client_id)).ok();
}

#[test]
fn an_assertion_works_once_even_at_the_same_instant() {
    let (server, tenant, admin) = acme();
    let (signer, _) = Signer::added(&tenant.console, &admin);
    let assertion = signer.assertion("one");
    let answers: Vec<Answer> = thread::scope(|scope| {
        let ask = || signer.ask(&assertion, "");
        let all: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (good, rest): (Vec<_>, Vec<_>) = answers.into_iter().partition(|one| one.status == 200);
    assert_eq!((good.len(), rest.len()), (1, 3));
    rest.into_iter().for_each(invalid_client);
    // Nor by the other key of the same client.
    let (second, _) = Signer::added(&tenant.console, &admin);
    invalid_client(second.ask(&second.assertion("one"), ""));
    second.ask(&second.assertion("two"), "").ok();
    // What is over is purged, and nothing with it that could be used again.
    server.advance(3 * 3600);
    let purged: usize = server.purge().iter().map(|batch| batch.client_tokens).sum();
    assert_eq!((purged, rows(&server, "client_tokens")), (2, "0".to_owned()));
    invalid_client(signer.ask(&assertion, ""));
}

#[test]
fn a_scope_is_one_of_the_registration_and_a_token_has_no_more() {
    let (server, tenant, admin) = acme();
    let portal = tenant.console.another(&admin, "portal", &["login", "users"]);
    let (signer, _) = Signer::added(&portal, &admin);
    for (n, scope) in
        ["tenant:read", "users tenant:read", "users2", "Users", "users%20%20login", "%20"]
            .into_iter()
            .enumerate()
    {
        let more = format!("&scope={scope}");
        let problem = signer.ask(&signer.assertion(&n.to_string()), &more).refused("invalid-scope");
        assert_eq!(problem["error"], "invalid_scope");
    }
    let narrow = signer.ask(&signer.assertion("good"), "&scope=users").ok();
    assert_eq!(narrow["scope"], "users");
    let token = narrow["access_token"].as_str().unwrap();
    server.call("listUsers").bearer(token).send().ok();
    server.call("evaluateLogin").bearer(token).send().refused("forbidden");
    server.call("listClients").bearer(token).send().refused("forbidden");
}

#[test]
fn the_form_is_the_one_of_rfc_6749() {
    let (server, tenant, admin) = acme();
    let (signer, _) = Signer::added(&tenant.console, &admin);
    let good = form(&signer.assertion("one"), "");
    let call = || server.call("issueClientToken");
    let grant = good.replace("client_credentials", "authorization_code");
    let problem = call().form(&grant).send().refused("unsupported-grant-type");
    assert_eq!(problem["error"], "unsupported_grant_type");
    let twice = format!("{good}&client_assertion=x");
    let basic = good.replace("jwt-bearer", "saml2-bearer");
    let none = good.replace("client_credentials", "");
    for body in [&twice, &basic, &none, "", "client_assertion=x"] {
        let answer = call().form(body).send();
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let problem = answer.refused("invalid-request");
        assert_eq!(problem["error"], "invalid_request");
        assert!(problem["error_description"].is_string(), "{problem}");
    }
    // The header alone is a way to authenticate that failed.
    let header = call().form("grant_type=client_credentials").header("authorization", "Basic Og==");
    assert_eq!(header.send().refused("unauthenticated")["error"], "invalid_client");
    // A parameter without a value counts as left out.
    signer.ask(&signer.assertion("empty"), "&scope=&client_id=").ok();
    let both = call().form(&good).bearer(&tenant.console.key).send();
    both.refused("invalid-request");
    call().json(&json!({})).send().refused("unsupported-media-type");
    let long = format!("{good}&x={}", "x".repeat(16 * 1024));
    call().form(&long).send().refused("payload-too-large");
    call().form(&format!("{good}&resource=ignored")).send().ok();
}

#[test]
fn a_key_that_is_removed_a_client_that_is_disabled_and_a_tenant_that_is_suspended_stop_at_once() {
    let (server, tenant, admin) = acme();
    let portal = tenant.console.another(&admin, "portal", &["users"]);
    let (signer, key) = Signer::added(&portal, &admin);
    let (second, _) = Signer::added(&portal, &admin);
    let (first_token, second_token) = (signer.token("1"), second.token("2"));
    let list = |token: &str| server.call("listUsers").bearer(token).send();
    list(&first_token).ok();
    let third = Act::add_key(&portal.client_id, Signer::new(&portal).jwk());
    admin.try_act(&third).refused("too-many-keys");
    assert_eq!(remove(&admin, &portal, &key).ok()["keys"].as_array().unwrap().len(), 1);
    remove(&admin, &portal, &key).refused("not-found");
    list(&first_token).refused("unauthenticated");
    invalid_client(signer.ask(&signer.assertion("3"), ""));
    list(&second_token).ok();
    // One client's token is not another's, whatever id stands in it.
    let swapped = second_token.replace(&portal.client_id[4..], &tenant.console.client_id[4..]);
    list(&swapped).refused("unauthenticated");
    admin.act(&Act::disable(&portal.client_id)).ok();
    list(&second_token).refused("unauthenticated");
    invalid_client(second.ask(&second.assertion("4"), ""));
    admin.try_act(&third).refused("client-disabled");
    let (own, _) = Signer::added(&tenant.console, &admin);
    let token = own.token("5");
    server.drop_trigger("tenants_update");
    server.tamper("UPDATE tenants SET suspended_at = 1");
    list(&token).refused("unauthenticated");
    invalid_client(own.ask(&own.assertion("6"), ""));
}

#[test]
fn a_key_is_public_strong_and_of_one_client() {
    let (server, tenant, admin) = acme();
    let other = server.tenant("other");
    let stranger = other.administrator();
    let console = &tenant.console;
    let signer = Signer::new(console);
    let mut private = signer.jwk();
    private["d"] = json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE");
    let body = json!({ "jwk": private, "reason": REASON });
    let call = admin.call("addClientKey").at("client_id", &console.client_id);
    let problem = call.json(&body).send().refused("invalid-request");
    assert!(!problem.to_string().contains("870MB6"), "{problem}");
    let mut weak = signer.jwk();
    weak["x"] = weak["y"].clone();
    let act = Act::add_key(&console.client_id, weak);
    assert_eq!(admin.try_act(&act).refused("invalid-request")["field"], "jwk");
    let (added, key) = Signer::added(console, &admin);
    remove(&stranger, console, &key).refused("not-found");
    remove(&stranger, &other.console, &key).refused("not-found");
    // With a key the console needs no secret; without either nobody could sign in.
    let client = admin.call("getClient").at("client_id", &console.client_id).send().ok();
    let secret = client["secrets"][0]["id"].as_str().unwrap();
    let revoke = admin.call("revokeClientSecret").at("client_id", &console.client_id);
    revoke.at("secret_id", secret).send().ok();
    remove(&admin, console, &key).refused("last-client");
    server.call("listUsers").bearer(&added.token("1")).send().ok();
}

#[test]
fn a_key_that_waited_is_looked_at_again_when_it_is_approved() {
    let (_server, tenant, admin) = acme();
    let second = tenant.second_administrator(&admin, "second");
    let portal = tenant.console.another(&admin, "portal", &["users"]);
    admin.tighten(|policy| policy["base"]["approvals"] = json!(1));
    let ask = || {
        let asked = admin.act(&Act::add_key(&portal.client_id, Signer::new(&portal).jwk())).ok();
        Act::approve(&asked["override"])
    };
    let (first, next, full) = (ask(), ask(), ask());
    for approval in [first, next] {
        assert!(second.act(&approval).ok()["client_key"].is_null());
    }
    second.try_act(&full).refused("too-many-keys");
}

/// Each refusal says why, and none says which clients there are.
#[test]
fn each_refusal_has_a_description_and_none_tells_which_clients_exist() {
    let (server, tenant, admin) = acme();
    let (signer, _) = Signer::added(&tenant.console, &admin);
    // Of two keys, the one that signed says why.
    Signer::added(&tenant.console, &admin);
    let now = server.now().seconds();
    let said = |answer: Answer| {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let problem = answer.refused("invalid-client");
        problem["error_description"].as_str().unwrap().to_owned()
    };
    let claimed = |name: &str, value: Value| {
        let mut claims = signer.claims("one");
        claims[name] = value;
        said(signer.ask(&signer.sign(&Signer::header(), &claims), ""))
    };
    assert!(claimed("exp", json!(now)).starts_with("exp is in the past"));
    assert!(claimed("exp", json!(now + 301)).contains("300 seconds at the most"));
    assert!(claimed("iat", json!(now + 6)).starts_with("iat or nbf is more than 5 seconds"));
    assert!(claimed("aud", json!("https://pawl.test")).starts_with("aud is neither"));
    assert!(claimed("jti", json!("")).contains("jti has 1 to 128 characters"));
    assert!(said(signer.ask("a.b", "")).contains("compact JWS"));
    let mut five_minutes = signer.claims("long");
    five_minutes["exp"] = json!(now + 300);
    let five_minutes = signer.sign(&Signer::header(), &five_minutes);
    signer.ask(&five_minutes, "").ok();
    assert!(said(signer.ask(&five_minutes, "")).starts_with("jti was used before"));
    // A wrong key, an algorithm that the client has no key for, and a client that is not there.
    let wrong =
        said(Signer::new(&tenant.console).ask(&Signer::new(&tenant.console).assertion("x"), ""));
    let header = json!({ "alg": "RS256" });
    assert_eq!(said(signer.ask(&signer.sign(&header, &signer.claims("x")), "")), wrong);
    let mut unknown = signer.claims("x");
    let other = json!(format!("cli_{}", "0f".repeat(16)));
    (unknown["iss"], unknown["sub"]) = (other.clone(), other);
    assert_eq!(said(signer.ask(&signer.sign(&Signer::header(), &unknown), "")), wrong);
    assert_eq!(said(signer.ask(&signer.sign(&header, &unknown), "")), wrong);
}
