//! A lane: the thread that writes. It takes what queued meanwhile and does it in one transaction, a
//! slice, so that a hundred requests wait for one flush of the disk.
//!
//! A request that fails after it wrote takes its slice with it; then each runs alone, so one bad
//! request never fails its neighbours. A transaction whose commit got no answer is never run again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use diesel::result::{DatabaseErrorKind, Error as QueryError};
use tokio::sync::{mpsc, oneshot};

use super::conn::{Intent, Line};
use super::memo::Memo;
use super::{Ahead, Committed, Failing, Keys, StoreError, Tx, postgres};
use crate::mfa::ids::{ClientId, TenantId};

/// Requests in one transaction.
const SLICE: usize = 128;

/// Whose tenant a transaction writes in: it is locked before anything is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The client's.
    Client(ClientId),
    /// This one.
    Tenant(TenantId),
}

/// What became of a request within its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    /// It has its result, and the transaction may be committed.
    Done,
    /// It failed: the transaction must be rolled back.
    Failed,
}

/// A write that waits for a lane.
pub(super) trait Job: Send {
    /// For log lines.
    fn name(&self) -> &'static str;
    /// Whether anybody still waits for it.
    fn is_wanted(&self) -> bool;
    /// `None`: it locks for itself, and shares its transaction with nobody.
    fn whose(&self) -> Option<&(Whose, Ahead)>;
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran;
    /// Whether a comparison was made whose charge is in no committed transaction.
    fn owes(&self) -> bool;
    fn charge(&mut self, tx: &mut Tx<'_>) -> Ran;
    /// Sends the result, as far as the transaction's end lets it.
    fn answer(self: Box<Self>, ended: End);
}

/// The one kind of job.
pub(super) struct Request<T, E, F, O, C> {
    pub(super) name: &'static str,
    pub(super) whose: Option<(Whose, Ahead)>,
    pub(super) operation: F,
    pub(super) owes: O,
    pub(super) charge: C,
    pub(super) result: Option<Result<T, E>>,
    pub(super) reply: oneshot::Sender<Result<Committed<T>, E>>,
}

impl<T, E, F, O, C> Job for Request<T, E, F, O, C>
where
    T: Send,
    E: Failing + Send,
    F: Fn(&mut Tx<'_>) -> Result<T, E> + Send,
    O: Fn() -> bool + Send,
    C: Fn(&mut Tx<'_>) -> Result<(), E> + Send,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn whose(&self) -> Option<&(Whose, Ahead)> {
        self.whose.as_ref()
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Ran {
        tx.memo.is_changed = false;
        let result = (self.operation)(tx);
        // A refusal that wrote nothing has nothing to be rolled back.
        let is_harmless = match &result {
            Ok(_) => true,
            Err(error) => error.is_refusal() && !tx.memo.is_changed,
        };
        self.result = Some(result);
        if is_harmless { Ran::Done } else { Ran::Failed }
    }

    fn owes(&self) -> bool {
        (self.owes)()
    }

    fn charge(&mut self, tx: &mut Tx<'_>) -> Ran {
        if (self.charge)(tx).is_ok() { Ran::Done } else { Ran::Failed }
    }

    fn answer(self: Box<Self>, ended: End) {
        let failed = |error| Err(E::from(error));
        let result = match (ended, self.result) {
            (End::Committed, Some(Ok(value))) => Ok(Committed::new(value)),
            (End::Committed | End::RolledBack, Some(Err(error))) => Err(error),
            (End::Committed | End::RolledBack, _) => failed(StoreError::Unreachable),
            (End::Failed(error), _) => failed(StoreError::Shared(error)),
        };
        // The caller may have gone; the transaction happened all the same.
        let _ = self.reply.send(result);
    }
}

/// How a request's transaction ended.
pub(super) enum End {
    /// With what it wrote.
    Committed,
    /// Because of the request, which says why.
    RolledBack,
    /// For a reason that is nobody's.
    Failed(Arc<StoreError>),
}

/// What became of a transaction.
enum Fate {
    Committed,
    /// Rolled back because of a request in it.
    Aborted,
    /// It could not begin, or could not be committed.
    Failed(StoreError),
}

/// One connection and what its transactions need.
pub(super) struct Lane {
    pub(super) line: Line,
    pub(super) keys: Arc<Keys>,
}

impl Lane {
    /// Works until the store is gone.
    pub(super) fn serve(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        while let Some(mut taken) = take(&mut jobs) {
            taken.retain(|job| job.is_wanted());
            while !taken.is_empty() {
                let shared = taken.iter().take_while(|job| job.whose().is_some()).count();
                let rest = taken.split_off(shared.max(1));
                self.work(taken);
                taken = rest;
            }
        }
    }

    /// One slice, and an answer to each of its requests.
    fn work(&mut self, mut slice: Vec<Box<dyn Job>>) {
        match self.attempt(&mut slice) {
            Fate::Committed => slice.into_iter().for_each(|job| job.answer(End::Committed)),
            Fate::Aborted if slice.len() > 1 => {
                for job in slice {
                    self.work(vec![job]);
                }
            }
            Fate::Aborted => {
                for mut job in slice {
                    self.charge(&mut job);
                    job.answer(End::RolledBack);
                }
            }
            Fate::Failed(error) => {
                let error = Arc::new(error);
                for mut job in slice {
                    self.charge(&mut job);
                    job.answer(End::Failed(Arc::clone(&error)));
                }
            }
        }
    }

    /// One transaction. After a panic the connection is dropped, for nobody can know what state it
    /// is in: diesel would leave its transaction open.
    fn attempt(&mut self, slice: &mut [Box<dyn Job>]) -> Fate {
        let mut memo = Memo::default();
        let ahead: Vec<_> = slice.iter().filter_map(|job| job.whose().cloned()).collect();
        let whose: Vec<Whose> = ahead.iter().map(|(whose, _)| whose.clone()).collect();
        let name = slice.first().map_or("", |job| job.name());
        let (line, keys) = (&mut self.line, &*self.keys);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let connection = line.begin(Intent::Write)?;
            let mut tx = Tx { connection, keys, memo: &mut memo };
            tx.lock(&whose)?;
            tx.read_ahead(&ahead)?;
            let is_done = slice.iter_mut().all(|job| job.run(&mut tx) == Ran::Done);
            match tx.flush() {
                Ok(()) if is_done => Ok(Ran::Done),
                Err(error) if slice.len() == 1 && is_done => Err(error),
                Ok(()) | Err(_) => Ok(Ran::Failed),
            }
        }));
        match ran {
            Ok(Ok(Ran::Done)) => self.commit(&whose, &memo),
            Ok(Ok(Ran::Failed)) => {
                // A rollback without an answer drops the connection, which rolls back too.
                let _ = self.line.end("ROLLBACK");
                Fate::Aborted
            }
            Ok(Err(error)) => {
                let _ = self.line.end("ROLLBACK");
                Fate::Failed(error)
            }
            Err(thrown) => {
                self.line.drop_connection();
                if thrown.is::<postgres::GaveUp>() {
                    Fate::Failed(StoreError::Unreachable)
                } else if slice.len() > 1 {
                    Fate::Aborted
                } else {
                    Fate::Failed(StoreError::Panicked(name))
                }
            }
        }
    }

    fn commit(&mut self, whose: &[Whose], memo: &Memo) -> Fate {
        match self.line.end("COMMIT") {
            Ok(()) => Fate::Committed,
            Err(error) if whose.len() > 1 && is_answer(&error) => Fate::Aborted,
            Err(_) if self.has_arrived(whose, memo) => Fate::Committed,
            Err(error) => Fate::Failed(error),
        }
    }

    /// Whether a commit that got no answer arrived all the same. The locks come first: they are had
    /// only when the lost transaction has ended, one way or the other.
    fn has_arrived(&mut self, whose: &[Whose], memo: &Memo) -> bool {
        let Some((tenant, event)) = &memo.last_event else { return false };
        let looked = super::transact(&mut self.line, &self.keys, Intent::Write, "look", &|tx| {
            tx.lock(whose)?;
            tx.find_event_seq(tenant, event)
        });
        matches!(looked, Ok(Some(_)))
    }

    /// Charges a comparison whose transaction was not committed, before anybody hears of it.
    fn charge(&mut self, job: &mut Box<dyn Job>) {
        if !job.owes() {
            return;
        }
        let job = Mutex::new(job);
        let charged = super::transact(&mut self.line, &self.keys, Intent::Write, "charge", &|tx| {
            let mut job = job.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((whose, _)) = job.whose().cloned() {
                tx.lock(std::slice::from_ref(&whose))?;
            }
            match job.charge(tx) {
                Ran::Done => Ok(()),
                Ran::Failed => Err(StoreError::Unreachable),
            }
        });
        if let Err(error) = charged {
            tracing::error!(%error, "a comparison could not be charged");
        }
    }
}

/// Whether the database itself said no to a commit.
fn is_answer(error: &StoreError) -> bool {
    use DatabaseErrorKind as Kind;
    let StoreError::Query(QueryError::DatabaseError(kind, _)) = error else { return false };
    matches!(
        kind,
        Kind::ForeignKeyViolation
            | Kind::UniqueViolation
            | Kind::CheckViolation
            | Kind::NotNullViolation
            | Kind::SerializationFailure
    )
}

/// The next job, waited for, and those that queued behind it.
fn take(queue: &mut mpsc::Receiver<Box<dyn Job>>) -> Option<Vec<Box<dyn Job>>> {
    let mut taken = vec![queue.blocking_recv()?];
    while taken.len() < SLICE
        && let Ok(job) = queue.try_recv()
    {
        taken.push(job);
    }
    Some(taken)
}
