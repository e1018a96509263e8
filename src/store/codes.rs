//! What a code changes: steps, throttles and the tokens that it led to.

use diesel::prelude::*;

use super::conn::on;
use super::rows::{IssuedTokenRow, ThrottleRow};
use super::schema::{factor_steps, throttles};
use super::{LOGIN_LANE, StoreError, Tx};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{FactorId, TenantId, UserId};
use crate::mfa::time::Step;

impl Tx<'_> {
    /// The last step that was spent.
    pub(crate) fn last_step(
        &mut self,
        tenant: &TenantId,
        factor: &FactorId,
    ) -> Result<Step, StoreError> {
        let read = self.memo.rows.read.get(tenant);
        if let Some(step) = read.and_then(|read| read.steps.get(factor)) {
            return Ok(*step);
        }
        Ok(on!(self, conn => factor_steps::table
            .filter(factor_steps::tenant_id.eq(tenant))
            .filter(factor_steps::factor_id.eq(factor))
            .select(factor_steps::last_step)
            .get_result(conn))?)
    }

    /// Spends a step; whether this caller was the first to do so.
    pub(crate) fn spend_step(
        &mut self,
        tenant: &TenantId,
        factor: &FactorId,
        step: Step,
        event: EventSeq,
    ) -> Result<bool, StoreError> {
        if self.last_step(tenant, factor)? >= step {
            return Ok(false);
        }
        self.memo.is_changed = true;
        self.memo.rows.read.entry(tenant.clone()).or_default().steps.insert(factor.clone(), step);
        if self.memo.pending.has_step(factor) {
            self.flush()?;
        }
        self.memo.pending.step(tenant, factor, step, event);
        Ok(true)
    }

    /// A user's throttle in a lane, if it ever moved.
    pub(crate) fn find_throttle(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
        lane: &str,
    ) -> Result<Option<ThrottleRow>, StoreError> {
        if let Some(known) = self.memo.rows.known(tenant, user).filter(|_| lane == LOGIN_LANE) {
            return Ok(known.throttle.clone());
        }
        Ok(on!(self, conn => throttles::table
            .filter(throttles::tenant_id.eq(tenant))
            .filter(throttles::user_id.eq(user))
            .filter(throttles::lane.eq(lane))
            .select(ThrottleRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// Writes a throttle. The tenant is locked, so nobody else writes it meanwhile.
    pub(crate) fn put_throttle(
        &mut self,
        row: ThrottleRow,
        is_new: bool,
    ) -> Result<(), StoreError> {
        self.memo.is_changed = true;
        if self.memo.pending.has_throttle(&row) {
            self.flush()?;
        }
        let read = self.memo.rows.read.get_mut(&row.tenant_id);
        let known = read.and_then(|read| read.people.get_mut(&row.user_id));
        if let Some(known) = known.filter(|_| row.lane == LOGIN_LANE) {
            known.throttle = Some(row.clone());
        }
        self.memo.pending.throttle(row, is_new);
        Ok(())
    }

    /// Writes down a token that will be minted once this transaction is committed.
    pub(crate) fn insert_issued_token(&mut self, row: IssuedTokenRow) {
        self.memo.is_changed = true;
        self.memo.pending.token(row);
    }
}
