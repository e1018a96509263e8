//! Where the statements run: a SQLite file, or a schema of the PostgreSQL server that `TEST_POSTGRES`
//! names, as the role that serves.

use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Text;
use tokio_postgres::{SimpleQueryMessage, error::SqlState};

use crate::support::postgres::Schema;

/// A database in one open transaction, never committed.
pub enum Place {
    /// A second connection, beside the program's own.
    Sqlite(SqliteConnection),
    /// A connection of the serving role's.
    Postgres(Box<Session>),
}

/// The connection ends before its schema is dropped.
pub struct Session {
    client: tokio_postgres::Client,
    runtime: tokio::runtime::Runtime,
    schema: Schema,
}

/// A way in which every statement is tried.
pub struct Way {
    /// What sets it.
    pub begin: String,
    /// What may refuse a statement in its guard's stead.
    pub before: Option<&'static str>,
}

/// A trigger.
#[derive(QueryableByName)]
pub struct Trigger {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Its table.
    #[diesel(sql_type = Text)]
    pub tbl_name: String,
}

fn sqlite(path: &Path) -> SqliteConnection {
    pawl::store::migrate(&pawl::store::Database::Sqlite(path.into())).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the hostile connection is not the store's")]
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection
        .batch_execute("PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; BEGIN IMMEDIATE")
        .unwrap();
    connection
}

/// An owner may become the serving role, and that role nobody else.
fn session(schema: Schema) -> Session {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let connected = tokio_postgres::connect(schema.owner_url(), tokio_postgres::NoTls).await;
        let (client, driver) = connected.unwrap();
        tokio::spawn(driver);
        client
    });
    let session = Session { client, runtime, schema };
    let place = format!("SET search_path = {}, pg_temp; BEGIN", session.schema.name());
    session.run(&format!("{place}; SET SESSION AUTHORIZATION {}", Schema::ROLE)).unwrap();
    session
}

impl Session {
    /// What PostgreSQL says; a violated CHECK and a fault of the statement itself in fixed words.
    fn run(&self, sql: &str) -> Result<(), String> {
        let ran = self.runtime.block_on(self.client.batch_execute(sql));
        ran.map_err(|error| {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{error}: {sql}"));
            let (code, message) = (error.code(), error.message());
            match *code {
                SqlState::RAISE_EXCEPTION | SqlState::INSUFFICIENT_PRIVILEGE => message.to_owned(),
                SqlState::CHECK_VIOLATION => format!("CHECK constraint failed: {message}"),
                // PostgreSQL has no REPLACE to go around a key: it guards alone.
                SqlState::UNIQUE_VIOLATION => {
                    format!("{}: exists, or names no event", error.table().unwrap_or_default())
                }
                SqlState::FOREIGN_KEY_VIOLATION
                    if error.constraint().is_some_and(|name| name.ends_with("_event_seq_fkey")) =>
                {
                    format!("{}: exists, or names no event", error.table().unwrap_or_default())
                }
                _ if code.code().starts_with("23") => format!("constraint: {message}"),
                _ => format!("{}, which is no guard's refusal: {message}", code.code()),
            }
        })
    }

    /// The rows of a query, as text.
    fn rows(&self, query: &str) -> Vec<Vec<String>> {
        let answers = self.runtime.block_on(self.client.simple_query(query)).unwrap();
        let row = |answer: &SimpleQueryMessage| {
            if let SimpleQueryMessage::Row(row) = answer {
                Some((0..row.len()).map(|i| row.get(i).unwrap_or_default().to_owned()).collect())
            } else {
                None
            }
        };
        answers.iter().filter_map(row).collect()
    }

    /// The same statement in PostgreSQL's words. A replacement changes the row that has the key.
    fn translated(&self, sql: &str) -> String {
        let mut sql = sql
            .replace(" AS BLOB)", " AS BYTEA)")
            .replace(" x'", " '\\x")
            .replace("zeroblob(32)", "decode(repeat('00', 32), 'hex')")
            .replace("CLOCK", "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)")
            .replace("INSERT OR ABORT ", "INSERT ")
            .replace("UPDATE OR REPLACE ", "UPDATE ");
        if let Some((_, rest)) = sql.split_once("INSERT OR REPLACE INTO ") {
            let table = rest.split_whitespace().next().unwrap();
            let rows = self.rows(&format!(
                "SELECT format('%I DO UPDATE SET %s', conname, (SELECT string_agg(format( \
                 '%I = excluded.%I', attname, attname), ', ') FROM pg_attribute \
                 WHERE attrelid = conrelid AND attnum > 0)) \
                 FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype = 'p'"
            ));
            sql = sql.replace("INSERT OR REPLACE ", "INSERT ");
            sql.extend([" ON CONFLICT ON CONSTRAINT ", &rows[0][0]]);
        }
        sql
    }
}

impl Place {
    /// The migrated, empty database.
    pub fn made(path: &Path) -> Self {
        match Schema::made() {
            Some(schema) => Self::Postgres(Box::new(session(schema))),
            None => Self::Sqlite(sqlite(path)),
        }
    }

    /// Runs statements, in which `CLOCK` is the database's; what the database says against them.
    pub fn run(&mut self, sql: &str) -> Result<(), String> {
        match self {
            Self::Sqlite(connection) => {
                let sql = sql.replace("CLOCK", "CAST(unixepoch('subsec') * 1000 AS INTEGER)");
                connection.batch_execute(&sql).map_err(|error| error.to_string())
            }
            Self::Postgres(session) => session.run(&session.translated(sql)),
        }
    }

    /// Runs statements as who owns the tables.
    pub fn run_as_owner(&mut self, sql: &str) {
        let sql = match self {
            Self::Sqlite(_) => sql.to_owned(),
            Self::Postgres(_) => format!(
                "RESET SESSION AUTHORIZATION; {sql}; SET SESSION AUTHORIZATION {}",
                Schema::ROLE
            ),
        };
        self.run(&sql).unwrap();
    }

    /// The ways in which every statement is tried. Only the first of PostgreSQL's is how Pawl is
    /// installed: in the second no right that is missing stands before a guard.
    pub fn ways(&self) -> [Way; 2] {
        match self {
            Self::Sqlite(_) => ["ON", "OFF"].map(|value| Way {
                begin: format!("PRAGMA recursive_triggers = {value}"),
                before: None,
            }),
            Self::Postgres(session) => [
                Way { begin: "SELECT 1".to_owned(), before: Some("permission denied for table") },
                Way {
                    begin: format!(
                        "GRANT ALL ON ALL TABLES IN SCHEMA {} TO {}",
                        session.schema.name(),
                        Schema::ROLE
                    ),
                    before: None,
                },
            ],
        }
    }

    /// Every trigger, by name.
    pub fn triggers(&mut self) -> Vec<Trigger> {
        match self {
            Self::Sqlite(connection) => diesel::sql_query(
                "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
            )
            .load(connection)
            .unwrap(),
            Self::Postgres(session) => {
                let rows = session.rows(
                    "SELECT tgname, relname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid \
                     WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal \
                     ORDER BY tgname",
                );
                let trigger = |row: Vec<String>| {
                    let [name, tbl_name] = row.try_into().unwrap();
                    Trigger { name, tbl_name }
                };
                rows.into_iter().map(trigger).collect()
            }
        }
    }

    /// The text of a guard that queries: SQLite's trigger, PostgreSQL's function.
    pub fn guard(&mut self, name: &str) -> String {
        match self {
            Self::Sqlite(connection) => {
                let query = format!(
                    "SELECT sql AS name, '' AS tbl_name FROM sqlite_master WHERE name = '{name}'"
                );
                diesel::sql_query(query).get_result::<Trigger>(connection).unwrap().name
            }
            Self::Postgres(session) => {
                session.rows(&format!("SELECT pg_get_functiondef('{name}'::regproc)"))[0][0].clone()
            }
        }
    }

    /// Puts another text in a guard's place.
    pub fn replace(&mut self, name: &str, sql: &str) {
        match self {
            Self::Sqlite(_) => self.run(&format!("DROP TRIGGER {name}; {sql}")).unwrap(),
            Self::Postgres(_) => self.run_as_owner(sql),
        }
    }

    /// Takes a trigger away.
    pub fn drop(&mut self, Trigger { name, tbl_name }: &Trigger) {
        let sql = match self {
            Self::Sqlite(_) => format!("DROP TRIGGER {name}"),
            Self::Postgres(_) => format!("ALTER TABLE {tbl_name} DISABLE TRIGGER {name}"),
        };
        self.run_as_owner(&sql);
    }
}
