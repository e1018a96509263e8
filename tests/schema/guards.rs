//! The guards of a table: those that every table has, made from its rules, and its named checks. They
//! are written in SQL that both databases read, but for the words of `dialect.rs`.

use super::source::{Check, On, Table, Unique};

/// That a new row names no event of its tenant.
const NO_EVENT: &str = "NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)";

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

/// All guards of a table. PostgreSQL's keys refuse a second row and an event that is not there. SQLite's
/// INSERT OR REPLACE deletes the row that is in the way without a word to a trigger, and a connection may
/// leave foreign keys aside: there `by_trigger` looks for both.
pub fn of(table: &Table, by_trigger: bool) -> Vec<Guard> {
    let mut all = Vec::new();
    if by_trigger {
        all.push(insert(table));
    }
    all.extend(update(table, by_trigger));
    all.push(delete(table));
    all.extend(table.check.iter().map(|check| named(table, check)));
    all
}

/// A new row takes no other row's place, and names an event of its tenant.
fn insert(table: &Table) -> Guard {
    let mut any: Vec<_> = table.unique().iter().map(|unique| taken(table, unique)).collect();
    let mut says = "exists";
    if table.names_an_event() {
        any.push(NO_EVENT.to_owned());
        says = "exists, or names no event";
    }
    guard(table, "insert", On::Insert, says, Some(any.join("\n  OR ")))
}

/// A changed row names a newer event than before, and keeps its facts; or no row changes.
fn update(table: &Table, by_trigger: bool) -> Vec<Guard> {
    if table.changes.is_empty() {
        return vec![guard(table, "update", On::Update, "append only", None)];
    }
    let mut newer = vec!["NEW.event_seq <= OLD.event_seq".to_owned()];
    let mut says = "changed without a new event";
    if by_trigger {
        newer.push(NO_EVENT.to_owned());
        // UPDATE OR REPLACE deletes the row whose unique values a change takes.
        let unique = table.unique();
        let taken = unique.iter().filter(|unique| may_change(table, unique));
        let before = newer.len();
        newer.extend(taken.map(|unique| taken_by_another(table, unique)));
        if newer.len() > before {
            says = "changed without a new event, or takes the place of another row";
        }
    }
    let facts: Vec<String> = table
        .facts()
        .iter()
        .map(|name| format!("NEW.{name} IS DISTINCT FROM OLD.{name}"))
        .collect();
    vec![
        guard(table, "update", On::Update, says, Some(newer.join("\n  OR "))),
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
    assert!(!says.contains('\''), "{says}");
    Guard { name, on, says, about: String::new(), when: None, refuses }
}

/// That a row has a new row's unique values.
fn taken(table: &Table, unique: &Unique<'_>) -> String {
    exists(table, &same_values(table, unique))
}

/// That another row has a changed row's unique values.
fn taken_by_another(table: &Table, unique: &Unique<'_>) -> String {
    let itself = same(&table.key()).join(" AND ");
    let mut all = same_values(table, unique);
    all.push(format!("NOT ({itself})"));
    exists(table, &all)
}

fn exists(table: &Table, all: &[String]) -> String {
    format!("EXISTS (SELECT 1 FROM {} WHERE {})", table.name, all.join(" AND "))
}

fn same_values(table: &Table, unique: &Unique<'_>) -> Vec<String> {
    let mut all = same(&unique.columns);
    if let Some(only) = unique.only {
        all.push(only.to_owned());
        all.push(of_the_new_row(table, only));
    }
    all
}

fn same(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| format!("{name} = NEW.{name}")).collect()
}

/// Whether an event may change what a row has to be the only one for.
fn may_change(table: &Table, unique: &Unique<'_>) -> bool {
    let words = unique.only.unwrap_or_default().split(' ');
    words.chain(unique.columns.iter().copied()).any(|word| table.changes.iter().any(|c| c == word))
}

/// A condition on a table's columns, said of the new row.
fn of_the_new_row(table: &Table, condition: &str) -> String {
    let names = table.column_names();
    let said = |word: &str| {
        if names.contains(&word) { format!("NEW.{word}") } else { word.to_owned() }
    };
    condition.split(' ').map(said).collect::<Vec<_>>().join(" ")
}
