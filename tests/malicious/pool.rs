//! Everything that the console has seen and may use again.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::malicious::random::Random;
use crate::support::{Authenticator, Server};

/// A token of a person, relayed by the console.
#[derive(Clone)]
pub struct Token {
    /// Its `sub`.
    pub user: String,
    /// The JWT.
    pub text: String,
}

/// A challenge for one act, with the act.
#[derive(Clone)]
pub struct OpenAct {
    /// The handle.
    pub challenge: String,
    /// Whose it is.
    pub token: Token,
    /// What `beginStepUp` was sent.
    pub whole: Value,
}

/// What the console has seen.
#[derive(Default)]
pub struct Pool {
    /// Ids by their prefix.
    ids: BTreeMap<String, Vec<String>>,
    /// Handles by their prefix, for each of the two clients.
    handles: BTreeMap<(usize, String), Vec<String>>,
    /// Challenges that may begin an enrollment.
    beginnings: [Vec<String>; 2],
    /// Whom a handle is about.
    pub about: HashMap<String, String>,
    /// Codes that did nothing yet, and who typed them.
    pub codes: Vec<(String, String)>,
    /// Codes that did something.
    spent: Vec<(String, String)>,
    /// Recovery codes and whose they are.
    pub recovery_codes: Vec<(String, String)>,
    /// Secrets that the console was shown, by the handle of their enrollment.
    pub secrets: HashMap<String, Authenticator>,
    /// The enrollment of the secret that a user's factor has, as far as the console knows.
    pub bound: HashMap<String, String>,
    /// Tokens for Pawl's own audience.
    pub tokens: Vec<Token>,
    /// Challenges for acts.
    pub acts: Vec<OpenAct>,
    /// External ids.
    pub external_ids: Vec<String>,
    /// The policy as it was read.
    pub policy: Option<Value>,
}

/// How much of a kind is kept.
const KEPT: usize = 400;

fn keep<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= KEPT {
        list.drain(..KEPT / 2);
    }
    list.push(item);
}

impl Pool {
    /// An id of a kind that exists, or existed.
    pub fn id(&self, random: &mut Random, prefix: &str) -> Option<String> {
        random.pick(self.ids.get(prefix)?).cloned()
    }

    /// A handle of a kind: mostly a new one of this client.
    pub fn handle(&self, random: &mut Random, client: usize, prefix: &str) -> Option<String> {
        let client = if random.percent(90) { client } else { 1 - client };
        let list = self.handles.get(&(client, prefix.to_owned()))?;
        let few = if random.percent(80) { 4 } else { KEPT };
        random.recent(list, few).cloned()
    }

    /// A challenge that may begin an enrollment, mostly of this client.
    pub fn beginning(&self, random: &mut Random, client: usize) -> Option<String> {
        random.recent(&self.beginnings[client], 6).cloned()
    }

    /// A code did something.
    pub fn spend(&mut self, code: &str) {
        let spent = self.codes.extract_if(.., |(_, known)| known == code);
        self.spent.extend(spent);
    }

    /// The token of a user, if the console has one.
    pub fn token_of(&self, user: &str) -> Option<Token> {
        self.tokens.iter().rev().find(|token| token.user == user).cloned()
    }

    /// A code for somebody: typed by them, made with their secret, typed by another, or made up.
    pub fn code(&self, random: &mut Random, server: &Server, user: Option<&str>) -> String {
        let of = |user: &str| self.codes.iter().rev().find(|(typed_by, _)| typed_by == user);
        let known = |user: &str| self.secrets.get(self.bound.get(user)?);
        let list = if random.percent(50) { &self.codes } else { &self.spent };
        let any = random.recent(list, 10).map(|(_, code)| code.clone());
        let code = match (random.below(10), user) {
            (0..=4, Some(user)) => of(user).map(|(_, code)| code.clone()),
            (5..=6, Some(user)) => known(user).map(|phone| phone.shown(server)),
            (7..=8, _) => any,
            _ => Some(format!("{:06}", random.below(1_000_000))),
        };
        code.unwrap_or_else(|| "000000".to_owned())
    }

    /// There is somebody of this external id.
    pub fn meet(&mut self, external_id: &str) {
        if !self.external_ids.iter().any(|known| known == external_id) {
            self.external_ids.push(external_id.to_owned());
        }
    }

    /// Keeps a handle and whom it is about.
    fn handle_of(&mut self, client: usize, text: &str, user: Option<&str>) {
        let prefix = text.split('_').next().unwrap().to_owned();
        keep(self.handles.entry((client, prefix)).or_default(), text.to_owned());
        if let Some(user) = user {
            self.about.insert(text.to_owned(), user.to_owned());
        }
    }

    /// Takes from an answer whatever it holds.
    pub fn harvest(&mut self, client: usize, user: Option<&str>, body: &Value) {
        let user = body["user_id"].as_str().or(user).map(str::to_owned);
        self.walk(client, user.as_deref(), body);
        let may_begin = ["enroll", "ticket_required", "not_required"].map(Value::from);
        if let Some(handle) = body["challenge"]["handle"].as_str()
            && (may_begin.contains(&body["decision"]) || body["decision"].is_null())
        {
            keep(&mut self.beginnings[client], handle.to_owned());
        }
        if let (Some(uri), Some(handle)) =
            (body["otpauth_uri"].as_str(), body["enrollment"].as_str())
        {
            self.secrets.insert(handle.to_owned(), Authenticator::scan(uri));
        }
    }

    fn walk(&mut self, client: usize, user: Option<&str>, value: &Value) {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    if let ("external_id", Some(text)) = (name.as_str(), value.as_str()) {
                        self.meet(text);
                    }
                    if let ("recovery_codes", Some(user)) = (name.as_str(), user) {
                        for code in value.as_array().into_iter().flatten() {
                            let code = (user.to_owned(), code.as_str().unwrap().to_owned());
                            keep(&mut self.recovery_codes, code);
                        }
                    }
                    self.walk(client, user, value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(client, user, item)),
            Value::String(text) => match text.split_once('_') {
                Some(("mch" | "men" | "mtk", _)) => self.handle_of(client, text, user),
                Some((prefix, rest)) if prefix.len() == 3 && rest.len() == 32 => {
                    let list = self.ids.entry(prefix.to_owned()).or_default();
                    if list.last() != Some(text) {
                        keep(list, text.clone());
                    }
                }
                _ => {}
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
