//! The connection: one of the few places that know which database it is.
//!
//! Queries are one text, compiled once for each database: [`on!`] repeats its body for both kinds
//! of connection, so each is checked against the real backend and upserts stay available.

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::{Connection as _, SqliteConnection};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;

use super::StoreError;

/// PostgreSQL through tokio-postgres: no libpq.
pub(super) type PgConnection = AsyncConnectionWrapper<AsyncPgConnection>;

/// A connection to one of the two databases.
pub enum Connection {
    /// The embedded default.
    Sqlite(SqliteConnection),
    /// For replicas.
    Postgres(Box<PgConnection>),
}

/// Runs one query text on whichever connection the transaction has.
macro_rules! on {
    ($tx:expr, $conn:ident => $body:expr) => {
        match &mut *$tx.connection {
            $crate::store::conn::Connection::Sqlite($conn) => $body,
            $crate::store::conn::Connection::Postgres($conn) => {
                let $conn = &mut **$conn;
                $body
            }
        }
    };
}
pub(super) use on;

/// What a transaction is for. SQLite must know at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Read,
    Write,
}

/// How long a writer waits for another process that holds the SQLite file, such as a command.
const BUSY_MILLIS: u32 = 2000;

/// Foreign keys and recursive triggers are per connection; without the second, `INSERT OR REPLACE`
/// deletes a row without its DELETE trigger.
const PRAGMAS: &str = "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; \
     PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 20000; PRAGMA trusted_schema = OFF;";

/// Opens the SQLite file, which must exist unless `create` says otherwise.
pub(super) fn open_sqlite(path: &Path, create: bool) -> Result<Connection, StoreError> {
    if !create && !path.exists() {
        return Err(StoreError::Missing(PathBuf::from(path)));
    }
    let url = path.to_str().ok_or(StoreError::Missing(PathBuf::from(path)))?;
    #[expect(clippy::disallowed_methods, reason = "the one place that opens a SQLite file")]
    let mut connection = SqliteConnection::establish(url).map_err(StoreError::Connect)?;
    connection.batch_execute(&format!("PRAGMA busy_timeout = {BUSY_MILLIS};"))?;
    connection.batch_execute("PRAGMA journal_mode = WAL;")?;
    connection.batch_execute(PRAGMAS)?;
    Ok(Connection::Sqlite(connection))
}

impl Connection {
    /// Begins explicitly: SQLite takes the write lock at once, so nothing is read before it is held.
    pub(super) fn begin(&mut self, intent: Intent) -> Result<(), StoreError> {
        let statement = match (&self, intent) {
            (Self::Sqlite(_), Intent::Write) => "BEGIN IMMEDIATE",
            (Self::Sqlite(_), Intent::Read) => "BEGIN DEFERRED",
            (Self::Postgres(_), Intent::Write) => "BEGIN ISOLATION LEVEL READ COMMITTED",
            (Self::Postgres(_), Intent::Read) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.execute(statement)
    }

    pub(super) fn execute(&mut self, statement: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(statement)?,
            Self::Postgres(connection) => connection.batch_execute(statement)?,
        }
        Ok(())
    }
}
