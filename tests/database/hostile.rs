//! What a hostile statement is, and how one is tried.

use crate::database::story::{Story, expand};

/// A statement that must be refused. What stands before its last `;` prepares it and is legal.
pub struct Hostile {
    /// The design rule that it would break.
    pub rule: u8,
    /// What it would do.
    pub why: String,
    /// The statement.
    pub sql: String,
    /// What the refusal says: which guard spoke. `|` stands between what the databases say.
    pub says: String,
}

impl Hostile {
    /// Whether a refusal is by the guard that is there for it.
    pub fn is_said_by(&self, refusal: &str) -> bool {
        self.says.split('|').any(|says| refusal.contains(says))
    }

    /// The table whose guard speaks.
    pub fn says_of(&self) -> &str {
        self.says.split(':').next().unwrap_or_default()
    }
}

/// One hostile statement.
pub fn hostile(rule: u8, why: impl Into<String>, sql: impl Into<String>, says: &str) -> Hostile {
    Hostile { rule, why: why.into(), sql: sql.into(), says: says.to_owned() }
}

/// Several, all against one rule.
pub fn list(rule: u8, entries: &[(&str, &str, &str)]) -> Vec<Hostile> {
    entries.iter().map(|(why, sql, says)| hostile(rule, *why, *sql, says)).collect()
}

/// A statement that writes a copy of a row with some changes.
pub fn copy(table: &str, row: &str, changes: &str) -> String {
    copy_or(table, row, changes, "ABORT")
}

/// The same with a resolution of conflicts: `REPLACE` deletes what is in the way.
pub fn copy_or(table: &str, row: &str, changes: &str, resolution: &str) -> String {
    format!(
        "CREATE TEMP TABLE copied AS SELECT * FROM {table} WHERE {row}; \
         UPDATE copied SET {changes}; \
         INSERT OR {resolution} INTO {table} SELECT * FROM copied"
    )
}

/// An event of `ten_a`, its newest, by the server, about an object.
pub fn event(id: &str, kind: &str, object: &str, data: &str) -> String {
    format!(
        "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, object_id, request_id, \
         data) VALUES ((SELECT 1 + max(seq) FROM events WHERE tenant_id = 'ten_a'), '{id}', 'ten_a', \
         NOW, '{kind}', 'server', 'server', nullif('{object}', ''), 'req', '{data}'); "
    )
}

impl Story {
    /// Tries a statement and takes it back; what the database said, or `None` if it let it pass.
    pub fn try_it(&mut self, hostile: &Hostile) -> Option<String> {
        let sql = expand(&hostile.sql).replace("NOW", &self.instant());
        self.place.run("SAVEPOINT hostile").unwrap();
        let refused = self.place.run(&sql).err();
        self.place.run("ROLLBACK TO hostile; RELEASE hostile").unwrap();
        refused
    }
}
