//! What anybody may read: by which methods, under which paths, and what is kept.

use serde_json::{Value, json};
use ureq::http::Request;

use crate::support::document::document;
use crate::support::wire::Wire;
use crate::support::{Answer, Server};

/// Status, `Allow`, length as the head says it, body.
fn ask(server: &Server, method: &str, url: &str) -> (u16, String, u64, String) {
    let request = Request::builder().method(method).uri(url).body(()).unwrap();
    let mut answer = server.agent().run(request).unwrap();
    let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (allow, length) = (header("allow"), header("content-length"));
    let (allow, length) = (allow.unwrap_or_default(), length.map_or(0, |n| n.parse().unwrap()));
    let status = answer.status().as_u16();
    (status, allow, length, answer.body_mut().read_to_string().unwrap())
}

#[test]
fn head_and_options_are_answered_wherever_get_is() {
    let server = Server::start();
    let tenant = server.tenant("acme").console.tenant;
    let metadata = format!("/.well-known/oauth-authorization-server/t/{tenant}");
    let public = ["/openapi.json", "/.well-known/jwks.json", &metadata].map(|p| server.url(p));
    let probes = ["/livez", "/readyz", "/metrics"].map(|path| server.probe_url(path));
    for (urls, options) in [(public, 204), (probes, 200)] {
        for url in urls {
            let (status, _, length, body) = ask(&server, "GET", &url);
            assert_eq!((status, length), (200, body.len() as u64), "{url}");
            let (status, _, of_head, body) = ask(&server, "HEAD", &url);
            assert_eq!((status, body.as_str()), (200, ""), "{url}");
            // What was counted differs by the count of this request.
            assert!(of_head == length || url.ends_with("/metrics"), "{url}");
            let (status, allow, _, body) = ask(&server, "OPTIONS", &url);
            assert_eq!((status, body.as_str()), (options, ""), "{url}");
            assert_eq!(allow, "GET, HEAD, OPTIONS", "{url}");
        }
    }
    let (status, allow, ..) = ask(&server, "HEAD", &server.url("/v1/evaluations"));
    assert_eq!((status, allow.as_str()), (405, "POST, OPTIONS"));
    assert_eq!(ask(&server, "OPTIONS", &server.url("/nothing")).0, 404);
}

#[test]
fn a_get_after_a_head_on_one_connection_has_its_own_answer() {
    let server = Server::start();
    let mut wire = Wire::to(server.addresses()[0]);
    wire.send("HEAD /.well-known/jwks.json HTTP/1.1\r\nhost: pawl\r\n\r\n");
    let head = wire.head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    wire.send("GET /.well-known/jwks.json HTTP/1.1\r\nhost: pawl\r\n\r\n");
    assert!(wire.answer("getJwks").body["keys"].is_array());
}

#[test]
fn the_document_is_the_checked_in_one_at_the_base_url_kept_and_compressed() {
    let server = Server::start();
    let send = |name: &str, value: &str| server.call("getOpenapi").header(name, value).send();
    let mut answered = send("x", "y").ok();
    assert_eq!(answered["servers"][0]["url"], "https://pawl.test");
    answered["servers"] = document()["servers"].clone();
    assert_eq!(&answered, document());

    let tag = |answer: &Answer| answer.header("etag").unwrap().to_owned();
    let plain = tag(&send("x", "y"));
    let get = server.agent().get(server.url("/openapi.json"));
    let mut packed = get.header("accept-encoding", "br, gzip").call().unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(packed.headers()["vary"], "accept-encoding");
    let gzip = packed.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(plain, gzip);
    let size = packed.body_mut().read_to_vec().unwrap().len();
    assert!(size < 64 * 1024, "{size}");
    for known in [&plain, &gzip, &format!("\"x\", W/{gzip}"), &"*".to_owned()] {
        assert_eq!(send("if-none-match", known).status, 304, "{known}");
        let keys = server.call("getJwks").header("if-none-match", known).send();
        assert_eq!(keys.status == 304, known == "*", "{known}");
    }
    assert_eq!(send("if-none-match", "\"x\"").status, 200);
}

#[test]
fn the_metadata_is_wherever_clients_look_for_it() {
    let server = Server::start();
    let tenant = server.tenant("acme").console.tenant;
    let found = server.call("getServerMetadata").at("tenant_id", &tenant).send().ok();
    let get = |path: &str| -> (u16, Value) {
        let mut answer = server.agent().get(server.url(path)).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
    };
    for path in [
        format!("/t/{tenant}/.well-known/openid-configuration"),
        format!("/t/{tenant}/.well-known/oauth-authorization-server"),
        format!("/.well-known/openid-configuration/t/{tenant}"),
    ] {
        assert_eq!(get(&path), (200, found.clone()), "{path}");
    }
    let unknown = format!("/t/ten_{}/.well-known/openid-configuration", "0".repeat(32));
    let elsewhere = format!("/.well-known/oauth-authorization-server/pawl/t/{tenant}");
    for path in [&unknown, &elsewhere, &"/t/x/.well-known/openid-configuration".to_owned()] {
        assert_eq!(get(path).1["code"], json!("not-found"), "{path}");
    }
}

#[test]
fn behind_a_path_both_places_of_the_metadata_work() {
    let server = Server::with_base("https://mfa.example/auth/pawl");
    let tenant = server.tenant("acme").console.tenant;
    let issuer = format!("https://mfa.example/auth/pawl/t/{tenant}");
    for path in [
        // As the proxy passes it on without the path, and as RFC 8414 makes it from the issuer.
        format!("/t/{tenant}/.well-known/oauth-authorization-server"),
        format!("/.well-known/oauth-authorization-server/auth/pawl/t/{tenant}"),
        format!("/.well-known/openid-configuration/auth/pawl/t/{tenant}"),
    ] {
        let mut answer = server.agent().get(server.url(&path)).call().unwrap();
        let metadata: Value = answer.body_mut().read_json().unwrap();
        assert_eq!(metadata["issuer"], issuer, "{path}");
    }
    let other = format!("/.well-known/oauth-authorization-server/other/t/{tenant}");
    assert_eq!(server.agent().get(server.url(&other)).call().unwrap().status(), 404);
}
