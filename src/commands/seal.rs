//! Key-encryption keys: which one sealed what, and sealing again under the one that seals now.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Subcommand;

use super::housekeeping::leave_a_turn;
use super::{refused, say};
use crate::app::{Installation, StartError, entropy, explain, read_key};
use crate::clock::Clock;
use crate::config::Config;
use crate::operations::resealing::{
    Survey, batches_to_reseal, reseal_batch, reseal_installation, survey,
};
use crate::operations::{Failure, Pawl};
use crate::store::SealedIn;
use crate::store::seal::KeyId;

/// Key-encryption keys.
#[derive(Debug, Subcommand)]
pub(super) enum SealCommand {
    /// Count the sealed values of each key. Fails while any key but the one that seals is needed.
    Status,
    /// Seal again what other keys sealed, under the configured key. It may be interrupted, and run again.
    Reseal,
}

/// Between two lines about progress.
const REPORT: Duration = Duration::from_secs(1);

/// Damaged values after which something else must be wrong.
const MOST_DAMAGED: usize = 20;

pub(super) fn seal(config: &Config, command: &SealCommand) -> Result<(), String> {
    actix_web::rt::System::new().block_on(async {
        match command {
            SealCommand::Status => {
                // Nothing is opened: what a missing key sealed is to be counted too.
                let pawl = Installation::unopened(config).map_err(|error| explain(&error))?;
                status(config, &pawl).await
            }
            SealCommand::Reseal => {
                let opened = Installation::reopen(config, Clock::system()).await;
                reseal(&opened.map_err(|error| explain(&error))?.pawl).await
            }
        }
    })
}

async fn status(config: &Config, pawl: &Pawl) -> Result<(), String> {
    let files = key_files(config).map_err(|error| explain(&error))?;
    let survey = survey(pawl).await.map_err(refused)?;
    let count = |id| survey.counts.get(&id).copied().unwrap_or_default();
    for (number, (id, path)) in files.iter().enumerate() {
        let role = if number == 0 { "seals" } else { "opens" };
        let path = path.display();
        say(&format!("{id}  {role}        {}  {path}", words(count(Some(*id)))))?;
    }
    for (id, count) in &survey.counts {
        if id.is_none_or(|id| !survey.at_hand.contains(&id)) {
            let id = id.map_or("no key  ".to_owned(), |id| id.to_string());
            say(&format!("{id}  not at hand  {}", words(*count)))?;
        }
    }
    for (id, path) in files.iter().skip(1).filter(|(id, _)| count(Some(*id)).values() == 0) {
        let path = path.display();
        say(&format!(
            "the key {id} can be removed, unless it is to seal next: nothing is sealed under it ({path})"
        ))?;
    }
    judge(&survey)
}

/// The key files and whose they are, the one that seals first.
fn key_files(config: &Config) -> Result<Vec<(KeyId, PathBuf)>, StartError> {
    let mut files = Vec::new();
    for path in std::iter::once(&config.key_file).chain(&config.other_key_files) {
        files.extend(read_key(path)?.ids().map(|id| (id, path.clone())));
    }
    Ok(files)
}

fn words(count: SealedIn) -> String {
    let SealedIn { factors, signing_keys, installation } = count;
    format!("factors {factors}, token keys {signing_keys}, installation {installation}")
}

/// Done is what needs no key but the one that seals.
fn judge(survey: &Survey) -> Result<(), String> {
    refuse_missing(survey)?;
    match survey.left() {
        0 => Ok(()),
        left => {
            Err(format!("{left} values are sealed under keys that only open: `pawl seal reseal`"))
        }
    }
}

fn refuse_missing(survey: &Survey) -> Result<(), String> {
    if survey.missing().is_empty() {
        return Ok(());
    }
    let users = &survey.locked_out;
    let users =
        if users.is_empty() { String::new() } else { format!("\n  {}", users.join("\n  ")) };
    Err(format!(
        "no file at hand is the key {}: name its file in PAWL_OTHER_KEY_FILES; if it is lost for good, \
         reset whose factors it sealed (`pawl override reset`){users}",
        survey.missing().join(", ")
    ))
}

async fn reseal(pawl: &Pawl) -> Result<(), String> {
    let before = survey(pawl).await.map_err(refused)?;
    refuse_missing(&before)?;
    let to = before.at_hand.first().map(KeyId::to_string).unwrap_or_default();
    let mut work = Resealing { pawl, total: before.left(), done: 0, reported: Instant::now() };
    let own = loop {
        work.reseal_factors().await?;
        let own = reseal_installation(pawl, Clock::system().now(), random()?).await;
        if let Some(own) = own.map_err(refused)? {
            break own;
        }
    };
    say(&format!("{} values were sealed again, under the key {to}", work.done + own))?;
    judge(&survey(pawl).await.map_err(refused)?)
}

/// Sealing again while others write.
struct Resealing<'a> {
    pawl: &'a Pawl,
    /// How many values it was at the beginning.
    total: usize,
    done: usize,
    reported: Instant,
}

impl Resealing<'_> {
    /// Goes through all factors, again and again, until nothing is left.
    async fn reseal_factors(&mut self) -> Result<(), String> {
        loop {
            let before = self.done;
            let (found, damaged, failed) = self.pass().await?;
            if !damaged.is_empty() {
                return Err(damaged_words(&damaged));
            }
            match failed {
                Some(failure) if self.done == before => return Err(refused(failure)),
                None if !found => return Ok(()),
                _ => {}
            }
        }
    }

    /// Once through all factors: whether any was found, whose values are damaged, and the first failure.
    /// A batch that fails does not keep the others.
    async fn pass(&mut self) -> Result<(bool, BTreeSet<String>, Option<Failure>), String> {
        let (mut found, mut damaged, mut failed) = (false, BTreeSet::new(), None);
        let mut last = None;
        loop {
            let (batches, next) = batches_to_reseal(self.pawl, last).await.map_err(refused)?;
            for batch in batches {
                found = true;
                let begun = Instant::now();
                match reseal_batch(self.pawl, batch, Clock::system().now(), random()?).await {
                    Ok(resealed) => {
                        self.done += resealed.values;
                        damaged.extend(resealed.damaged);
                    }
                    Err(failure) => failed = failed.or(Some(failure)),
                }
                self.report()?;
                if damaged.len() > MOST_DAMAGED {
                    return Ok((found, damaged, failed));
                }
                leave_a_turn(begun).await;
            }
            match next {
                Some(row) => last = Some(row),
                None => return Ok((found, damaged, failed)),
            }
        }
    }

    fn report(&mut self) -> Result<(), String> {
        if self.reported.elapsed() < REPORT {
            return Ok(());
        }
        self.reported = Instant::now();
        say(&format!("{} of {}", self.done, self.total.max(self.done)))
    }
}

fn damaged_words(users: &BTreeSet<String>) -> String {
    let users: Vec<_> = users.iter().map(|user| format!("  {user}")).collect();
    format!(
        "damaged values were left as they are; find out who changed them, reset their users (`pawl \
         override reset`) and run this again:\n{}",
        users.join("\n")
    )
}

fn random() -> Result<crate::operations::Entropy, String> {
    entropy().map_err(|error| explain(&error))
}
