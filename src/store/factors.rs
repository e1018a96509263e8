//! Factors and recovery codes.

use diesel::prelude::*;
use zeroize::Zeroizing;

use super::conn::{change, on};
use super::prepared::update;
use super::rows::{FactorRow, RecoveryCodeRow};
use super::schema::{factor_steps, factors, recovery_codes};
use super::seal::Place;
use super::{StoreError, Tx, exactly_one};
use crate::mfa::challenge::Authority;
use crate::mfa::event::EventSeq;
use crate::mfa::factor::FactorState;
use crate::mfa::ids::{RecoveryCodeId, TenantId, UserId};
use crate::mfa::time::{PERIOD_SECONDS, Timestamp};

/// Everything beside the secret that a code depends on (RFC 6238): a database writer without the key must not
/// change it.
pub(super) fn parameters(row: &FactorRow) -> String {
    let (kind, algorithm) = (row.kind.as_str(), row.algorithm.as_str());
    format!("{kind}/{algorithm}/{}/{}", row.digits, PERIOD_SECONDS)
}

impl Tx<'_> {
    /// The user's bound factor (active or suspended), if there is one.
    pub(crate) fn bound_factor(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
    ) -> Result<Option<FactorRow>, StoreError> {
        if let Some(known) = self.memo.rows.known(tenant, user) {
            return Ok(known.factor.clone());
        }
        Ok(on!(self, conn => factors::table
            .filter(factors::tenant_id.eq(tenant))
            .filter(factors::user_id.eq(user))
            // Not "active or suspended": a state that nobody knows must fail to load, not be missed.
            .filter(factors::state.ne(FactorState::Pending))
            .filter(factors::state.ne(FactorState::Ended))
            .select(FactorRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// The user's pending factor, if there is one.
    pub(crate) fn pending_factor(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
    ) -> Result<Option<FactorRow>, StoreError> {
        Ok(on!(self, conn => factors::table
            .filter(factors::tenant_id.eq(tenant))
            .filter(factors::user_id.eq(user))
            .filter(factors::state.eq(FactorState::Pending))
            .select(FactorRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// Whether any of these users ever had a bound factor.
    pub(crate) fn ever_bound(
        &mut self,
        tenant: &TenantId,
        users: &[UserId],
    ) -> Result<bool, StoreError> {
        let count: i64 = on!(self, conn => factors::table
            .filter(factors::tenant_id.eq(tenant))
            .filter(factors::user_id.eq_any(users))
            .filter(factors::activated_at.is_not_null())
            .count()
            .get_result(conn))?;
        Ok(count > 0)
    }

    /// Writes a new pending factor with its secret sealed, and its step at zero.
    pub(crate) fn insert_factor(
        &mut self,
        mut row: FactorRow,
        seed: &[u8],
        nonce: [u8; 12],
    ) -> Result<(), StoreError> {
        self.require_sealing_key()?;
        let place = parameters(&row);
        row.sealed = Some(self.keys.ring.seal(&factor_place(&row, &place), seed, nonce)?);
        let step = (
            factor_steps::tenant_id.eq(row.tenant_id.clone()),
            factor_steps::factor_id.eq(row.id.clone()),
            factor_steps::last_step.eq(0),
            factor_steps::event_seq.eq(row.event_seq),
        );
        let rows =
            change!(self, conn => diesel::insert_into(factors::table).values(row).execute(conn))?;
        exactly_one("factors", rows)?;
        let rows = change!(self, conn => diesel::insert_into(factor_steps::table).values(step).execute(conn))?;
        exactly_one("factor_steps", rows)
    }

    /// Opens a factor's secret; a value that was moved, changed or sealed by another key is an error.
    pub(crate) fn open_seed(&self, row: &FactorRow) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let sealed = row.sealed.as_deref().ok_or(StoreError::Invalid("factor"))?;
        Ok(self.keys.ring.open(&factor_place(row, &parameters(row)), sealed)?)
    }

    /// Binds a pending factor whose first code was spent by the same event.
    pub(crate) fn activate_factor(
        &mut self,
        row: &FactorRow,
        at: Timestamp,
        trust_since: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(factors::table)
            .filter(factors::tenant_id.eq(&row.tenant_id))
            .filter(factors::id.eq(&row.id))
            .filter(factors::state.eq(FactorState::Pending))
            .set((
                factors::state.eq(FactorState::Active),
                factors::activated_at.eq(at),
                factors::trust_since.eq(trust_since),
                factors::event_seq.eq(event),
            )).execute(conn))?;
        exactly_one("factors", rows)
    }

    /// Moves a bound factor between active and suspended.
    pub(crate) fn set_factor_state(
        &mut self,
        row: &FactorRow,
        to: FactorState,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(factors::table)
            .filter(factors::tenant_id.eq(&row.tenant_id))
            .filter(factors::id.eq(&row.id))
            .filter(factors::state.eq(row.state))
            .set((factors::state.eq(to), factors::event_seq.eq(event)))
            .execute(conn))?;
        exactly_one("factors", rows)
    }

    /// Gives up a pending factor and destroys its secret.
    pub(crate) fn drop_pending_factor(
        &mut self,
        row: &FactorRow,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(factors::table)
            .filter(factors::tenant_id.eq(&row.tenant_id))
            .filter(factors::id.eq(&row.id))
            .filter(factors::state.eq(FactorState::Pending))
            .set((
                factors::state.eq(FactorState::Ended),
                factors::sealed.eq(None::<Vec<u8>>),
                factors::ended_at.eq(at),
                factors::event_seq.eq(event),
            ))
            .execute(conn))?;
        exactly_one("factors", rows)
    }

    /// Ends a bound factor by an authority and destroys its secret.
    pub(crate) fn end_factor(
        &mut self,
        row: &FactorRow,
        authority: &Authority,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let (kind, id) = authority.parts();
        let rows = change!(self, conn => diesel::update(factors::table)
            .filter(factors::tenant_id.eq(&row.tenant_id))
            .filter(factors::id.eq(&row.id))
            .filter(factors::state.eq_any([FactorState::Active, FactorState::Suspended]))
            .set((
                factors::state.eq(FactorState::Ended),
                factors::sealed.eq(None::<Vec<u8>>),
                factors::ended_at.eq(at),
                factors::end_authority.eq(kind),
                factors::end_authority_id.eq(id),
                factors::event_seq.eq(event),
            ))
            .execute(conn))?;
        exactly_one("factors", rows)
    }

    /// The keyed hash of a recovery code of this user.
    pub(crate) fn hash_recovery_code(
        &self,
        tenant: &TenantId,
        user: &UserId,
        canonical: &[u8],
    ) -> Result<[u8; 32], StoreError> {
        let pepper = self.keys.pepper.get().ok_or(StoreError::Invalid("pepper"))?;
        let parts = [tenant.as_str().as_bytes(), user.as_str().as_bytes(), canonical];
        Ok(pepper.keyed_hash("recovery code", &parts))
    }

    /// A user's recovery codes that can still be used.
    pub(crate) fn open_recovery_codes(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
    ) -> Result<Vec<RecoveryCodeRow>, StoreError> {
        Ok(on!(self, conn => recovery_codes::table
            .filter(recovery_codes::tenant_id.eq(tenant))
            .filter(recovery_codes::user_id.eq(user))
            .filter(recovery_codes::used_at.is_null())
            .filter(recovery_codes::replaced_at.is_null())
            .select(RecoveryCodeRow::as_select())
            .load(conn))?)
    }

    /// Writes new recovery codes and closes the earlier ones.
    pub(crate) fn replace_recovery_codes(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
        codes: Vec<RecoveryCodeRow>,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        change!(self, conn => update(recovery_codes::table)
            .filter(recovery_codes::tenant_id.eq(tenant))
            .filter(recovery_codes::user_id.eq(user))
            .filter(recovery_codes::used_at.is_null())
            .filter(recovery_codes::replaced_at.is_null())
            .set((recovery_codes::replaced_at.eq(at), recovery_codes::event_seq.eq(event)))
            .execute(conn))?;
        for code in codes {
            self.memo.pending.recovery_code(code);
        }
        Ok(())
    }

    /// Uses a recovery code; whether this caller was the first to do so.
    pub(crate) fn use_recovery_code(
        &mut self,
        tenant: &TenantId,
        id: &RecoveryCodeId,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<bool, StoreError> {
        let rows = change!(self, conn => update(recovery_codes::table)
            .filter(recovery_codes::tenant_id.eq(tenant))
            .filter(recovery_codes::id.eq(id))
            .filter(recovery_codes::used_at.is_null())
            .filter(recovery_codes::replaced_at.is_null())
            .set((recovery_codes::used_at.eq(at), recovery_codes::event_seq.eq(event)))
            .execute(conn))?;
        Ok(rows == 1)
    }
}

pub(super) fn factor_place<'a>(row: &'a FactorRow, parameters: &'a str) -> Place<'a> {
    Place {
        table: "factors",
        tenant: row.tenant_id.as_str(),
        user: row.user_id.as_str(),
        row: row.id.as_str(),
        parameters,
    }
}
