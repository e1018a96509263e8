//! Sealed values by the key that sealed them, and their move to the key that seals now.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Binary, Bool, Text};

use super::conn::{change, on};
use super::factors::{factor_place, parameters};
use super::installation::PEPPER;
use super::prepared::update;
use super::rows::{FactorRow, InstallationRow, SigningKeyRow};
use super::schema::{factors, installation, signing_keys};
use super::seal::{KeyId, SealError, key_of};
use super::token_keys::signing_key_place;
use super::{StoreError, Tx, exactly_one};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{FactorId, TenantId, UserId};

/// The key under which a factor's secret is sealed.
#[derive(Debug, Clone, QueryableByName)]
pub struct Sealed {
    /// The factor's tenant.
    #[diesel(sql_type = Text)]
    pub tenant_id: TenantId,
    /// The factor.
    #[diesel(sql_type = Text)]
    pub id: FactorId,
    /// Whose it is.
    #[diesel(sql_type = Text)]
    pub user_id: UserId,
    /// The value's first bytes: version and key.
    #[diesel(sql_type = Binary)]
    head: Vec<u8>,
}

impl Sealed {
    /// Which key; `None`: this is no sealed value.
    #[must_use]
    pub fn key(&self) -> Option<KeyId> {
        key_of(&self.head)
    }
}

/// How many sealed values a key has, of each table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct SealedIn {
    /// Of users' factors.
    pub factors: usize,
    /// Of token keys.
    pub signing_keys: usize,
    /// Of the installation: its key check and its pepper.
    pub installation: usize,
}

impl SealedIn {
    /// Values of all tables.
    #[must_use]
    pub fn values(&self) -> usize {
        self.factors + self.signing_keys + self.installation
    }
}

/// Through the primary key, whichever database it is.
const PAGE: &str = "SELECT tenant_id, id, user_id, substr(sealed, 1, 9) AS head FROM factors \
     WHERE sealed IS NOT NULL AND (tenant_id, id) > ($1, $2) ORDER BY tenant_id, id LIMIT 1000";

/// A value that is too short to name a key is left, too; what is removed has none.
const LEFT: &str = "SELECT EXISTS (SELECT 1 FROM factors WHERE sealed IS NOT NULL \
     AND substr(sealed, 1, 9) <> $1) AS is_left";

#[derive(QueryableByName)]
struct Left {
    #[diesel(sql_type = Bool)]
    is_left: bool,
}

impl Tx<'_> {
    /// The keys at hand, the one that seals first.
    pub(crate) fn key_ids(&self) -> Vec<KeyId> {
        self.keys.ring.ids().collect()
    }

    /// The next thousand factors that hold a secret, of all tenants.
    pub(crate) fn page_of_sealed(
        &mut self,
        after: Option<&Sealed>,
    ) -> Result<Vec<Sealed>, StoreError> {
        let (tenant, id) = after.map_or(("", ""), |row| (row.tenant_id.as_str(), row.id.as_str()));
        Ok(on!(self, conn => sql_query(PAGE)
            .bind::<Text, _>(tenant)
            .bind::<Text, _>(id)
            .load(conn))?)
    }

    /// Whether another key than the one that seals has sealed a factor. One statement that ends at the
    /// first: whoever asks under a lock keeps others waiting.
    pub(crate) fn is_factor_left(&mut self) -> Result<bool, StoreError> {
        let seals = self.keys.ring.head();
        let asked: Left = on!(self, conn => sql_query(LEFT)
            .bind::<Binary, _>(seals.as_slice())
            .get_result(conn))?;
        Ok(asked.is_left)
    }

    /// The sealed values outside of tenants, by key.
    pub(crate) fn count_sealed_of_installation(
        &mut self,
    ) -> Result<BTreeMap<Option<KeyId>, SealedIn>, StoreError> {
        let mut counts = BTreeMap::<_, SealedIn>::new();
        for row in self.list_signing_keys()? {
            let key = row.sealed.as_deref().and_then(key_of);
            counts.entry(key).or_default().signing_keys += 1;
        }
        if let Some(row) = self.find_installation()? {
            for sealed in [&row.key_check, &row.sealed_pepper] {
                counts.entry(key_of(sealed)).or_default().installation += 1;
            }
        }
        Ok(counts)
    }

    /// Those of some factors that hold a secret, and not under the key that seals.
    pub(crate) fn sealed_by_others(
        &mut self,
        tenant: &TenantId,
        ids: &[FactorId],
    ) -> Result<Vec<FactorRow>, StoreError> {
        let mut rows: Vec<FactorRow> = on!(self, conn => factors::table
            .filter(factors::tenant_id.eq(tenant))
            .filter(factors::id.eq_any(ids))
            .filter(factors::sealed.is_not_null())
            .order(factors::id.asc())
            .select(FactorRow::as_select())
            .load(conn))?;
        rows.retain(|row| row.sealed.as_ref().is_some_and(|old| !self.keys.ring.is_current(old)));
        Ok(rows)
    }

    /// A factor's secret, sealed again; `None`: the value is damaged.
    pub(crate) fn reseal_seed(
        &self,
        row: &FactorRow,
        nonce: [u8; 12],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let old = row.sealed.as_deref().ok_or(StoreError::Invalid("factor"))?;
        match self.keys.ring.reseal(&factor_place(row, &parameters(row)), old, nonce) {
            Ok(new) => Ok(Some(new)),
            Err(SealError::Broken) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a factor's secret, sealed again, in the place of the old value.
    pub(crate) fn replace_seed(
        &mut self,
        row: &FactorRow,
        new: &[u8],
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(factors::table)
            .filter(factors::tenant_id.eq(&row.tenant_id))
            .filter(factors::id.eq(&row.id))
            .filter(factors::sealed.eq(&row.sealed))
            .set((factors::sealed.eq(new), factors::event_seq.eq(event)))
            .execute(conn))?;
        exactly_one("factors", rows)
    }

    /// The token keys that hold a secret, and not under the key that seals.
    pub(crate) fn signing_keys_by_others(&mut self) -> Result<Vec<SigningKeyRow>, StoreError> {
        let mut rows = self.list_signing_keys()?;
        rows.retain(|row| row.sealed.as_ref().is_some_and(|old| !self.keys.ring.is_current(old)));
        Ok(rows)
    }

    /// Seals a token key's secret again.
    pub(crate) fn reseal_signing_key(
        &mut self,
        row: &SigningKeyRow,
        nonce: [u8; 12],
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let old = row.sealed.as_deref().ok_or(StoreError::Invalid("token key"))?;
        let new = self.keys.ring.reseal(&signing_key_place(&row.id), old, nonce)?;
        let rows = change!(self, conn => update(signing_keys::table)
            .filter(signing_keys::tenant_id.eq(&row.tenant_id))
            .filter(signing_keys::id.eq(&row.id))
            .filter(signing_keys::sealed.eq(&row.sealed))
            .set((signing_keys::sealed.eq(new), signing_keys::event_seq.eq(event)))
            .execute(conn))?;
        exactly_one("signing_keys", rows)
    }

    /// The installation's row, if the key that seals did not seal it.
    pub(crate) fn installation_by_others(&mut self) -> Result<Option<InstallationRow>, StoreError> {
        let row = self.find_installation()?;
        Ok(row.filter(|row| {
            let values = [&row.key_check, &row.sealed_pepper];
            !values.into_iter().all(|sealed| self.keys.ring.is_current(sealed))
        }))
    }

    /// Makes the key check anew and seals the pepper again. Its value stays.
    pub(crate) fn reseal_installation(
        &mut self,
        row: &InstallationRow,
        [check_nonce, pepper_nonce]: [[u8; 12]; 2],
        event: EventSeq,
    ) -> Result<(), StoreError> {
        self.keys.ring.verify_check(&row.key_check)?;
        let key_check = self.keys.ring.make_check(check_nonce)?;
        let sealed_pepper = self.keys.ring.reseal(&PEPPER, &row.sealed_pepper, pepper_nonce)?;
        let rows = change!(self, conn => update(installation::table)
            .filter(installation::id.eq(row.id))
            .filter(installation::key_check.eq(&row.key_check))
            .filter(installation::sealed_pepper.eq(&row.sealed_pepper))
            .set((
                installation::key_check.eq(key_check),
                installation::sealed_pepper.eq(sealed_pepper),
                installation::event_seq.eq(event),
            ))
            .execute(conn))?;
        exactly_one("installation", rows)
    }
}
