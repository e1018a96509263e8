//! Token keys: read by every server, moved by housekeeping and by commands.
//!
//! Any server may do it. Whoever writes holds the system tenant's lock and looks again, so two at once
//! do it once. [`crate::mfa::token_key`] says what is due, and why no token fails.

use serde_json::json;

use super::call::{Note, Work};
use super::keys::system_tenant;
use super::{Done, Entropy, Pawl};
use crate::mfa::event::{EventKind, RecordedEvent};
use crate::mfa::refusal::Refusal;
use crate::mfa::time::{Span, Timestamp};
use crate::mfa::token_key::{
    APART, Change, KeyState, Kid, Rotation, TokenKey, due, revoke, rotate,
};
use crate::mfa::words::Reason;
use crate::store::rows::SigningKeyRow;
use crate::store::{StoreError, Tx};

/// A published token key as the database gives it back.
pub struct StoredKey {
    /// The public JWK.
    pub public_jwk: String,
    /// The PKCS #8 secret.
    pub secret: zeroize::Zeroizing<Vec<u8>>,
}

/// A new token key.
#[derive(Clone)]
pub struct NewKey {
    /// RFC 7638 thumbprint.
    pub kid: Kid,
    /// The public JWK.
    pub public_jwk: String,
    /// The PKCS #8 secret.
    pub secret: zeroize::Zeroizing<Vec<u8>>,
}

/// The published token keys, oldest first.
///
/// # Errors
/// If the database cannot be read, or a key cannot be opened.
pub async fn published_keys(pawl: &Pawl) -> Done<Vec<StoredKey>> {
    pawl.store
        .check("published_keys", |tx| -> Done<_> {
            let rows = tx.list_signing_keys()?;
            let open = |row: SigningKeyRow| -> Done<StoredKey> {
                let secret = tx.open_signing_key(&row)?;
                Ok(StoredKey { public_jwk: row.public_jwk, secret })
            };
            rows.into_iter().map(open).collect()
        })
        .await
}

/// Every token key there ever was, oldest first.
///
/// # Errors
/// Only the database's.
pub async fn list_token_keys(pawl: &Pawl) -> Done<Vec<TokenKey>> {
    pawl.store
        .read("list_token_keys", |tx| -> Done<_> {
            Ok(tx.every_signing_key()?.iter().map(life).collect())
        })
        .await
}

/// Whether the schedule asks for a change; `every` is how long a key signs.
///
/// # Errors
/// Only the database's.
pub async fn are_keys_due(pawl: &Pawl, every: Span, now: Timestamp) -> Done<bool> {
    pawl.store
        .read("are_keys_due", move |tx| -> Done<_> {
            Ok(!due(&lives(&tx.list_signing_keys()?), every, now).is_empty())
        })
        .await
}

/// By how much the database's clock is ahead, if that is more, either way, than a clock may differ by
/// that moves token keys: a time that it writes would shorten their schedule.
///
/// # Errors
/// Only the database's.
pub async fn is_clock_apart(
    pawl: &Pawl,
    tell: impl Fn() -> Timestamp + Send + 'static,
) -> Done<Option<Span>> {
    let differs = move |tx: &mut Tx<'_>| -> Done<_> { Ok(tx.clock_difference(&tell)?) };
    let ahead = pawl.store.read("is_clock_apart", differs).await?;
    let is_apart = ahead.saturating_abs() > APART.as_millis();
    Ok(is_apart.then_some(Span::millis(ahead)))
}

/// Does what the schedule asks for, if it is still due; answers what was done.
///
/// # Errors
/// Only the database's.
pub async fn keep_token_keys(
    pawl: &Pawl,
    every: Span,
    fresh: NewKey,
    now: Timestamp,
    entropy: Entropy,
) -> Done<Vec<Change>> {
    let by = move |keys: &[TokenKey]| Ok((due(keys, every, now), json!({})));
    change(pawl, "keep_token_keys", by, fresh, (now, entropy)).await
}

/// Rotates before it is due: at once if every console knows the next key, or in haste.
///
/// # Errors
/// Only the database's.
pub async fn rotate_token_key(
    pawl: &Pawl,
    in_haste: bool,
    fresh: NewKey,
    now: Timestamp,
    entropy: Entropy,
) -> Done<Rotation> {
    let by = move |keys: &[TokenKey]| {
        let rotation = rotate(keys, in_haste, now);
        let data = json!({ "by": "command", "in_haste": rotation.is_hasty });
        Ok((rotation, data))
    };
    change(pawl, "rotate_token_key", by, fresh, (now, entropy)).await
}

/// Takes a key out of the key set at once, with every token that it signed; answers what was done.
///
/// # Errors
/// `not-found` if there is no such key, or it is over.
pub async fn revoke_token_key(
    pawl: &Pawl,
    (kid, reason): (Kid, Reason),
    fresh: NewKey,
    now: Timestamp,
    entropy: Entropy,
) -> Done<Vec<Change>> {
    let by = move |keys: &[TokenKey]| {
        let changes = revoke(keys, &kid).ok_or(Refusal::NotFound)?;
        Ok((changes, json!({ "reason": reason })))
    };
    change(pawl, "revoke_token_key", by, fresh, (now, entropy)).await
}

/// Decides under the lock, and does it: each change with an event of its own.
async fn change<T: AsRef<[Change]> + Send + 'static>(
    pawl: &Pawl,
    name: &'static str,
    decide: impl Fn(&[TokenKey]) -> Done<(T, serde_json::Value)> + Send + 'static,
    fresh: NewKey,
    (now, entropy): (Timestamp, Entropy),
) -> Done<T> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write(name, move |tx| -> Done<T> {
            let mut work = Work::of_server(tx, system_tenant(), &base, now, &entropy)?;
            let rows = work.tx.list_signing_keys()?;
            let (decided, data) = decide(&lives(&rows))?;
            for change in decided.as_ref() {
                apply(&mut work, &rows, change, &fresh, &data)?;
            }
            Ok(decided)
        })
        .await?;
    Ok(committed.into_inner())
}

fn apply(
    work: &mut Work<'_, '_>,
    rows: &[SigningKeyRow],
    change: &Change,
    fresh: &NewKey,
    data: &serde_json::Value,
) -> Done<()> {
    let (kid, state) = match change {
        Change::Publish => return insert(work, fresh, KeyState::Next, data),
        Change::Begin => return insert(work, fresh, KeyState::Active, data),
        Change::Activate(kid) => (kid, KeyState::Active),
        Change::Retire(kid) => (kid, KeyState::Retiring),
        Change::End(kid) => (kid, KeyState::Gone),
        Change::Revoke(kid) => (kid, KeyState::Revoked),
    };
    let row = rows.iter().find(|row| row.id == *kid).ok_or(StoreError::Invalid("token keys"))?;
    let event = record(work, kid, state, data)?;
    Ok(work.tx.move_signing_key(row, state, life(row).changes_at(work.now), event.seq)?)
}

fn insert(
    work: &mut Work<'_, '_>,
    key: &NewKey,
    state: KeyState,
    data: &serde_json::Value,
) -> Done<()> {
    let event = record(work, &key.kid, state, data)?;
    let nonce = work.bytes();
    let sealed = work.tx.seal_signing_key(&key.kid, &key.secret, nonce)?;
    Ok(work.tx.insert_signing_key(SigningKeyRow {
        tenant_id: system_tenant(),
        id: key.kid.clone(),
        algorithm: "ES256".to_owned(),
        public_jwk: key.public_jwk.clone(),
        sealed: Some(sealed),
        state,
        created_at: work.now,
        active_from: (state == KeyState::Active).then_some(work.now),
        retiring_from: None,
        ended_at: None,
        event_seq: event.seq,
    })?)
}

fn record(
    work: &mut Work<'_, '_>,
    kid: &Kid,
    state: KeyState,
    data: &serde_json::Value,
) -> Result<RecordedEvent, StoreError> {
    let what = match state {
        KeyState::Next => EventKind::SigningKeyPublished,
        KeyState::Active => EventKind::SigningKeyActivated,
        KeyState::Retiring => EventKind::SigningKeyRetired,
        KeyState::Gone => EventKind::SigningKeyEnded,
        KeyState::Revoked => EventKind::SigningKeyRevoked,
    };
    work.record(Note::new(what).object(&kid.as_str()).data(data.clone()))
}

fn lives(rows: &[SigningKeyRow]) -> Vec<TokenKey> {
    rows.iter().map(life).collect()
}

pub(super) fn life(row: &SigningKeyRow) -> TokenKey {
    TokenKey {
        kid: row.id.clone(),
        state: row.state,
        created_at: row.created_at,
        active_from: row.active_from,
        retiring_from: row.retiring_from,
        ended_at: row.ended_at,
    }
}
