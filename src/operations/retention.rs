//! Housekeeping: what is past its keeping goes, in batches of one tenant and one transaction each.
//!
//! Any replica may do it. Two at once find the same rows, and the second finds them gone: it holds the
//! tenant's lock when it looks again.

use super::call::{Note, Work};
use super::{Done, Entropy, Pawl};
use crate::mfa::event::EventKind;
use crate::mfa::ids::TenantId;
use crate::mfa::time::Timestamp;
use crate::store::{Due, Purged};

/// The batches that are due, the longest expired rows first. It may be asked again when they are
/// purged: one answer does not hold all that is due.
///
/// # Errors
/// The database's.
pub async fn batches_due(pawl: &Pawl, now: Timestamp) -> Done<Vec<(TenantId, Due)>> {
    let found = pawl.store.read("batches_due", move |tx| -> Done<_> { Ok(tx.find_due(now)?) });
    Ok(found.await?.into_iter().collect())
}

/// Purges a batch; what was purged is one event. If nothing of it is left, nothing is written.
///
/// # Errors
/// The database's.
pub async fn purge_batch(
    pawl: &Pawl,
    (tenant, due): (TenantId, Due),
    now: Timestamp,
    entropy: Entropy,
) -> Done<Purged> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("purge_batch", move |tx| -> Done<Purged> {
            let mut work = Work::of_server(tx, tenant.clone(), &base, now, &entropy)?;
            let due = work.tx.still_due(&tenant, &due, now)?;
            let purged = due.count();
            if purged.rows() > 0 {
                let note = Note::new(EventKind::RetentionPurged);
                let event = work.record(note.data(serde_json::json!(purged)))?;
                work.tx.delete_due(&tenant, &due, now, &event)?;
            }
            Ok(purged)
        })
        .await?;
    Ok(committed.into_inner())
}
