//! Overrides and their approvals.

use diesel::prelude::*;

use super::conn::{change, on};
use super::deadline::Timed as _;
use super::prepared::update;
use super::rows::{ApprovalRow, OverrideRow};
use super::schema::{approvals, overrides};
use super::{StoreError, Tx, exactly_one};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{OverrideId, TenantId, UserId};
use crate::mfa::overrides::{OverrideKind, OverrideState};
use crate::mfa::time::Timestamp;

/// Which overrides a reader wants, by id.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names say it")]
pub struct OverrideFilter {
    pub state: Option<OverrideState>,
    pub now: Timestamp,
    pub user: Option<UserId>,
    pub after: String,
    pub limit: i64,
}

impl Tx<'_> {
    /// An override by its id.
    pub(crate) fn find_override(
        &mut self,
        tenant: &TenantId,
        id: &OverrideId,
    ) -> Result<Option<OverrideRow>, StoreError> {
        Ok(on!(self, conn => overrides::table
            .filter(overrides::tenant_id.eq(tenant))
            .filter(overrides::id.eq(id))
            .select(OverrideRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// A page of overrides, by id. An override whose time ran out is `expired`, whatever its row says.
    pub(crate) fn list_overrides(
        &mut self,
        tenant: &TenantId,
        filter: &OverrideFilter,
    ) -> Result<Vec<OverrideRow>, StoreError> {
        Ok(on!(self, conn => {
            let mut query = overrides::table
                .filter(conn.in_time())
                .filter(overrides::tenant_id.eq(tenant))
                .filter(overrides::id.gt(&filter.after))
                .order(overrides::id.asc())
                .limit(filter.limit)
                .select(OverrideRow::as_select())
                .into_boxed();
            let open = [OverrideState::Requested, OverrideState::Approved];
            query = match filter.state {
                None => query,
                Some(OverrideState::Expired) => query.filter(
                    overrides::state
                        .eq(OverrideState::Expired)
                        .or(overrides::state.eq_any(open).and(overrides::expires_at.le(filter.now))),
                ),
                Some(state) if open.contains(&state) => query
                    .filter(overrides::state.eq(state))
                    .filter(overrides::expires_at.gt(filter.now)),
                Some(state) => query.filter(overrides::state.eq(state)),
            };
            if let Some(user) = &filter.user {
                query = query.filter(overrides::user_id.eq(user));
            }
            query.load(conn)
        })?)
    }

    /// The exemptions of a user that are in force.
    pub(crate) fn live_exemptions(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Vec<OverrideRow>, StoreError> {
        if let Some(known) = self.memo.rows.known(tenant, user) {
            let live = known.exemptions.iter().filter(|row| row.expires_at > now);
            return Ok(live.cloned().collect());
        }
        Ok(on!(self, conn => overrides::table
            .filter(overrides::tenant_id.eq(tenant))
            .filter(overrides::user_id.eq(user))
            .filter(overrides::state.eq(OverrideState::Approved))
            .filter(overrides::kind.eq(OverrideKind::Exempt))
            .filter(overrides::expires_at.gt(now))
            .order(overrides::expires_at.desc())
            .select(OverrideRow::as_select())
            .load(conn))?)
    }

    /// How many overrides of one requester are still waiting or in force.
    pub(crate) fn count_open_overrides(
        &mut self,
        tenant: &TenantId,
        requester: &UserId,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        Ok(on!(self, conn => overrides::table
            .filter(overrides::tenant_id.eq(tenant))
            .filter(overrides::requested_by.eq(requester.as_str()))
            .filter(overrides::state.eq_any([OverrideState::Requested, OverrideState::Approved]))
            .filter(overrides::expires_at.gt(now))
            .count()
            .get_result(conn))?)
    }

    /// Writes a new request.
    pub(crate) fn insert_override(&mut self, row: OverrideRow) -> Result<(), StoreError> {
        let rows =
            change!(self, conn => diesel::insert_into(overrides::table).values(row).execute(conn))?;
        exactly_one("overrides", rows)
    }

    /// Puts a requested override into force; the trigger counts its approvals.
    pub(crate) fn approve_override(
        &mut self,
        tenant: &TenantId,
        id: &OverrideId,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(overrides::table)
            .filter(overrides::tenant_id.eq(tenant))
            .filter(overrides::id.eq(id))
            .filter(overrides::state.eq(OverrideState::Requested))
            .set((
                overrides::state.eq(OverrideState::Approved),
                overrides::approved_at.eq(at),
                overrides::event_seq.eq(event),
            ))
            .execute(conn))?;
        exactly_one("overrides", rows)
    }

    /// Ends an override; `from` is the state it must be in.
    pub(crate) fn end_override(
        &mut self,
        row: &OverrideRow,
        to: OverrideState,
        by: &str,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(overrides::table)
            .filter(overrides::tenant_id.eq(&row.tenant_id))
            .filter(overrides::id.eq(&row.id))
            .filter(overrides::state.eq(row.state))
            .set((
                overrides::state.eq(to),
                overrides::ended_at.eq(at),
                overrides::ended_by.eq(by),
                overrides::event_seq.eq(event),
            ))
            .execute(conn))?;
        exactly_one("overrides", rows)
    }

    /// Brings an expiry closer.
    pub(crate) fn shorten_override(
        &mut self,
        row: &OverrideRow,
        expires_at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(overrides::table)
            .filter(overrides::tenant_id.eq(&row.tenant_id))
            .filter(overrides::id.eq(&row.id))
            .filter(overrides::state.eq(row.state))
            .filter(overrides::expires_at.gt(expires_at))
            .set((overrides::expires_at.eq(expires_at), overrides::event_seq.eq(event)))
            .execute(conn))?;
        exactly_one("overrides", rows)
    }

    /// The overrides that wait for approvals or for their requester, and that a user requested; and the
    /// requests that would resume the user's factor. What is approved and waits makes a secret: an
    /// exemption is in force instead, and everything else ends with its last approval.
    pub(crate) fn overrides_waiting_on(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Vec<OverrideRow>, StoreError> {
        let resumes = overrides::user_id.eq(user).and(overrides::kind.eq(OverrideKind::Resume));
        let uncollected = overrides::state
            .eq(OverrideState::Approved)
            .and(overrides::kind.ne(OverrideKind::Exempt))
            .and(overrides::requested_by.eq(user.as_str()));
        let requested = overrides::state
            .eq(OverrideState::Requested)
            .and(overrides::requested_by.eq(user.as_str()).or(resumes.assume_not_null()));
        Ok(on!(self, conn => overrides::table
            .filter(overrides::tenant_id.eq(tenant))
            .filter(requested.or(uncollected))
            .filter(overrides::expires_at.gt(now))
            .order(overrides::id.asc())
            .select(OverrideRow::as_select())
            .load(conn))?)
    }

    /// The approvals of an override.
    pub(crate) fn approvals_of(
        &mut self,
        tenant: &TenantId,
        id: &OverrideId,
    ) -> Result<Vec<ApprovalRow>, StoreError> {
        Ok(on!(self, conn => approvals::table
            .filter(approvals::tenant_id.eq(tenant))
            .filter(approvals::override_id.eq(id))
            .select(ApprovalRow::as_select())
            .load(conn))?)
    }

    /// Who approved an override.
    pub(crate) fn approvers_of(
        &mut self,
        tenant: &TenantId,
        id: &OverrideId,
    ) -> Result<Vec<UserId>, StoreError> {
        if let Some(known) = self.memo.rows.approvers.get(&(tenant.clone(), id.clone())) {
            return Ok(known.clone());
        }
        Ok(on!(self, conn => approvals::table
            .filter(approvals::tenant_id.eq(tenant))
            .filter(approvals::override_id.eq(id))
            .order(approvals::at.asc())
            .select(approvals::person_id)
            .load(conn))?)
    }

    /// Reads who approved a page's overrides at once, for [`Self::approvers_of`].
    pub(crate) fn read_approvers_of(
        &mut self,
        tenant: &TenantId,
        ids: &[OverrideId],
    ) -> Result<(), StoreError> {
        let given: Vec<(OverrideId, UserId)> = on!(self, conn => approvals::table
            .filter(approvals::tenant_id.eq(tenant))
            .filter(approvals::override_id.eq_any(ids))
            .order(approvals::at.asc())
            .select((approvals::override_id, approvals::person_id))
            .load(conn))?;
        let known = &mut self.memo.rows.approvers;
        known.extend(ids.iter().map(|id| ((tenant.clone(), id.clone()), Vec::new())));
        for (id, person) in given {
            known.entry((tenant.clone(), id)).or_default().push(person);
        }
        Ok(())
    }

    /// Writes an approval.
    pub(crate) fn insert_approval(&mut self, row: ApprovalRow) -> Result<(), StoreError> {
        let rows =
            change!(self, conn => diesel::insert_into(approvals::table).values(row).execute(conn))?;
        exactly_one("approvals", rows)
    }
}
