//! A populated database, written statement by statement in the order that the operations write: every
//! legal change in it passes the same triggers that refuse the hostile ones.

use std::path::Path;

use crate::database::place::Place;

/// When the story begins: the first instant of a time step, and long ago, for no event may be ahead of
/// the database's clock.
pub const BEGIN: i64 = 1_710_000_000_000;

/// Who does something.
#[derive(Clone, Copy)]
pub enum By<'a> {
    /// The server.
    Server,
    /// The console `cli_a`.
    Console,
    /// A person, through `cli_a`.
    Person(&'a str),
}

/// How a factor is enrolled.
pub enum Right<'a> {
    /// By the user's own login.
    First,
    /// By the server's first start.
    Bootstrap,
    /// By a redeemed ticket.
    Ticket(&'a str),
}

/// The database while it is being written.
pub struct Story {
    /// Where it is written.
    pub place: Place,
    now: i64,
    events: u32,
}

impl Story {
    /// The migrated, empty database.
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("database").join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self { place: Place::made(&path.join("pawl.db")), now: BEGIN, events: 0 }
    }

    /// Runs a legal statement, in which `NOW` is the story's time, `h(…)` a 32-byte hash and
    /// `under(…)` a value that a key sealed.
    pub fn run(&mut self, sql: &str) {
        let sql = expand(sql).replace("NOW", &self.instant());
        if let Err(error) = self.place.run(&sql) {
            panic!("a legal statement was refused: {error}\n{sql}");
        }
    }

    /// The story's time, as SQL writes it.
    pub fn instant(&self) -> String {
        self.now.to_string()
    }

    /// Lets time pass.
    pub fn later(&mut self, millis: i64) {
        self.now += millis;
    }

    /// Writes an event of `ten_a` and answers its id.
    pub fn event(
        &mut self,
        kind: &str,
        by: By<'_>,
        user: &str,
        object: &str,
        data: &str,
    ) -> String {
        self.events += 1;
        let id = format!("evt_{:03}", self.events);
        self.event_as(&id, kind, by, user, object, data);
        id
    }

    /// Writes an event of `ten_a` under a given id.
    pub fn event_as(
        &mut self,
        id: &str,
        kind: &str,
        by: By<'_>,
        user: &str,
        object: &str,
        data: &str,
    ) {
        let (actor, name, client) = match by {
            By::Server => ("server", "server", ""),
            By::Console => ("client", "cli_a", "cli_a"),
            By::Person(name) => ("person", name, "cli_a"),
        };
        let evaluated = if data.contains("\"factor\"") { "TRUE" } else { "NULL" };
        self.run(&format!(
            "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, client_id, user_id, \
             object_id, evaluated, request_id, data) VALUES ((SELECT 1 + coalesce(max(seq), 0) FROM events WHERE tenant_id = 'ten_a'), '{id}', 'ten_a', NOW, '{kind}', \
             '{actor}', '{name}', nullif('{client}', ''), nullif('{user}', ''), \
             nullif('{object}', ''), {evaluated}, 'req', '{data}')"
        ));
    }

    /// A user without a factor.
    pub fn user(&mut self, id: &str) {
        let event = self.event("user.created", By::Console, id, "", "{}");
        self.run(&format!(
            "INSERT INTO users VALUES ('ten_a', '{id}', 'dir_a', 'x-{id}', '{id}', 'person', '[]', \
             1, FALSE, FALSE, NULL, NOW, NULL, seq({event}), '1:x-{id}')"
        ));
    }

    /// Spends the factor's step of this instant; answers the event.
    pub fn spend(&mut self, user: &str, kind: &str, by: By<'_>, object: &str) -> String {
        self.later(30_000);
        let data = format!(r#"{{"factor":"fac_{user}"}}"#);
        let event = self.event(kind, by, user, object, &data);
        self.run(&format!(
            "UPDATE factor_steps SET last_step = NOW / 30000, event_seq = seq({event}) \
             WHERE factor_id = 'fac_{user}'"
        ));
        event
    }

    /// A factor in the making, `fac_USER`, and its enrollment `enr_USER`.
    pub fn pend(&mut self, user: &str, right: &Right<'_>) {
        let (by, authority, id, first) = match right {
            Right::First => (By::Console, "first", "", "FALSE"),
            Right::Bootstrap => (By::Server, "bootstrap", "", "TRUE"),
            Right::Ticket(id) => (By::Console, "ticket", *id, "FALSE"),
        };
        let event = self.event("enrollment.begun", by, user, "", "{}");
        self.run(&format!(
            "INSERT INTO factors VALUES ('ten_a', 'fac_{user}', '{user}', 'totp', 'pending', 'SHA1', \
             6, under(old), NOW, NULL, NULL, {first}, NULL, NULL, NULL, NULL, NULL, seq({event}));
             INSERT INTO factor_steps VALUES ('ten_a', 'fac_{user}', 0, seq({event}));
             INSERT INTO enrollments VALUES ('ten_a', 'enr_{user}', h(enr {user}), '{user}', 'cli_a', \
             'fac_{user}', '{authority}', nullif('{id}', ''), '[\"console\"]', 'password', NOW, NULL, 0, \
             NOW, NOW + 900000, NULL, seq({event}))"
        ));
    }

    /// Binds the pending factor by its first code.
    pub fn bind(&mut self, user: &str, is_by_ticket: bool) -> String {
        let event = self.spend(user, "enrollment.confirmed", By::Console, &format!("enr_{user}"));
        let duty = if is_by_ticket { "FALSE" } else { "ticket_only" };
        self.run(&format!(
            "UPDATE enrollments SET attempts = 1, closed_at = NOW, event_seq = seq({event}) \
             WHERE id = 'enr_{user}';
             UPDATE factors SET state = 'active', activated_at = NOW, trust_since = NOW, \
             event_seq = seq({event}) WHERE id = 'fac_{user}';
             UPDATE users SET ever_enrolled = TRUE, ticket_only = {duty}, epoch = epoch + 1, \
             event_seq = seq({event}) WHERE id = '{user}'"
        ));
        event
    }

    /// A challenge of a user.
    pub fn challenge(&mut self, id: &str, user: &str, purpose: &str) {
        let event = self.event("challenge.opened", By::Console, user, id, "{}");
        let act = if purpose == "act" { "'act', zeroblob(32)" } else { "NULL, NULL" };
        self.run(&format!(
            "INSERT INTO challenges VALUES ('ten_a', '{id}', h({id}), '{user}', 'cli_a', '{purpose}', \
             '[\"console\"]', 'password', NOW, NULL, {act}, NULL, NOW, NOW + 300000, 0, NULL, \
             seq({event}))"
        ));
    }

    /// A code of an administrator, spent on one act; answers its event.
    pub fn prove(&mut self, person: &str) -> String {
        let challenge = format!("chl_act_{}", self.events);
        self.challenge(&challenge, person, "act");
        self.spend(person, "code.verified", By::Person(person), &challenge)
    }

    /// A request for an override, expiring after `life`.
    pub fn request(&mut self, id: &str, kind: &str, user: &str, facts: &str, approvals: u8) {
        let proof = self.prove("adm");
        let data = format!(r#"{{"proof":"{proof}"}}"#);
        let event = self.event("override.requested", By::Person("adm"), user, id, &data);
        self.run(&format!(
            "INSERT INTO overrides VALUES ('ten_a', '{id}', '{kind}', nullif('{user}', ''), \
             '{facts}', '[]', h(digest {id}), 'requested', 'a reason that is long enough', NULL, \
             'adm', 'cli_a', (SELECT epoch FROM users WHERE id = 'adm'), NOW, {approvals}, 1, NULL, FALSE, NOW + 259200000, NULL, NULL, NULL, \
             seq({event}))"
        ));
    }

    /// Another person's approval.
    pub fn endorse(&mut self, id: &str, person: &str) {
        let proof = self.prove(person);
        let data = format!(r#"{{"proof":"{proof}"}}"#);
        let event = self.event("override.endorsed", By::Person(person), "", id, &data);
        self.run(&format!(
            "INSERT INTO approvals VALUES ('ten_a', '{id}', '{person}', h(digest {id}), \
             'cli_a', (SELECT epoch FROM users WHERE id = '{person}'), NOW, seq({event}))"
        ));
    }

    /// The last approval was given.
    pub fn approve(&mut self, id: &str) {
        let event = self.event("override.approved", By::Person("adm"), "", id, "{}");
        self.run(&format!(
            "UPDATE overrides SET state = 'approved', approved_at = NOW, event_seq = seq({event}) \
             WHERE id = '{id}'"
        ));
    }

    /// An approved override ends.
    pub fn end(&mut self, id: &str, state: &str) {
        let event = self.event(&format!("override.{state}"), By::Person("adm"), "", id, "{}");
        self.run(&format!(
            "UPDATE overrides SET state = '{state}', ended_at = NOW, ended_by = 'adm', \
             event_seq = seq({event}) WHERE id = '{id}'"
        ));
    }

    /// A role, by an override.
    pub fn grant(&mut self, user: &str, role: &str) {
        let id = format!("ovr_{role}_{user}");
        let facts = format!(r#"{{"user_id":"{user}","role":"{role}","grant":true}}"#);
        self.request(&id, "role", user, &facts, 0);
        self.approve(&id);
        let event = self.event("role.granted", By::Person("adm"), user, "", "{}");
        self.run(&format!(
            "INSERT INTO roles VALUES ('ten_a', '{user}', '{role}', NOW, '{id}', NULL, seq({event}))"
        ));
        self.end(&id, "used");
    }
}

/// Writes `h(text)` out: 32 bytes that begin with the text; `seq(id)`: the number of the event of that id, or one that
/// no event has; and `under(key)`: a sealed value's first nine
/// bytes, its version and the key's id, and three more; `again(key)` is another one of the same key, `longer(key)`
/// has a byte more.
pub fn expand(sql: &str) -> String {
    let mut sql = sql.to_owned();
    for (word, rest_of_it) in [("under(", "616161"), ("again(", "626262"), ("longer(", "61616161")]
    {
        while let Some((before, rest)) = sql.split_once(word) {
            let (key, rest) = rest.split_once(')').expect("under(key) ends");
            let id: String = data_encoding::HEXLOWER.encode(key_id(key).as_bytes());
            sql = format!("{before} x'01{id}{rest_of_it}'{rest}");
        }
    }
    while let Some((before, rest)) = sql.split_once("seq(") {
        let (id, rest) = rest.split_once(')').expect("seq(id) ends");
        sql = format!(
            "{before}(SELECT coalesce(max(s.seq), 1000000) FROM events s WHERE s.id = '{id}'){rest}"
        );
    }
    let mut parts = sql.split("h(");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if out.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            out.push_str("h(");
            out.push_str(part);
            continue;
        }
        let (text, rest) = part.split_once(')').expect("h(text) ends");
        for piece in ["CAST('", &format!("{text:-<32}"), "' AS BLOB)", rest] {
            out.push_str(piece);
        }
    }
    out
}

/// The id of a key that seals.
pub fn key_id(key: &str) -> String {
    format!("{key:k<8}")
}
