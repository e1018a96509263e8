//! Challenges and enrollments, found by the hash of their handle.

use diesel::prelude::*;

use super::conn::{change, on};
use super::prepared::update;
use super::rows::{ChallengeRow, EnrollmentRow};
use super::schema::{challenges, enrollments};
use super::{StoreError, Tx, exactly_one};
use crate::mfa::challenge::{EnrollmentAuthority, Purpose};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{FactorId, TenantId, UserId};
use crate::mfa::time::Timestamp;

impl Tx<'_> {
    /// A challenge of this tenant by the SHA-256 of its handle.
    pub(crate) fn find_challenge(
        &mut self,
        tenant: &TenantId,
        hash: &[u8; 32],
    ) -> Result<Option<ChallengeRow>, StoreError> {
        let read = self.memo.rows.read.get(tenant);
        if let Some(known) = read.and_then(|read| read.challenges.get(hash.as_slice())) {
            return Ok(known.clone());
        }
        Ok(on!(self, conn => challenges::table
            .filter(challenges::hash.eq(hash.as_slice()))
            .filter(challenges::tenant_id.eq(tenant))
            .select(ChallengeRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// Opens a challenge.
    pub(crate) fn insert_challenge(&mut self, row: ChallengeRow) {
        self.memo.is_changed = true;
        self.memo.pending.challenge(row);
    }

    /// Counts an attempt at a challenge, and closes it if `closed_at` says so.
    pub(crate) fn charge_challenge(
        &mut self,
        row: &ChallengeRow,
        closed_at: Option<Timestamp>,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        self.memo.is_changed = true;
        if self.memo.pending.has_challenge(&row.id) {
            self.flush()?;
        }
        let read = self.memo.rows.read.get_mut(&row.tenant_id);
        let known = read.and_then(|read| read.challenges.get_mut(&row.hash));
        if let Some(Some(known)) = known {
            known.attempts = row.attempts + 1;
            known.closed_at = closed_at;
        }
        self.memo.pending.charge(row, closed_at, event);
        Ok(())
    }

    /// Consumes a challenge without a code: for beginning an enrollment or redeeming a ticket.
    pub(crate) fn close_challenge(
        &mut self,
        row: &ChallengeRow,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(challenges::table)
            .filter(challenges::tenant_id.eq(&row.tenant_id))
            .filter(challenges::id.eq(&row.id))
            .filter(challenges::closed_at.is_null())
            .set((challenges::closed_at.eq(at), challenges::event_seq.eq(event))).execute(conn))?;
        exactly_one("challenges", rows)
    }

    /// Closes a user's open challenges of some purposes: all after an end of their factor or their
    /// leaving, those of a used recovery code after they bound a factor or got new codes.
    pub(crate) fn close_challenges_of(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
        purposes: &[Purpose],
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        change!(self, conn => diesel::update(challenges::table)
            .filter(challenges::tenant_id.eq(tenant))
            .filter(challenges::user_id.eq(user))
            .filter(challenges::purpose.eq_any(purposes))
            .filter(challenges::closed_at.is_null())
            .set((challenges::closed_at.eq(at), challenges::event_seq.eq(event)))
            .execute(conn))?;
        Ok(())
    }

    /// An enrollment of this tenant by the SHA-256 of its handle.
    pub(crate) fn find_enrollment(
        &mut self,
        tenant: &TenantId,
        hash: &[u8; 32],
    ) -> Result<Option<EnrollmentRow>, StoreError> {
        Ok(on!(self, conn => enrollments::table
            .filter(enrollments::hash.eq(hash.as_slice()))
            .filter(enrollments::tenant_id.eq(tenant))
            .select(EnrollmentRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// The server's own enrollment of the first administrator, while it waits.
    pub(crate) fn bootstrap_enrollment(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Option<EnrollmentRow>, StoreError> {
        if let Some(known) = self.memo.rows.known(tenant, user) {
            let open = known.enrollments.iter().find(|row| row.expires_at > now);
            return Ok(open.cloned());
        }
        Ok(on!(self, conn => enrollments::table
            .filter(enrollments::tenant_id.eq(tenant))
            .filter(enrollments::user_id.eq(user))
            .filter(enrollments::authority.eq(EnrollmentAuthority::Bootstrap))
            .filter(enrollments::client_id.is_null())
            .filter(enrollments::closed_at.is_null())
            .filter(enrollments::expires_at.gt(now))
            .select(EnrollmentRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// Opens an enrollment.
    pub(crate) fn insert_enrollment(&mut self, row: EnrollmentRow) -> Result<(), StoreError> {
        let rows = change!(self, conn => diesel::insert_into(enrollments::table).values(row).execute(conn))?;
        exactly_one("enrollments", rows)
    }

    /// Counts an attempt at an enrollment, and closes it if `closed_at` says so.
    pub(crate) fn charge_enrollment(
        &mut self,
        row: &EnrollmentRow,
        closed_at: Option<Timestamp>,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(enrollments::table)
            .filter(enrollments::tenant_id.eq(&row.tenant_id))
            .filter(enrollments::id.eq(&row.id))
            .filter(enrollments::closed_at.is_null())
            .filter(enrollments::attempts.eq(row.attempts))
            .set((
                enrollments::attempts.eq(row.attempts + 1),
                enrollments::closed_at.eq(closed_at),
                enrollments::event_seq.eq(event),
            )).execute(conn))?;
        exactly_one("enrollments", rows)
    }

    /// The open enrollment of a pending factor.
    pub(crate) fn enrollment_of(
        &mut self,
        tenant: &TenantId,
        factor: &FactorId,
    ) -> Result<Option<EnrollmentRow>, StoreError> {
        Ok(on!(self, conn => enrollments::table
            .filter(enrollments::tenant_id.eq(tenant))
            .filter(enrollments::factor_id.eq(factor))
            .filter(enrollments::closed_at.is_null())
            .select(EnrollmentRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// Closes every open enrollment of a factor.
    pub(crate) fn close_enrollments_of(
        &mut self,
        tenant: &TenantId,
        factor: &FactorId,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        change!(self, conn => update(enrollments::table)
            .filter(enrollments::tenant_id.eq(tenant))
            .filter(enrollments::factor_id.eq(factor))
            .filter(enrollments::closed_at.is_null())
            .set((enrollments::closed_at.eq(at), enrollments::event_seq.eq(event)))
            .execute(conn))?;
        Ok(())
    }
}
