//! `pawl doctor`: looks at an installation, changes nothing, and says what it found, the most
//! dangerous first.

mod database;
mod people;
mod places;
mod token_keys;

use clap::Args;
use serde::Serialize;

use super::{config, say};
use crate::config::Config;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Danger {
    /// Somebody could pass a guard, read a secret, or undo what was decided.
    Hole,
    /// Pawl does not start, or does not let people in.
    Down,
    /// It works, and will not for ever.
    Risk,
    /// Good to know.
    Note,
}

/// One thing that was found, and what to do about it.
#[derive(Debug, Serialize)]
struct Finding {
    danger: Danger,
    about: &'static str,
    says: String,
    next: String,
}

/// What was found until now.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        danger: Danger,
        about: &'static str,
        says: impl Into<String>,
        next: impl Into<String>,
    ) {
        self.0.push(Finding { danger, about, says: says.into(), next: next.into() });
    }

    fn count(&self, danger: Danger) -> usize {
        self.0.iter().filter(|finding| finding.danger == danger).count()
    }
}

/// How to look.
#[derive(Debug, Clone, Args)]
pub struct Doctor {
    /// Read the whole SQLite file too, for damage. It takes seconds for each gigabyte.
    #[arg(long)]
    deep: bool,
    /// Print the findings as a JSON array.
    #[arg(long)]
    json: bool,
}

/// Looks, prints, and fails if something is a hole or down.
pub(super) fn examine(doctor: &Doctor) -> Result<(), String> {
    let mut findings = Findings::default();
    match config() {
        Ok(config) => look(&config, doctor.deep, &mut findings),
        Err(faults) => {
            let next = "correct it, as `pawl config` says; nothing else was looked at";
            for fault in faults.lines().filter_map(|line| line.strip_prefix("  ")) {
                findings.add(Danger::Down, "settings", fault, next);
            }
        }
    }
    findings.0.sort_by_key(|finding| finding.danger);
    if doctor.json {
        say(&serde_json::to_string(&findings.0).map_err(|error| error.to_string())?)?;
    } else {
        print(&findings)?;
    }
    match findings.count(Danger::Hole) + findings.count(Danger::Down) {
        0 => Ok(()),
        1 => Err("one finding cannot wait".to_owned()),
        several => Err(format!("{several} findings cannot wait")),
    }
}

fn look(config: &Config, deep: bool, findings: &mut Findings) {
    places::settings(config, findings);
    if config.database_url.is_none() && !config.database().exists() {
        let place = config.database();
        findings.add(
            Danger::Down,
            "database",
            format!("there is none at {}", place.display()),
            "`pawl serve` makes one; if there should be one, set PAWL_DATA_DIR to the server's",
        );
        return;
    }
    let ring = places::files(config, findings);
    let database = database::examine(config, deep, findings);
    if let (Some(ring), Some(database)) = (ring, database) {
        people::examine(config, database, ring, findings);
    }
}

fn print(findings: &Findings) -> Result<(), String> {
    for Finding { danger, about, says, next } in &findings.0 {
        let word = format!("{danger:?}").to_uppercase();
        say(&format!("{word:<5} {about}: {says}\n      -> {next}"))?;
    }
    let [holes, down, risks, notes] = [Danger::Hole, Danger::Down, Danger::Risk, Danger::Note]
        .map(|danger| findings.count(danger));
    say(&format!("holes: {holes}, down: {down}, risks: {risks}, notes: {notes}"))
}
