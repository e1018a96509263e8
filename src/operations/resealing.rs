//! Sealing again: values that another key-encryption key sealed move to the one that seals, in batches
//! of one tenant and one transaction each, beside the servers.
//!
//! The installation's own values come last. So a server that has the new key alone starts only when
//! nothing that was there needs the old one.

use std::collections::{BTreeMap, BTreeSet};

use super::call::{Note, Work};
use super::keys::system_tenant;
use super::{Done, Entropy, Pawl};
use crate::mfa::event::EventKind;
use crate::mfa::ids::{FactorId, TenantId};
use crate::mfa::time::Timestamp;
use crate::store::seal::{KeyId, key_of};
use crate::store::{Sealed, SealedIn, Tx};

/// Factors in one batch. Each is one statement, and the tenant's callers wait for all of them.
const BATCH: usize = 50;

/// Users named of those whose key is not at hand.
const NAMED: usize = 20;

/// What is sealed under which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The keys at hand, the one that seals first.
    pub at_hand: Vec<KeyId>,
    /// How much each key sealed; `None`: values that are no sealed ones.
    pub counts: BTreeMap<Option<KeyId>, SealedIn>,
    /// The first of the users whose seeds no key at hand opens.
    pub locked_out: Vec<String>,
}

impl Survey {
    /// Values of keys that are at hand and do not seal: what is to be sealed again.
    #[must_use]
    pub fn left(&self) -> usize {
        let values = |id| self.counts.get(&Some(id)).map_or(0, SealedIn::values);
        self.at_hand.iter().skip(1).copied().map(values).sum()
    }

    /// Keys that are not at hand, and have sealed something.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let known = |id: &KeyId| self.at_hand.contains(id);
        let missing = self.counts.keys().filter(|id| !id.as_ref().is_some_and(known));
        missing.map(|id| id.map_or("no key".to_owned(), |id| id.to_string())).collect()
    }
}

/// Counts every sealed value by its key, in one snapshot. It opens none, so it works without their keys.
///
/// # Errors
/// The database's.
pub async fn survey(pawl: &Pawl) -> Done<Survey> {
    pawl.store
        .read_through("survey", |tx| -> Done<Survey> {
            let at_hand = tx.key_ids();
            let mut counts = tx.count_sealed_of_installation()?;
            let (mut locked_out, mut last) = (Vec::new(), None);
            loop {
                let page = tx.page_of_sealed(last.as_ref())?;
                for row in &page {
                    counts.entry(row.key()).or_default().factors += 1;
                    let is_open = row.key().is_some_and(|id| at_hand.contains(&id));
                    if !is_open && locked_out.len() < NAMED {
                        locked_out.push(format!("{} of {}", row.user_id, row.tenant_id));
                    }
                }
                last = page.into_iter().last();
                if last.is_none() {
                    return Ok(Survey { at_hand, counts, locked_out });
                }
            }
        })
        .await
}

/// Factors of one tenant that are to be sealed again.
pub type Batch = (TenantId, Vec<FactorId>);

/// The batches among the next factors after `last`, and where to go on; `None`: that was all.
///
/// # Errors
/// The database's.
pub async fn batches_to_reseal(
    pawl: &Pawl,
    last: Option<Sealed>,
) -> Done<(Vec<Batch>, Option<Sealed>)> {
    pawl.store
        .read("batches_to_reseal", move |tx| -> Done<_> {
            let page = tx.page_of_sealed(last.as_ref())?;
            let seals = tx.key_ids().first().copied();
            let mut found = Vec::<Batch>::new();
            for row in page.iter().filter(|row| row.key() != seals) {
                match found.last_mut() {
                    Some((tenant, ids)) if *tenant == row.tenant_id && ids.len() < BATCH => {
                        ids.push(row.id.clone());
                    }
                    _ => found.push((row.tenant_id.clone(), vec![row.id.clone()])),
                }
            }
            Ok((found, page.into_iter().last()))
        })
        .await
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Values that were sealed again.
    pub values: usize,
    /// Users whose sealed value is damaged, and was left as it is.
    pub damaged: BTreeSet<String>,
}

/// Seals a batch again; it is one event. What is gone or sealed again meanwhile is left alone, and if
/// nothing is left, nothing is written.
///
/// # Errors
/// The database's, or a key that is not at hand.
pub async fn reseal_batch(
    pawl: &Pawl,
    (tenant, ids): Batch,
    now: Timestamp,
    entropy: Entropy,
) -> Done<Resealed> {
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("reseal_batch", move |tx| -> Done<Resealed> {
            let mut work = Work::of_server(tx, tenant.clone(), &base, now, &entropy)?;
            work.tx.require_sealing_key()?;
            let (mut moved, mut damaged) = (Vec::new(), BTreeSet::new());
            for row in work.tx.sealed_by_others(&tenant, &ids)? {
                let nonce = work.bytes();
                match work.tx.reseal_seed(&row, nonce)? {
                    Some(new) => moved.push((row, new)),
                    None => drop(damaged.insert(format!("{} of {tenant}", row.user_id))),
                }
            }
            let values = moved.len();
            if values > 0 {
                let from = moved.iter().filter_map(|(row, _)| row.sealed.as_deref());
                let counts = SealedIn { factors: values, ..SealedIn::default() };
                let event = work.record(note(work.tx, from, counts))?;
                for (row, new) in &moved {
                    work.tx.replace_seed(row, new, event.seq)?;
                }
            }
            Ok(Resealed { values, damaged })
        })
        .await?;
    Ok(committed.into_inner())
}

/// Seals the token keys again, the key check and the pepper; it is one event. Answers how many values
/// it was; `None`: a factor is left, so nothing was written. From its commit on no program seals under
/// the old key, and until then it lets nobody seal: nothing comes after its look at the factors.
///
/// # Errors
/// The database's, or a key that is not at hand.
pub async fn reseal_installation(
    pawl: &Pawl,
    now: Timestamp,
    entropy: Entropy,
) -> Done<Option<usize>> {
    // Without the lock, under which everybody who enrolls waits.
    let left = pawl.store.read_through("is_factor_left", |tx| -> Done<bool> {
        tx.check_keys()?;
        Ok(tx.is_factor_left()?)
    });
    if left.await? {
        return Ok(None);
    }
    let base = pawl.base_url.clone();
    let committed = pawl
        .store
        .write("reseal_installation", move |tx| -> Done<Option<usize>> {
            let mut work = Work::of_server(tx, system_tenant(), &base, now, &entropy)?;
            work.tx.lock_sealing()?;
            work.tx.require_sealing_key()?;
            // Again: somebody may have enrolled meanwhile.
            if work.tx.is_factor_left()? {
                return Ok(None);
            }
            let keys = work.tx.signing_keys_by_others()?;
            let own = work.tx.installation_by_others()?;
            let old = own.iter().flat_map(|row| [&row.key_check, &row.sealed_pepper]);
            let from = keys.iter().filter_map(|row| row.sealed.as_ref()).chain(old);
            let installation = if own.is_some() { 2 } else { 0 };
            let counts = SealedIn { factors: 0, signing_keys: keys.len(), installation };
            if counts.values() == 0 {
                return Ok(Some(0));
            }
            let event = work.record(note(work.tx, from.map(Vec::as_slice), counts))?;
            for row in &keys {
                let nonce = work.bytes();
                work.tx.reseal_signing_key(row, nonce, event.seq)?;
            }
            if let Some(row) = &own {
                let nonces = [work.bytes(), work.bytes()];
                work.tx.reseal_installation(row, nonces, event.seq)?;
            }
            Ok(Some(counts.values()))
        })
        .await?;
    Ok(committed.into_inner())
}

/// How many values moved, from which keys and to which.
fn note<'v>(tx: &Tx<'_>, old: impl Iterator<Item = &'v [u8]>, counts: SealedIn) -> Note {
    let from: BTreeSet<String> = old.filter_map(key_of).map(|id| id.to_string()).collect();
    let to = tx.key_ids().first().map(ToString::to_string);
    let data = serde_json::json!({
        "factors": counts.factors,
        "signing_keys": counts.signing_keys,
        "installation": counts.installation,
        "from": from,
        "to": to,
    });
    Note::new(EventKind::SecretsResealed).data(data)
}
