//! `pawl keys`: the token keys, looked at and moved by somebody at the server.

use clap::Subcommand;

use super::{refused, say};
use crate::app::{entropy, explain};
use crate::clock::Clock;
use crate::http::token_keys::new_token_key;
use crate::mfa::token_key::{Change, Kid, TokenKey};
use crate::mfa::words::Reason;
use crate::operations::Pawl;
use crate::operations::token_keys::{
    is_clock_apart, list_token_keys, revoke_token_key, rotate_token_key,
};

/// The token keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// List the keys: the kid, its state, and its times.
    List,
    /// Let the next key sign, sooner than the schedule does.
    Rotate {
        /// Even if consoles may not know the next key yet: each must fetch the key set again.
        #[arg(long)]
        now: bool,
    },
    /// Take a key out of the key set at once, and every token that it signed with it.
    Revoke {
        /// The key, as `pawl keys list` names it.
        // One kid in 64 begins with a hyphen, for a kid is Base64url (RFC 7638).
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Why: at least 15 characters, for the record.
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn keys(pawl: &Pawl, command: KeyCommand) -> Result<(), String> {
    match command {
        KeyCommand::List => {
            for key in list_token_keys(pawl).await.map_err(refused)? {
                say(&line(&key))?;
            }
            Ok(())
        }
        KeyCommand::Rotate { now } => rotate(pawl, now).await,
        KeyCommand::Revoke { kid, reason } => revoke(pawl, &kid, &reason).await,
    }
}

fn line(key: &TokenKey) -> String {
    let published = if key.is_published() { "published" } else { "-" };
    let times = [
        ("made", Some(key.created_at)),
        ("signs from", key.active_from),
        ("retiring from", key.retiring_from),
        ("ended", key.ended_at),
    ];
    let told = times.iter().filter_map(|(what, at)| at.map(|at| format!("{what} {at}")));
    let told: Vec<_> = told.collect();
    format!("{}  {:8}  {published:9}  {}", key.kid.as_str(), key.state.as_str(), told.join(", "))
}

async fn rotate(pawl: &Pawl, in_haste: bool) -> Result<(), String> {
    let clock = || Clock::system().now();
    if let Some(ahead) = is_clock_apart(pawl, clock).await.map_err(refused)? {
        let millis = ahead.as_millis();
        return Err(format!(
            "nothing rotated: the database's clock is {millis} ms ahead of this one; correct the clock"
        ));
    }
    let fresh = new_token_key().map_err(|error| error.to_string())?;
    let (now, entropy) = (Clock::system().now(), entropy().map_err(|error| explain(&error))?);
    let rotation = rotate_token_key(pawl, in_haste, fresh, now, entropy).await.map_err(refused)?;
    if let Some(from) = rotation.not_before {
        return Err(format!(
            "nothing rotated: every console knows the next key from {from} on; ask again then, or \
             rotate with --now"
        ));
    }
    say_changes(&rotation.changes)?;
    if rotation.is_hasty { say(HASTE) } else { Ok(()) }
}

const HASTE: &str = "Consoles may not know the key that signs now: for five minutes at the most, one that \
    does not fetch the key set again for an unknown kid refuses its tokens.";

async fn revoke(pawl: &Pawl, kid: &str, reason: &str) -> Result<(), String> {
    let none = || "there is no such key, or it is over; see `pawl keys list`".to_owned();
    let kid = Kid::parse(kid).map_err(|_| none())?;
    let reason = Reason::parse(reason).map_err(|error| format!("--reason {error}"))?;
    if !list_token_keys(pawl)
        .await
        .map_err(refused)?
        .iter()
        .any(|key| key.kid == kid && key.is_published())
    {
        return Err(none());
    }
    let fresh = new_token_key().map_err(|error| error.to_string())?;
    let (now, entropy) = (Clock::system().now(), entropy().map_err(|error| explain(&error))?);
    let changes = revoke_token_key(pawl, (kid, reason), fresh, now, entropy).await;
    say_changes(&changes.map_err(refused)?)?;
    say(
        "Servers take it out of the key set within a second, but one that cannot reach the database goes \
         on for fifteen minutes: stop any that is not ready. A console that keeps the set believes it \
         for five minutes longer: restart it, or make it fetch the set again.",
    )
}

fn say_changes(changes: &[Change]) -> Result<(), String> {
    for change in changes {
        match change {
            Change::Publish => say("a new key is published as the next")?,
            Change::Begin => say("a new key signs")?,
            Change::Activate(kid) => say(&format!("{} signs", kid.as_str()))?,
            Change::Retire(kid) => say(&format!("{} retires", kid.as_str()))?,
            Change::End(kid) => say(&format!("{} is gone", kid.as_str()))?,
            Change::Revoke(kid) => say(&format!("{} is revoked", kid.as_str()))?,
        }
    }
    Ok(())
}
