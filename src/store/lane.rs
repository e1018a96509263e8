//! A lane: the thread that writes. It takes what queued meanwhile and does it in one transaction, a
//! slice, so that a hundred requests wait for one flush of the disk.
//!
//! A request that fails after it wrote takes its slice with it; then each runs alone, so one bad
//! request never fails its neighbours. A transaction whose commit got no answer is never run again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::conn::{Intent, Line};
use super::handover::Handover;
use super::lock_wait::LockWait;
use super::memo::Memo;
use super::slice::{are_several, by_credential, shared, take};
use super::{Ahead, Committed, Failing, Keys, StoreError, Tx, postgres};
use crate::mfa::ids::{ClientId, TenantId};
use crate::telemetry::metrics::Ended;
use crate::telemetry::{Fact, Span, Stages};

/// What chooses the lane and names the tenant to lock before anything is read: a client, or the tenant
/// of a person.
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
    /// Its span, for the slice to be linked from, and the stage that it is at.
    fn stages(&mut self) -> &mut Stages;
    fn waited(&self) -> Duration;
    /// Whether anybody still waits for it.
    fn is_wanted(&self) -> bool;
    /// `None`: it locks for itself, and shares its transaction with nobody.
    fn whose(&self) -> Option<&(Whose, Ahead)>;
    fn credential(&self) -> Option<Whose> {
        self.whose().map(|(whose, _)| whose.clone())
    }
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran;
    /// Whether a comparison was made that must be charged if its transaction is not committed.
    fn owes(&self) -> bool;
    fn has_failed(&self) -> bool;
    fn charge(&mut self, tx: &mut Tx<'_>) -> Ran;
    /// Sends the result, as far as the transaction's end lets it.
    fn answer(self: Box<Self>, ended: End);
}

/// Some of them.
pub(super) type Jobs = Vec<Box<dyn Job>>;

/// The one kind of job.
pub(super) struct Request<T, E, F, O, C> {
    pub(super) name: &'static str,
    pub(super) queued: Instant,
    pub(super) whose: Option<(Whose, Ahead)>,
    pub(super) operation: F,
    pub(super) owes: O,
    pub(super) charge: C,
    pub(super) stages: Stages,
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

    fn stages(&mut self) -> &mut Stages {
        &mut self.stages
    }

    fn waited(&self) -> Duration {
        self.queued.elapsed()
    }

    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn whose(&self) -> Option<&(Whose, Ahead)> {
        self.whose.as_ref()
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Ran {
        tx.memo.is_changed = false;
        self.stages.enter("decision");
        let result = (self.operation)(tx);
        self.stages.enter("write");
        let is_refused = result.as_ref().is_err_and(Failing::is_sound);
        let is_answer = result.as_ref().is_err_and(Failing::is_refusal);
        if is_answer && tx.memo.is_changed {
            tx.memo.late_refusals.push(self.name);
        }
        // What wrote nothing and broke nothing leaves nothing to be rolled back.
        let is_harmless = result.is_ok() || is_refused && !tx.memo.is_changed;
        self.result = Some(result);
        if is_harmless { Ran::Done } else { Ran::Failed }
    }

    fn owes(&self) -> bool {
        (self.owes)()
    }

    fn has_failed(&self) -> bool {
        matches!(self.result, Some(Err(_)))
    }

    fn charge(&mut self, tx: &mut Tx<'_>) -> Ran {
        if (self.charge)(tx).is_ok() { Ran::Done } else { Ran::Failed }
    }

    fn answer(mut self: Box<Self>, ended: End) {
        if matches!(ended, End::Failed(_)) {
            self.stages.whole.fail();
        }
        let failed = |error| Err(E::from(error));
        let result = match (ended, self.result) {
            (End::Committed, Some(Ok(value))) => Ok(Committed::new(value)),
            (End::Committed | End::RolledBack, Some(Err(error))) => Err(error),
            (End::Committed | End::RolledBack, _) => failed(StoreError::Unreachable),
            (End::Failed(error), _) => failed(StoreError::Shared(error)),
        };
        drop(self.stages);
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
    /// The lock of one of its tenants could not be had.
    Locked,
    /// It could not begin, or could not be committed.
    Failed(StoreError),
}

/// One connection and what its transactions need.
pub(super) struct Lane {
    pub(super) line: Line,
    pub(super) keys: Arc<Keys>,
    pub(super) lock_wait: LockWait,
}

impl Lane {
    /// Works until the store is gone.
    pub(super) fn serve(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>, mut handover: Handover) {
        while let Some(taken) = take(&mut jobs) {
            for job in &taken {
                self.line.metrics.take(job.waited());
            }
            let (mut held, mut taken) = handover.part(taken);
            while !taken.is_empty() {
                let rest = taken.split_off(shared(&taken));
                let locked = self.work(taken);
                handover.remember(&locked);
                held.extend(locked);
                taken = rest;
            }
            let left = handover.hand_over(held, &self.line.metrics);
            self.fail(left, StoreError::Held);
        }
    }

    /// One slice, and an answer to each of its requests but those whose lock could not be had. Who left before
    /// anything was compared is not worked for.
    pub(super) fn work(&mut self, mut slice: Jobs) -> Jobs {
        slice.retain(|job| job.is_wanted() || job.owes());
        if slice.is_empty() {
            return slice;
        }
        match self.counted(&mut slice) {
            Fate::Committed => {
                for mut job in slice {
                    // It was compared in a slice that was aborted, and refused before that this time.
                    let is_charged = !job.has_failed() || self.charge(&mut job);
                    job.answer(if is_charged { End::Committed } else { uncharged() });
                }
            }
            Fate::Aborted if slice.len() > 1 => {
                return slice.into_iter().flat_map(|job| self.work(vec![job])).collect();
            }
            Fate::Aborted => {
                for mut job in slice {
                    let is_charged = self.charge(&mut job);
                    job.answer(if is_charged { End::RolledBack } else { uncharged() });
                }
            }
            // One tenant's lock is nothing to the others.
            Fate::Locked if are_several(&slice) => {
                return by_credential(slice).into_iter().flat_map(|own| self.work(own)).collect();
            }
            Fate::Locked => return slice,
            Fate::Failed(error) => self.fail(slice, error),
        }
        Vec::new()
    }

    /// Answers requests that no transaction could be had for.
    pub(super) fn fail(&mut self, slice: Jobs, error: StoreError) {
        let error = Arc::new(error);
        let mut goes_on = true;
        for mut job in slice {
            // The database that refused one charge is not asked for all the others.
            goes_on = goes_on && self.charge(&mut job);
            job.answer(End::Failed(Arc::clone(&error)));
        }
    }

    /// One transaction, and what it did counted if it is committed.
    fn counted(&mut self, slice: &mut [Box<dyn Job>]) -> Fate {
        let (began, mut memo) = (Instant::now(), Memo::default());
        let fate = self.attempt(slice, &mut memo);
        let is_alone = slice.len() == 1;
        let ended = match fate {
            Fate::Committed => Ended::Committed,
            Fate::Aborted if is_alone => Ended::RolledBack,
            Fate::Aborted | Fate::Locked => Ended::Retried,
            Fate::Failed(_) => Ended::Failed,
        };
        let name = slice.first().filter(|_| is_alone).map_or("slice", |job| job.name());
        let metrics = &self.line.metrics;
        metrics.transaction(name, ended, began);
        metrics.slice(slice.len());
        metrics.tally.sent(memo.statements);
        for operation in &memo.late_refusals {
            tracing::warn!(operation, "refused after it had written; its slice was rolled back");
            metrics.tally.refused_late();
        }
        if ended == Ended::Committed {
            metrics.committed(&memo.occurrences);
        }
        fate
    }

    /// One transaction. After a panic the connection is dropped, for nobody can know what state it
    /// is in: diesel would leave its transaction open.
    fn attempt(&mut self, slice: &mut [Box<dyn Job>], memo: &mut Memo) -> Fate {
        let ahead: Vec<_> = slice.iter().filter_map(|job| job.whose().cloned()).collect();
        let whose: Vec<Whose> = ahead.iter().map(|(whose, _)| whose.clone()).collect();
        let (name, mut stages) = (slice.first().map_or("", |job| job.name()), self.stages(slice));
        let wait = self.lock_wait.next();
        let intent = if whose.is_empty() { Intent::Write } else { Intent::Slice(wait) };
        let mut locked = None;
        let (line, keys) = (&mut self.line, &*self.keys);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let connection = line.begin(intent).map_err(Fate::Failed)?;
            let mut tx = Tx { connection, keys, memo: &mut *memo };
            let asked = Instant::now();
            tx.lock(&whose).map_err(|error| match asked.elapsed() {
                // diesel has no kind for a timeout, but it takes its time: what came sooner is another error.
                waited if waited >= wait => Fate::Locked,
                _ => Fate::Failed(error),
            })?;
            locked = Some(Instant::now());
            let is_alone = slice.len() == 1;
            let ran = tx.read_ahead(&ahead).and_then(|()| {
                stages.enter("decisions");
                let is_done = slice.iter_mut().all(|job| job.run(&mut tx) == Ran::Done);
                stages.enter("flush");
                if is_done { tx.flush().map(|()| Ran::Done) } else { Ok(Ran::Failed) }
            });
            match ran {
                Ok(Ran::Done) => Ok(()),
                Err(error) if is_alone => Err(Fate::Failed(error)),
                Ok(Ran::Failed) | Err(_) => Err(Fate::Aborted),
            }
        }));
        let fate = match ran {
            Ok(Ok(())) => {
                stages.enter("commit");
                self.commit(&whose, memo)
            }
            Ok(Err(fate)) => {
                // A rollback without an answer drops the connection, which rolls back too.
                let _ = self.line.end("ROLLBACK");
                fate
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
        };
        match (&fate, locked) {
            (Fate::Committed, Some(locked)) => self.lock_wait.learn(locked.elapsed()),
            (Fate::Committed, None) => {}
            _ => stages.whole.fail(),
        }
        fate
    }

    /// The slice in the traces of its requests.
    fn stages(&self, slice: &mut [Box<dyn Job>]) -> Stages {
        let size = i64::try_from(slice.len()).unwrap_or(i64::MAX);
        let mut whole = Span::shared("slice", slice.iter_mut().map(|job| &mut job.stages().whole));
        whole.fact("pawl.slice.size", Fact::Count(size));
        whole.fact("db.system.name", self.line.system());
        Stages::begin(whole, "begin")
    }

    fn commit(&mut self, whose: &[Whose], memo: &Memo) -> Fate {
        match self.line.end("COMMIT") {
            Ok(()) => Fate::Committed,
            Err(error) if whose.len() > 1 && error.is_answer() => Fate::Aborted,
            Err(_) if self.has_arrived(memo) => Fate::Committed,
            Err(error) => Fate::Failed(error),
        }
    }

    /// Whether a commit that got no answer arrived all the same. The lock comes first: the lost
    /// transaction wrote in this tenant, so it is had only when that has ended, one way or the other.
    fn has_arrived(&mut self, memo: &Memo) -> bool {
        let Some((tenant, event)) = &memo.last_event else { return false };
        let looked = super::transact(&mut self.line, &self.keys, Intent::Write, "look", &|tx| {
            tx.lock(&[Whose::Tenant(tenant.clone())])?;
            tx.find_event_seq(tenant, event)
        });
        matches!(looked, Ok(Some(_)))
    }

    /// Charges a comparison whose transaction was not committed, before anybody hears of it; whether
    /// nothing is owed any more.
    fn charge(&mut self, job: &mut Box<dyn Job>) -> bool {
        if !job.owes() {
            return true;
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
        if let Err(error) = &charged {
            tracing::error!(%error, "a comparison could not be charged");
        }
        charged.is_ok()
    }
}

/// No answer may leave that says more than nothing.
fn uncharged() -> End {
    End::Failed(Arc::new(StoreError::Unreachable))
}
