//! What somebody must go and read: the database's counts, and what the process takes. A scrape shows
//! what was read last, and says when that was; nothing, if it is too old to be believed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};

use super::{One, seconds};
use crate::mfa::overrides::{OverrideKind, OverrideState};
use crate::mfa::time::{Span, Timestamp};

/// A reading is made several times in this span. Unknown is not "no": afterwards its numbers are gone.
const KEPT: Duration = Duration::from_mins(2);

/// What was read together.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Of the database.
    pub database: DatabaseReading,
    /// Of the process.
    pub process: ProcessReading,
}

/// What the database said.
#[derive(Debug, Clone)]
pub struct DatabaseReading {
    /// When, by this process's clock.
    pub at: Timestamp,
    /// Users whom failures in a row block now.
    pub blocked_users: u64,
    /// Overrides that wait or are in force.
    pub overrides: Vec<OpenOverrides>,
    /// Overrides that were ever made at the server's command line.
    pub break_glass_overrides: u64,
    /// The published token keys.
    pub token_keys: Vec<KeysInState>,
    /// For how long the oldest row of all tenants is past its keeping; zero if none is.
    pub overdue: Span,
    /// How far the database's clock is ahead, in milliseconds: PostgreSQL's own; with SQLite how far
    /// the newest event is ahead, zero if it is not.
    pub clock_difference: i64,
}

/// What the process knows of itself and its files.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessReading {
    /// When it started.
    pub started: Option<Timestamp>,
    /// When the key-encryption key's file was written.
    pub key_file: Option<Timestamp>,
    /// How many files of other key-encryption keys there are.
    pub other_key_files: u64,
    /// How long a token key is to sign, in seconds.
    pub token_key_life: Option<u64>,
    /// Memory that the process has, in bytes.
    pub memory: Option<u64>,
}

/// How many overrides of a kind are in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOverrides {
    /// What they weaken.
    pub kind: OverrideKind,
    /// Requested or approved.
    pub state: OverrideState,
    /// How many.
    pub count: u64,
}

/// The token keys in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysInState {
    /// Which.
    pub state: &'static str,
    /// How many.
    pub count: u64,
    /// When the newest came into it.
    pub since: Option<Timestamp>,
}

/// The last reading.
#[derive(Debug, Default)]
pub(super) struct Readings(Mutex<Option<(Reading, Instant)>>);

impl Readings {
    pub(super) fn put(&self, reading: Reading, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((reading, at));
    }
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((reading, read)) = last else { return Ok(()) };
        let mut shown = Shown(&mut encoder);
        let at = ConstGauge::new(seconds(reading.database.at));
        shown.one("pawl_reading_timestamp_seconds", "When the readings were made", &at)?;
        if read.elapsed() >= KEPT {
            return Ok(());
        }
        reading.database.encode(&mut shown)?;
        reading.process.encode(&mut shown)
    }
}

impl DatabaseReading {
    fn encode(&self, shown: &mut Shown<'_, '_>) -> Result<(), std::fmt::Error> {
        let blocked = gauge(self.blocked_users);
        shown.one("pawl_users_blocked", "Users whom failures in a row block", &blocked)?;
        let open = Family::<[(&'static str, &'static str); 2], Gauge>::default();
        for overrides in &self.overrides {
            let labels = [("kind", overrides.kind.as_str()), ("state", overrides.state.as_str())];
            open.get_or_create(&labels).set(signed(overrides.count));
        }
        shown.one("pawl_overrides_open", "Overrides that wait or are in force", &open)?;
        let broken = ConstCounter::new(self.break_glass_overrides);
        let about = "Overrides made at the server's command line";
        shown.one("pawl_break_glass_overrides", about, &broken)?;
        self.encode_keys(shown)?;
        let overdue = self.overdue.as_millis().unsigned_abs() / 1000;
        let about = "For how long the oldest row is past its keeping";
        shown.one("pawl_retention_overdue_seconds", about, &gauge(overdue))?;
        let ahead = Duration::from_millis(self.clock_difference.unsigned_abs()).as_secs_f64();
        let ahead = ConstGauge::new(if self.clock_difference < 0 { -ahead } else { ahead });
        let about = "How far the database's clock is ahead of the server's";
        shown.one("pawl_clock_difference_seconds", about, &ahead)
    }

    fn encode_keys(&self, shown: &mut Shown<'_, '_>) -> Result<(), std::fmt::Error> {
        let keys = Family::<One, Gauge>::default();
        let since = Family::<One, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
        for in_state in &self.token_keys {
            keys.get_or_create(&[("state", in_state.state)]).set(signed(in_state.count));
            if let Some(at) = in_state.since {
                since.get_or_create(&[("state", in_state.state)]).set(seconds(at));
            }
        }
        shown.one("pawl_token_keys", "Published token keys", &keys)?;
        let about = "Since when the newest token key is in its state";
        shown.one("pawl_token_key_timestamp_seconds", about, &since)
    }
}

impl ProcessReading {
    fn encode(&self, shown: &mut Shown<'_, '_>) -> Result<(), std::fmt::Error> {
        if let Some(at) = self.started {
            let at = ConstGauge::new(seconds(at));
            shown.one("process_start_time_seconds", "When the process started", &at)?;
        }
        let other = gauge(self.other_key_files);
        shown.one("pawl_other_key_files", "Files of other key-encryption keys", &other)?;
        if let Some(life) = self.token_key_life {
            let about = "How long a token key is to sign";
            shown.one("pawl_token_key_life_seconds", about, &gauge(life))?;
        }
        if let Some(at) = self.key_file {
            let at = ConstGauge::new(seconds(at));
            shown.one("pawl_key_file_timestamp_seconds", "When the key file was written", &at)?;
        }
        let Some(memory) = self.memory else { return Ok(()) };
        shown.one("process_resident_memory_bytes", "Memory of the process", &gauge(memory))
    }
}

/// Where the numbers go.
struct Shown<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Shown<'_, '_> {
    fn one(
        &mut self,
        name: &str,
        about: &str,
        metric: &impl EncodeMetric,
    ) -> Result<(), std::fmt::Error> {
        let kind = metric.metric_type();
        metric.encode(self.0.encode_descriptor(name, about, None, kind)?)
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn gauge(count: u64) -> ConstGauge<i64> {
    ConstGauge::new(signed(count))
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn reading(clock_difference: i64) -> Reading {
        let token_keys = vec![KeysInState { state: "next", count: 0, since: None }];
        let (at, overrides) = (Timestamp::from_seconds(1000), Vec::new());
        let (blocked_users, break_glass_overrides) = (3, 0);
        let database = DatabaseReading {
            at,
            blocked_users,
            overrides,
            break_glass_overrides,
            token_keys,
            overdue: Span::hours(2),
            clock_difference,
        };
        Reading { database, process: ProcessReading::default() }
    }

    fn shown(last: Option<(Reading, Instant)>) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(Readings(Mutex::new(last))));
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn what_was_never_read_is_not_zero() {
        assert_eq!(shown(None), "");
        let text = shown(Some((reading(0), Instant::now())));
        assert!(text.contains("pawl_users_blocked 3\n"), "{text}");
        assert!(text.contains("pawl_retention_overdue_seconds 7200\n"), "{text}");
        assert!(!text.contains("pawl_token_key_timestamp_seconds{"), "{text}");
        assert!(!text.contains("process_resident_memory_bytes"), "{text}");
    }

    #[test]
    fn an_old_reading_shows_its_age_and_nothing_else() {
        let old = Instant::now().checked_sub(KEPT).unwrap();
        let text = shown(Some((reading(0), old)));
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines, ["pawl_reading_timestamp_seconds 1000.0"]);
    }

    #[test]
    fn a_clock_that_is_behind_is_less_than_zero() {
        let text = shown(Some((reading(-1500), Instant::now())));
        assert!(text.contains("pawl_clock_difference_seconds -1.5\n"), "{text}");
    }
}
