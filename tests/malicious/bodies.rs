//! Bodies from the schemas of the document, filled with what the console has seen.

use serde_json::{Map, Value, json};

use crate::malicious::pool::Pool;
use crate::malicious::random::Random;
use crate::support::document::document;
use crate::support::{Console, REASON, Server};

/// An audience of each of the two clients.
pub const AUDIENCES: [&str; 2] = ["shop", "desk"];

/// Makes the parts of one call.
pub struct Maker<'a> {
    /// The choices.
    pub random: &'a mut Random,
    /// What can be filled in.
    pub pool: &'a Pool,
    /// The clock.
    pub server: &'a Server,
    /// Which of the two clients calls.
    pub client: usize,
    /// Both.
    pub consoles: &'a [Console; 2],
    /// The operation.
    pub operation: &'a str,
    /// Whom the call is about, as far as a handle or token says.
    pub user: Option<String>,
}

/// The schema that a `$ref` names, or the schema itself.
fn resolve(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(place) => resolve(document().pointer(place.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}

/// The name of the schema that a `$ref` names.
fn name_of(schema: &Value) -> &str {
    schema["$ref"].as_str().and_then(|place| place.rsplit('/').next()).unwrap_or_default()
}

impl Maker<'_> {
    /// A value that a schema takes, mostly.
    pub fn value(&mut self, name: &str, schema: &Value) -> Value {
        if let Some(known) = self.known(name, name_of(schema)) {
            return known;
        }
        let schema = resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            let choice = self.random.pick(choices).unwrap();
            return self.value(name, choice);
        }
        if let Some(choices) = schema["enum"].as_array() {
            return self.random.pick(choices).unwrap().clone();
        }
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
        match kind.unwrap_or_default() {
            "object" => self.object(schema),
            "array" => self.array(schema),
            "integer" => self.integer(schema),
            "boolean" => json!(self.random.percent(50)),
            "string" => self.text(schema),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &Value) -> Value {
        let mut map = Map::new();
        let none = Map::new();
        let mut properties: Vec<_> =
            schema["properties"].as_object().unwrap_or(&none).iter().collect();
        // Handles first: they say whose code is wanted.
        properties.sort_by_key(|(_, schema)| name_of(schema) != "Handle");
        let required = schema["required"].as_array();
        for (name, property) in properties {
            let must = required.is_some_and(|names| names.contains(&json!(name)));
            if must || self.random.percent(40) {
                map.insert(name.clone(), self.value(name, property));
            }
        }
        Value::Object(map)
    }

    fn array(&mut self, schema: &Value) -> Value {
        let least = usize::try_from(schema["minItems"].as_u64().unwrap_or(0)).unwrap();
        let count = least + self.random.below(3);
        let mut items: Vec<Value> = Vec::new();
        for _ in 0..count.max(least) {
            let item = self.value("", &schema["items"]);
            if !items.contains(&item) {
                items.push(item);
            }
        }
        json!(items)
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let least = schema["minimum"].as_i64().unwrap_or(0);
        let most = schema["maximum"].as_i64().unwrap_or(least + 10);
        json!(self.random.seconds(least, most + 1))
    }

    fn text(&mut self, schema: &Value) -> Value {
        let pattern = schema["pattern"].as_str().unwrap_or_default();
        if let Some(prefix) = pattern.strip_suffix("_[0-9a-f]{32}$") {
            return json!(self.id(prefix.trim_start_matches('^')));
        }
        match pattern {
            "^[0-9a-f]{64}$" => json!("0".repeat(64)),
            _ => json!(format!("word{}", self.random.below(50))),
        }
    }

    /// An id that exists, or none.
    pub fn id(&mut self, prefix: &str) -> String {
        let known = self.pool.id(self.random, prefix).filter(|_| self.random.percent(95));
        known.unwrap_or_else(|| format!("{prefix}_{}", "0f".repeat(16)))
    }

    fn code(&mut self) -> String {
        self.pool.code(self.random, self.server, self.user.as_deref())
    }

    /// Values of which the console knows more than their schema.
    fn known(&mut self, name: &str, schema: &str) -> Option<Value> {
        Some(match schema {
            "Handle" => json!(self.handle(name)),
            "Code" => json!(self.code()),
            "RecoveryCode" => json!(self.recovery_code()),
            "ExternalId" => json!(self.external_id()),
            "Audience" => json!(self.audience()),
            "Reason" => json!(REASON),
            "Group" => json!(format!("group{}", self.random.below(4))),
            "DisplayName" => json!(format!("Somebody {}", self.random.below(30))),
            "Timestamp" => json!(self.server.at(self.random.seconds(-600, 7200))),
            "PrimaryLogin" => {
                json!({ "method": "password", "at": self.server.at(self.random.seconds(-200, 20)) })
            }
            "PolicyDocument" => {
                let mut policy = self.pool.policy.clone()?;
                policy["base"]["mfa"] = json!("optional");
                policy
            }
            _ => return None,
        })
    }

    fn handle(&mut self, name: &str) -> String {
        let prefix = match name {
            "enrollment" => "men",
            "ticket" => "mtk",
            _ => "mch",
        };
        let prefix = if self.random.percent(97) { prefix } else { "men" };
        let begins = ["beginEnrollment", "redeemTicket"].contains(&self.operation);
        let handle = if begins && prefix == "mch" && self.random.percent(60) {
            self.pool.beginning(self.random, self.client)
        } else {
            self.pool.handle(self.random, self.client, prefix)
        };
        let handle = handle.unwrap_or_else(|| format!("{prefix}_nothing"));
        if let Some(user) = self.pool.about.get(&handle) {
            self.user = Some(user.clone());
        }
        handle
    }

    fn recovery_code(&mut self) -> String {
        let user = self.user.clone();
        let own = |(of, _): &&(String, String)| Some(of) == user.as_ref();
        let own = self.pool.recovery_codes.iter().rev().find(own).cloned();
        let any = self.random.pick(&self.pool.recovery_codes).cloned();
        let one = if self.random.percent(60) { own.or(any) } else { any };
        one.map_or_else(|| "0".repeat(25), |(_, code)| code)
    }

    fn external_id(&mut self) -> String {
        let known = self.random.pick(&self.pool.external_ids).cloned();
        known
            .filter(|_| self.random.percent(75))
            .unwrap_or_else(|| format!("made-up-{}", self.random.below(100_000)))
    }

    fn audience(&mut self) -> String {
        match self.random.below(10) {
            0..=4 => self.consoles[self.client].own_audience(),
            5..=8 => AUDIENCES[self.client].to_owned(),
            _ => AUDIENCES[1 - self.client].to_owned(),
        }
    }
}
