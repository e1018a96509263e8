//! The witness: it knows what honest users typed, reads what is on record through the honest console,
//! and stops the walk when an invariant is broken.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::malicious::pool::Token;
use crate::malicious::random::Random;
use crate::support::{Answer, Console, User};

/// A call of the malicious console and its answer.
pub struct Sent<'a> {
    /// What was sent.
    pub body: &'a Value,
    /// Whom it was about, as far as a handle or a token says.
    pub user: Option<&'a str>,
    /// What was answered.
    pub answer: &'a Answer,
}

/// Somebody who enrolled at the honest console.
struct Victim {
    user: User,
    factor: String,
    typed: Vec<String>,
    typed_recovery: Vec<String>,
    spent: Vec<String>,
    /// Whether a code of their own bought the console a factor or recovery codes of theirs.
    given_away: bool,
    offboarded: bool,
}

/// What must not change at all.
#[derive(PartialEq, Debug)]
struct Unchanged {
    policy: Value,
    clients: Value,
    overrides: Value,
    roles: BTreeMap<String, Value>,
}

/// Holds the invariants.
pub struct Witness {
    console: Console,
    exemptions: BTreeMap<String, Value>,
    victims: BTreeMap<String, Victim>,
    unchanged: Option<Unchanged>,
    events: Vec<String>,
    cursor: Option<String>,
    /// The tokens whose event was not looked up yet.
    tokens: Vec<Value>,
    seen: usize,
    steps: usize,
    given_away: usize,
}

#[track_caller]
fn broken(invariant: &str, what: &dyn std::fmt::Debug) -> ! {
    panic!("INVARIANT {invariant}: {what:?}")
}

impl Witness {
    /// A witness who reads at this console.
    pub fn new(console: Console) -> Self {
        let (victims, exemptions) = (BTreeMap::new(), BTreeMap::new());
        let (unchanged, events) = (None, Vec::new());
        let (cursor, tokens, seen, steps, given_away) = (None, Vec::new(), 0, 0, 0);
        Self {
            console,
            exemptions,
            victims,
            unchanged,
            events,
            cursor,
            tokens,
            seen,
            steps,
            given_away,
        }
    }

    /// Somebody enrolled at the honest console.
    pub fn enrolled(&mut self, user: User) {
        let status = self.console.call("getMfaStatus").at("user_id", &user.id).send().ok();
        let factor = status["factor"]["id"].as_str().unwrap().to_owned();
        let (typed, typed_recovery, spent) = (Vec::new(), Vec::new(), Vec::new());
        let (given_away, offboarded) = (false, false);
        let victim = Victim { user, factor, typed, typed_recovery, spent, given_away, offboarded };
        self.victims.insert(victim.user.id.clone(), victim);
    }

    /// Somebody enrolled, and is exempt by an override.
    pub fn exempted(&mut self, user: User, exemption: Value) {
        self.exemptions.insert(user.id.clone(), exemption);
        self.enrolled(user);
    }

    /// From here on nothing is done by an administrator.
    pub fn begin(&mut self) {
        self.read_events(true);
        self.unchanged = Some(self.snapshot());
    }

    /// How many users have the factor with which they enrolled.
    pub fn honest(&self) -> usize {
        self.victims.values().filter(|victim| !victim.given_away && !victim.offboarded).count()
    }

    /// A user who signs in here; administrators do not.
    pub fn anybody(&self, random: &mut Random) -> Option<&User> {
        let here = |victim: &&Victim| {
            let is_admin = victim.user.external_id == "admin";
            !is_admin && !victim.offboarded && !victim.given_away
        };
        let exempt = |user: &&User| self.exemptions.contains_key(&user.id);
        let here: Vec<&User> =
            self.victims.values().filter(here).map(|victim| &victim.user).collect();
        // Often somebody who is exempt: there are few of them.
        let some: Vec<&User> = here.iter().copied().filter(exempt).collect();
        let of = if random.percent(25) && !some.is_empty() { some } else { here };
        random.pick(&of).copied()
    }

    /// A user typed a code at the malicious console.
    pub fn typed(&mut self, user: &str, code: &str) {
        self.victims.get_mut(user).unwrap().typed.push(code.to_owned());
    }

    /// A user typed a recovery code at the malicious console.
    pub fn typed_recovery(&mut self, user: &str, code: &str) {
        let victim = self.victims.get_mut(user).unwrap();
        victim.typed_recovery.push(code.to_owned());
        victim.user.recovery_codes.retain(|other| other != code);
    }

    /// Judges one answer, and gives the tokens for Pawl's own audience that are in it.
    pub fn observe(&mut self, sent: &Sent<'_>) -> Vec<Token> {
        let (answer, body) = (sent.answer, sent.body);
        if answer.status >= 500 {
            broken("never a 5xx", &(answer, body));
        }
        if answer.status >= 300 {
            return Vec::new();
        }
        let operation = answer.operation.as_str();
        match operation {
            "evaluateLogin" => self.decided(body, &answer.body),
            "useRecoveryCode" => self.recovered(sent),
            "reportLoss" if answer.body["outcome"] == "suspended" => match body["code"].as_str() {
                Some(code) => self.spend(sent.user, code, answer),
                None => self.recovered(sent),
            },
            _ => {}
        }
        if let Some(code) = body["proof"]["code"].as_str() {
            self.spend(sent.user, code, answer);
            self.give_away(sent.user);
        }
        let tokens = answer.body["tokens"].as_array().cloned().unwrap_or_default();
        if tokens.is_empty() && answer.body.to_string().contains("\"eyJ") {
            broken("no token without a code", answer);
        }
        let code = body["code"].as_str().unwrap_or_default();
        self.issued(operation, code, &tokens, answer)
    }

    /// Everybody is required, and one user is exempt for one audience.
    fn decided(&self, body: &Value, answer: &Value) {
        let decision = answer["decision"].as_str().unwrap();
        if decision == "not_required" {
            broken("a required user is never not_required", answer);
        }
        if decision == "exempt" {
            let covered = body["audiences"] == json!(["shop"]);
            let now = self.console.server.at(0);
            let theirs = self.exemptions.get(answer["user_id"].as_str().unwrap());
            let holds = theirs.is_some_and(|exemption| {
                let until = exemption["expires_at"].as_str().unwrap();
                answer["override_id"] == exemption["id"] && now.as_str() < until
            });
            if !(covered && holds) {
                broken("exempt only by an override that a person approved", &(body, answer));
            }
        }
    }

    fn issued(
        &mut self,
        operation: &str,
        code: &str,
        tokens: &[Value],
        answer: &Answer,
    ) -> Vec<Token> {
        let claims: Vec<Value> = tokens.iter().map(claims).collect();
        let Some(first) = claims.first().cloned() else { return Vec::new() };
        let user = first["sub"].as_str().unwrap().to_owned();
        if let Some(victim) = self.victims.get(&user).filter(|victim| !victim.given_away) {
            if operation != "verifyCode" || first["fid"] != victim.factor.as_str() {
                broken("no token but by the factor that the user enrolled", &(&first, answer));
            }
            self.spend(Some(&user), code, answer);
        }
        self.seen += 1;
        self.tokens.extend(claims);
        let own = self.console.own_audience();
        let text = |token: &Value| token["access_token"].as_str().unwrap().to_owned();
        let own = tokens.iter().filter(|token| token["audience"] == own.as_str());
        own.map(|token| Token { user: user.clone(), text: text(token) }).collect()
    }

    /// A code did something: its user typed it, and it did nothing before.
    fn spend(&mut self, user: Option<&str>, code: &str, answer: &Answer) {
        let Some(victim) = user.and_then(|user| self.victims.get_mut(user)) else { return };
        if victim.given_away {
            return;
        }
        if let Some(at) = victim.typed.iter().position(|typed| typed == code) {
            victim.typed.swap_remove(at);
        } else {
            // One guess in three hundred thousand is right: luck is no fault of the server.
            let phone = victim.user.phone.as_ref().unwrap();
            let shows = phone.might_show(&self.console.server, code);
            if !shows || victim.spent.iter().any(|spent| spent == code) {
                broken("nothing by a code that the user did not type, or twice", answer);
            }
        }
        victim.spent.push(code.to_owned());
    }

    fn recovered(&mut self, sent: &Sent<'_>) {
        let code = sent.body["recovery_code"].as_str().unwrap();
        let Some(victim) = sent.user.and_then(|user| self.victims.get_mut(user)) else { return };
        if !victim.given_away && !victim.typed_recovery.contains(&code.to_owned()) {
            broken("no recovery but by a code that the user typed", sent.answer);
        }
        self.give_away(sent.user);
    }

    fn give_away(&mut self, user: Option<&str>) {
        if let Some(victim) = user.and_then(|user| self.victims.get_mut(user)) {
            self.given_away += usize::from(!victim.given_away);
            victim.given_away = true;
        }
    }

    /// Looks at the record now and then.
    pub fn look(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(25) {
            self.read_events(false);
        }
        if self.steps.is_multiple_of(500) {
            self.audit();
        }
    }

    fn page(&self, operation: &str, cursor: Option<&str>) -> Value {
        let call = self.console.call(operation).query("limit", "100");
        match cursor {
            Some(cursor) => call.query("cursor", cursor).send().ok(),
            None => call.send().ok(),
        }
    }

    fn read_events(&mut self, before: bool) {
        let mut fresh = BTreeMap::new();
        loop {
            let page = self.page("listEvents", self.cursor.as_deref());
            let items = page["items"].as_array().unwrap();
            for event in items {
                if !before {
                    self.happened(event);
                }
                let id = event["id"].as_str().unwrap().to_owned();
                self.events.push(id.clone());
                fresh.insert(id, event.clone());
            }
            if let Some(next) = page["next_cursor"].as_str() {
                self.cursor = Some(next.to_owned());
            }
            if items.len() < 100 {
                break;
            }
        }
        for claims in std::mem::take(&mut self.tokens) {
            let event = &fresh.get(claims["txn"].as_str().unwrap()).cloned().unwrap_or_default();
            let by_code =
                ["code.verified", "enrollment.confirmed"].iter().any(|kind| event["kind"] == *kind)
                    && event["evaluated"] == true
                    && event["user_id"] == claims["sub"];
            if !by_code {
                broken("each token's event is a right code of its user", &(claims, event));
            }
        }
    }

    /// Judges one event.
    fn happened(&mut self, event: &Value) {
        let kind = event["kind"].as_str().unwrap();
        let forbidden = [
            "override.requested",
            "override.approved",
            "override.used",
            "role.granted",
            "role.revoked",
            "policy.replaced",
            "client.created",
            "client.disabled",
            "client.updated",
            "ticket.created",
            "tenant.created",
            "tenant.renamed",
        ];
        if forbidden.contains(&kind) {
            broken("nothing that takes an administrator", event);
        }
        let victim = event["user_id"].as_str().and_then(|user| self.victims.get_mut(user));
        match (kind, victim) {
            ("user.offboarded", Some(victim)) => victim.offboarded = true,
            ("factor.ended", Some(victim)) if !victim.given_away && !victim.offboarded => {
                broken("no factor ends without its user's own code", event);
            }
            _ => {}
        }
    }

    fn snapshot(&self) -> Unchanged {
        let mut roles = BTreeMap::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = self.page("listUsers", cursor.as_deref());
            for user in page["items"].as_array().unwrap() {
                if user["roles"].as_array().is_some_and(|roles| !roles.is_empty()) {
                    roles.insert(user["id"].to_string(), user["roles"].clone());
                }
            }
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Unchanged {
            policy: self.console.call("getPolicy").send().ok()["version"].clone(),
            clients: self.page("listClients", None),
            overrides: self.page("listOverrides", None)["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["id"].clone())
                .collect(),
            roles,
        }
    }

    /// Policy, roles, clients and overrides are as they were, and honest users have their factor.
    fn audit(&mut self) {
        self.read_events(false);
        let now = self.snapshot();
        if self.unchanged.as_ref() != Some(&now) {
            broken("policy, roles, clients and overrides do not change", &(&self.unchanged, now));
        }
        for victim in self.victims.values().filter(|v| !v.given_away && !v.offboarded) {
            let call = self.console.call("getMfaStatus").at("user_id", &victim.user.id);
            let status = call.send().ok();
            if status["factor"]["id"] != victim.factor.as_str() {
                broken("a user keeps the factor with which they enrolled", &status);
            }
        }
    }

    /// Looks at everything once more: the record only grew.
    pub fn end(&mut self) -> String {
        self.audit();
        let before = std::mem::take(&mut self.events);
        self.cursor = None;
        self.read_events(true);
        if self.events != before {
            broken("the record only grows", &(before.len(), self.events.len()));
        }
        let distinct: BTreeSet<&String> = before.iter().collect();
        assert_eq!(distinct.len(), before.len());
        assert!(self.seen > 100, "hardly a token: {}", self.seen);
        assert!(self.given_away > 0, "no code was ever turned against its user");
        let (users, honest) = (self.victims.len(), self.honest());
        let (seen, given, events) = (self.seen, self.given_away, before.len());
        format!(
            "{seen} answers with tokens, {users} users, {honest} untouched, {given} given away, {events} events"
        )
    }
}

/// The claims of a token, as it says them.
fn claims(token: &Value) -> Value {
    let text = token["access_token"].as_str().unwrap();
    let claims = text.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
