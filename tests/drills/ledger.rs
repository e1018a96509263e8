//! What clients were told, and whether the database holds all of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pawl::store::seal::sha256;
use serde_json::Value;
use tokio_postgres::Row;

use crate::drills::console::Shown;
use crate::drills::site::Site;

/// An acknowledged answer.
#[derive(Debug)]
pub enum Acknowledged {
    /// `verifyCode`: the challenge, the code and the tokens.
    Verified { challenge: String, shown: Shown, answer: Value },
    /// `evaluateLogin`, or what else opens a challenge.
    Opened { challenge: String },
    /// `beginEnrollment`.
    Begun { answer: Value },
    /// `confirmEnrollment` of what `begun` showed.
    Confirmed { begun: Value, answer: Value },
    /// `createPetition`.
    Filed { answer: Value },
    /// `upsertUser` with another name.
    Renamed { answer: Value },
}

/// An event's own columns.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    kind: String,
    user: Option<String>,
    object: Option<String>,
}

/// A token that was handed out, by its id: event, user and factor.
type Token = (String, String, String);
/// A challenge or enrollment, by the hash of its handle: its id, and whether it is closed.
type Handles = HashMap<Vec<u8>, (String, bool)>;

/// The database, read whole.
pub struct Record {
    events: HashMap<String, Event>,
    tokens: HashMap<String, Token>,
    challenges: Handles,
    enrollments: Handles,
    /// The last step spent and the event that spent it, by factor.
    steps: HashMap<String, (i64, String)>,
    petitions: BTreeSet<String>,
    names: HashMap<String, String>,
}

impl Record {
    pub fn read(site: &Site) -> Self {
        let text = |row: &Row, n: usize| row.get::<_, String>(n);
        let handles = |table: &str| {
            let rows = site.rows(&format!("SELECT hash, id, closed_at IS NOT NULL FROM {table}"));
            rows.iter().map(|row| (row.get(0), (text(row, 1), row.get(2)))).collect()
        };
        let events = site.rows("SELECT id, kind, user_id, object_id FROM events");
        let by = "JOIN events e ON e.tenant_id = t.tenant_id AND e.seq = t.event_seq";
        let tokens = format!("SELECT t.id, e.id, t.user_id, t.factor_id FROM issued_tokens t {by}");
        let steps = format!("SELECT t.factor_id, t.last_step, e.id FROM factor_steps t {by}");
        let (tokens, steps) = (site.rows(&tokens), site.rows(&steps));
        let event = |row: &Row| Event { kind: text(row, 1), user: row.get(2), object: row.get(3) };
        let token = |row: &Row| (text(row, 1), text(row, 2), text(row, 3));
        let petitions = site.rows("SELECT id FROM petitions");
        let names = site.rows("SELECT id, display_name FROM users");
        Self {
            events: events.iter().map(|row| (text(row, 0), event(row))).collect(),
            tokens: tokens.iter().map(|row| (text(row, 0), token(row))).collect(),
            challenges: handles("challenges"),
            enrollments: handles("enrollments"),
            steps: steps.iter().map(|row| (text(row, 0), (row.get(1), text(row, 2)))).collect(),
            petitions: petitions.iter().map(|row| text(row, 0)).collect(),
            names: names.iter().map(|row| (text(row, 0), text(row, 1))).collect(),
        }
    }

    /// Every acknowledged answer is there; no step of a factor was accepted twice.
    pub fn holds(&self, ledger: &[Acknowledged]) {
        let mut spent = BTreeSet::new();
        for entry in ledger {
            match entry {
                Acknowledged::Verified { challenge, shown, answer } => {
                    let (id, is_closed) = &self.challenges[&hash(challenge)];
                    assert!(is_closed, "{entry:?}");
                    let factor = self.token(answer, "code.verified", id, shown.step);
                    assert!(spent.insert((factor, shown.step)), "twice: {entry:?}");
                }
                Acknowledged::Opened { challenge } => {
                    assert!(self.challenges.contains_key(&hash(challenge)), "{entry:?}");
                }
                Acknowledged::Begun { answer } => {
                    assert!(self.enrollments.contains_key(&hash_of(answer)), "{entry:?}");
                }
                Acknowledged::Confirmed { begun, answer } => {
                    let (id, is_closed) = &self.enrollments[&hash_of(begun)];
                    assert!(is_closed, "{entry:?}");
                    let step = self.step_of(answer);
                    let factor = self.token(answer, "enrollment.confirmed", id, step);
                    assert!(spent.insert((factor, step)), "twice: {entry:?}");
                }
                Acknowledged::Filed { answer } => {
                    assert!(self.petitions.contains(answer["id"].as_str().unwrap()), "{entry:?}");
                }
                Acknowledged::Renamed { answer } => {
                    let name = &self.names[answer["id"].as_str().unwrap()];
                    assert_eq!(answer["display_name"], name.as_str(), "{entry:?}");
                }
            }
        }
    }

    /// The one token of an answer is on record, with its event and its spent step; answers the factor.
    fn token(&self, answer: &Value, kind: &str, object: &str, step: i64) -> String {
        let claims = claims(answer);
        let text = |name: &str| claims[name].as_str().unwrap();
        let (event, user, factor) = &self.tokens[text("jti")];
        assert_eq!((event.as_str(), user.as_str()), (text("txn"), text("sub")));
        let (user, object) = (Some(user.clone()), Some(object.to_owned()));
        assert_eq!(self.events[event], Event { kind: kind.to_owned(), user, object });
        let (last, by) = &self.steps[factor];
        // A later code of the same factor may have been spent since.
        assert!(
            *last == step && by == event || *last > step,
            "{factor}: {last} by {by}, not {step}"
        );
        factor.clone()
    }

    /// The step that an enrollment spent: whoever confirms does not say which.
    fn step_of(&self, answer: &Value) -> i64 {
        let (event, _, factor) = &self.tokens[claims(answer)["jti"].as_str().unwrap()];
        let (last, by) = &self.steps[factor];
        assert_eq!(by, event);
        *last
    }

    /// How many events of a kind there are about each object.
    pub fn by_object(&self, kind: &str) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for event in self.events.values().filter(|event| event.kind == kind) {
            *counts.entry(event.object.as_deref().unwrap()).or_default() += 1;
        }
        counts
    }

    /// How many codes of a user were taken.
    pub fn verified(&self, user: &str) -> usize {
        let is_of = |event: &&Event| event.user.as_deref() == Some(user);
        self.events.values().filter(is_of).filter(|event| event.kind == "code.verified").count()
    }
}

/// Each tenant's events are numbered 1 to n.
pub fn assert_dense(site: &Site) {
    let tenants =
        site.rows("SELECT tenant_id, count(*), min(seq), max(seq) FROM events GROUP BY 1");
    assert!(tenants.len() > 1);
    for row in tenants {
        let (tenant, count): (String, i64) = (row.get(0), row.get(1));
        assert_eq!((row.get::<_, i64>(2), row.get::<_, i64>(3)), (1, count), "{tenant}");
    }
}

fn hash(handle: &str) -> Vec<u8> {
    sha256(handle.as_bytes()).to_vec()
}

fn hash_of(begun: &Value) -> Vec<u8> {
    hash(begun["enrollment"].as_str().unwrap())
}

/// What the one token of an answer says.
fn claims(answer: &Value) -> Value {
    let token = answer["tokens"][0]["access_token"].as_str().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
