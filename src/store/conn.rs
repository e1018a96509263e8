//! The connection: one of the few places that know which database it is.
//!
//! Queries are one text, compiled once for each database: [`on!`] repeats its body for both kinds
//! of connection, so each is checked against the real backend and upserts stay available.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection as _, SqliteConnection};

use super::StoreError;
use super::deadline::Deadline;
use super::postgres::{PgConnection, Target};
use crate::telemetry::Fact;
use crate::telemetry::metrics::Metrics;

/// Which database, and how it is reached.
#[derive(Clone)]
pub enum Database {
    /// A SQLite file: one server, and commands beside it.
    Sqlite(PathBuf),
    /// PostgreSQL: several replicas.
    Postgres(Box<Target>),
}

/// A connection to one of the two databases.
pub enum Connection {
    /// The embedded default.
    Sqlite(SqliteConnection),
    /// For replicas.
    Postgres(Box<PgConnection>),
}

/// Runs one query text on whichever connection the transaction has, after what was gathered.
macro_rules! on {
    ($tx:expr, $conn:ident => $body:expr) => {{
        $tx.flush()?;
        match &mut *$tx.connection {
            $crate::store::conn::Connection::Sqlite($conn) => $body,
            $crate::store::conn::Connection::Postgres($conn) => {
                let $conn = &mut **$conn;
                $body
            }
        }
    }};
}
pub(super) use on;

/// Runs one text that writes: what was read before may not be so any more.
macro_rules! change {
    ($tx:expr, $conn:ident => $body:expr) => {{
        $tx.memo.forget();
        $crate::store::conn::on!($tx, $conn => $body)
    }};
}
pub(super) use change;

/// What a transaction is for. SQLite must know at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Read,
    Write,
    /// A write that waits for the locks of its tenants no longer than this. Then [`super::Tx::lock`] lets it wait as long
    /// as any write.
    Slice(Duration),
}

const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// How long a writer waits for another process that holds the SQLite file, such as a command.
const BUSY_MILLIS: u32 = 2000;

/// Foreign keys and recursive triggers are per connection; without the second, `INSERT OR REPLACE`
/// deletes a row without its DELETE trigger. The log is moved into the file every 3,000 pages, 12 MB, and what a long
/// reader let it grow to is given back.
const PRAGMAS: &str = "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; \
     PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 3000; \
     PRAGMA journal_size_limit = 16000000; PRAGMA trusted_schema = OFF;";

/// The one writer keeps the upper levels of all indexes at hand, and what logins changed last.
const WRITER_CACHE: &str = "PRAGMA cache_size = -24576;";

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
    pub(super) fn execute(&mut self, statement: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(statement)?,
            Self::Postgres(connection) => connection.batch_execute(statement)?,
        }
        Ok(())
    }
}

impl Database {
    /// Connects to a database that is there.
    pub(super) fn connect(&self) -> Result<Connection, StoreError> {
        match self {
            Self::Sqlite(path) => open_sqlite(path, false),
            Self::Postgres(target) => Ok(Connection::Postgres(target.connect()?)),
        }
    }

    /// Its name in traces.
    pub(super) fn system(&self) -> Fact {
        Fact::Word(match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgresql",
        })
    }

    /// Begins explicitly: SQLite takes the write lock at once, so nothing is read before it is held.
    fn beginning(&self, intent: Intent) -> Cow<'static, str> {
        match (self, intent) {
            (Self::Sqlite(_), Intent::Write | Intent::Slice(_)) => Cow::Borrowed("BEGIN IMMEDIATE"),
            (Self::Sqlite(_), Intent::Read) => Cow::Borrowed("BEGIN DEFERRED"),
            (Self::Postgres(target), Intent::Write) => Cow::Owned(target.opening(WRITE)),
            (Self::Postgres(target), Intent::Slice(wait)) => {
                let lock_timeout = format!("; SET LOCAL lock_timeout = {}", wait.as_millis());
                Cow::Owned(target.opening(WRITE) + &lock_timeout)
            }
            (Self::Postgres(target), Intent::Read) => {
                Cow::Owned(target.opening("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            }
        }
    }
}

/// Whether PostgreSQL plans anew at this transaction of a connection. A plan that was made for an
/// empty table would read the whole tenant for as long as the connection lasts.
fn forgets_plans(begun: u64) -> bool {
    begun.is_power_of_two() || begun.is_multiple_of(128)
}

/// How long nobody tries again to reach a database that could not be reached.
const RESPITE: Duration = Duration::from_millis(250);

/// One connection that is made again when it was lost.
pub(super) struct Line {
    pub(super) metrics: Arc<Metrics>,
    database: Database,
    open: Option<Connection>,
    failed: Option<Instant>,
    begun: u64,
    deadline: Deadline,
}

impl Line {
    pub(super) fn system(&self) -> Fact {
        self.database.system()
    }

    pub(super) fn new(database: Database, metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            database,
            open: None,
            failed: None,
            begun: 0,
            deadline: Deadline::default(),
        }
    }

    /// Begins a transaction. A connection that was lost while it was idle is replaced at once:
    /// nothing has run on it.
    pub(super) fn begin(&mut self, intent: Intent) -> Result<&mut Connection, StoreError> {
        let mut beginning = self.database.beginning(intent);
        self.begun += 1;
        if matches!(self.database, Database::Postgres(_)) && forgets_plans(self.begun) {
            beginning.to_mut().push_str("; DISCARD PLANS");
        }
        let idle = self.open.take();
        let begun = idle.and_then(|mut connection| {
            connection.execute(&beginning).is_ok().then_some(connection)
        });
        let connection = if let Some(connection) = begun {
            connection
        } else {
            let mut connection = self.connect()?;
            if intent != Intent::Read && matches!(connection, Connection::Sqlite(_)) {
                connection.execute(WRITER_CACHE)?;
            }
            connection.execute(&beginning)?;
            connection
        };
        Ok(self.open.insert(connection))
    }

    /// Lets the next transaction read for so long on SQLite; `None`: as long as it takes.
    pub(super) fn end_within(&self, limit: Option<Duration>) {
        self.deadline.set(limit.map(|limit| Instant::now() + limit));
    }

    fn connect(&mut self) -> Result<Connection, StoreError> {
        if self.failed.is_some_and(|failed| failed.elapsed() < RESPITE) {
            return Err(StoreError::Unreachable);
        }
        let made = self.database.connect();
        self.failed = made.is_err().then(Instant::now);
        let mut made = made?;
        if let Connection::Sqlite(connection) = &mut made {
            self.deadline.register(connection)?;
        }
        Ok(made)
    }

    /// Ends the transaction; without an answer to it the connection is dropped, for nobody can know
    /// what state it is in.
    pub(super) fn end(&mut self, statement: &str) -> Result<(), StoreError> {
        let Some(mut connection) = self.open.take() else {
            return Err(StoreError::Unreachable);
        };
        // PostgreSQL answers a commit of an aborted transaction as if it were one: it must fail before.
        let is_postgres = matches!(connection, Connection::Postgres(_));
        let statement =
            if is_postgres && statement == "COMMIT" { "SELECT 1; COMMIT" } else { statement };
        let ended = catch_unwind(AssertUnwindSafe(|| connection.execute(statement)));
        match ended {
            Ok(Ok(())) => {
                self.open = Some(connection);
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StoreError::Unreachable),
        }
    }

    /// Whether there is a connection, as far as it is known.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Drops the connection, and with it what it was doing.
    pub(super) fn drop_connection(&mut self) {
        self.open = None;
    }
}
