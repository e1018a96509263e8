//! Commands beside a running server: they take effect on its next request, and are on record.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::binary::support::{HandedOver, Server, code, done, mode, place, refused, run};

const REASON: &str = "drill of the emergency plan";

struct Site {
    data: PathBuf,
    server: Server,
    handed: HandedOver,
}

impl Site {
    fn new(name: &str) -> Self {
        let data = place(name);
        let mut server = Server::start(&data);
        let handed = HandedOver::read(&server.first_line());
        Self { data, server, handed }
    }

    fn post(&self, path: &str, body: &Value, status: u16) -> Value {
        self.server.post(path, &self.handed.key, body, status)
    }

    fn decision(&self, user: &str) -> Value {
        self.server.evaluate(&self.handed.key, user, &["console"])
    }

    /// The administrator's first sign-in; a token for Pawl's own audience.
    fn administrator(&self) -> String {
        let asked = self.server.evaluate(&self.handed.key, "admin", &[&self.handed.issuer]);
        assert_eq!(asked["decision"], "enroll", "{asked}");
        let handle = &asked["enrollment"]["handle"];
        let body = json!({ "enrollment": handle, "code": code(&self.handed.otpauth, 0) });
        let confirmed = self.post("/v1/enrollments/confirm", &body, 200);
        confirmed["tokens"][0]["access_token"].as_str().unwrap().to_owned()
    }

    /// A user with a factor: the id and the authenticator.
    fn enrolled(&self, user: &str) -> (String, String) {
        let asked = self.decision(user);
        let id = asked["user_id"].as_str().unwrap().to_owned();
        let body = json!({ "challenge": asked["challenge"]["handle"] });
        let begun = self.post("/v1/enrollments", &body, 201);
        (id, self.confirm(&begun))
    }

    fn confirm(&self, begun: &Value) -> String {
        let otpauth = begun["otpauth_uri"].as_str().unwrap().to_owned();
        let body = json!({ "enrollment": begun["enrollment"], "code": code(&otpauth, 0) });
        let confirmed = self.post("/v1/enrollments/confirm", &body, 200);
        assert_eq!(confirmed["tokens"].as_array().unwrap().len(), 1);
        otpauth
    }

    fn verify(&self, asked: &Value, code: &str) -> u16 {
        let body = json!({ "challenge": asked["challenge"]["handle"], "code": code });
        self.server.call("/v1/challenges/verify", &self.handed.key, Some(&body)).0
    }

    /// The kinds of the server's own events about a user.
    fn recorded(&self, token: &str, user: &str) -> Vec<String> {
        let path = format!("/v1/events?limit=100&user_id={user}");
        let (status, page) = self.server.call(&path, token, None);
        assert_eq!(status, 200, "{page}");
        let events = page["items"].as_array().unwrap().iter();
        let own = events.filter(|event| event["actor_kind"] == "server");
        own.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }

    fn break_glass(&self, kind: &str, user: &str, more: &[&str]) -> String {
        let mut arguments = vec!["override", kind, user, "--reason", REASON];
        arguments.extend(more);
        done(&self.data, &arguments)
    }
}

/// The secret in the 0600 file that a command named.
fn delivered(said: &str) -> String {
    let path = said.split(" is in ").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!(mode(Path::new(path)), 0o600);
    std::fs::read_to_string(path).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn an_exemption_from_the_command_line_holds_at_the_next_login() {
    let site = Site::new("exempt");
    let token = site.administrator();
    let (bob, otpauth) = site.enrolled("bob");
    let said = site.break_glass("exempt", &bob, &["--audience", "console"]);
    assert!(said.contains("approved until"), "{said}");
    let asked = site.decision("bob");
    assert_eq!(asked["decision"], "exempt", "{asked}");
    // Exempt is no token: that takes the code.
    assert_eq!(site.verify(&asked, &code(&otpauth, 1)), 200);
    let kinds = site.recorded(&token, &bob);
    assert_eq!(kinds, ["override.requested", "override.approved", "user.changed"]);
    let own = ["override", "exempt", &bob, "--reason", REASON, "--audience", &site.handed.issuer];
    refused(&site.data, &own, 1);
}

#[test]
fn an_unlock_from_the_command_line_lifts_the_block() {
    let site = Site::new("unlock");
    let token = site.administrator();
    let (bob, otpauth) = site.enrolled("bob");
    let wrong = if code(&otpauth, 1) == "000000" { "000001" } else { "000000" };
    let asked = site.decision("bob");
    let statuses = [(); 4].map(|()| site.verify(&asked, wrong));
    assert_eq!(statuses, [422, 422, 422, 429]);
    assert_eq!(site.verify(&asked, &code(&otpauth, 1)), 429);
    site.break_glass("unlock", &bob, &[]);
    assert_eq!(site.verify(&site.decision("bob"), &code(&otpauth, 1)), 200);
    assert!(site.recorded(&token, &bob).contains(&"user.unlocked".to_owned()));
}

#[test]
fn a_reset_from_the_command_line_prints_the_ticket_that_enrolls_again() {
    let site = Site::new("reset");
    let token = site.administrator();
    let (bob, old) = site.enrolled("bob");
    let before = site.decision("bob");
    let said = site.break_glass("reset", &bob, &[]);
    assert!(!said.contains("mtk_"), "a pipe is a log");
    let ticket = delivered(&said);
    assert_eq!(site.verify(&before, &code(&old, 1)), 410);
    let asked = site.decision("bob");
    assert_eq!(asked["decision"], "ticket_required", "{asked}");
    let body = json!({ "ticket": ticket, "challenge": asked["challenge"]["handle"] });
    let begun = site.post("/v1/tickets/redeem", &body, 201);
    let new = site.confirm(&begun);
    assert_ne!(new, old);
    assert_eq!(site.verify(&site.decision("bob"), &code(&new, 1)), 200);
    let kinds = site.recorded(&token, &bob);
    for kind in ["override.requested", "override.approved", "factor.ended", "ticket.created"] {
        assert!(kinds.iter().any(|other| other == kind), "{kind} in {kinds:?}");
    }
}

#[test]
fn an_off_boarded_user_is_denied_at_once() {
    let site = Site::new("offboard");
    let token = site.administrator();
    let (bob, otpauth) = site.enrolled("bob");
    let before = site.decision("bob");
    let listed = done(&site.data, &["user", "list"]);
    assert!(listed.lines().any(|line| line.contains(&bob) && line.contains("here")), "{listed}");
    done(&site.data, &["user", "offboard", &bob]);
    assert_eq!(site.verify(&before, &code(&otpauth, 1)), 410);
    assert_eq!(site.decision("bob")["decision"], "denied");
    let listed = done(&site.data, &["user", "list"]);
    assert!(listed.lines().any(|line| line.contains(&bob) && line.contains("off-boarded")));
    assert!(site.recorded(&token, &bob).contains(&"user.offboarded".to_owned()));
    refused(&site.data, &["user", "offboard", &bob], 1);
}

#[test]
fn a_client_is_made_and_disabled_beside_the_server() {
    let mut site = Site::new("client");
    let token = site.administrator();
    let said = done(&site.data, &["client", "create", "--name", "Second", "--audience", "console"]);
    assert!(!said.contains("\npawl_"), "a pipe is a log");
    let (id, key) = (said.lines().next().unwrap(), &delivered(&said));
    assert_eq!(site.server.evaluate(key, "ann", &["console"])["decision"], "enroll");
    // It may do the least: sign people in.
    let users = |server: &Server, key: &str| server.call("/v1/users", key, None).0;
    assert_eq!(users(&site.server, key), 403);
    // Its credential was good, so the line names it; a bad credential only claims a name.
    let line = site.server.logged("\"status\":403");
    assert!(line.contains(&format!("\"client\":\"{id}\"")), "{line}");
    let wrong = format!("{}{}", &key[..key.len() - 43], "A".repeat(43));
    assert_eq!(users(&site.server, &wrong), 401);
    let line = site.server.logged("\"status\":401");
    assert!(line.contains(&format!("\"claimed_client\":\"{id}\"")), "{line}");
    let create = ["client", "create", "--name", "Lists", "--audience", "console", "--scope"];
    let more = done(&site.data, &[&create[..], &["users", "--scope", "tenant:read"]].concat());
    assert_eq!(users(&site.server, &delivered(&more)), 200);
    let wrong = refused(&site.data, &[&create[..], &["all"]].concat(), 1);
    assert!(
        wrong.contains("--scope wants one of login, users, offboard, petitions, tenant:read"),
        "{wrong}"
    );
    let line = |state: &str| {
        let listed = done(&site.data, &["client", "list"]);
        assert!(!listed.contains(key), "a list shows no key");
        listed.lines().any(|line| line.starts_with(id) && line.contains(state))
    };
    assert!(line("live"));
    done(&site.data, &["client", "disable", id]);
    assert!(line("disabled"));
    let body = crate::binary::support::login("ann", &["console"]);
    assert_eq!(site.server.call("/v1/evaluations", key, Some(&body)).0, 401);
    refused(&site.data, &["client", "disable", id], 1);
    let (_, page) = site.server.call("/v1/events?limit=100", &token, None);
    for kind in ["client.created", "client.disabled"] {
        let found = page["items"].as_array().unwrap().iter().any(|event| {
            event["kind"] == kind && event["object_id"] == id && event["actor_kind"] == "server"
        });
        assert!(found, "{kind} in {page}");
    }
}

#[test]
fn a_client_gets_a_second_key_beside_the_server_and_loses_the_first() {
    let site = Site::new("rotate");
    let token = site.administrator();
    let listed = done(&site.data, &["client", "list"]);
    let id = listed.split_whitespace().next().unwrap();
    let secrets = || {
        let said = done(&site.data, &["client", "secrets", id]);
        let ids = said.lines().map(|line| line.split_whitespace().next().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let old = secrets();
    let said = done(&site.data, &["client", "rotate", id, "--days", "30"]);
    assert!(!said.contains("pawl_"), "a pipe is a log");
    let key = delivered(&said);
    let asked = |key: &str| {
        let body = crate::binary::support::login("ann", &["console"]);
        site.server.call("/v1/evaluations", key, Some(&body)).0
    };
    assert_eq!([asked(&key), asked(&site.handed.key)], [200, 200]);
    let said = refused(&site.data, &["client", "rotate", id], 1);
    assert!(said.contains("two live secrets"), "{said}");
    assert_eq!(done(&site.data, &["client", "revoke-secret", id, &old[0]]).trim(), "revoked");
    assert_eq!([asked(&key), asked(&site.handed.key)], [200, 401]);
    assert_eq!(secrets().len(), 1);
    refused(&site.data, &["client", "revoke-secret", id, &old[0]], 1);
    let (_, page) = site.server.call("/v1/events?limit=100", &token, None);
    for kind in ["client.secret_created", "client.secret_revoked"] {
        let found = page["items"].as_array().unwrap().iter().any(|event| {
            event["kind"] == kind && event["object_id"] == id && event["actor_kind"] == "server"
        });
        assert!(found, "{kind} in {page}");
    }
}

pub fn python(arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/binary/assertion.py");
    let output =
        std::process::Command::new("python3").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_console_with_pyjwt_signs_in_with_a_key_of_its_own() {
    let site = Site::new("pyjwt");
    let listed = done(&site.data, &["client", "list"]);
    let id = listed.split_whitespace().next().unwrap();
    for alg in ["ES256", "RS256", "PS256"] {
        let folder = site.data.join(alg);
        std::fs::create_dir(&folder).unwrap();
        let at = folder.to_str().unwrap();
        python(&["make", at, alg]);
        let jwk = folder.join("jwk.json");
        let said = done(&site.data, &["client", "add-key", id, jwk.to_str().unwrap()]);
        let key = said.trim();
        assert!(done(&site.data, &["client", "keys", id]).contains(key));
        let url = site.server.url("/oauth/token");
        let base = site.handed.issuer.split("/t/").next().unwrap();
        let ask = || -> Value {
            serde_json::from_str(&python(&["token", at, alg, base, id, &url])).unwrap()
        };
        let token = ask()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(site.server.evaluate(&token, "ann", &["console"])["decision"], "enroll");
        done(&site.data, &["client", "remove-key", id, key]);
        assert_eq!(ask()["error"], "invalid_client", "{alg}");
        let body = crate::binary::support::login("ann", &["console"]);
        assert_eq!(site.server.call("/v1/evaluations", &token, Some(&body)).0, 401);
    }
    let private = site.data.join("ES256").join("key.pem");
    refused(&site.data, &["client", "add-key", id, private.to_str().unwrap()], 1);
}

#[test]
fn the_first_enrollment_is_made_anew_only_while_none_was_confirmed() {
    let site = Site::new("again");
    let again = HandedOver::read(done(&site.data, &["bootstrap"]).trim());
    assert_eq!(again.key, "", "the tenant was there, and so was its client");
    assert_ne!(again.otpauth, site.handed.otpauth);
    let asked = site.decision("admin");
    let body = |otpauth: &str| json!({ "enrollment": asked["enrollment"]["handle"], "code": code(otpauth, 0) });
    site.post("/v1/enrollments/confirm", &body(&site.handed.otpauth), 422);
    site.post("/v1/enrollments/confirm", &body(&again.otpauth), 200);
    let output = run(&site.data, &["bootstrap"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
}

#[test]
fn another_tenant_is_founded_beside_the_server_and_knows_nobody_of_the_first() {
    let site = Site::new("tenants");
    let said = done(&site.data, &["bootstrap", "--tenant-name", "Other"]);
    let other = HandedOver::read(said.trim());
    assert!(other.text.contains("Other") && other.issuer != site.handed.issuer);
    let (bob, _) = site.enrolled("bob");
    let (status, _) = site.server.call(&format!("/v1/users/{bob}"), &other.key, None);
    assert_eq!(status, 404);
    assert_ne!(site.server.evaluate(&other.key, "bob", &["console"])["user_id"], json!(bob));
    // With two tenants a command must say which.
    let said = refused(&site.data, &["user", "list"], 1);
    assert!(said.contains("--tenant") && said.contains("Other"), "{said}");
    let tenant = site.handed.issuer.rsplit('/').next().unwrap();
    assert!(done(&site.data, &["user", "list", "--tenant", tenant]).contains(&bob));
}

/// The keys of a state, as `pawl keys list` names them.
fn keys(data: &Path, state: &str) -> Vec<String> {
    let listed = done(data, &["keys", "list"]);
    let words = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words[1] == state).map(|words| words[0].to_owned()).collect()
}

fn kid(token: &str) -> String {
    let header = data_encoding::BASE64URL_NOPAD.decode(token.split('.').next().unwrap().as_bytes());
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[test]
fn token_keys_are_listed_rotated_and_revoked_beside_the_server() {
    let mut site = Site::new("keys");
    site.server.logged("\"token keys\"");
    let token = site.administrator();
    let (first, next) = (keys(&site.data, "active"), keys(&site.data, "next"));
    assert_eq!((&first, next.len()), (&vec![kid(&token)], 1));
    let said = refused(&site.data, &["keys", "rotate"], 1);
    assert!(said.contains("every console knows the next key from"), "{said}");
    let said = done(&site.data, &["keys", "rotate", "--now"]);
    assert!(said.contains("Consoles may not know") && said.contains(&next[0]), "{said}");
    assert_eq!((keys(&site.data, "active"), keys(&site.data, "retiring")), (next, first.clone()));
    let events = |token: &str| site.server.call("/v1/events?limit=1", token, None).0;
    assert_eq!(events(&token), 200, "a retiring key is good for what it signed");
    let revoke =
        |kid: &str, reason: &str| ["keys", "revoke", kid, "--reason", reason].map(str::to_owned);
    let try_it = |kid: &str, reason: &str| {
        let arguments = revoke(kid, reason);
        refused(&site.data, &arguments.each_ref().map(String::as_str), 1)
    };
    let hyphens = ["-nTIWyymbWv1zJ069ROydV0CK6lhwL7OST6s", "-hTI", "-VTI", "--TI"];
    for unknown in ["nobody"].iter().chain(&hyphens) {
        assert!(try_it(unknown, REASON).contains("no such key"), "{unknown}");
    }
    assert!(try_it(&first[0], "short").contains("--reason"));
    let said = done(&site.data, &revoke(&first[0], REASON).each_ref().map(String::as_str));
    assert!(said.contains("is revoked"), "{said}");
    assert_eq!((events(&token), keys(&site.data, "revoked")), (401, first.clone()));
    assert!(try_it(&first[0], REASON).contains("no such key"), "it is over");
    // A server publishes what it read a second ago at the most.
    let begun = std::time::Instant::now();
    let is_published = || {
        let (_, set) = site.server.call("/.well-known/jwks.json", "", None);
        set["keys"].as_array().unwrap().iter().any(|key| key["kid"] == first[0].as_str())
    };
    while is_published() {
        assert!(begun.elapsed().as_secs() < 20, "it is published still");
    }
    let (_, otpauth) = site.enrolled("bob");
    assert_eq!(site.verify(&site.decision("bob"), &code(&otpauth, 1)), 200);
}
