//! Housekeeping: what is past its keeping goes, in batches of one tenant and one transaction each.
//!
//! Any replica may do it. Two at once find the same rows, and the second finds them gone: it holds the
//! tenant's lock when it looks again.

use std::collections::BTreeSet;
use std::time::Instant;

use super::call::{Note, Work};
use super::{Done, Entropy, Failure, Pawl};
use crate::mfa::event::EventKind;
use crate::mfa::ids::TenantId;
use crate::mfa::time::Timestamp;
use crate::store::{Due, Purged, Tx};

/// Purges until nothing is due, or a round of batches purges nothing: then another replica is at it.
///
/// A tenant whose batch fails is left out of the later rounds. Its rows stay due and expired first, so they would
/// keep the rows of all others from being found. `tell` gets the result of each batch, and `rest` waits after it,
/// with the time of its begin.
///
/// # Errors
/// The database's, where what is due cannot be read; and those of `draw`.
pub async fn purge_all<E: From<Failure>>(
    pawl: &Pawl,
    now: impl Fn() -> Timestamp,
    draw: impl Fn() -> Result<Entropy, E>,
    mut tell: impl FnMut(TenantId, Done<Purged>),
    rest: impl AsyncFn(Instant),
) -> Result<(), E> {
    let (mut failed, mut goes_on) = (BTreeSet::new(), true);
    while goes_on {
        goes_on = false;
        for (tenant, due) in batches_due(pawl, now(), failed.clone()).await? {
            let begun = Instant::now();
            let done = purge_batch(pawl, (tenant.clone(), due), now(), draw()?).await;
            goes_on |= match &done {
                Ok(purged) => purged.rows() > 0,
                Err(_) => failed.insert(tenant.clone()),
            };
            tell(tenant, done);
            rest(begun).await;
        }
    }
    Ok(())
}

/// The batches that are due in all tenants but some, the longest expired rows first. It may be asked again
/// when they are purged: one answer does not hold all that is due.
///
/// # Errors
/// The database's.
pub async fn batches_due(
    pawl: &Pawl,
    now: Timestamp,
    without: BTreeSet<TenantId>,
) -> Done<Vec<(TenantId, Due)>> {
    let find = move |tx: &mut Tx<'_>| -> Done<_> { Ok(tx.find_due(now, &without)?) };
    Ok(pawl.store.read("batches_due", find).await?.into_iter().collect())
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
                work.tx.delete_due(&tenant, &due, now, event.seq)?;
            }
            Ok(purged)
        })
        .await?;
    Ok(committed.into_inner())
}
