//! Swagger UI: where it is, what it loads, and that it is nowhere unasked.

use regex::Regex;

use crate::binary::support::{Server, pawl, place};

/// Status, the named header, body.
fn get(server: &Server, path: &str, header: &str) -> (u16, String, String) {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
    let mut answer = config.build().new_agent().get(server.url(path)).call().unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let header = headers.get(header).map(|value| value.to_str().unwrap().to_owned());
    let body = answer.body_mut().with_config().limit(4_000_000).read_to_vec().unwrap();
    (status, header.unwrap_or_default(), String::from_utf8_lossy(&body).into_owned())
}

#[test]
fn the_quick_start_has_it_and_loads_nothing_from_elsewhere() {
    let server = Server::start(&place("docs"));
    let (status, to, _) = get(&server, "/docs", "location");
    assert_eq!((status, to.as_str()), (308, "docs/"));

    let (status, policy, page) = get(&server, "/docs/", "content-security-policy");
    assert_eq!(status, 200);
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert!(!page.contains("://") && !page.contains("=\"//"), "{page}");

    let linked = Regex::new(r#"(?:src|href)="([^"]+)""#).unwrap();
    let names: Vec<&str> =
        linked.captures_iter(&page).map(|found| found.extract::<1>().1[0]).collect();
    assert!(names.len() >= 6, "{names:?}");
    for name in names {
        let path = format!("/docs/{}", name.trim_start_matches("./"));
        assert_eq!(get(&server, &path, "content-security-policy").0, 200, "{path}");
    }
    // What the page asks for, once it runs.
    let (_, kind, start) = get(&server, "/docs/swagger-initializer.js", "content-type");
    assert!(kind.starts_with("text/javascript"), "{kind}");
    assert!(start.contains(r#""url": "openapi.json""#), "{start}");
    assert!(start.contains(r#""validatorUrl": "none""#) && !start.contains("://"), "{start}");
    // The page calls where it was loaded from, whatever the base URL says.
    let servers = |path: &str| {
        let (status, _, text) = get(&server, path, "content-type");
        assert_eq!(status, 200, "{path}");
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        document["servers"][0]["url"].as_str().unwrap().to_owned()
    };
    assert_eq!(servers("/docs/openapi.json"), "..");
    let tag = |path| get(&server, path, "etag").1;
    assert_ne!(tag("/docs/openapi.json"), tag("/openapi.json"));
    assert_eq!(tag("/docs/openapi.json"), tag("/docs/openapi.json"));
    assert!(!tag("/docs/openapi.json").is_empty());
    assert_eq!(servers("/openapi.json"), "http://127.0.0.1:8080");

    let (status, kind, _) = get(&server, "/docs/nothing.js", "content-type");
    assert_eq!((status, kind.as_str()), (404, "application/problem+json"));
    server.stop();
}

#[test]
fn a_deployment_has_it_only_if_it_asks_for_it() {
    let data = place("docs-deployed");
    for (setting, expected) in [(None, 404), (Some("false"), 404), (Some("true"), 200)] {
        let mut command = pawl(&data, &["serve"]);
        command.env("PAWL_BASE_URL", "https://mfa.example");
        command.envs(setting.map(|value| ("PAWL_DOCS", value)));
        let server = Server::of(command);
        let (status, kind, body) = get(&server, "/docs/", "content-type");
        assert_eq!(status, expected, "{setting:?}");
        if expected == 404 {
            assert_eq!(kind, "application/problem+json");
            assert!(body.contains(r#""code":"not-found""#), "{body}");
            assert_eq!(get(&server, "/docs", "location").0, 404, "{setting:?}");
        }
        server.stop();
    }
}
