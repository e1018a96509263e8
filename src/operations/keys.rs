//! The installation's own secret: opened at the start, and made at the very first one.

use super::Entropy;
use super::call::{Note, Work};
use super::{Done, Pawl};
use crate::mfa::event::EventKind;
use crate::mfa::ids::TenantId;
use crate::mfa::time::Timestamp;
use crate::store::Whose;
use crate::store::rows::InstallationRow;

/// The tenant of the installation's own events, and of operators.
#[must_use]
pub fn system_tenant() -> TenantId {
    TenantId::system()
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
                event_seq: event.seq,
            };
            work.tx.insert_installation(row.clone())?;
            Ok(work.tx.open_installation(&row)?)
        })
        .await?;
    committed.into_inner();
    Ok(())
}

/// Opens the installation that is there; whether there is one. For whoever may not make it: its key
/// would be the one that everything is sealed under.
///
/// # Errors
/// If the keys are not the ones that the database was sealed with.
pub async fn reopen_installation(pawl: &Pawl) -> Done<bool> {
    pawl.store
        .read("reopen_installation", |tx| -> Done<bool> {
            match tx.find_installation()? {
                Some(row) => tx.open_installation(&row).map(|()| true).map_err(Into::into),
                None => Ok(false),
            }
        })
        .await
}
