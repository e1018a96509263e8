//! The walk: a random call after another, honest logins between them, and time that passes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::malicious::bodies::{AUDIENCES, Maker};
use crate::malicious::pool::{OpenAct, Pool, Token};
use crate::malicious::random::Random;
use crate::malicious::witness::{Sent, Witness};
use crate::support::document::{Operation, operations};
use crate::support::{Act, Answer, Call, Console, Server};

const EVERY_SCOPE: &[&str] = &["login", "users", "offboard", "petitions", "tenant:read"];

/// How many honest users there are at any time, at least.
const USERS: usize = 8;

/// A walk.
pub struct Walk {
    random: Random,
    server: Server,
    /// The console at which honest users enroll, and the witness reads.
    trusted: Console,
    /// The two clients in bad hands.
    consoles: [Console; 2],
    pool: Pool,
    witness: Witness,
    calls: BTreeMap<String, [usize; 2]>,
    users: usize,
}

impl Walk {
    /// A tenant with honest users, some of whom are exempt for one audience.
    pub fn begin(random: Random) -> Self {
        let server = Server::start();
        let tenant = server.tenant("acme");
        let admin = tenant.administrator();
        let trusted = tenant.console;
        let consoles = AUDIENCES.map(|name| trusted.another(&admin, name, EVERY_SCOPE));
        let helper = trusted.user("hank").enrolled();
        admin.act(&Act::grant(&helper.id, "helpdesk")).ok();
        let until = server.at(70 * 3600);
        let mut witness = Witness::new(trusted.clone());
        for name in ["edna", "ezra", "elsa"] {
            let exempt = trusted.user(name).enrolled();
            let act = Act::request(&exempt.id, "exempt").set("audiences", json!(["shop"]));
            let granted = admin.act(&act.set("expires_at", json!(until))).ok();
            witness.exempted(exempt, granted["override"].clone());
        }
        for user in [admin, helper] {
            witness.enrolled(user);
        }
        witness.begin();
        let (pool, calls) = (Pool::default(), BTreeMap::new());
        Self { random, server, trusted, consoles, pool, witness, calls, users: 0 }
    }

    /// Calls of the console so far.
    pub fn calls(&self) -> usize {
        self.calls.values().map(|[said_yes, said_no]| said_yes + said_no).sum()
    }

    /// One thing that happens.
    pub fn step(&mut self) {
        if self.random.percent(50) {
            self.server.advance(self.random.seconds(0, 10));
        }
        if self.random.below(300) == 0 {
            self.server.advance(self.random.seconds(0, 6 * 3600));
        }
        if self.witness.honest() < USERS {
            self.newcomer();
        }
        match self.random.below(100) {
            0..12 => self.login(),
            _ => self.anything(),
        }
        self.witness.look();
    }

    /// A new user enrolls at the honest console.
    fn newcomer(&mut self) {
        self.users += 1;
        let name = format!("user{}", self.users);
        self.witness.enrolled(self.trusted.user(&name).enrolled());
    }

    /// A user signs in at the malicious console and types one fresh code. It may relay it at once.
    fn login(&mut self) {
        let client = self.random.below(2);
        let console = self.consoles[client].clone();
        let (own, other) = (console.own_audience(), AUDIENCES[client]);
        let audiences: &[&str] = match self.random.below(10) {
            0..=5 => &[&own],
            6..=7 => &[other],
            _ => &[other, &own],
        };
        let Some(user) = self.witness.anybody(&mut self.random) else { return };
        self.pool.meet(&user.external_id);
        let body = console.login(&user.external_id, audiences);
        let (id, code) = (user.id.clone(), user.code());
        let lost = self.random.below(30) == 0;
        let recovery = user.recovery_codes.last().cloned().filter(|_| lost);
        let answer = self.send(client, "evaluateLogin", &console.key, body);
        self.witness.typed(&id, &code);
        self.pool.codes.push((id.clone(), code.clone()));
        if let Some(recovery) = recovery {
            self.witness.typed_recovery(&id, &recovery);
            self.pool.recovery_codes.push((id.clone(), recovery));
        }
        match answer.body["challenge"]["handle"].as_str() {
            Some(handle) if self.random.percent(60) => {
                let body = json!({ "challenge": handle, "code": code });
                self.send(client, "verifyCode", &console.key, body);
            }
            _ if self.random.percent(40) => self.turn(client, &id, &code),
            _ => {}
        }
    }

    /// Turns the code that a user typed for a login against them: some act of theirs is proven by it.
    fn turn(&mut self, client: usize, user: &str, code: &str) {
        let Some(token) = self.pool.token_of(user) else { return };
        let mut maker = self.maker(client, "beginStepUp");
        let act = maker.value("", &json!({ "$ref": "#/components/schemas/Act" }));
        self.send(client, "beginStepUp", &token.text, act.clone());
        let opened = self.pool.acts.last().filter(|open| open.whole == act).cloned();
        if let Some(open) = opened {
            let operation = &operations()[act["operation"].as_str().unwrap()];
            self.prove(client, operation, &open, code);
        }
    }

    fn maker<'a>(&'a mut self, client: usize, operation: &'a str) -> Maker<'a> {
        Maker {
            random: &mut self.random,
            pool: &self.pool,
            server: &self.server,
            client,
            consoles: &self.consoles,
            operation,
            user: None,
        }
    }

    /// Any operation with any credential and any body.
    fn anything(&mut self) {
        let client = self.random.below(2);
        let operation = self.operation();
        if self.random.percent(50) && self.known_act(client, operation) {
            return;
        }
        let (credential, token) = self.credential(client, operation);
        let mut maker = self.maker(client, &operation.id);
        maker.user = token.map(|token| token.user);
        let mut body = operation.request_schema().map(|schema| maker.value("", schema));
        let proves = operation.codes(410).contains(&"challenge-over");
        if let Some(body) = &mut body
            && proves
            && body["challenge"].is_null()
            && maker.random.percent(50)
        {
            let schema = json!({ "$ref": "#/components/schemas/Code" });
            let challenge =
                maker.value("challenge", &json!({ "$ref": "#/components/schemas/Handle" }));
            body["proof"] = json!({ "challenge": challenge, "code": maker.value("code", &schema) });
        }
        let path = parameters(&mut maker, operation);
        let body = body.unwrap_or(Value::Null);
        let body = self.spoil(body);
        let body = self.confirmation(operation, body);
        self.send_at(client, operation, &credential, (path, body));
    }

    /// The right code for an enrollment whose secret the console was shown.
    fn confirmation(&mut self, operation: &Operation, mut body: Value) -> Value {
        let phone = body["enrollment"].as_str().and_then(|handle| self.pool.secrets.get(handle));
        if let (true, Some(phone)) = (operation.id == "confirmEnrollment", phone)
            && self.random.percent(70)
        {
            body["code"] = json!(phone.shown(&self.server));
        }
        body
    }

    /// An act for which a challenge was opened, with its proof.
    fn known_act(&mut self, client: usize, operation: &Operation) -> bool {
        let fits = |act: &&OpenAct| act.whole["operation"] == operation.id.as_str();
        let Some(act) = self.pool.acts.iter().rev().find(fits).cloned() else { return false };
        let user = Some(act.token.user.as_str());
        let code = self.pool.code(&mut self.random, &self.server, user);
        self.prove(client, operation, &act, &code);
        true
    }

    /// Does an act with its challenge and some code.
    fn prove(&mut self, client: usize, operation: &Operation, act: &OpenAct, code: &str) {
        let mut body = act.whole["body"].clone();
        if !body.is_object() {
            return;
        }
        body["proof"] = json!({ "challenge": act.challenge, "code": code });
        let mut path = Vec::new();
        for place in ["path", "header"] {
            for name in operation.parameters(place) {
                let field = name.to_lowercase().replace('-', "_");
                let value = act.whole[&field].as_str().unwrap_or("none").to_owned();
                path.push((place, name.to_owned(), value));
            }
        }
        self.send_at(client, operation, &act.token.text, (path, body));
    }

    fn operation(&mut self) -> &'static Operation {
        let weight = |id: &str| match id {
            "evaluateLogin" | "verifyCode" => 16,
            "beginEnrollment" | "confirmEnrollment" => 12,
            "beginStepUp" | "beginRotation" | "useRecoveryCode" => 6,
            "offboardUser" => 1,
            _ => 3,
        };
        let total: usize = operations().keys().map(|id| weight(id)).sum();
        let mut at = self.random.below(total);
        operations()
            .values()
            .find(|operation| match at.checked_sub(weight(&operation.id)) {
                Some(rest) => {
                    at = rest;
                    false
                }
                None => true,
            })
            .unwrap()
    }

    /// Mostly one that the document names; the token, if it is a person's.
    fn credential(&mut self, client: usize, operation: &Operation) -> (String, Option<Token>) {
        let callers = operation.callers();
        let machine = callers.as_ref().is_some_and(|callers| callers.scope.is_some());
        let person = callers.is_some_and(|callers| callers.roles.is_some());
        let likes_token = match (machine, person) {
            (true, true) => self.random.percent(50),
            (_, person) => person == self.random.percent(92),
        };
        match self.random.recent(&self.pool.tokens, 6) {
            Some(token) if likes_token => (token.text.clone(), Some(token.clone())),
            _ => (self.consoles[client].key.clone(), None),
        }
    }

    /// Now and then a body that no schema takes.
    fn spoil(&mut self, mut body: Value) -> Value {
        if let Some(map) = body.as_object_mut().filter(|_| self.random.percent(3)) {
            let names: Vec<String> = map.keys().cloned().collect();
            if let Some(name) = self.random.pick(&names) {
                let odd = [Value::Null, json!(7), json!([]), json!("\u{202e}"), json!({})];
                map.insert(name.clone(), self.random.pick(&odd).unwrap().clone());
            }
        }
        body
    }

    fn send(&mut self, client: usize, operation: &str, credential: &str, body: Value) -> Answer {
        let operation = &operations()[operation];
        self.send_at(client, operation, credential, (Vec::new(), body))
    }

    fn send_at(
        &mut self,
        client: usize,
        operation: &Operation,
        credential: &str,
        (parameters, body): (Vec<(&'static str, String, String)>, Value),
    ) -> Answer {
        let mut call: Call = self.server.call(&operation.id).bearer(credential);
        for (place, name, value) in &parameters {
            call = match *place {
                "path" => call.at(name, value),
                "query" => call.query(name, value),
                _ => call.header(name, value),
            };
        }
        if operation.request_schema().is_some() {
            call = call.json(&body);
        }
        let answer = call.send();
        let said_no = usize::from(answer.status >= 400);
        self.calls.entry(operation.id.clone()).or_default()[said_no] += 1;
        self.learn(client, credential, &body, &answer);
        answer
    }

    /// The witness first: it must know whom a handle was about before the pool learns more.
    fn learn(&mut self, client: usize, credential: &str, body: &Value, answer: &Answer) {
        let token = self.pool.tokens.iter().rev().find(|token| token.text == credential).cloned();
        let handle = body["challenge"].as_str().or(body["enrollment"].as_str());
        let about = handle.and_then(|handle| self.pool.about.get(handle)).cloned();
        let user = about.or_else(|| token.as_ref().map(|token| token.user.clone()));
        let sent = Sent { body, user: user.as_deref(), answer };
        for token in self.witness.observe(&sent) {
            self.pool.tokens.push(token);
        }
        if answer.status >= 400 {
            return;
        }
        for code in [&body["code"], &body["proof"]["code"]] {
            self.pool.spend(code.as_str().unwrap_or_default());
        }
        self.pool.harvest(client, user.as_deref(), &answer.body);
        match (answer.operation.as_str(), token) {
            ("beginStepUp", Some(token)) => {
                let challenge = answer.body["challenge"]["handle"].as_str().unwrap().to_owned();
                self.pool.acts.push(OpenAct { challenge, token, whole: body.clone() });
            }
            ("confirmEnrollment", _) => {
                let handle = body["enrollment"].as_str().unwrap().to_owned();
                self.pool.bound.extend(user.map(|user| (user, handle)));
            }
            ("getPolicy", _) => self.pool.policy = Some(answer.body["policy"].clone()),
            _ => {}
        }
    }

    /// Looks once more, and tells what was done. A walk in which nothing happened proves nothing.
    pub fn end(mut self) -> String {
        let told = self.witness.end();
        let quiet: Vec<&str> = operations()
            .keys()
            .filter(|id| !self.calls.contains_key(*id))
            .map(String::as_str)
            .collect();
        assert!(quiet.is_empty(), "never called: {quiet:?}");
        let calls = self.calls();
        let each = self.calls.iter().map(|(id, [yes, no])| format!("\n  {id}: {yes} yes, {no} no"));
        format!("{calls} calls, {told}{}", each.collect::<String>())
    }
}

/// Values for what stands in the path, the query and the headers.
fn parameters(maker: &mut Maker<'_>, operation: &Operation) -> Vec<(&'static str, String, String)> {
    let mut made = Vec::new();
    for parameter in operation.value["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let value = match maker.value(name, &parameter["schema"]) {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => continue,
        };
        match parameter["in"].as_str().unwrap() {
            "path" => made.push(("path", name.to_owned(), value)),
            "header" => made.push(("header", name.to_owned(), "\"1\"".to_owned())),
            _ if maker.random.percent(20) => made.push(("query", name.to_owned(), value)),
            _ => {}
        }
    }
    made
}
