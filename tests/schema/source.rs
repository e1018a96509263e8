//! The table of rules, `migrations/schema.toml`, as it is read.

use serde::Deserialize;

/// The whole schema.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// What the generated file says of itself.
    pub about: String,
    /// What only SQLite has, after the tables.
    pub sqlite: Extra,
    /// What only PostgreSQL has, before the tables.
    pub postgres: Extra,
    /// The tables, each after those that it refers to.
    pub table: Vec<Table>,
    /// The last statements, the same in both.
    pub last: String,
}

/// Statements of one database.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// The statements, written out as they are.
    pub statements: String,
}

/// One table and what may happen to its rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What it is for, where the names do not say so.
    #[serde(default)]
    pub about: String,
    /// Its columns and constraints, in the types TEXT, INTEGER, BLOB, BOOLEAN, JSON and EVENT.
    pub columns: String,
    /// Its indexes.
    #[serde(default)]
    pub indexes: String,
    /// The columns that an event may change; none: rows are only appended.
    #[serde(default)]
    pub changes: Vec<String>,
    /// Whether an expired row is deleted by an event that says so; otherwise no row ever is.
    #[serde(default)]
    pub purged: bool,
    /// How full PostgreSQL fills a page, in percent: changed rows stay on their page.
    pub fillfactor: Option<u8>,
    /// What is refused beside the rules of every table.
    #[serde(default)]
    pub check: Vec<Check>,
}

/// A named check of a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its name, after the table's.
    pub name: String,
    /// Which statement it looks at.
    pub on: On,
    /// What it says, after the table's name.
    pub says: String,
    /// What it guards.
    #[serde(default)]
    pub about: String,
    /// The rows that it looks at, by their own columns; all, where it does not say.
    pub when: Option<String>,
    /// What it refuses.
    pub refuses: String,
}

/// A statement that changes rows.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum On {
    /// A new row.
    Insert,
    /// A changed row.
    Update,
    /// A deleted row.
    Delete,
}

/// Columns of which no two rows have the same values.
pub struct Unique<'a> {
    /// Their names.
    pub columns: Vec<&'a str>,
    /// The rows that count.
    pub only: Option<&'a str>,
}

impl Schema {
    /// Reads the table of rules.
    pub fn read(text: &str) -> Self {
        let schema: Self = toml::from_str(text).unwrap();
        schema.table.iter().for_each(Table::is_understood);
        schema
    }
}

/// How a line of a table begins that defines no column.
const CONSTRAINTS: &[&str] =
    &["PRIMARY KEY (", "UNIQUE (", "FOREIGN KEY (", "CHECK (", "-- ", "  "];
/// How a line begins that makes an index.
const INDEXES: &[&str] = &["CREATE INDEX ", "CREATE UNIQUE INDEX ", "-- "];
/// The types of columns.
const TYPES: &[&str] = &["TEXT", "INTEGER", "BLOB", "BOOLEAN", "JSON", "EVENT"];

impl Table {
    /// Fails for a line that would be copied without being understood: a guard would be missing for it.
    fn is_understood(&self) {
        let begins = |line: &str, with: &[&str]| with.iter().any(|word| line.starts_with(word));
        for line in self.columns.lines().filter(|line| !begins(line, CONSTRAINTS)) {
            let kind = column(line).and_then(|(_, rest)| rest.split(' ').next());
            assert!(kind.is_some_and(|kind| TYPES.contains(&kind)), "{}: {line}", self.name);
            assert!(kind != Some("EVENT") || line.starts_with("event_seq EVENT"), "{line}");
        }
        for line in self.indexes.lines() {
            assert!(begins(line, INDEXES), "{}: {line}", self.name);
        }
        for only in self.unique().iter().filter_map(|unique| unique.only) {
            // `NEW.` goes before each word that is a column.
            assert!(!only.contains(" OR ") && !only.starts_with('('), "{}: {only}", self.name);
        }
    }

    /// The lines that define a column: its name, and the rest without the comma.
    pub fn column_lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.lines().filter_map(column)
    }

    /// The columns' names.
    pub fn column_names(&self) -> Vec<&str> {
        self.column_lines().map(|(name, _)| name).collect()
    }

    /// The columns that never change.
    pub fn facts(&self) -> Vec<&str> {
        let is_fact = |name: &&str| *name != "event_seq" && !self.changes.iter().any(|c| c == name);
        self.column_names().into_iter().filter(is_fact).collect()
    }

    /// Whether each row names the event that last changed it.
    pub fn names_an_event(&self) -> bool {
        self.column_names().contains(&"event_seq")
    }

    /// Whether the server writes it: the log, and what names an event of the log. The rest is the migrations'.
    pub fn written_by_the_server(&self) -> bool {
        self.name == "events" || self.names_an_event()
    }

    /// The columns of the primary key.
    pub fn key(&self) -> Vec<&str> {
        let line = self.columns.lines().find(|line| line.contains("PRIMARY KEY")).unwrap();
        column(line).map_or_else(|| listed(line), |(name, _)| vec![name])
    }

    /// What no two rows share: keys, unique columns and unique indexes.
    pub fn unique(&self) -> Vec<Unique<'_>> {
        let mut all = Vec::new();
        for line in self.columns.lines() {
            if let Some((name, rest)) = column(line) {
                if rest.contains("UNIQUE") || rest.contains("PRIMARY KEY") {
                    all.push(Unique { columns: vec![name], only: None });
                }
            } else if line.starts_with("PRIMARY KEY") || line.starts_with("UNIQUE") {
                all.push(Unique { columns: listed(line), only: None });
            }
        }
        for line in self.indexes.lines().filter(|line| line.starts_with("CREATE UNIQUE INDEX")) {
            let only = line.trim_end_matches(';').split_once(" WHERE ").map(|(_, only)| only);
            all.push(Unique { columns: listed(line), only });
        }
        all
    }
}

/// The name and the rest of a line that defines a column.
pub fn column(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.trim_end_matches(',').split_once(' ')?;
    name.starts_with(|c: char| c.is_ascii_lowercase()).then_some((name, rest))
}

/// The names in a line's first parentheses.
fn listed(line: &str) -> Vec<&str> {
    let (_, rest) = line.split_once('(').unwrap();
    rest.split_once(')').unwrap().0.split(", ").collect()
}
