//! Token keys rotate under load, servers are killed meanwhile, and no console refuses a token.
//!
//! The time between the publication of a key and its first signature is not waited for: the drill waits
//! until both servers publish the key, lets every console's copy of the set run out, and then makes the
//! row as old as it would be.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;

use crate::binary::support::Server;
use crate::drills::console::{AUDIENCE, handle};
use crate::drills::http::{Reply, get};
use crate::drills::site::{Site, wait_until};

const LOADERS: usize = 4;
const CONSOLES: usize = 3;
/// Rotations that every console was told of, and rotations in haste.
const CALM: usize = 6;
const HASTY: usize = 2;
/// Tokens that a new key signs before the next rotation.
const TOKENS: usize = 12;
/// How often a console fetches the set for an unknown kid.
const SELDOM: Duration = Duration::from_secs(2);

/// A console's validator, as `PyJWKClient` is one: it keeps the set for `max-age`, and fetches it again
/// for an unknown kid.
#[derive(Default)]
struct Validator {
    held: Option<(Value, Instant, Duration)>,
    fetched: usize,
    unknown: usize,
    checked: usize,
    refused: Vec<String>,
}

impl Validator {
    fn check(&mut self, drill: &Drill, token: &str) {
        self.checked += 1;
        let kid = kid(token);
        let age = self.held.as_ref().map(|(_, at, max_age)| (at.elapsed(), *max_age));
        if age.is_none_or(|(age, max_age)| age >= max_age) {
            self.fetch(drill);
        }
        if self.key(&kid).is_none() {
            self.unknown += 1;
            let age = self.held.as_ref().map_or(SELDOM, |(_, at, _)| at.elapsed());
            thread::park_timeout(SELDOM.saturating_sub(age));
            self.fetch(drill);
        }
        if !self.key(&kid).is_some_and(|key| verifies(&key, token)) {
            self.refused.push(kid);
        }
    }

    fn key(&self, kid: &str) -> Option<Value> {
        let keys = self.held.as_ref()?.0["keys"].as_array().unwrap();
        keys.iter().find(|key| key["kid"] == kid).cloned()
    }

    /// From either server; from the other if one does not answer.
    fn fetch(&mut self, drill: &Drill) {
        loop {
            self.fetched += 1;
            let address = drill.address(self.fetched);
            let Reply::Answered(answer) = get(&address, "/.well-known/jwks.json") else { continue };
            if answer.status == 200 {
                let control = answer.header("cache-control").unwrap();
                let seconds = control.split("max-age=").nth(1).unwrap().split(',').next().unwrap();
                let seconds = seconds.parse().unwrap();
                let max_age = Duration::from_secs(seconds);
                self.held = Some((answer.body, Instant::now(), max_age));
                return;
            }
        }
    }
}

fn kid(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(header.as_bytes()).unwrap();
    let header: Value = serde_json::from_slice(&bytes).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn verifies(key: &Value, token: &str) -> bool {
    let [x, y] = ["x", "y"].map(|name| key[name].as_str().unwrap());
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[AUDIENCE]);
    let key = DecodingKey::from_ec_components(x, y).unwrap();
    decode::<Value>(token, &key, &validation).is_ok()
}

/// What the threads share.
struct Drill {
    site: Site,
    addresses: Mutex<[String; 2]>,
    validators: Vec<Mutex<Validator>>,
    tokens: Mutex<HashMap<String, Vec<String>>>,
    is_over: AtomicBool,
    signed_in: AtomicUsize,
    unserved: AtomicUsize,
}

impl Drill {
    fn address(&self, number: usize) -> String {
        self.addresses.lock().unwrap()[number % 2].clone()
    }

    /// Somebody new enrolls, at either server; `None` if a server was killed meanwhile.
    fn token(&self, name: &str, number: usize) -> Option<String> {
        let (console, address) = (&self.site.console, self.address(number));
        let asked = served(console.evaluate(&address, name))?;
        let begun = served(console.begin(&address, &handle(&asked)))?;
        let confirmed = served(console.confirm(&address, &begun))?;
        Some(confirmed["tokens"][0]["access_token"].as_str().unwrap().to_owned())
    }

    fn load(&self, loader: usize) {
        for number in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let Some(token) = self.token(&format!("load-{loader}-{number}"), loader + number)
            else {
                self.unserved.fetch_add(1, Ordering::SeqCst);
                continue;
            };
            for validator in &self.validators {
                validator.lock().unwrap().check(self, &token);
            }
            self.signed_in.fetch_add(1, Ordering::SeqCst);
            self.tokens.lock().unwrap().entry(kid(&token)).or_default().push(token);
        }
    }

    fn state(&self, state: &str) -> String {
        self.site.schema.value(&format!("SELECT id FROM signing_keys WHERE state = '{state}'"))
    }

    fn rotate(&self, more: &[&str]) {
        let output = self.site.command(&[&["keys", "rotate"], more].concat()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Both servers publish the key, and every console's copy of the set runs out.
    fn publish(&self, kid: &str) {
        let has = |number| {
            let reply = get(&self.address(number), "/.well-known/jwks.json");
            reply.body(200)["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid)
        };
        wait_until(|| has(0) && has(1));
        for validator in &self.validators {
            validator.lock().unwrap().held = None;
        }
        self.site.schema.run(&format!(
            "SET session_replication_role = replica; \
             UPDATE signing_keys SET created_at = created_at - 1320000 WHERE id = '{kid}'"
        ));
    }

    fn signs(&self, kid: &str) {
        wait_until(|| self.tokens.lock().unwrap().get(kid).map_or(0, Vec::len) >= TOKENS);
    }

    fn unknown(&self) -> usize {
        self.validators.iter().map(|validator| validator.lock().unwrap().unknown).sum()
    }
}

fn served(reply: Reply) -> Option<Value> {
    match reply {
        Reply::Answered(answer) if answer.status < 300 => Some(answer.body),
        Reply::Answered(answer) => {
            // A handle that a killed server took with it is over; whoever kills hears 503 too.
            assert!(matches!(answer.status, 410 | 503), "{answer:?}");
            None
        }
        Reply::Unanswered | Reply::Unreached => None,
    }
}

/// Rotates again and again. Every other time a server is killed just before, and comes back after.
fn rotations(drill: &Drill, mut servers: [Server; 2]) {
    drill.signs(&drill.state("active"));
    for turn in 0..CALM {
        let next = drill.state("next");
        drill.publish(&next);
        let victim = turn / 2 % 2;
        if turn % 2 == 1 {
            // Its guard kills it, with SIGKILL; the other one is left alone with the new key.
            let [first, second] = servers;
            let (killed, survivor) = if victim == 0 { (first, second) } else { (second, first) };
            drop(killed);
            drill.rotate(&[]);
            let restarted = drill.site.serve();
            drill.addresses.lock().unwrap()[victim].clone_from(&restarted.address);
            servers = if victim == 0 { [restarted, survivor] } else { [survivor, restarted] };
        } else {
            drill.rotate(&[]);
        }
        drill.signs(&next);
    }
    assert_eq!(drill.unknown(), 0, "no console met a kid that it did not know");
    for _ in 0..HASTY {
        drill.rotate(&["--now"]);
        drill.signs(&drill.state("active"));
    }
    drill.is_over.store(true, Ordering::SeqCst);
    // The servers live as long as the load asks them.
    wait_until(|| drill.signed_in.load(Ordering::SeqCst) > 0);
    drill.finish(servers);
}

impl Drill {
    /// Every token is checked once more, by every console, after its key retired.
    fn finish(&self, _servers: [Server; 2]) {
        let all: Vec<String> = self.tokens.lock().unwrap().values().flatten().cloned().collect();
        for validator in &self.validators {
            let mut validator = validator.lock().unwrap();
            validator.held = None;
            for token in &all {
                validator.check(self, token);
            }
        }
    }
}

#[test]
fn keys_rotate_under_load_and_kills_and_no_console_refuses_a_token() {
    let (site, first) = Site::found("keys", str::to_owned);
    let servers = [first, site.serve()];
    let drill = Drill {
        addresses: Mutex::new([servers[0].address.clone(), servers[1].address.clone()]),
        site,
        validators: (0..CONSOLES).map(|_| Mutex::default()).collect(),
        tokens: Mutex::default(),
        is_over: AtomicBool::new(false),
        signed_in: AtomicUsize::new(0),
        unserved: AtomicUsize::new(0),
    };
    wait_until(|| drill.site.count("SELECT count(*) FROM signing_keys WHERE state = 'next'") == 1);
    thread::scope(|scope| {
        let rotating = scope.spawn(|| rotations(&drill, servers));
        for loader in 0..LOADERS {
            let drill = &drill;
            scope.spawn(move || drill.load(loader));
        }
        let rotated = rotating.join();
        drill.is_over.store(true, Ordering::SeqCst);
        rotated.unwrap();
    });
    let refused: Vec<String> =
        drill.validators.iter().flat_map(|v| v.lock().unwrap().refused.clone()).collect();
    let sum = |of: fn(&Validator) -> usize| {
        drill.validators.iter().map(|v| of(&v.lock().unwrap())).sum::<usize>()
    };
    println!(
        "{} tokens by {} keys, {} checks, {} fetches, {} for an unknown kid, {} refused; \
         {} logins without an answer",
        drill.signed_in.load(Ordering::SeqCst),
        drill.tokens.lock().unwrap().len(),
        sum(|v| v.checked),
        sum(|v| v.fetched),
        sum(|v| v.unknown),
        refused.len(),
        drill.unserved.load(Ordering::SeqCst),
    );
    assert_eq!(refused, [""; 0]);
    assert_eq!(drill.tokens.lock().unwrap().len(), 1 + CALM + HASTY);
}
