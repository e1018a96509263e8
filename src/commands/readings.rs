//! Reads what `/metrics` shows but a scrape does not read: the database's numbers and the process's own.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use tokio::task::AbortHandle;

use crate::app::{StartError, explain};
use crate::clock::Clock;
use crate::config::Config;
use crate::mfa::time::Timestamp;
use crate::operations::Pawl;
use crate::operations::readings::read_database;
use crate::telemetry::metrics::{ProcessReading, Reading};

/// Between two readings. `/metrics` shows one for two minutes.
const PAUSE: Duration = Duration::from_secs(20);

/// Begins to read, at once and then at a slow pace, until it is aborted.
pub(super) fn begin(config: &Config, pawl: Pawl, clock: Clock) -> AbortHandle {
    let process = Process::new(config, clock.now());
    let task = tokio::spawn(async move {
        loop {
            let tell = clock.clone();
            match read_database(&pawl, move || tell.now()).await {
                Ok(database) => pawl.metrics.read(Reading { database, process: process.read() }),
                Err(failure) => {
                    let cause = explain(&StartError::from(failure));
                    tracing::warn!(cause, "the database's numbers could not be read");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    task.abort_handle()
}

/// What does not change while the process runs.
struct Process {
    key_file: PathBuf,
    known: ProcessReading,
}

impl Process {
    fn new(config: &Config, started: Timestamp) -> Self {
        let other_key_files = u64::try_from(config.other_key_files.len()).unwrap_or(u64::MAX);
        let life = config.token_key_life().as_seconds_up().unsigned_abs();
        let known = ProcessReading {
            started: Some(started),
            other_key_files,
            token_key_life: Some(life),
            ..ProcessReading::default()
        };
        Self { key_file: config.key_file.clone(), known }
    }

    fn read(&self) -> ProcessReading {
        let written = fs::metadata(&self.key_file).and_then(|file| file.modified()).ok();
        let since = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let millis = since.and_then(|since| i64::try_from(since.as_millis()).ok());
        let key_file = millis.map(Timestamp::from_millis);
        ProcessReading { key_file, memory: memory(), ..self.known }
    }
}

/// What Linux says that this process has in memory, in bytes.
fn memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes.saturating_mul(1024))
}
