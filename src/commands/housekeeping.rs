//! Housekeeping beside the server. Every replica does it: there is no leader to elect, and nothing to
//! agree on.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::{StartError, entropy, explain};
use crate::clock::Clock;
use crate::http::token_keys::new_token_key;
use crate::mfa::ids::TenantId;
use crate::mfa::time::Span;
use crate::operations::retention::purge_all;
use crate::operations::token_keys::{are_keys_due, is_clock_apart, keep_token_keys};
use crate::operations::{Pawl, Purged};

/// Between two rounds, and how much longer it may be by chance: replicas that started together do not
/// stay together.
const PAUSE: Duration = Duration::from_mins(1);
const CHANCE_MILLIS: u64 = 30_000;
/// After a batch the callers have the writer for so many times as long as the batch took.
const TURNS: u32 = 4;
/// And for so long at least.
const TURN: Duration = Duration::from_millis(10);

/// The task that purges until it is ended.
pub(super) struct Housekeeping {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Housekeeping {
    /// Begins with a first round at once.
    pub(super) fn begin(pawl: Pawl, clock: Clock, token_key_life: Span) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            tokio::select! { _ = &mut stopped => {}, () = keep_house(&pawl, &clock, token_key_life) => {} }
        });
        Self { stop, task }
    }

    /// Ends it. A batch that has begun is committed or not, as a whole.
    pub(super) async fn end(self) {
        // An error here says that the task is over already.
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "housekeeping ended by itself");
        }
    }
}

/// The two duties do not wait for each other: a purge of many tenants may take hours.
async fn keep_house(pawl: &Pawl, clock: &Clock, token_key_life: Span) {
    tokio::join!(keep_keys(pawl, clock, token_key_life), purge(pawl, clock));
}

async fn keep_keys(pawl: &Pawl, clock: &Clock, life: Span) {
    let chance = RandomState::new();
    for round in 0_u64.. {
        if let Err(error) = move_keys(pawl, clock, life).await {
            let cause = explain(&error);
            tracing::warn!(cause, "the token keys could not be kept; it is tried again");
        }
        pause(&chance, round).await;
    }
}

async fn purge(pawl: &Pawl, clock: &Clock) {
    let chance = RandomState::new();
    for round in 0_u64.. {
        let mut purged = Purged::default();
        let tell = |tenant: TenantId, done| match done {
            Ok(batch) => purged += batch,
            Err(failure) => {
                let (tenant, cause) = (tenant.as_str(), explain(&StartError::from(failure)));
                tracing::warn!(tenant, cause, "a tenant could not be purged; it is tried again");
            }
        };
        let done: Result<(), StartError> =
            purge_all(pawl, || clock.now(), entropy, tell, leave_a_turn).await;
        if purged.rows() > 0 {
            let Purged { challenges, enrollments, factors, tickets, .. } = purged;
            let tokens = purged.issued_tokens + purged.client_tokens;
            tracing::info!(challenges, enrollments, factors, tickets, tokens, "purged");
        }
        if let Err(error) = done {
            let cause = explain(&error);
            tracing::warn!(cause, "what is due could not be purged; it is tried again");
        }
        pause(&chance, round).await;
    }
}

async fn pause(chance: &RandomState, round: u64) {
    let more = Duration::from_millis(chance.hash_one(round) % CHANCE_MILLIS);
    tokio::time::sleep(PAUSE + more).await;
}

/// Moves the token keys on, if that is due. A new key is drawn only then.
async fn move_keys(pawl: &Pawl, clock: &Clock, life: Span) -> Result<(), StartError> {
    if are_keys_due(pawl, life, clock.now()).await? {
        let told = clock.clone();
        if let Some(ahead) = is_clock_apart(pawl, move || told.now()).await? {
            let seconds = ahead.as_millis() / 1000;
            tracing::error!(
                seconds,
                "the database's clock is ahead by so much: no token key is moved here until the clocks agree"
            );
            return Ok(());
        }
        let fresh = new_token_key()?;
        let changes = keep_token_keys(pawl, life, fresh, clock.now(), entropy()?).await?;
        tracing::info!(?changes, "token keys");
    }
    Ok(())
}

/// Leaves the writer to the callers after a batch.
pub(super) async fn leave_a_turn(begun: Instant) {
    tokio::time::sleep(TURN.max(begun.elapsed() * TURNS)).await;
}
