//! What `/metrics` shows: docs/metrics.md lists it.
//!
//! Recording is atomics and a look into a table that is never locked for longer than it takes to add a
//! series: no IO, and no allocation but for a series' first time. Labels come from closed sets: no
//! tenant, user or client, and nothing that a caller sent.

mod histogram;
mod occurrence;
mod reading;
mod tally;

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use histogram::Histogram;
pub use occurrence::{CodeKind, Occurrence, Outcome};
use reading::Readings;
pub use reading::{DatabaseReading, KeysInState, OpenOverrides, ProcessReading, Reading};
use tally::Tally;

use crate::mfa::event::EventKind;
use crate::mfa::time::Timestamp;

/// The form of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Of durations, in seconds. A caller waits for the database for 8 seconds at the most.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Of requests in one transaction.
const REQUESTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
/// How far from the present step a code may be.
const OFFSETS: &[(i64, &str)] = &[(-1, "-1"), (0, "0"), (1, "1")];

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With what it wrote; a read with an answer.
    Committed,
    /// A request in it said no, or failed, after it had begun to write; a read without an answer.
    RolledBack,
    /// As `RolledBack`, and each of its requests is run again.
    Retried,
    /// The database could not begin or commit it.
    Failed,
}

/// Why a request for a transaction was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The queue is full.
    QueueFull,
    /// It waited as long as a caller may.
    Deadline,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    operation: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCode {
    code: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTransaction {
    transaction: &'static str,
    outcome: &'static str,
}

/// One label, by name and value.
type One = [(&'static str, &'static str); 1];

/// Makes a histogram of durations for each series.
#[derive(Debug, Clone)]
struct InSeconds;

impl MetricConstructor<Histogram> for InSeconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SECONDS)
    }
}

/// Everything that one server counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<OfRequest, Counter>,
    request_seconds: Family<One, Histogram, InSeconds>,
    probes: Family<One, Counter>,
    attempts: Family<OfCode, Counter>,
    offsets: Family<One, Counter>,
    events: Family<One, Counter>,
    transactions: Family<OfTransaction, Counter>,
    transaction_seconds: Family<One, Histogram, InSeconds>,
    slice_requests: Histogram,
    queue_seconds: Histogram,
    queued: Gauge,
    refusals: Family<One, Counter>,
    readings: Arc<Readings>,
    /// For tests.
    pub tally: Tally,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(std::iter::empty())
    }
}

impl Metrics {
    /// Of a server that answers these operations.
    pub fn new(operations: impl Iterator<Item = &'static str>) -> Self {
        let mut registry = Registry::default();
        let all = &mut registry;
        let metrics = Self {
            requests: add(all, "pawl_http_requests", "Requests answered", Family::default()),
            request_seconds: add(
                all,
                "pawl_http_request_duration_seconds",
                "How long requests took",
                Family::new_with_constructor(InSeconds),
            ),
            probes: add(all, "pawl_readiness_probes", "Answers of /readyz", Family::default()),
            attempts: add(all, "pawl_code_attempts", "Codes asked about", Family::default()),
            offsets: add(
                all,
                "pawl_code_offsets",
                "Right codes by how many steps they were from the present one",
                Family::default(),
            ),
            events: add(all, "pawl_events", "Events written", Family::default()),
            transactions: add(all, "pawl_transactions", "Transactions", Family::default()),
            transaction_seconds: add(
                all,
                "pawl_transaction_duration_seconds",
                "How long transactions took",
                Family::new_with_constructor(InSeconds),
            ),
            slice_requests: add(
                all,
                "pawl_slice_requests",
                "Requests that share a write transaction",
                Histogram::new(REQUESTS),
            ),
            queue_seconds: add(
                all,
                "pawl_queue_wait_seconds",
                "How long writes wait for a lane",
                Histogram::new(SECONDS),
            ),
            queued: add(all, "pawl_queue_requests", "Writes that wait", Gauge::default()),
            refusals: add(
                all,
                "pawl_queue_refusals",
                "Requests that no transaction took in time",
                Family::default(),
            ),
            readings: Arc::default(),
            tally: Tally::default(),
            registry: Registry::default(),
        };
        let version: One = [("version", env!("CARGO_PKG_VERSION"))];
        let build = Family::<One, Gauge>::default();
        build.get_or_create(&version).set(1);
        add(all, "pawl_build_info", "The version that runs", build);
        registry.register_collector(Box::new(Arc::clone(&metrics.readings)));
        metrics.begin(operations);
        Self { registry, ..metrics }
    }

    /// Zero is a number: without it the first of a kind could not be seen as a rise.
    fn begin(&self, operations: impl Iterator<Item = &'static str>) {
        for operation in operations {
            drop(self.requests.get_or_create(&OfRequest { operation, status: 503 }));
        }
        for kind in EventKind::ALL {
            drop(self.events.get_or_create(&[("kind", kind.as_str())]));
        }
        for code in [CodeKind::Totp, CodeKind::Recovery] {
            for outcome in code.outcomes() {
                drop(self.attempts.get_or_create(&of_code(code, *outcome)));
            }
        }
        for (_, steps) in OFFSETS {
            drop(self.offsets.get_or_create(&[("steps", steps)]));
        }
        for reason in [Refused::QueueFull, Refused::Deadline] {
            drop(self.refusals.get_or_create(&of_refusal(reason)));
        }
        for is_ready in [true, false] {
            drop(self.probes.get_or_create(&of_probe(is_ready)));
        }
    }

    /// A request was answered.
    pub fn request(&self, operation: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&OfRequest { operation, status }).inc();
        let series = self.request_seconds.get_or_create(&[("operation", operation)]);
        series.observe(took.as_secs_f64());
    }

    /// Somebody asked whether the server can answer.
    pub fn probe(&self, is_ready: bool) {
        self.probes.get_or_create(&of_probe(is_ready)).inc();
    }

    /// A transaction was committed.
    pub fn committed(&self, occurrences: &[Occurrence]) {
        for occurrence in occurrences {
            let counter = match occurrence {
                Occurrence::Event(kind) => self.events.get_or_create(&[("kind", kind.as_str())]),
                Occurrence::Attempt(code, outcome) => {
                    self.attempts.get_or_create(&of_code(*code, *outcome))
                }
                Occurrence::Offset(steps) => {
                    let known = OFFSETS.iter().find(|(known, _)| known == steps);
                    let steps = known.map_or("other", |(_, text)| *text);
                    self.offsets.get_or_create(&[("steps", steps)])
                }
            };
            counter.inc();
        }
    }

    /// A transaction ended that began then.
    pub fn transaction(&self, transaction: &'static str, ended: Ended, began: Instant) {
        let outcome = match ended {
            Ended::Committed => "committed",
            Ended::RolledBack => "rolled_back",
            Ended::Retried => "retried",
            Ended::Failed => "failed",
        };
        self.transactions.get_or_create(&OfTransaction { transaction, outcome }).inc();
        let series = self.transaction_seconds.get_or_create(&[("transaction", transaction)]);
        series.observe(began.elapsed().as_secs_f64());
    }

    /// So many requests begin a write transaction together.
    pub fn slice(&self, requests: usize) {
        self.slice_requests.observe(u32::try_from(requests).map_or(f64::INFINITY, f64::from));
    }

    /// A write waits for a lane.
    pub fn queue(&self) {
        self.queued.inc();
    }

    /// A lane took a write that waited for so long.
    pub fn take(&self, waited: Duration) {
        self.queued.dec();
        self.queue_seconds.observe(waited.as_secs_f64());
    }

    /// A write was not queued after all, or nobody waits for a transaction any more.
    pub fn refuse(&self, reason: Refused) {
        if reason == Refused::QueueFull {
            self.queued.dec();
        }
        self.refusals.get_or_create(&of_refusal(reason)).inc();
    }

    /// What was read a moment ago, until the next reading.
    pub fn read(&self, reading: Reading) {
        self.readings.put(reading, Instant::now());
    }

    /// All of it, in the text form of Prometheus.
    ///
    /// # Errors
    /// None of a `String`'s.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn add<M: Metric + TypedMetric + Clone>(
    registry: &mut Registry,
    name: &str,
    about: &str,
    metric: M,
) -> M {
    registry.register(name, about, metric.clone());
    metric
}

const fn of_code(code: CodeKind, outcome: Outcome) -> OfCode {
    OfCode { code: code.as_str(), outcome: outcome.as_str() }
}

const fn of_refusal(reason: Refused) -> One {
    match reason {
        Refused::QueueFull => [("reason", "queue_full")],
        Refused::Deadline => [("reason", "deadline")],
    }
}

const fn of_probe(is_ready: bool) -> One {
    [("outcome", if is_ready { "ready" } else { "not_ready" })]
}

/// Since 1970.
fn seconds(at: Timestamp) -> f64 {
    Duration::from_millis(at.millis().unsigned_abs()).as_secs_f64()
}
