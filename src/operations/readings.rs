//! What `/metrics` shows of the database, read beside the requests.

use super::{Done, Pawl};
use crate::mfa::time::Timestamp;
use crate::mfa::token_key::KeyState;
use crate::store::{StoreError, Tx};
use crate::telemetry::metrics::{DatabaseReading, KeysInState};

/// The states of a token key that is published.
const STATES: [KeyState; 3] = [KeyState::Next, KeyState::Active, KeyState::Retiring];

/// Reads the database's numbers. Two clocks are compared, so `tell` is asked where the other is read.
///
/// # Errors
/// The database's.
pub async fn read_database(
    pawl: &Pawl,
    tell: impl Fn() -> Timestamp + Send + 'static,
) -> Done<DatabaseReading> {
    pawl.store
        .read("read_database", move |tx| -> Done<DatabaseReading> {
            let (clock_difference, at) = (tx.clock_difference(&tell)?, tell());
            Ok(DatabaseReading {
                at,
                clock_difference,
                blocked_users: tx.count_blocked(at)?,
                overrides: tx.count_overrides(at)?,
                break_glass_overrides: tx.count_break_glass()?,
                token_keys: token_keys(tx)?,
                overdue: tx.overdue(at)?,
            })
        })
        .await
}

fn token_keys(tx: &mut Tx<'_>) -> Result<Vec<KeysInState>, StoreError> {
    let rows = tx.list_signing_keys()?;
    Ok(STATES
        .iter()
        .map(|state| {
            let of_state = || rows.iter().filter(|row| row.state == *state);
            let since = of_state().map(|row| match state {
                KeyState::Active => row.active_from.unwrap_or(row.created_at),
                KeyState::Retiring => row.retiring_from.unwrap_or(row.created_at),
                KeyState::Next | KeyState::Gone | KeyState::Revoked => row.created_at,
            });
            let count = u64::try_from(of_state().count()).unwrap_or(u64::MAX);
            KeysInState { state: state.as_str(), count, since: since.max() }
        })
        .collect())
}
