//! The guards of a table: those that every table has, made from its rules, and its named checks. They
//! are written in SQL that both databases read, but for the words of `dialect.rs`.

use super::source::{Check, On, Table, Unique};

/// That a new row names no event of its tenant.
const NO_EVENT: &str =
    "NOT EXISTS (SELECT 1 FROM events e WHERE e.id = NEW.event_id AND e.tenant_id = NEW.tenant_id)";

/// One guard: a row that it refuses.
pub struct Guard {
    /// Its name in the database.
    pub name: String,
    /// Which statement it looks at.
    pub on: On,
    /// What it says.
    pub says: String,
    /// What it guards.
    pub about: String,
    /// The rows that it looks at, by their own columns.
    pub when: Option<String>,
    /// What it refuses; `None` is every row.
    pub refuses: Option<String>,
}

/// All guards of a table. Where a database `replaces`, as SQLite does by INSERT OR REPLACE, which deletes
/// the row that is in the way without a word to a trigger, a guard looks for that row; elsewhere the key does.
pub fn of(table: &Table, replaces: bool) -> Vec<Guard> {
    let mut all = Vec::new();
    all.extend(insert(table, replaces));
    all.extend(update(table));
    all.push(delete(table));
    all.extend(table.check.iter().map(|check| named(table, check)));
    all
}

/// A new row takes no other row's place, and names an event of its tenant.
fn insert(table: &Table, replaces: bool) -> Option<Guard> {
    let mut any = Vec::new();
    if replaces {
        any.extend(table.unique().iter().map(|unique| taken(table, unique)));
    }
    let mut says = "exists";
    if table.names_an_event() {
        any.push(NO_EVENT.to_owned());
        says = "exists, or names no event";
    }
    let refuses = any.join("\n  OR ");
    (!any.is_empty()).then(|| guard(table, "insert", On::Insert, says, Some(refuses)))
}

/// A changed row names a newer event than before, and keeps its facts; or no row changes.
fn update(table: &Table) -> Vec<Guard> {
    if table.changes.is_empty() {
        return vec![guard(table, "update", On::Update, "append only", None)];
    }
    let newer = "NOT EXISTS (SELECT 1 FROM events e JOIN events last ON last.id = OLD.event_id\n    \
                 WHERE e.id = NEW.event_id AND e.tenant_id = NEW.tenant_id AND e.seq > last.seq)";
    let facts: Vec<String> = table
        .facts()
        .iter()
        .map(|name| format!("NEW.{name} IS DISTINCT FROM OLD.{name}"))
        .collect();
    vec![
        guard(table, "update", On::Update, "changed without a new event", Some(newer.to_owned())),
        guard(table, "facts", On::Update, "a fact cannot change", Some(facts.join("\n  OR "))),
    ]
}

/// A row is deleted after its end, by the newest event, which is the server's; or never.
fn delete(table: &Table) -> Guard {
    if !table.purged {
        return guard(table, "delete", On::Delete, "never deleted", None);
    }
    let purged = "NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = OLD.tenant_id\n    \
                  AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = OLD.tenant_id)\n    \
                  AND e.kind = 'retention.purged' AND e.actor_kind = 'server' AND e.at > OLD.expires_at)";
    guard(table, "delete", On::Delete, "not expired, or not purged", Some(purged.to_owned()))
}

fn named(table: &Table, check: &Check) -> Guard {
    Guard {
        about: check.about.clone(),
        when: check.when.clone(),
        ..guard(
            table,
            &check.name,
            check.on,
            &check.says,
            Some(check.refuses.trim_end().to_owned()),
        )
    }
}

fn guard(table: &Table, name: &str, on: On, says: &str, refuses: Option<String>) -> Guard {
    let name = format!("{}_{name}", table.name);
    let says = format!("{}: {says}", table.name);
    Guard { name, on, says, about: String::new(), when: None, refuses }
}

/// That another row has a new row's unique values.
fn taken(table: &Table, unique: &Unique<'_>) -> String {
    let mut all: Vec<String> =
        unique.columns.iter().map(|name| format!("{name} = NEW.{name}")).collect();
    if let Some(only) = unique.only {
        all.push(only.to_owned());
        all.push(of_the_new_row(table, only));
    }
    format!("EXISTS (SELECT 1 FROM {} WHERE {})", table.name, all.join(" AND "))
}

/// A condition on a table's columns, said of the new row.
fn of_the_new_row(table: &Table, condition: &str) -> String {
    let names = table.column_names();
    let said = |word: &str| {
        if names.contains(&word) { format!("NEW.{word}") } else { word.to_owned() }
    };
    condition.split(' ').map(said).collect::<Vec<_>>().join(" ")
}
