//! The built program as an operator meets it: first start, files and their modes, refusals in words,
//! exit codes, and commands beside a running server.

mod beside;
mod docs;
mod doctor;
mod drain;
mod health;
mod probe;
mod replica;
mod seal;
mod start;
pub mod support;
mod workload;

use std::path::Path;

use support::{done, place, refused, run, text};

#[test]
fn the_document_that_it_prints_is_the_one_that_is_checked_in() {
    let checked_in = std::fs::read_to_string("openapi/openapi.json").unwrap();
    assert_eq!(done(Path::new("nowhere"), &["openapi"]).trim_end(), checked_in.trim_end());
}

#[test]
fn the_configuration_is_shown_as_json_and_makes_nothing() {
    let place = place("config");
    let shown: serde_json::Value =
        serde_json::from_str(&done(&place, &["config", "--json"])).unwrap();
    let variables = &shown["variables"];
    assert_eq!(variables["PAWL_LISTEN"]["value"], "127.0.0.1:0");
    assert_eq!(variables["PAWL_LISTEN"]["default"], "127.0.0.1:8080");
    assert_eq!(variables["PAWL_LISTEN"]["kind"], "address");
    assert_eq!(variables["PAWL_DATA_DIR"]["value"], place.to_str().unwrap());
    assert_eq!(variables["PAWL_WORKERS"]["value"], "2");
    assert_eq!(shown["ports"], serde_json::json!({ "api": 0, "health": 0 }));
    let words = done(&place, &["config"]);
    for name in variables.as_object().unwrap().keys() {
        assert!(words.contains(name), "{name}");
    }
    assert!(!place.exists());
}

#[test]
fn every_fault_of_the_configuration_is_told_at_once() {
    let place = place("faults");
    let output = support::pawl(&place, &["serve"])
        .env("PAWL_LISTEN", "everywhere")
        .env("PAWL_WORKERS", "0")
        .env("PAWL_BASE_URL", "http://mfa.example")
        .env("PAWL_LISTNE", "127.0.0.1:80")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    for name in ["PAWL_LISTEN:", "PAWL_WORKERS:", "PAWL_BASE_URL:", "PAWL_LISTNE:"] {
        assert!(said.contains(name), "{name} in {said}");
    }
    assert!(!place.exists());
}

#[test]
fn wrong_use_exits_with_two() {
    let place = place("usage");
    for arguments in [
        &["disable"][..],
        &["--disable-mfa"],
        &["client"],
        &["override", "exempt", "usr_x", "--reason", "a long enough reason"],
        &["override", "reset", "usr_x"],
    ] {
        refused(&place, arguments, 2);
    }
    assert!(!place.exists());
}

#[test]
fn help_and_version_are_no_errors() {
    let place = place("help");
    assert!(done(&place, &["--help"]).contains("bootstrap"));
    assert!(done(&place, &["--version"]).starts_with("pawl "));
    assert!(run(&place, &["override", "--help"]).status.success());
}

#[test]
fn each_line_says_where_the_request_came_from() {
    let mut command = support::pawl(&place("source"), &["serve"]);
    command.env("PAWL_TRUSTED_PROXIES", "127.0.0.0/8").env("PAWL_PROXY_HEADER", "forwarded");
    let server = support::Server::of(command);
    let said = "for=192.0.2.1, for=203.0.113.9";
    ureq::get(server.url("/openapi.json")).header("forwarded", said).call().unwrap();
    let log = server.stop().log;
    let line = log.lines().find(|line| line.contains("get_openapi")).unwrap();
    assert!(line.contains("\"source\":\"203.0.113.9\""), "{line}");
}
