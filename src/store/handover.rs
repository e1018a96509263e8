//! What a lane does with a tenant whose lock another transaction holds for long: it hands the tenant's requests to the
//! writer that waits for locks, and goes on with those of the other tenants.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::lane::{Job, Whose};
use crate::telemetry::metrics::Metrics;

/// For so long the requests of a held tenant are handed over without another try.
const HELD: Duration = Duration::from_secs(1);

/// A lane's way to the writer that waits.
pub(super) struct Handover {
    queue: mpsc::Sender<Box<dyn Job>>,
    held: HashMap<Whose, Instant>,
}

impl Handover {
    pub(super) fn new(queue: mpsc::Sender<Box<dyn Job>>) -> Self {
        Self { queue, held: HashMap::new() }
    }

    /// Hands over the requests of the tenants that were held a moment ago; answers the others.
    pub(super) fn sort(
        &mut self,
        taken: Vec<Box<dyn Job>>,
        metrics: &Metrics,
    ) -> Vec<Box<dyn Job>> {
        self.held.retain(|_, since| since.elapsed() < HELD);
        if self.held.is_empty() {
            return taken;
        }
        let (held, mut others): (Vec<_>, Vec<_>) = taken
            .into_iter()
            .partition(|job| job.whose().is_some_and(|(whose, _)| self.held.contains_key(whose)));
        others.extend(self.pass(held, metrics));
        others
    }

    /// Hands over requests of one tenant whose lock could not be had; answers those that find no place.
    pub(super) fn hand_over(
        &mut self,
        slice: Vec<Box<dyn Job>>,
        metrics: &Metrics,
    ) -> Vec<Box<dyn Job>> {
        if let Some((whose, _)) = slice.first().and_then(|job| job.whose()) {
            self.held.insert(whose.clone(), Instant::now());
        }
        self.pass(slice, metrics)
    }

    fn pass(&self, jobs: Vec<Box<dyn Job>>, metrics: &Metrics) -> Vec<Box<dyn Job>> {
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
