//! What is remembered: the only place that knows diesel.
//!
//! The only way to a transaction is [`Store::write`] or [`Store::read`]: a named, synchronous
//! closure in which nothing can wait for any network but the database's. Time, ids and random bytes
//! are values that it captured.

mod challenges;
mod clients;
mod columns;
mod committed;
mod conn;
mod events;
mod factors;
mod installation;
mod migrate;
mod overrides;
mod petitions;
mod policies;
mod roles;
pub mod rows;
mod schema;
pub mod seal;
mod tenants;
mod tickets;
mod users;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::{Semaphore, mpsc, oneshot};

pub use columns::Json;
pub use committed::Committed;
pub use conn::Connection;
use conn::Intent;
pub use events::EventFilter;
pub use migrate::{check_schema, migrate};
pub use overrides::OverrideFilter;
pub use petitions::{PetitionDecision, PetitionFilter};
pub use seal::{KeyRing, Pepper};
pub use users::UserFilter;

/// Why the database could not answer. It is never read as "absent".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file is not there.
    #[error("there is no database at {0}")]
    Missing(PathBuf),
    /// No connection could be had.
    #[error("cannot connect to the database")]
    Connect(#[source] diesel::ConnectionError),
    /// A statement failed, or a row could not be read.
    #[error("the database refused a statement")]
    Query(#[from] diesel::result::Error),
    /// A guarded statement changed another number of rows than it must.
    #[error("a guarded write of {0} changed {1} rows")]
    Guard(&'static str, usize),
    /// A sealed value could not be opened.
    #[error("a sealed value could not be opened")]
    Seal(#[from] seal::SealError),
    /// The row holds something that the domain refuses.
    #[error("the database holds an invalid {0}")]
    Invalid(&'static str),
    /// The transaction panicked; its connection was dropped.
    #[error("the transaction {0} panicked")]
    Panicked(&'static str),
    /// The clock is behind what is on record.
    #[error("the clock is {0} seconds behind the newest event: correct it")]
    Clock(i64),
    /// The queue is full or the store is closed.
    #[error("the store takes no more work")]
    Busy,
    /// The schema is not the one that this program was built with.
    #[error("{0}")]
    Schema(String),
}

type Job = Box<dyn FnOnce(&mut Option<Connection>, &Keys) + Send>;

/// What opens and makes secrets: the key-encryption keys, and the pepper that the database holds
/// sealed.
pub(crate) struct Keys {
    ring: KeyRing,
    pepper: OnceLock<Pepper>,
}

struct Inner {
    path: PathBuf,
    queue: mpsc::Sender<Job>,
    readers: Mutex<Vec<Connection>>,
    reading: Semaphore,
    keys: Arc<Keys>,
}

/// The database, as the rest of the program sees it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Transactions that may wait for the writer; more are refused with 503.
const QUEUE: usize = 1024;
/// Read transactions at a time.
const READERS: usize = 4;

/// One open transaction. Its queries are the methods in the files beside this one.
pub struct Tx<'a> {
    connection: &'a mut Connection,
    keys: &'a Keys,
}

impl Store {
    /// Opens the SQLite file and starts its one writer thread.
    ///
    /// # Errors
    /// If the file cannot be opened, or `create` is false and it is not there.
    pub fn open(path: &Path, ring: KeyRing, create: bool) -> Result<Self, StoreError> {
        let mut writer = Some(conn::open_sqlite(path, create)?);
        let keys = Arc::new(Keys { ring, pepper: OnceLock::new() });
        let (queue, mut jobs) = mpsc::channel::<Job>(QUEUE);
        let (file, held) = (path.to_path_buf(), Arc::clone(&keys));
        std::thread::Builder::new()
            .name("pawl-writer".to_owned())
            .spawn(move || {
                while let Some(job) = jobs.blocking_recv() {
                    if writer.is_none() {
                        writer = conn::open_sqlite(&file, false).ok();
                    }
                    job(&mut writer, &held);
                }
            })
            .map_err(|_| StoreError::Busy)?;
        let inner = Inner {
            path: path.to_path_buf(),
            queue,
            readers: Mutex::new(Vec::new()),
            reading: Semaphore::new(READERS),
            keys,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs `operation` in a write transaction called `name`. `Ok` commits, `Err` rolls back, and a
    /// panic drops the connection: diesel would leave the transaction open.
    ///
    /// # Errors
    /// The operation's own, or the database's.
    pub async fn write<T, E>(
        &self,
        name: &'static str,
        operation: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_charged(name, operation, (|| false, |_: &mut Tx<'_>| Ok(()))).await
    }

    /// The same; after an abort, if something is owed, `charge` runs in a transaction of its own,
    /// before anybody hears of the abort and before the next request is looked at.
    ///
    /// # Errors
    /// The operation's own, or the database's.
    pub async fn write_charged<T, E>(
        &self,
        name: &'static str,
        operation: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        (owes, charge): (
            impl Fn() -> bool + Send + 'static,
            impl Fn(&mut Tx<'_>) -> Result<(), E> + Send + 'static,
        ),
    ) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection, keys| {
            let mut result = transact(connection, keys, Intent::Write, name, &operation);
            if result.is_err() && owes() {
                let charged = transact(connection, keys, Intent::Write, "charge", &charge);
                result = result.and_then(|value| charged.map(|()| value));
            }
            // The caller may have gone; the transaction happened all the same.
            let _ = reply.send(result);
        });
        self.inner.queue.try_send(job).map_err(|_| E::from(StoreError::Busy))?;
        match answer.await {
            Ok(result) => result.map(Committed::new),
            Err(_) => Err(E::from(StoreError::Busy)),
        }
    }

    /// Runs `operation` in a read transaction called `name`: one snapshot.
    ///
    /// # Errors
    /// The operation's own, or the database's.
    pub async fn read<T, E>(
        &self,
        name: &'static str,
        operation: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let turn = self.inner.reading.acquire().await.map_err(|_| E::from(StoreError::Busy))?;
        let result = tokio::task::spawn_blocking(move || {
            let mut connection = match inner.readers.lock().ok().and_then(|mut idle| idle.pop()) {
                Some(idle) => Some(idle),
                None => Some(conn::open_sqlite(&inner.path, false)?),
            };
            let result = transact(&mut connection, &inner.keys, Intent::Read, name, &operation);
            if let (Some(connection), Ok(mut idle)) = (connection, inner.readers.lock()) {
                idle.push(connection);
            }
            result
        })
        .await;
        drop(turn);
        result.unwrap_or_else(|_| Err(E::from(StoreError::Panicked(name))))
    }
}

/// One transaction on one connection. After a panic or a failed rollback the connection is dropped,
/// for nobody can know what state it is in.
fn transact<T, E: From<StoreError>>(
    slot: &mut Option<Connection>,
    keys: &Keys,
    intent: Intent,
    name: &'static str,
    operation: &impl Fn(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let Some(connection) = slot.as_mut() else {
        return Err(E::from(StoreError::Busy));
    };
    connection.begin(intent)?;
    let ran = catch_unwind(AssertUnwindSafe(|| operation(&mut Tx { connection, keys })));
    let Ok(result) = ran else {
        *slot = None;
        return Err(E::from(StoreError::Panicked(name)));
    };
    let Some(connection) = slot.as_mut() else {
        return Err(E::from(StoreError::Busy));
    };
    let ended = match &result {
        Ok(_) => connection.execute("COMMIT"),
        Err(_) => connection.execute("ROLLBACK"),
    };
    if let Err(error) = ended {
        *slot = None;
        return Err(E::from(error));
    }
    result
}

/// One row was to change, and one did.
fn exactly_one(what: &'static str, rows: usize) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::Guard(what, rows)) }
}
