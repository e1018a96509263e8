//! A console of one tenant, which sends each request to whichever server it is told; and its users.

use serde_json::{Value, json};

use crate::binary::support::{HandedOver, code, login};
use crate::drills::http::{Reply, post};

/// The audience of every console here.
pub const AUDIENCE: &str = "console";

/// A console's backend.
#[derive(Clone)]
pub struct Console {
    key: String,
}

/// A user with an authenticator whose code of the step `enrolled` is spent.
#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub id: String,
    otpauth: String,
}

/// A code and the step that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub code: String,
    pub step: i64,
}

impl Person {
    /// Who was asked for, and enrolled with what `begun` shows.
    pub fn of(name: &str, asked: &Value, begun: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (id, otpauth) = (text(&asked["user_id"]), text(&begun["otpauth_uri"]));
        Self { name: name.to_owned(), id, otpauth }
    }

    /// The authenticator's code of now.
    pub fn present_code(&self) -> String {
        code(&self.otpauth, 0)
    }

    /// The authenticator's next code: nobody has used it, and it is good for a whole step at least.
    pub fn next_code(&self) -> Shown {
        // The step may change while the code is made.
        loop {
            let shown = Shown { step: step_now() + 1, code: code(&self.otpauth, 1) };
            if shown.step == step_now() + 1 {
                return shown;
            }
        }
    }

    /// A code that is right at no time near now.
    pub fn wrong_code(&self) -> String {
        let near: Vec<String> = (-3..=3).map(|ahead| code(&self.otpauth, ahead)).collect();
        let mut all = (0..).map(|number| format!("{number:06}"));
        all.find(|code| !near.contains(code)).unwrap()
    }
}

fn step_now() -> i64 {
    jiff::Timestamp::now().as_second() / 30
}

impl Console {
    pub fn new(handed: &HandedOver) -> Self {
        Self { key: handed.key.clone() }
    }

    /// A console whose tenant is not founded yet.
    pub fn nobody() -> Self {
        Self { key: String::new() }
    }

    /// Its credential.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Any call.
    pub fn post(&self, address: &str, path: &str, body: &Value) -> Reply {
        post(address, &self.key, path, body)
    }

    /// `evaluateLogin` of somebody who has just passed the password.
    pub fn evaluate(&self, address: &str, name: &str) -> Reply {
        self.post(address, "/v1/evaluations", &login(name, &[AUDIENCE]))
    }

    /// A user who must be there to be enrolled: the handle of the challenge.
    pub fn challenge(&self, address: &str, name: &str) -> String {
        handle(&self.evaluate(address, name).body(200))
    }

    /// `verifyCode`.
    pub fn verify(&self, address: &str, challenge: &str, code: &str) -> Reply {
        let body = json!({ "challenge": challenge, "code": code });
        self.post(address, "/v1/challenges/verify", &body)
    }

    /// `beginEnrollment`.
    pub fn begin(&self, address: &str, challenge: &str) -> Reply {
        self.post(address, "/v1/enrollments", &json!({ "challenge": challenge }))
    }

    /// `confirmEnrollment`, with the first code of the secret that `begun` shows.
    pub fn confirm(&self, address: &str, begun: &Value) -> Reply {
        let code = code(begun["otpauth_uri"].as_str().unwrap(), 0);
        let body = json!({ "enrollment": begun["enrollment"], "code": code });
        self.post(address, "/v1/enrollments/confirm", &body)
    }

    /// A new user with a factor.
    pub fn enrolled(&self, address: &str, name: &str) -> Person {
        let asked = self.evaluate(address, name).body(200);
        let begun = self.begin(address, &handle(&asked)).body(201);
        self.confirm(address, &begun).body(200);
        Person::of(name, &asked, &begun)
    }
}

/// The challenge that an evaluation opened.
pub fn handle(asked: &Value) -> String {
    let handle = asked["challenge"]["handle"].as_str();
    handle.unwrap_or_else(|| panic!("no challenge in {asked}")).to_owned()
}
