//! Migrations, and the self-check that the schema in the file is the one in this program.

use std::collections::BTreeMap;

use diesel::Connection as _;
use diesel::prelude::*;
use diesel::{SqliteConnection, sql_query, sql_types::Text};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::conn::{Connection, open_sqlite};
use super::{Path, StoreError};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

#[derive(QueryableByName)]
struct SchemaObject {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

/// Brings the SQLite file to this program's schema; answers the versions that were applied.
///
/// # Errors
/// If the file cannot be opened or a migration fails; a failed migration changes nothing.
pub fn migrate(path: &Path, create: bool) -> Result<Vec<String>, StoreError> {
    match open_sqlite(path, create)? {
        Connection::Sqlite(mut connection) => run(&mut connection),
        Connection::Postgres(_) => Err(StoreError::Busy),
    }
}

fn run(connection: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    connection
        .run_pending_migrations(SQLITE)
        .map(|versions| versions.iter().map(ToString::to_string).collect())
        .map_err(|error| StoreError::Schema(format!("a migration failed: {error}")))
}

/// Compares every table, index and trigger in the file, by its whole text, with what this program's
/// migrations make. An emptied trigger of the right name is found too.
///
/// # Errors
/// [`StoreError::Schema`] names what is missing, changed or unknown.
pub fn check_schema(path: &Path) -> Result<(), StoreError> {
    #[expect(clippy::disallowed_methods, reason = "in memory, for what the schema should be")]
    let mut expected = SqliteConnection::establish(":memory:").map_err(StoreError::Connect)?;
    run(&mut expected)?;
    let expected = schema_of(&mut expected)?;
    let found = match open_sqlite(path, false)? {
        Connection::Sqlite(mut connection) => schema_of(&mut connection)?,
        Connection::Postgres(_) => return Err(StoreError::Busy),
    };
    let mut faults = Vec::new();
    for (name, sql) in &expected {
        match found.get(name) {
            None => faults.push(format!("{name} is missing")),
            Some(other) if other != sql => faults.push(format!("{name} was changed")),
            Some(_) => {}
        }
    }
    faults.extend(
        found
            .keys()
            .filter(|name| !expected.contains_key(*name))
            .map(|name| format!("{name} is unknown")),
    );
    if faults.is_empty() {
        Ok(())
    } else {
        Err(StoreError::Schema(format!(
            "the database's schema is not this program's: {}; if somebody changed it, restore the \
             database from a backup; if another version of Pawl made it, start that version",
            faults.join(", ")
        )))
    }
}

fn schema_of(connection: &mut SqliteConnection) -> Result<BTreeMap<String, String>, StoreError> {
    let objects: Vec<SchemaObject> =
        sql_query("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
            .load(connection)?;
    Ok(objects.into_iter().map(|object| (object.name, object.sql)).collect())
}
