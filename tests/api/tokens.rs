//! Tokens as a downstream console sees them: the key set, the metadata, the claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::Server;

fn part(token: &str, place: usize) -> Value {
    let text = token.split('.').nth(place).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

#[test]
fn a_token_says_who_for_whom_and_how_and_nothing_personal() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let ana = console.user("ana").enrolled();
    let token = ana.token();
    let (header, claims) = (part(&token, 0), part(&token, 1));
    let keys = server.call("getJwks").send().ok();
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("ES256")));
    assert_eq!(header["kid"], keys["keys"][0]["kid"]);
    let metadata = server.call("getServerMetadata").at("tenant_id", &console.tenant).send().ok();
    assert_eq!(claims["iss"], metadata["issuer"]);
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(ana.id), &json!(console.client_id)));
    assert_eq!(claims["amr"], json!(["pwd", "otp", "mfa"]));
    let ttl = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(ttl, 300);
    assert!(!claims.to_string().contains("ana"));
}

#[test]
fn a_token_ends_with_its_time() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana").enrolled();
    let token = ana.token();
    let status = || server.call("getMfaStatus").at("user_id", &ana.id).bearer(&token).send();
    status().ok();
    server.advance(299);
    status().ok();
    server.advance(1);
    status().refused("unauthenticated");
}

#[test]
fn a_token_for_another_audience_opens_nothing_here() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana").enrolled();
    let code = ana.code();
    let decision = ana.evaluate_for(&["acme"]).ok();
    let body = ana.verify(decision["challenge"]["handle"].as_str().unwrap(), &code).ok();
    let token = body["tokens"][0]["access_token"].as_str().unwrap();
    let call = server.call("getMfaStatus").at("user_id", &ana.id).bearer(token);
    call.send().refused("unauthenticated");
}

#[test]
fn the_key_set_is_kept_by_its_tag() {
    let server = Server::start();
    let answer = server.call("getJwks").send();
    let tag = answer.header("etag").unwrap().to_owned();
    let again = server.call("getJwks").header("if-none-match", &tag).send();
    assert_eq!(again.status, 304);
    // A cache that cannot ask must not serve a revoked key on (RFC 9111 4.2.4).
    let kept = Some("public, max-age=300, must-revalidate");
    assert_eq!((answer.header("cache-control"), again.header("cache-control")), (kept, kept));
    assert_eq!(server.call("getJwks").header("if-none-match", "\"x\"").send().status, 200);
}

#[test]
fn the_server_answers_its_tenant() {
    let tenant = Server::start().tenant("acme");
    let shown = tenant.console.call("getTenant").send().ok();
    assert_eq!(shown["name"], "acme");
}
