//! The database: reached, in its schema, guarded, durable, and of the same time.

use super::{Danger, Findings};
use crate::app::{database_of, explain};
use crate::clock::Clock;
use crate::config::Config;
use crate::mfa::time::Timestamp;
use crate::store::{Condition, Database, StoreError, check_schema, condition};

/// Milliseconds that two clocks may differ by before it is worth a word, and before logins fail.
const NOTICED: i64 = 2_000;
const WRONG: i64 = 30_000;

/// Looks at the database; answers it if it can be read further.
pub(super) fn examine(config: &Config, deep: bool, findings: &mut Findings) -> Option<Database> {
    let database = match database_of(config) {
        Ok(database) => database,
        Err(error) => {
            let next = "correct the variable or the file that it names";
            findings.add(Danger::Down, "database", explain(&error), next);
            return None;
        }
    };
    let state = match condition(&database, deep) {
        Ok(state) => state,
        Err(error) => {
            unreachable(error, findings);
            return None;
        }
    };
    durability(&state, findings);
    clock(&state, Clock::system().now(), findings);
    match check_schema(&database) {
        Ok(()) => Some(database),
        Err(error) => {
            schema(error, findings);
            None
        }
    }
}

fn unreachable(error: StoreError, findings: &mut Findings) {
    let missing = matches!(error, StoreError::Missing(_));
    let next = if missing {
        "`pawl serve` makes one; if there should be one, set PAWL_DATA_DIR to it"
    } else {
        "look at the address, the network, the role and its password, and the server's own log"
    };
    findings.add(Danger::Down, "database", explain(&error.into()), next);
}

fn schema(error: StoreError, findings: &mut Findings) {
    let is_other = matches!(error, StoreError::Schema(_));
    let danger = if is_other { Danger::Hole } else { Danger::Down };
    findings.add(
        danger,
        "schema",
        explain(&error.into()),
        "as it says; until then no server starts, and nothing further was looked at",
    );
}

/// What the database promises about a commit, and whether what it holds is whole.
fn durability(state: &Condition, findings: &mut Findings) {
    let about = "database";
    let is = |name: &str, value: &str| state.get(name).is_some_and(|found| found == value);
    if is("fsync", "off") || is("synchronous_commit", "off") {
        findings.add(
            Danger::Hole,
            about,
            "a crash can undo commits that were answered: fsync or synchronous_commit is off",
            "switch both on: a spent code must stay spent",
        );
    }
    if is("full_page_writes", "off") {
        findings.add(
            Danger::Risk,
            about,
            "full_page_writes is off: a crash can damage pages",
            "switch it on, unless the file system never tears a page",
        );
    }
    if is("recovery", "true") {
        findings.add(
            Danger::Down,
            about,
            "this PostgreSQL is a standby and takes no writes",
            "let PAWL_DATABASE_URL name the primary, perhaps with target_session_attrs=read-write",
        );
    }
    if let Some(readers) = state.get("readers") {
        findings.add(
            Danger::Risk,
            about,
            format!("other roles may read the tables: {readers}"),
            "REVOKE it, unless you know why: they hold people's names, hashes and sealed secrets",
        );
    }
    if is("encrypted", "false") {
        findings.add(
            Danger::Note,
            about,
            "the connection to PostgreSQL is not encrypted",
            "it stays on this machine; over a network Pawl refuses that",
        );
    }
    let version = state.get("server_version_num").and_then(|text| text.parse::<u32>().ok());
    if let Some(version) = version.filter(|version| *version < 140_000) {
        findings.add(
            Danger::Risk,
            about,
            format!("PostgreSQL {} is older than what Pawl is tested on", version / 10_000),
            "upgrade it to 14 or later",
        );
    }
    if state.get("journal_mode").is_some_and(|mode| mode != "wal") {
        findings.add(
            Danger::Risk,
            about,
            "the SQLite file keeps no write-ahead log here: readers and the writer block each other",
            "put the data directory on a local disk, not on a network share",
        );
    }
    for check in ["quick_check", "foreign_key_check"] {
        if let Some(fault) = state.get(check).filter(|found| *found != "ok") {
            findings.add(
                Danger::Hole,
                about,
                format!("the SQLite file is damaged: {check} says {fault}"),
                "stop the server, keep the file, and restore a backup",
            );
        }
    }
}

fn clock(state: &Condition, now: Timestamp, findings: &mut Findings) {
    let told = state.get("clock").and_then(|text| text.parse::<i64>().ok());
    let Some(ahead) = told.map(|database| now.millis() - database) else { return };
    if ahead.abs() > NOTICED {
        let danger = if ahead.abs() > WRONG { Danger::Down } else { Danger::Risk };
        let which = if ahead > 0 { "ahead of" } else { "behind" };
        let seconds = ahead.abs() / 1000;
        findings.add(
            danger,
            "clock",
            format!("this machine's clock is {seconds} s {which} PostgreSQL's"),
            "run NTP on both: codes and tokens are time",
        );
    }
}
