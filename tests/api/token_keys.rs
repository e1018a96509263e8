//! Token keys as consoles see them: on schedule nothing that is valid fails, and a revoked key is worth
//! nothing.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use pawl::app::entropy;
use pawl::clock::Clock;
use pawl::http::token_keys::new_token_key;
use pawl::mfa::time::Span;
use pawl::mfa::token_key::{Change, KEPT_PUBLISHED, KeyState, PUBLISHED_FIRST};
use pawl::operations::token_keys::{is_clock_apart, keep_token_keys};
use serde_json::Value;

use crate::support::{DAYS, Server, User, done};

const DAY: i64 = 86_400;

fn part(token: &str, place: usize) -> Value {
    let text = token.split('.').nth(place).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn kid(token: &str) -> String {
    part(token, 0)["kid"].as_str().unwrap().to_owned()
}

/// The kids that a key set names.
fn kids(set: &Value) -> BTreeSet<String> {
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn published(server: &Server) -> BTreeSet<String> {
    kids(&server.call("getJwks").send().ok())
}

fn state_of(server: &Server, kid: &str) -> KeyState {
    server.token_keys().iter().find(|key| key.kid.as_str() == kid).unwrap().state
}

/// A token of a fresh sign-in.
fn signed(user: &User) -> String {
    user.forget();
    user.token()
}

/// A console's validator that keeps the key set for as long as `max-age` says, and never fetches it
/// for an unknown kid.
#[derive(Default)]
struct Validator {
    held: Option<(Value, i64)>,
    fetched: usize,
}

impl Validator {
    fn set(&mut self, server: &Server) -> &Value {
        let now = server.now().seconds();
        if self.held.as_ref().is_none_or(|(_, until)| now >= *until) {
            let answer = server.call("getJwks").send();
            let control = answer.header("cache-control").unwrap().to_owned();
            let max_age = control.split("max-age=").nth(1).unwrap().split(',').next().unwrap();
            let max_age: i64 = max_age.parse().unwrap();
            self.held = Some((answer.ok(), now + max_age));
            self.fetched += 1;
        }
        &self.held.as_ref().unwrap().0
    }

    /// Whether it takes a token that is valid by its times.
    fn takes(&mut self, server: &Server, token: &str) -> bool {
        let kid = kid(token);
        let keys = self.set(server)["keys"].as_array().unwrap();
        keys.iter().find(|key| key["kid"] == kid.as_str()).is_some_and(|key| verifies(key, token))
    }
}

fn verifies(key: &Value, token: &str) -> bool {
    let [x, y] = ["x", "y"].map(|name| key[name].as_str().unwrap());
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let key = DecodingKey::from_ec_components(x, y).unwrap();
    decode::<Value>(token, &key, &validation).is_ok()
}

#[test]
fn a_key_is_published_signs_retires_and_is_gone_on_schedule() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana").enrolled();
    let first = kid(&ana.token());
    assert_eq!(published(&server), BTreeSet::from([first.clone()]));
    assert_eq!(server.keep_keys(), [Change::Publish]);
    assert_eq!(server.keep_keys(), [], "what is done is not due");
    server.advance(1);
    let two = published(&server);
    let second = two.iter().find(|kid| **kid != first).unwrap().clone();
    assert_eq!((two.len(), kid(&signed(&ana))), (2, first.clone()), "it is published first");
    server.advance(DAYS * DAY);
    let last = signed(&ana);
    assert_eq!(kid(&last), first, "no housekeeping, no change");
    assert_eq!(server.keep_keys().len(), 3);
    assert_eq!(kid(&signed(&ana)), second);
    server.advance(60);
    let three = published(&server);
    assert!(three.len() == 3 && three.is_superset(&two), "{three:?}");
    server.call("getMfaStatus").at("user_id", &ana.id).bearer(&last).send().ok();
    server.advance(KEPT_PUBLISHED.as_seconds_up() - 120);
    assert_eq!(server.keep_keys(), []);
    server.advance(60);
    assert!(matches!(server.keep_keys().as_slice(), [Change::End(_)]));
    server.advance(1);
    assert_eq!((published(&server).len(), published(&server).contains(&first)), (2, false));
    let (gone, sealed) =
        (state_of(&server, &first), "CASE WHEN sealed IS NULL THEN 'no' ELSE 'yes' END");
    let secret = server.value(&format!("SELECT {sealed} FROM signing_keys WHERE id = '{first}'"));
    assert_eq!((gone, secret.as_str()), (KeyState::Gone, "no"));
    let recorded = "SELECT CAST(count(*) AS TEXT) FROM events WHERE kind = 'signing_key.";
    let count = |what: &str| server.value(&format!("{recorded}{what}'"));
    let counts = ["published", "activated", "retired", "ended", "revoked"].map(count);
    assert_eq!(counts, ["2", "2", "1", "1", "0"], "every change is on record, once");
}

#[test]
fn no_valid_token_fails_at_a_console_that_keeps_the_set_for_max_age() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let people = ["ana", "bob"].map(|name| console.user(name).enrolled());
    let mut validators: Vec<Validator> = (0..6).map(|_| Validator::default()).collect();
    let (mut tokens, mut signers) = (Vec::<String>::new(), BTreeSet::new());
    let mut checks = 0;
    for turn in 0..3 {
        // The quiet weeks before a rotation, then every minute around it.
        server.advance(DAYS * DAY - 10 * 60);
        for minute in 0..45 {
            server.keep_keys();
            let token = signed(&people[minute % 2]);
            signers.insert(kid(&token));
            tokens.push(token);
            let now = server.now().seconds();
            tokens.retain(|token| part(token, 1)["exp"].as_i64().unwrap() > now);
            for (number, validator) in validators.iter_mut().enumerate() {
                // Some ask all the time, some seldom.
                if minute % (number + 1) != 0 {
                    continue;
                }
                for token in &tokens {
                    assert!(validator.takes(&server, token), "turn {turn}, minute {minute}");
                    checks += 1;
                }
            }
            server.advance(20);
        }
    }
    let fetched: usize = validators.iter().map(|validator| validator.fetched).sum();
    println!("{checks} checks, {fetched} fetches, {} signers", signers.len());
    assert!(signers.len() >= 3, "{} keys signed", signers.len());
    assert!(checks > 500 && fetched < checks / 5, "{checks} checks, {fetched} fetches");
}

#[test]
fn a_rotation_waits_for_the_consoles_and_in_haste_every_replica_signs_and_checks_at_once() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana").enrolled();
    let first = kid(&ana.token());
    server.keep_keys();
    let early = server.rotate_keys(false);
    assert!(early.not_before.is_some() && early.changes.is_empty(), "{early:?}");
    assert_eq!(kid(&signed(&ana)), first);
    let hasty = server.rotate_keys(true);
    assert!(hasty.is_hasty && hasty.changes.len() == 3, "{hasty:?}");
    // No replica has heard of it, and the clock does not move: each reads the key when it needs it.
    for _ in 0..2 * server.replicas() {
        let token = signed(&ana);
        assert_ne!(kid(&token), first);
        for _ in 0..server.replicas() {
            server.advance(1);
            server.call("getMfaStatus").at("user_id", &ana.id).bearer(&token).send().ok();
        }
    }
    server.advance(PUBLISHED_FIRST.as_seconds_up());
    let calm = server.rotate_keys(false);
    assert!(!calm.is_hasty && calm.not_before.is_none() && calm.changes.len() == 3, "{calm:?}");
}

#[test]
fn a_revoked_key_signs_nothing_and_checks_nothing_from_the_next_call_on() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana").enrolled();
    server.keep_keys();
    server.advance(PUBLISHED_FIRST.as_seconds_up());
    let token = signed(&ana);
    let (first, waiting) = (kid(&token), published(&server));
    let status = || server.call("getMfaStatus").at("user_id", &ana.id).bearer(&token).send();
    status().ok();
    assert!(server.revoke_key(&first));
    assert!(!server.revoke_key(&first), "it is over");
    for _ in 0..server.replicas() {
        status().refused("unauthenticated");
    }
    for _ in 0..2 * server.replicas() {
        let next = kid(&signed(&ana));
        assert!(next != first && waiting.contains(&next), "the key that consoles know succeeds it");
    }
    server.advance(1);
    for _ in 0..server.replicas() {
        assert!(!published(&server).contains(&first));
    }
    assert_eq!(state_of(&server, &first), KeyState::Revoked);
    let reason = "SELECT data FROM events WHERE kind = 'signing_key.revoked'";
    assert!(server.value(reason).contains("reason"));
}

#[test]
fn the_next_key_and_a_retiring_one_can_be_revoked_too_and_an_unknown_one_cannot() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana").enrolled();
    server.keep_keys();
    let by_state = |state| {
        let keys = server.token_keys();
        keys.iter().find(|key| key.state == state).unwrap().kid.as_str().to_owned()
    };
    let next = by_state(KeyState::Next);
    assert!(server.revoke_key(&next));
    assert_ne!(by_state(KeyState::Next), next, "another is published at once");
    server.rotate_keys(true);
    let retiring = by_state(KeyState::Retiring);
    assert!(server.revoke_key(&retiring));
    assert!(!server.revoke_key(&"A".repeat(43)));
    server.advance(1);
    assert_eq!(published(&server).len(), 2);
    assert_eq!(kid(&signed(&ana)), by_state(KeyState::Active));
}

#[test]
fn a_server_that_cannot_read_the_keys_signs_nothing_and_in_the_end_publishes_nothing() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana").enrolled();
    let before = published(&server);
    let (challenge, code) = (ana.challenge(), ana.code());
    let outage = server.outage("signing_keys");
    ana.verify(&challenge, &code).refused("unavailable");
    // Tokens that it signed live for a while yet.
    server.advance(14 * 60);
    assert_eq!(published(&server), before);
    server.advance(60);
    server.call("getJwks").send().refused("unavailable");
    drop(outage);
    assert_eq!(published(&server), before);
    ana.sign_in().ok();
}

#[test]
fn a_clock_that_is_apart_from_the_databases_moves_no_token_key() {
    let server = Server::start();
    // The databases' clock is the machine's; SQLite's newest event stands for it.
    let pawl = server.opened(&["kek"]).unwrap();
    let behind = |seconds: i64| {
        let told = move || Clock::system().now().after(Span::seconds(-seconds));
        done(is_clock_apart(&pawl, told)).map(|ahead| ahead.as_millis() / 1000)
    };
    assert_eq!((behind(0), behind(25)), (None, None));
    let (fresh, now) = (new_token_key().unwrap(), Clock::system().now());
    done(keep_token_keys(&pawl, Span::hours(24), fresh, now, entropy().unwrap()));
    assert_eq!((behind(0), behind(25)), (None, None));
    assert!(behind(45).is_some_and(|ahead| ahead > 30), "{:?}", behind(45));
}
