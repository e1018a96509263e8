//! The embedded database, filled before a server opens it.

use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::{SqliteConnection, sql_query};
use pawl::mfa::time::Timestamp;
use pawl::store::KeyRing;

use crate::Outcome;
use crate::population::Population;
use crate::seed::{Rows, fill};

struct Database(SqliteConnection);

impl Rows for Database {
    fn run(&mut self, sql: &str) -> Outcome<()> {
        self.0.batch_execute(sql).map_err(|error| format!("seeding: {error}"))
    }

    fn bytes(&self, bytes: &[u8]) -> String {
        format!("x'{}'", data_encoding::HEXLOWER.encode(bytes))
    }
}

#[derive(QueryableByName)]
struct Trigger {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

/// Fills a migrated file. Its triggers look at every row, so they are away meanwhile; afterwards they
/// are there again, to the letter: the server compares.
pub fn fill_file(
    file: &Path,
    population: Population,
    ring: &KeyRing,
    now: Timestamp,
) -> Outcome<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the benchmark's own database, and no server yet"
    )]
    let connection = SqliteConnection::establish(&file.display().to_string());
    let mut database = Database(connection.map_err(|error| error.to_string())?);
    database.run(
        "PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; \
         PRAGMA cache_size = -262144;",
    )?;
    let triggers: Vec<Trigger> =
        sql_query("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            .load(&mut database.0)
            .map_err(|error| error.to_string())?;
    database.run("BEGIN")?;
    for trigger in &triggers {
        database.run(&format!("DROP TRIGGER {}", trigger.name))?;
    }
    fill(&mut database, population, ring, now)?;
    for trigger in &triggers {
        database.run(&trigger.sql)?;
    }
    database.run("COMMIT")
}
