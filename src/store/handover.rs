//! The requests of a held tenant: another transaction holds its lock for longer than a commit takes. A lane hands them to
//! one more writer and goes on with its other tenants. That writer tries each credential in a transaction of its own, so
//! no request waits for the lock of another tenant.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::StoreError;
use super::lane::{Job, Jobs, Lane, Whose};
use super::slice::{SLICE, by_credential, take};
use crate::telemetry::metrics::Metrics;

/// How long a lane hands over the requests of a held tenant without another try.
const HELD: Duration = Duration::from_secs(5);

/// The age at which a request of a held tenant is refused: its caller still waits.
const LONGEST: Duration = Duration::from_secs(3);

/// How many requests of held tenants are tried in turn. More wait in the queue.
const IN_TURN: usize = 1024;

/// A lane's way to the writer for held tenants.
pub(super) struct Handover {
    queue: mpsc::Sender<Box<dyn Job>>,
    held: HashMap<Whose, Instant>,
}

impl Handover {
    pub(super) fn new(queue: mpsc::Sender<Box<dyn Job>>) -> Self {
        Self { queue, held: HashMap::new() }
    }

    /// Parts what a lane took: the requests of tenants that were held a moment ago, and the others.
    pub(super) fn part(&mut self, taken: Jobs) -> (Jobs, Jobs) {
        self.held.retain(|_, since| since.elapsed() < HELD);
        let is_held =
            |whose: Option<Whose>| whose.is_some_and(|whose| self.held.contains_key(&whose));
        taken.into_iter().partition(|job| is_held(job.credential()))
    }

    /// Hands over requests whose lock could not be had, and remembers whose they are.
    pub(super) fn remember(&mut self, jobs: &[Box<dyn Job>]) {
        let whose = jobs.iter().filter_map(|job| job.credential());
        self.held.extend(whose.map(|whose| (whose, Instant::now())));
    }

    /// Hands requests over; answers those that find no place in the queue.
    pub(super) fn hand_over(&self, jobs: Jobs, metrics: &Metrics) -> Jobs {
        let mut left = Vec::new();
        for job in jobs {
            match self.queue.try_send(job) {
                Ok(()) => metrics.queue(),
                Err(refused) => left.push(refused.into_inner()),
            }
        }
        left
    }
}

impl Lane {
    /// Works for held tenants until the store is gone.
    pub(super) fn serve_held(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        let mut waiting = Vec::new();
        while let Some(taken) = self.in_turn(&mut waiting, &mut jobs) {
            let turns = by_credential(taken);
            self.lock_wait.share(turns.len());
            for mut own in turns {
                waiting.extend(own.split_off(own.len().min(SLICE)));
                waiting.extend(self.work(own));
            }
            let (late, others) = waiting.into_iter().partition(|job| job.waited() > LONGEST);
            self.fail(late, StoreError::Held);
            waiting = others;
        }
    }

    /// What waits, and what queued meanwhile; a request is waited for only if none waits.
    fn in_turn(&self, waiting: &mut Jobs, jobs: &mut mpsc::Receiver<Box<dyn Job>>) -> Option<Jobs> {
        let mut fresh = if waiting.is_empty() { take(jobs)? } else { Vec::new() };
        while waiting.len() + fresh.len() < IN_TURN
            && let Ok(job) = jobs.try_recv()
        {
            fresh.push(job);
        }
        for job in &fresh {
            self.line.metrics.take(job.waited());
        }
        waiting.append(&mut fresh);
        Some(std::mem::take(waiting))
    }
}
