//! The migrations are made from one table of rules, `migrations/schema.toml`: the tables, what may
//! happen to their rows, and the guards, in the words of both databases. What is checked in is what the
//! rules make; `BLESS=1` writes it.

mod dialect;
mod grants;
mod guards;
pub mod source;

use std::path::Path;

use dialect::Dialect;
use source::Schema;

/// The first line of what is generated.
const MADE: &str =
    "-- Made from migrations/schema.toml by the test `schema`: change that, and say BLESS=1.\n\n";

/// The table of rules.
pub const RULES: &str = include_str!("../../migrations/schema.toml");

/// What is generated, below `migrations`.
fn made(schema: &Schema) -> Vec<(&'static str, String)> {
    vec![
        ("sqlite/0001_spine/up.sql", Dialect::Sqlite.up(schema)),
        ("sqlite/0001_spine/down.sql", Dialect::Sqlite.down(schema)),
        ("postgres/0001_spine/up.sql", Dialect::Postgres.up(schema)),
        ("postgres/0001_spine/down.sql", Dialect::Postgres.down(schema)),
        ("postgres/grants.sql", grants::of(schema)),
    ]
}

#[test]
fn the_migrations_are_what_the_table_of_rules_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut other = Vec::new();
    for (name, text) in made(&Schema::read(RULES)) {
        let path = folder.join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        if std::fs::read_to_string(&path).unwrap() != text {
            other.push(name);
        }
    }
    assert!(other.is_empty(), "not as the rules make them, BLESS=1 does: {other:?}");
}
