//! A secret is shown once. Everything that is secret on the way from the founding to a token is
//! collected, and then looked for in all logs, in every answer but the one that shows it, in the bytes
//! of the database, and in what a collector of traces got.

use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use crate::support::{Act, Answer, Authenticator, Console, REASON, Server, User};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use data_encoding::{BASE32, BASE32_NOPAD, HEXLOWER, HEXUPPER};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

/// Where all log lines go.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What must be found nowhere, with what it is.
#[derive(Default)]
struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    fn text(&mut self, what: &str, text: &str) {
        assert!(text.len() >= 16, "{what} is too short to be looked for");
        self.0.push((what.to_owned(), text.as_bytes().to_vec()));
    }

    /// Bytes, and every way in which they are usually written.
    fn bytes(&mut self, what: &str, bytes: &[u8]) {
        self.0.push((what.to_owned(), bytes.to_vec()));
        let engines = [STANDARD.encode(bytes), STANDARD_NO_PAD.encode(bytes)];
        let urls = [URL_SAFE.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)];
        let hex = [HEXLOWER.encode(bytes), HEXUPPER.encode(bytes)];
        let base32 = [BASE32.encode(bytes), BASE32_NOPAD.encode(bytes).to_lowercase()];
        let list = format!("{bytes:?}");
        for text in engines.into_iter().chain(urls).chain(hex).chain(base32).chain([list]) {
            self.text(what, &text);
            self.text(what, &escaped(&text));
        }
    }

    fn uri(&mut self, what: &str, uri: &str) {
        let secret = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap();
        self.bytes(what, &BASE32_NOPAD.decode(secret.as_bytes()).unwrap());
        self.text(what, uri);
        self.text(what, &escaped(uri));
        self.text(what, &STANDARD.encode(uri));
    }

    /// Everything secret in an answer that shows it.
    fn shown(&mut self, answer: &Value) {
        match answer {
            Value::Object(map) => map.iter().for_each(|(name, value)| match value.as_str() {
                Some(uri) if name == "otpauth_uri" => self.uri(name, uri),
                Some(text) if name == "secret" || name == "access_token" => self.text(name, text),
                Some(key) if key.starts_with("pawl_") => {
                    self.text("client key", key);
                    self.text("client key", key.splitn(3, '_').nth(2).unwrap());
                }
                Some(text) if ["mch_", "men_", "mtk_"].iter().any(|p| text.starts_with(p)) => {
                    self.text(name, text);
                    self.text(name, &text[4..]);
                }
                _ if name == "recovery_codes" => self.recovery_codes(value),
                _ => self.shown(value),
            }),
            Value::Array(items) => items.iter().for_each(|item| self.shown(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn recovery_codes(&mut self, codes: &Value) {
        for code in codes.as_array().unwrap() {
            let code = code.as_str().unwrap();
            self.text("recovery code", code);
            self.text("recovery code", &code.replace('-', ""));
            self.text("recovery code", &code.replace('-', "").to_lowercase());
        }
    }

    /// What of it is found in some bytes.
    fn found_in(&self, bytes: &[u8]) -> Vec<&str> {
        let literal = |(_, secret): &(String, Vec<u8>)| {
            let hex: Vec<String> = secret.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            hex.concat()
        };
        let any = self.0.iter().map(literal).collect::<Vec<_>>().join("|");
        let any = regex::bytes::Regex::new(&format!("(?-u){any}")).unwrap();
        let named = |found: &[u8]| self.0.iter().find(|(_, secret)| secret == found);
        let found = any.find_iter(bytes).filter_map(|found| named(found.as_bytes()));
        found.map(|(what, _)| what.as_str()).collect()
    }
}

/// Percent-encoded, but for letters and digits.
fn escaped(text: &str) -> String {
    let mut made = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            made.push(char::from(byte));
        } else {
            made.extend(["%", &HEXUPPER.encode(&[byte])]);
        }
    }
    made
}

/// A story: what is told in it that is secret, and every answer that must not tell it again.
struct Story {
    console: Console,
    secrets: Secrets,
    later: Vec<Answer>,
}

impl Story {
    fn show(&mut self, answer: Answer) -> Value {
        let body = answer.ok();
        self.secrets.shown(&body);
        body
    }

    fn send(&mut self, operation: &str, body: &Value) -> Value {
        let answer = self.console.call(operation).json(body).send();
        self.show(answer)
    }

    /// The handle of a new challenge.
    fn challenge(&mut self, user: &User) -> Value {
        let decision = self.show(user.evaluate());
        decision["challenge"]["handle"].clone()
    }

    /// An enrollment, with a wrong code before the right one.
    fn enroll(&mut self, user: &mut User, begun: &Value) {
        let phone = Authenticator::scan(begun["otpauth_uri"].as_str().unwrap());
        let wrong = phone.wrong_code(&self.console.server);
        let body = json!({ "enrollment": begun["enrollment"], "code": wrong });
        let refused = self.console.call("confirmEnrollment").json(&body).send();
        assert_eq!(refused.status, 422);
        self.later.push(refused);
        let confirmed = user.confirm(&begun["enrollment"], phone);
        self.show(confirmed);
    }

    /// Everything that goes wrong with secrets in the request.
    fn refusals(&mut self, user: &User) {
        let over = self.challenge(user);
        let code = user.code();
        let verified = user.verify(over.as_str().unwrap(), &code);
        self.show(verified);
        let again = user.verify(over.as_str().unwrap(), &code);
        assert_eq!(again.status, 410);
        self.later.push(again);
        let misplaced = json!({ "challenge": over, "code": user.recovery_codes[0] });
        let odd = json!({ "challenge": [over], "code": 123_456, "secret": user.recovery_codes[1] });
        for body in [misplaced, odd] {
            let refused = self.console.call("verifyCode").json(&body).send();
            assert_eq!(refused.status, 400);
            self.later.push(refused);
        }
        let stranger = self.console.server.call("getTenant");
        self.later.push(stranger.clone().bearer(&format!("{}x", self.console.key)).send());
        self.later.push(stranger.bearer(&format!("{}x", user.token())).send());
    }

    /// Every list and every status, as they are at the end.
    fn read(&mut self, users: &[&User]) {
        for operation in [
            "listUsers",
            "listEvents",
            "listClients",
            "listOverrides",
            "listPetitions",
            "listTickets",
            "listPolicyVersions",
            "getPolicy",
            "getTenant",
        ] {
            let mut answer = self.console.call(operation).send();
            while let Some(next) = answer.body["next_cursor"].as_str().map(str::to_owned) {
                let is_last = answer.body["items"].as_array().unwrap().is_empty();
                self.later.push(answer);
                if is_last {
                    break;
                }
                answer = self.console.call(operation).query("cursor", &next).send();
                if answer.body["next_cursor"].is_null() {
                    self.later.push(answer);
                    break;
                }
            }
            self.later.push(self.console.call(operation).send());
        }
        for user in users {
            for operation in ["getUser", "getMfaStatus"] {
                let call = self.console.call(operation).at("user_id", &user.id);
                self.later.push(call.send());
            }
        }
    }
}

fn tell(server: &Server) -> Story {
    let tenant = server.tenant("acme");
    let (console, secrets) = (tenant.console.clone(), Secrets::default());
    let mut story = Story { console, secrets, later: Vec::new() };
    story.secrets.shown(&json!({ "key": story.console.key }));
    let kek = fs::read_to_string(server.data_dir().join("kek")).unwrap();
    story.secrets.text("key-encryption key", kek.trim());
    let admin = tenant.administrator();
    let portal = story.console.another(&admin, "portal", &["login"]);
    story.secrets.shown(&json!({ "key": portal.key, "token": admin.token() }));

    let mut bob = story.console.user("bob");
    let challenge = story.challenge(&bob);
    let begun = story.send("beginEnrollment", &json!({ "challenge": challenge }));
    story.enroll(&mut bob, &begun);
    story.refusals(&bob);
    let challenge = story.challenge(&bob);
    let recovery = json!({ "challenge": challenge, "recovery_code": bob.recovery_codes[3] });
    let recovered = story.send("useRecoveryCode", &recovery);
    let again = json!({ "challenge": recovered["challenge"]["handle"] });
    let begun = story.send("beginEnrollment", &again);
    story.enroll(&mut bob, &begun);

    let act = Act::request(&bob.id, "reset");
    story.secrets.shown(&json!({ "challenge": admin.step_up(&act) }));
    let reset = story.show(admin.act(&act));
    let challenge = story.challenge(&bob);
    let body = json!({ "challenge": challenge, "ticket": reset["ticket"]["ticket"] });
    let begun = story.send("redeemTicket", &body);
    story.enroll(&mut bob, &begun);
    let act = Act::new("regenerateRecoveryCodes", json!({}));
    story.show(bob.act(&act));

    // A failure of the database in the middle of a verification is logged with its cause.
    let challenge = story.challenge(&bob);
    let code = bob.code();
    let outage = server.outage("throttles");
    story.later.push(bob.verify(challenge.as_str().unwrap(), &code));
    drop(outage);
    let body = json!({ "challenge": challenge, "reason": REASON, "code": code });
    story.send("reportLoss", &body);
    story.read(&[&bob, &admin]);
    story
}

#[test]
fn a_secret_is_in_no_log_no_later_answer_and_no_byte_of_the_database() {
    let logs = Logs::default();
    pawl::telemetry::begin("trace", logs.clone()).expect(crate::ALONE);
    let collector = crate::collector::Collector::start();
    let server = Server::traced(collector.url(), 1.0);
    let Story { console, secrets, later } = tell(&server);
    assert!(secrets.0.len() > 100, "the story tells {}", secrets.0.len());

    for answer in &later {
        let text = format!("{:?} {}", answer.headers, answer.body);
        assert_eq!(secrets.found_in(text.as_bytes()), [""; 0], "{}: {text}", answer.operation);
    }
    let mut logged = logs.0.lock().unwrap().clone();
    let lines = String::from_utf8(logged.clone()).unwrap();
    let says = |line: &str| line.contains("no such table") || line.contains("does not exist");
    let cause = lines.lines().any(|line| line.contains("throttles") && says(line));
    assert!(lines.contains("verify_code") && cause, "the log is there");
    assert_eq!(secrets.found_in(&logged), [""; 0], "in the logs");
    let mut stored = server.stored();
    assert!(stored.windows(6).any(|bytes| bytes == b"portal"), "the database is there");
    assert_eq!(secrets.found_in(&stored), [""; 0], "in the database");

    drop((console, server));
    let mut traced = collector.bodies();
    assert!(traced.windows(11).any(|bytes| bytes == b"verify_code"), "the traces are there");
    assert_eq!(secrets.found_in(&traced), [""; 0], "in the traces");
    // Nor who it was, or where.
    for name in ["usr_", "ten_", "cli_", "fac_", "evt_", "req_", "bob", "portal", "acme", "/v1/u"] {
        let found = traced.windows(name.len()).any(|bytes| bytes == name.as_bytes());
        assert!(!found, "{name} in the traces");
    }

    // What is planted is found, so that the searches above can fail.
    let (what, secret) = secrets.0.first().unwrap();
    tracing::info!(planted = String::from_utf8_lossy(secret).as_ref(), "a mistake");
    logged.clone_from(&logs.0.lock().unwrap());
    assert!(secrets.found_in(&logged).contains(&what.as_str()));
    let (what, secret) = secrets.0.last().unwrap();
    let middle = stored.len() / 2;
    stored.splice(middle..middle + secret.len(), secret.iter().copied());
    assert!(secrets.found_in(&stored).contains(&what.as_str()));
    traced.extend(secret);
    assert!(secrets.found_in(&traced).contains(&what.as_str()));
}
