//! The installation's own secrets: opened at the start, and made at the very first one.

use super::Entropy;
use super::call::{Note, Work};
use super::{Done, Pawl};
use crate::mfa::event::EventKind;
use crate::mfa::ids::TenantId;
use crate::mfa::time::Timestamp;
use crate::store::rows::{InstallationRow, SigningKeyRow};
use crate::store::{StoreError, Whose};

/// The tenant of the installation's own events, and of operators.
#[must_use]
pub fn system_tenant() -> TenantId {
    TenantId::from_random([0; 16])
}

/// A token key as the database gives it back.
pub struct StoredKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// The public JWK.
    pub public_jwk: String,
    /// The PKCS #8 secret.
    pub secret: zeroize::Zeroizing<Vec<u8>>,
    /// Whether it is the one that signs.
    pub is_active: bool,
}

/// A new token key.
#[derive(Clone)]
pub struct NewKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// The public JWK.
    pub public_jwk: String,
    /// The PKCS #8 secret.
    pub secret: zeroize::Zeroizing<Vec<u8>>,
}

/// Opens the installation with the key-encryption keys at hand, and makes it if there is none.
///
/// # Errors
/// If the keys are not the ones that the database was sealed with.
pub async fn open_installation(pawl: &Pawl, now: Timestamp, entropy: Entropy) -> Done<()> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("open_installation", move |tx| -> Done<()> {
            tx.lock(&[Whose::Tenant(system_tenant())])?;
            if let Some(row) = tx.find_installation()? {
                return Ok(tx.open_installation(&row)?);
            }
            let mut work = Work::of_server(tx, system_tenant(), &base, now, &entropy)?;
            let event = work.record(Note::new(EventKind::InstallationCreated))?;
            let (pepper, nonces) = (work.bytes::<32>(), [work.bytes(), work.bytes()]);
            let [pepper_nonce, check_nonce] = nonces;
            let row = InstallationRow {
                id: 1,
                tenant_id: system_tenant(),
                key_check: work.tx.make_key_check(check_nonce)?,
                sealed_pepper: work.tx.seal_pepper(&pepper, pepper_nonce)?,
                created_at: now,
                event_id: event,
            };
            work.tx.insert_installation(row.clone())?;
            Ok(work.tx.open_installation(&row)?)
        })
        .await?;
    committed.into_inner();
    Ok(())
}

/// The published token keys; `fresh` is written down and signs if there is none.
///
/// # Errors
/// If a key cannot be opened.
pub async fn signing_keys(
    pawl: &Pawl,
    fresh: NewKey,
    now: Timestamp,
    entropy: Entropy,
) -> Done<Vec<StoredKey>> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("signing_keys", move |tx| -> Done<Vec<StoredKey>> {
            let mut work = Work::of_server(tx, system_tenant(), &base, now, &entropy)?;
            if !work.tx.list_signing_keys()?.iter().any(|row| row.state == ACTIVE) {
                activate(&mut work, &fresh)?;
            }
            let rows = work.tx.list_signing_keys()?;
            let open = |row: SigningKeyRow| -> Done<StoredKey> {
                let secret = work.tx.open_signing_key(&row)?;
                let is_active = row.state == ACTIVE;
                Ok(StoredKey { kid: row.id, public_jwk: row.public_jwk, secret, is_active })
            };
            rows.into_iter().map(open).collect()
        })
        .await?;
    Ok(committed.into_inner())
}

const ACTIVE: &str = "active";

fn activate(work: &mut Work<'_, '_>, key: &NewKey) -> Result<(), StoreError> {
    let event = work.record(Note::new(EventKind::SigningKeyActivated).object(&key.kid))?;
    let nonce = work.bytes();
    let sealed = work.tx.seal_signing_key(&key.kid, &key.secret, nonce)?;
    work.tx.insert_signing_key(SigningKeyRow {
        tenant_id: system_tenant(),
        id: key.kid.clone(),
        algorithm: "ES256".to_owned(),
        public_jwk: key.public_jwk.clone(),
        sealed: Some(sealed),
        state: ACTIVE.to_owned(),
        created_at: work.now,
        active_from: Some(work.now),
        retiring_from: None,
        ended_at: None,
        event_id: event,
    })
}
