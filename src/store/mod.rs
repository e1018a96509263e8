//! What is remembered: the only place that knows diesel.
//!
//! The only way to a transaction is [`Store::write`], [`Store::write_in`] or [`Store::read`]: a named, synchronous
//! closure in which nothing can wait for any network but the database's. Time, ids and random bytes
//! are values that it captured.

mod ahead;
mod challenges;
mod client_keys;
mod clients;
mod codes;
mod columns;
mod committed;
mod condition;
mod conn;
mod deadline;
mod events;
mod factors;
mod failure;
mod handover;
mod installation;
mod key_file;
mod lane;
mod lock_wait;
mod look_alikes;
mod memo;
mod migrate;
mod open_challenges;
mod overrides;
mod petitions;
mod policies;
mod postgres;
mod prepared;
mod readers;
mod readings;
mod resealing;
mod retention;
mod roles;
pub mod rows;
mod schema;
pub mod seal;
mod sealing;
mod set;
mod sets;
mod slice;
mod tenants;
mod tickets;
mod token_keys;
mod transaction;
mod users;
mod versions;

use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasher as _, BuildHasherDefault};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

pub use ahead::Ahead;
pub(crate) use ahead::LOGIN_LANE;
pub use columns::Json;
pub use committed::Committed;
pub use condition::{Condition, condition};
pub use conn::{Connection, Database};
use conn::{Intent, Line};
pub use events::{EventFilter, page_queries};
pub use failure::{Failing, StoreError};
use handover::Handover;
pub use lane::Whose;
use lane::{Job, Lane, Request};
use lock_wait::LockWait;
use memo::Memo;
pub use migrate::{ServingRole, check_schema, grant, migrate};
pub use overrides::OverrideFilter;
pub use petitions::{PetitionDecision, PetitionFilter};
pub use postgres::Target;
use readers::{Purpose, Readers};
pub use resealing::{Sealed, SealedIn};
pub use retention::{Due, Purged};
use seal::KeyId;
pub use seal::{KeyRing, Pepper};
use transaction::transact;
pub use users::UserFilter;
pub use versions::SCHEMA_VERSION;

use crate::telemetry::metrics::{Metrics, Occurrence, Refused};
use crate::telemetry::{self, Span, Stages};

/// What opens and makes secrets: the key-encryption keys, and the pepper that the database holds
/// sealed.
pub(crate) struct Keys {
    ring: KeyRing,
    pepper: OnceLock<Pepper>,
    /// The key check's key when the installation was opened.
    opened: OnceLock<KeyId>,
}

struct Inner {
    database: Database,
    /// One for each lane.
    queues: Vec<mpsc::Sender<Box<dyn Job>>>,
    /// Of the writer for held tenants.
    held: mpsc::Sender<Box<dyn Job>>,
    readers: Readers,
    keys: Arc<Keys>,
    metrics: Arc<Metrics>,
}

/// The database, as the rest of the program sees it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Transactions that may wait for the writer; more are refused with 503.
const QUEUE: usize = 1024;
/// Writers over PostgreSQL: one builds its transaction while another's commit is flushed.
const LANES: usize = 2;
/// How long a caller waits for a transaction, the queue included. What has begun goes on all the same.
/// A call has two at the most: the credential's and its own.
const DEADLINE: Duration = Duration::from_secs(4);
/// How long a read transaction may take on SQLite, as each statement may on PostgreSQL: a caller that left
/// keeps no connection.
const READ_LIMIT: Duration = Duration::from_secs(3);

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let thread = std::thread::Builder::new().name("pawl-writer".to_owned());
    thread.spawn(work).map(|_| ()).map_err(|_| StoreError::Busy)
}

/// One open transaction. Its queries are the methods in the files beside this one.
pub struct Tx<'a> {
    connection: &'a mut Connection,
    keys: &'a Keys,
    memo: &'a mut Memo,
}

impl Tx<'_> {
    /// Sends what was gathered.
    fn flush(&mut self) -> Result<(), StoreError> {
        self.memo.statements += 1;
        if self.memo.pending.flush(self.connection)? > 0 {
            // What was read ahead says that the closed ones are open.
            self.memo.rows.read.values_mut().for_each(|read| read.challenges.clear());
        }
        Ok(())
    }

    /// Counts something that happens in this transaction, if it is committed.
    pub(crate) fn count(&mut self, occurrence: Occurrence) {
        self.memo.occurrences.push(occurrence);
    }
}

impl Store {
    /// Opens a database that is there and starts its writers: one for SQLite, whose file has one
    /// writer at a time, two lanes for PostgreSQL, and one for tenants that are held.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub fn open(
        database: Database,
        ring: KeyRing,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StoreError> {
        let keys = Arc::new(Keys { ring, pepper: OnceLock::new(), opened: OnceLock::new() });
        let lanes = match &database {
            Database::Sqlite(path) if !path.exists() => {
                return Err(StoreError::Missing(path.clone()));
            }
            Database::Sqlite(_) => 1,
            Database::Postgres(_) => LANES,
        };
        let writer = || {
            let line = Line::new(database.clone(), Arc::clone(&metrics));
            Lane { line, keys: Arc::clone(&keys), lock_wait: LockWait::new() }
        };
        let (held, jobs) = mpsc::channel(QUEUE);
        let last = writer();
        spawn(move || last.serve_held(jobs))?;
        let mut queues = Vec::with_capacity(lanes);
        for _ in 0..lanes {
            let (queue, jobs) = mpsc::channel(QUEUE);
            let (lane, handover) = (writer(), Handover::new(held.clone()));
            spawn(move || lane.serve(jobs, handover))?;
            queues.push(queue);
        }
        let readers = Readers::new();
        Ok(Self { inner: Arc::new(Inner { database, queues, held, readers, keys, metrics }) })
    }

    /// Runs `operation` in a write transaction of its own, called `name`, in which it locks what it
    /// reads. `Ok` commits, `Err` rolls back.
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
        E: Failing + Send + 'static,
    {
        self.enqueue(name, None, operation, (|| false, |_: &mut Tx<'_>| Ok(()))).await
    }

    /// Runs `operation` in a write transaction that it may share with other requests, under the lock
    /// of its tenant. After an abort, if something is owed, `charge` runs in a transaction of its
    /// own, before anybody hears of the abort.
    ///
    /// `operation` may run twice, if the first transaction was rolled back; never after a commit
    /// that may have arrived.
    ///
    /// # Errors
    /// The operation's own, or the database's.
    pub async fn write_in<T, E>(
        &self,
        (whose, ahead): (Whose, Ahead),
        name: &'static str,
        operation: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        charged: (
            impl Fn() -> bool + Send + 'static,
            impl Fn(&mut Tx<'_>) -> Result<(), E> + Send + 'static,
        ),
    ) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: Failing + Send + 'static,
    {
        self.enqueue(name, Some((whose, ahead)), operation, charged).await
    }

    /// Whether every thread that writes still takes requests. One that panicked takes none.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        let Inner { queues, held, .. } = &*self.inner;
        queues.iter().chain([held]).all(|queue| !queue.is_closed())
    }

    async fn enqueue<T, E>(
        &self,
        name: &'static str,
        whose: Option<(Whose, Ahead)>,
        operation: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        (owes, charge): (
            impl Fn() -> bool + Send + 'static,
            impl Fn(&mut Tx<'_>) -> Result<(), E> + Send + 'static,
        ),
    ) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: Failing + Send + 'static,
    {
        // A client, and a tenant's persons, are always in the same lane: two would wait for each other's
        // lock, as two clients of one tenant may.
        let key = whose.as_ref().map(|(whose, _)| whose);
        let lane = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let lane = usize::try_from(lane).unwrap_or(0) % self.inner.queues.len().max(1);
        let queue = self.inner.queues.get(lane).ok_or(StoreError::Busy)?;
        let (reply, answer) = oneshot::channel();
        let (stages, result) = (Stages::begin(self.span(), "queue"), None);
        let (metrics, queued) = (&self.inner.metrics, Instant::now());
        let job = Request { name, queued, whose, operation, owes, charge, stages, result, reply };
        metrics.queue();
        if queue.try_send(Box::new(job)).is_err() {
            metrics.refuse(Refused::QueueFull);
            return Err(E::from(StoreError::Busy));
        }
        match tokio::time::timeout(DEADLINE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(E::from(StoreError::Busy)),
            Err(_) => {
                metrics.refuse(Refused::Deadline);
                Err(E::from(StoreError::Unreachable))
            }
        }
    }

    /// The present request's span of a transaction.
    fn span(&self) -> Span {
        let mut span = telemetry::span("transaction");
        span.fact("db.system.name", self.inner.database.system());
        span
    }

    /// Runs `operation` in a read transaction called `name` that decides whether a caller may go on. No
    /// other read can occupy its connections.
    ///
    /// # Errors
    /// The operation's own, or the database's.
    pub async fn check<T, E>(
        &self,
        name: &'static str,
        operation: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.timely(self.transaction((Purpose::Check, Some(READ_LIMIT)), name, operation)).await
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
        self.timely(self.transaction((Purpose::Page, Some(READ_LIMIT)), name, operation)).await
    }

    async fn timely<T, E: From<StoreError>>(
        &self,
        reading: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::time::timeout(DEADLINE, reading).await.unwrap_or_else(|_| {
            self.inner.metrics.refuse(Refused::Deadline);
            Err(E::from(StoreError::Unreachable))
        })
    }

    /// The same, of much: a command waits for it as long as it takes.
    ///
    /// # Errors
    /// The operation's own, or the database's.
    pub async fn read_through<T, E>(
        &self,
        name: &'static str,
        operation: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.transaction((Purpose::Page, None), name, operation).await
    }

    async fn transaction<T, E>(
        &self,
        (purpose, limit): (Purpose, Option<Duration>),
        name: &'static str,
        operation: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let mut stages = Stages::begin(self.span(), "queue");
        let turn = inner.readers.turn(purpose).await.map_err(|_| E::from(StoreError::Busy))?;
        let read = tokio::task::spawn_blocking(move || {
            stages.enter("read");
            let made = || Line::new(inner.database.clone(), Arc::clone(&inner.metrics));
            let mut line = inner.readers.take(purpose).unwrap_or_else(made);
            line.end_within(limit);
            let result = transact(&mut line, &inner.keys, Intent::Read, name, &operation);
            inner.readers.keep(purpose, line);
            drop((turn, stages));
            result
        });
        read.await.unwrap_or_else(|_| Err(E::from(StoreError::Panicked(name))))
    }
}

/// One row was to change, and one did.
fn exactly_one(what: &'static str, rows: usize) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::Guard(what, rows)) }
}
