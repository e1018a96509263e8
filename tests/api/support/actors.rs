//! Who calls: a console with its key, a user with a phone, an administrator with a proof.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::authenticator::Authenticator;
use super::http::{Answer, Call, code_of};
use super::server::{BASE, Server};

/// A reason that is long enough.
pub const REASON: &str = "because this test asks for it";

/// A console's backend.
#[derive(Clone)]
pub struct Console {
    /// The server.
    pub server: Server,
    /// The tenant's id.
    pub tenant: String,
    /// The client's id.
    pub client_id: String,
    /// The client's key.
    pub key: String,
}

/// A tenant as it was founded.
pub struct Tenant {
    /// Its first console.
    pub console: Console,
    name: String,
    authenticator: RefCell<Option<Authenticator>>,
}

impl Tenant {
    pub(super) fn new(name: &str, console: Console, authenticator: Authenticator) -> Self {
        Self { name: name.to_owned(), console, authenticator: RefCell::new(Some(authenticator)) }
    }

    /// `pawl bootstrap` once more: the administrator's enrollment is printed again.
    pub fn bootstrap_again(&self) {
        let founded = self.console.server.bootstrap(&self.name);
        let authenticator = Authenticator::scan(founded.otpauth_uri.expose());
        self.authenticator.replace(Some(authenticator));
    }

    /// The first administrator, whose enrollment was printed at the founding, confirmed. Once.
    pub fn administrator(&self) -> User {
        let mut admin = self.console.user("admin");
        let decision = admin.evaluate().ok();
        assert_eq!(decision["decision"], "enroll");
        let phone = self.authenticator.borrow_mut().take().expect("asked for once");
        let enrollment = decision["enrollment"]["handle"].clone();
        admin.confirm(&enrollment, phone).ok();
        admin
    }

    /// Another administrator, made by `first`; old enough to weaken if `seasoned`.
    pub fn second_administrator(&self, first: &User, name: &str) -> User {
        let second = self.console.user(name).enrolled();
        first.act(&Act::grant(&second.id, "admin")).ok();
        self.console.server.advance(25 * 3600);
        second
    }
}

impl Console {
    /// A call with the client's key.
    pub fn call(&self, operation: &str) -> Call {
        self.server.call(operation).bearer(&self.key)
    }

    /// Pawl's own audience of the tenant.
    pub fn own_audience(&self) -> String {
        format!("{BASE}/t/{}", self.tenant)
    }

    /// A user that this console knows, created if need be.
    pub fn user(&self, external_id: &str) -> User {
        let body = json!({ "external_id": external_id, "display_name": external_id });
        let user = self.call("upsertUser").json(&body).send().ok();
        User {
            console: self.clone(),
            external_id: external_id.to_owned(),
            id: user["id"].as_str().unwrap().to_owned(),
            phone: None,
            token: RefCell::default(),
            recovery_codes: Vec::new(),
        }
    }

    /// Another client of the tenant in the same directory, made by an administrator.
    pub fn another(&self, admin: &User, name: &str, scopes: &[&str]) -> Self {
        let client = self.call("getClient").at("client_id", &self.client_id).send().ok();
        let act = Act::client(name, scopes).set("directory_id", client["directory_id"].clone());
        let made = admin.act(&act).ok();
        let text = |name: &str| made["client_key"][name].as_str().unwrap().to_owned();
        Self { client_id: text("client_id"), key: text("key"), ..self.clone() }
    }

    /// The id of the console's directory.
    pub fn directory(&self) -> String {
        let client = self.call("getClient").at("client_id", &self.client_id).send().ok();
        client["directory_id"].as_str().unwrap().to_owned()
    }

    /// `createPetition`.
    pub fn petition(&self, user: &str, kind: &str) -> Answer {
        let body = json!({ "user_id": user, "kind": kind, "reason": REASON });
        self.call("createPetition").json(&body).send()
    }

    /// The body of an evaluation of a login that just happened.
    pub fn login(&self, external_id: &str, audiences: &[&str]) -> Value {
        json!({
            "external_id": external_id, "display_name": external_id, "audiences": audiences,
            "primary_login": { "method": "password", "at": self.server.at(0) },
        })
    }
}

/// A user of a console: at the console with a phone, and at Pawl with a token.
pub struct User {
    /// The console.
    pub console: Console,
    /// The console's own id.
    pub external_id: String,
    /// Pawl's id.
    pub id: String,
    /// The authenticator, once enrolled.
    pub phone: Option<Authenticator>,
    token: RefCell<Option<Held>>,
    /// As the last enrollment showed them.
    pub recovery_codes: Vec<String>,
}

struct Held {
    token: String,
    expires_at: String,
}

impl User {
    /// `evaluateLogin` for Pawl's own audience.
    pub fn evaluate(&self) -> Answer {
        self.evaluate_for(&[&self.console.own_audience()])
    }

    /// `evaluateLogin` for these audiences.
    pub fn evaluate_for(&self, audiences: &[&str]) -> Answer {
        let body = self.console.login(&self.external_id, audiences);
        self.console.call("evaluateLogin").json(&body).send()
    }

    /// The handle of a new challenge for Pawl's own audience, whatever the decision is.
    pub fn challenge(&self) -> String {
        let decision = self.evaluate().ok();
        let handle = decision["challenge"]["handle"].as_str();
        handle.unwrap_or_else(|| panic!("no challenge in {decision}")).to_owned()
    }

    /// Enrolls with nothing but the login.
    pub fn enrolled(mut self) -> Self {
        let challenge = json!({ "challenge": self.challenge() });
        let begun = self.console.call("beginEnrollment").json(&challenge).send().ok();
        self.scan(&begun).ok();
        self
    }

    /// Scans the secret of an enrollment and confirms it.
    pub fn scan(&mut self, begun: &Value) -> Answer {
        let phone = Authenticator::scan(begun["otpauth_uri"].as_str().unwrap());
        self.confirm(&begun["enrollment"], phone)
    }

    /// Confirms an enrollment with a phone.
    pub fn confirm(&mut self, enrollment: &Value, phone: Authenticator) -> Answer {
        let code = phone.fresh_code(&self.console.server);
        let body = json!({ "enrollment": enrollment, "code": code });
        let answer = self.console.call("confirmEnrollment").json(&body).send();
        if answer.status == 200 {
            let codes = answer.body["recovery_codes"].as_array().unwrap();
            self.recovery_codes = codes.iter().map(|c| c.as_str().unwrap().to_owned()).collect();
            self.phone = Some(phone);
            self.hold(&answer.body);
        }
        answer
    }

    /// A fresh code; the clock may have to move for it.
    pub fn code(&self) -> String {
        self.phone.as_ref().expect("enrolled").fresh_code(&self.console.server)
    }

    /// A code that is wrong now and soon.
    pub fn wrong_code(&self) -> String {
        self.phone.as_ref().expect("enrolled").wrong_code(&self.console.server)
    }

    /// Signs in with a fresh code for Pawl's own audience.
    pub fn sign_in(&self) -> Answer {
        let code = self.code();
        self.verify(&self.challenge(), &code)
    }

    /// `verifyCode`.
    pub fn verify(&self, challenge: &str, code: &str) -> Answer {
        let body = json!({ "challenge": challenge, "code": code });
        let answer = self.console.call("verifyCode").json(&body).send();
        if answer.status == 200 {
            self.hold(&answer.body);
        }
        answer
    }

    fn hold(&self, body: &Value) {
        let own = self.console.own_audience();
        let tokens = body["tokens"].as_array().unwrap();
        if let Some(token) = tokens.iter().find(|token| token["audience"] == own.as_str()) {
            let text = |name: &str| token[name].as_str().unwrap().to_owned();
            let held = Held { token: text("access_token"), expires_at: text("expires_at") };
            self.token.replace(Some(held));
        }
    }

    /// The token that this person holds, signing in anew if it has run out.
    pub fn token(&self) -> String {
        self.token_for(60)
    }

    /// The token that this person holds, signing in anew if it does not last so many seconds.
    fn token_for(&self, seconds: i64) -> String {
        let soon = self.console.server.at(seconds);
        if self.token.borrow().as_ref().is_none_or(|held| held.expires_at < soon) {
            self.sign_in().ok();
        }
        self.token.borrow().as_ref().expect("a token").token.clone()
    }

    /// Forgets the token, as after a change that made it stale.
    pub fn forget(&self) {
        self.token.replace(None);
    }

    /// A call with this person's token.
    pub fn call(&self, operation: &str) -> Call {
        self.console.server.call(operation).bearer(&self.token())
    }

    /// `reportLoss`, with a code or with the password alone.
    pub fn report(&self, challenge: &str, code: Option<&str>) -> Answer {
        let body = json!({ "challenge": challenge, "reason": REASON, "code": code });
        self.console.call("reportLoss").json(&body).send()
    }

    /// Reports the phone as lost with its own code, and forgets the token that this makes stale.
    pub fn lose_phone(&self) {
        let code = self.code();
        self.report(&self.challenge(), Some(&code)).ok();
        self.forget();
    }

    /// `collectOverride` of what an answer showed.
    pub fn collect(&self, shown: &Value) -> Answer {
        self.call("collectOverride").at("override_id", shown["id"].as_str().unwrap()).send()
    }

    /// The policy in force and its `ETag`.
    pub fn policy(&self) -> (Value, String) {
        let answer = self.call("getPolicy").send();
        let version = answer.header("etag").unwrap().to_owned();
        (answer.ok()["policy"].clone(), version)
    }

    /// Replaces the policy by a tighter one, with a proof if it needs one; answers it and its `ETag`.
    pub fn tighten(&self, change: impl Fn(&mut Value)) -> (Value, String) {
        let (mut policy, version) = self.policy();
        change(&mut policy);
        let body = json!({ "policy": policy });
        let call = self.call("putPolicy").header("if-match", &version);
        let mut answer = call.json(&body).send();
        if answer.status == 403 {
            assert_eq!(code_of(&answer), "proof-required");
            answer = self.act(&Act::new("putPolicy", body).with("if_match", &version));
        }
        answer.ok();
        self.policy()
    }

    /// `beginStepUp`, whatever it answers.
    pub fn try_step_up(&self, act: &Act) -> Answer {
        self.call("beginStepUp").json(&act.whole()).send()
    }

    fn begin_step_up(&self, act: &Act) -> Value {
        self.try_step_up(act).ok()
    }

    /// `beginStepUp`: the challenge for one act.
    pub fn step_up(&self, act: &Act) -> String {
        self.begin_step_up(act)["challenge"]["handle"].as_str().unwrap().to_owned()
    }

    /// `beginStepUp`: what the act is in words.
    pub fn words(&self, act: &Act) -> String {
        self.begin_step_up(act)["act"].as_str().unwrap().to_owned()
    }

    /// An act without a proof.
    pub fn try_act(&self, act: &Act) -> Answer {
        act.send(self.call(act.operation), None)
    }

    /// An act with this proof.
    pub fn act_with(&self, act: &Act, challenge: &str, code: &str) -> Answer {
        let proof = json!({ "challenge": challenge, "code": code });
        act.send(self.call(act.operation), Some(proof))
    }

    /// An act with a good proof. What is refused before a code is asked for is refused with one too.
    pub fn act(&self, act: &Act) -> Answer {
        // The token first: signing in anew takes a code, and this one would then be an old one.
        let _ = self.token_for(120);
        let begun = self.try_step_up(act);
        if begun.status >= 400 {
            let refused = self.act_with(act, "mch_nothing", "000000");
            assert_eq!(code_of(&begun), code_of(&refused), "{}", act.operation);
            return refused;
        }
        let begun = begun.ok();
        let challenge = begun["challenge"]["handle"].as_str().unwrap();
        self.act_with(act, challenge, &self.code())
    }
}

/// An act that a proof can be asked for: what `beginStepUp` takes.
#[derive(Clone)]
pub struct Act {
    operation: &'static str,
    fields: Vec<(&'static str, String)>,
    /// The operation's body, without its proof.
    pub body: Value,
}

impl Act {
    /// An act with nothing in its path.
    pub fn new(operation: &'static str, body: Value) -> Self {
        Self { operation, fields: Vec::new(), body }
    }

    /// With a path parameter, or with `if_match`.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    /// `grantRole`.
    pub fn grant(user: &str, role: &str) -> Self {
        let act = Self::new("grantRole", json!({ "reason": REASON }));
        act.with("user_id", user).with("role", role)
    }

    /// `createClient`, with the audience `{name}`.
    pub fn client(name: &str, scopes: &[&str]) -> Self {
        let body = json!({
            "name": name, "scopes": scopes, "audiences": [name], "reason": REASON,
        });
        Self::new("createClient", body)
    }

    /// `rotateClientSecret`.
    pub fn rotate(client: &str) -> Self {
        let act = Self::new("rotateClientSecret", json!({ "reason": REASON }));
        act.with("client_id", client)
    }

    /// `updateClient`.
    pub fn update(client: &str, scopes: Value, audiences: Value) -> Self {
        let body = json!({ "scopes": scopes, "audiences": audiences, "reason": REASON });
        Self::new("updateClient", body).with("client_id", client)
    }

    /// `addClientKey`.
    pub fn add_key(client: &str, jwk: Value) -> Self {
        let act = Self::new("addClientKey", json!({ "jwk": jwk, "reason": REASON }));
        act.with("client_id", client)
    }

    /// `addClientKey` of a service account.
    pub fn bind(client: &str, account: &str) -> Self {
        let act =
            Self::new("addClientKey", json!({ "service_account": account, "reason": REASON }));
        act.with("client_id", client)
    }

    /// `requestOverride` for a user.
    pub fn request(user: &str, kind: &str) -> Self {
        let body = json!({ "user_id": user, "kind": kind, "reason": REASON });
        Self::new("requestOverride", body)
    }

    /// `revokeRole`.
    pub fn revoke(user: &str, role: &str) -> Self {
        let act = Self::new("revokeRole", json!({ "reason": REASON }));
        act.with("user_id", user).with("role", role)
    }

    /// `disableClient`.
    pub fn disable(client: &str) -> Self {
        let act = Self::new("disableClient", json!({ "reason": REASON }));
        act.with("client_id", client)
    }

    /// `renameTenant`.
    pub fn rename(name: &str) -> Self {
        Self::new("renameTenant", json!({ "name": name, "reason": REASON }))
    }

    /// `setLookAlikes`.
    pub fn look_alikes(directory: &str, to: &str) -> Self {
        let act = Self::new("setLookAlikes", json!({ "look_alikes": to, "reason": REASON }));
        act.with("directory_id", directory)
    }

    /// `createTicket`.
    pub fn ticket(user: &str) -> Self {
        Self::new("createTicket", json!({ "user_id": user, "reason": REASON }))
    }

    /// `approveOverride` of what an answer showed.
    pub fn approve(shown: &Value) -> Self {
        let act = Self::new("approveOverride", json!({ "digest": shown["digest"] }));
        act.with("override_id", shown["id"].as_str().unwrap())
    }

    /// The operationId.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// With another value of a member of the body.
    pub fn set(mut self, name: &str, value: Value) -> Self {
        self.body[name] = value;
        self
    }

    fn whole(&self) -> Value {
        let mut whole = json!({ "operation": self.operation, "body": self.body });
        for (name, value) in &self.fields {
            whole[*name] = json!(value);
        }
        whole
    }

    fn send(&self, mut call: Call, proof: Option<Value>) -> Answer {
        let mut body = self.body.clone();
        if let Some(proof) = proof {
            body["proof"] = proof;
        }
        for (name, value) in &self.fields {
            call = match *name {
                "if_match" => call.header("if-match", value),
                name => call.at(name, value),
            };
        }
        call.json(&body).send()
    }
}
