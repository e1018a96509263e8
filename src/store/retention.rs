//! What is past its keeping: found over all tenants, deleted in one.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::conn::{change, on};
use super::schema::{challenges, client_tokens, enrollments, factors, issued_tokens, tickets};
use super::{StoreError, Tx};
use crate::mfa::event::EventSeq;
use crate::mfa::factor::FactorState;
use crate::mfa::ids::{ChallengeId, ClientTokenId, EnrollmentId, FactorId, TenantId, TicketId};
use crate::mfa::retention::{
    CHALLENGE_KEPT, CLIENT_TOKEN_KEPT, ENROLLMENT_KEPT, ISSUED_TOKEN_KEPT, TICKET_KEPT,
    expired_before,
};
use crate::mfa::time::{Span, Timestamp};

/// Rows of one tenant that are past their keeping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    challenges: Vec<ChallengeId>,
    enrollments: Vec<EnrollmentId>,
    /// Pending, and every enrollment of them is past its keeping: to be ended, for no factor is deleted.
    factors: Vec<FactorId>,
    tickets: Vec<TicketId>,
    /// Named by the event that issued it: an event of two tokens stands twice.
    issued_tokens: Vec<EventSeq>,
    client_tokens: Vec<ClientTokenId>,
}

/// How many rows of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Purged {
    /// Challenges that were deleted.
    pub challenges: usize,
    /// Enrollments that were deleted.
    pub enrollments: usize,
    /// Pending factors that were ended, their secrets destroyed.
    pub factors: usize,
    /// Tickets that were deleted.
    pub tickets: usize,
    /// Rows of tokens that were deleted.
    pub issued_tokens: usize,
    /// Rows of clients' own tokens that were deleted.
    pub client_tokens: usize,
}

impl Due {
    /// How much it is.
    #[must_use]
    pub fn count(&self) -> Purged {
        Purged {
            challenges: self.challenges.len(),
            enrollments: self.enrollments.len(),
            factors: self.factors.len(),
            tickets: self.tickets.len(),
            issued_tokens: self.issued_tokens.len(),
            client_tokens: self.client_tokens.len(),
        }
    }
}

impl Purged {
    /// Rows of all kinds.
    #[must_use]
    pub fn rows(&self) -> usize {
        let tokens = self.issued_tokens + self.client_tokens;
        self.challenges + self.enrollments + self.factors + self.tickets + tokens
    }
}

impl std::ops::AddAssign for Purged {
    fn add_assign(&mut self, more: Self) {
        self.challenges += more.challenges;
        self.enrollments += more.enrollments;
        self.factors += more.factors;
        self.tickets += more.tickets;
        self.issued_tokens += more.issued_tokens;
        self.client_tokens += more.client_tokens;
    }
}

/// Rows of one table in one batch: a transaction of so many is short.
const BATCH: i64 = 100;

/// The longest expired rows of a table, as tenant and what else names them, through the index on their end.
macro_rules! longest_expired {
    ($tx:expr, $table:ident, $named_by:ident, $before:expr, $without:expr) => {
        on!($tx, conn => $table::table
            .filter($table::expires_at.lt($before))
            .filter($table::tenant_id.ne_all($without))
            .order($table::expires_at.asc())
            .limit(BATCH)
            .select(($table::tenant_id, $table::$named_by))
            .load(conn))?
    };
}

/// When the row of a table that expires first becomes due.
macro_rules! first_due {
    ($tx:expr, $table:ident, $kept:expr) => {{
        let first: Option<Timestamp> = on!($tx, conn => $table::table
            .order($table::expires_at.asc())
            .select($table::expires_at)
            .first(conn)
            .optional())?;
        first.map(|expired| expired.after($kept))
    }};
}

/// Those of some rows of a tenant that are there, and past their keeping.
macro_rules! still_there {
    ($tx:expr, $table:ident, $named_by:ident, $tenant:expr, $ids:expr, $before:expr, $what:expr) => {
        on!($tx, conn => $table::table
            .filter($table::tenant_id.eq($tenant))
            .filter($table::$named_by.eq_any($ids))
            .filter($table::expires_at.lt($before))
            .select($what)
            .load(conn))?
    };
}

/// Deletes rows of a tenant that are there.
macro_rules! delete {
    ($tx:expr, $table:ident, $tenant:expr, $ids:expr) => {{
        let rows = change!($tx, conn => diesel::delete($table::table
            .filter($table::tenant_id.eq($tenant))
            .filter($table::id.eq_any($ids)))
            .execute(conn))?;
        exactly(stringify!($table), rows, $ids.len())?;
    }};
}

impl Tx<'_> {
    /// What expired first of all that is past its keeping, by tenant; at most [`BATCH`] of a table, and
    /// none of some tenants. What is found here is looked at again under the tenant's lock before it is
    /// deleted.
    pub(crate) fn find_due(
        &mut self,
        now: Timestamp,
        without: &BTreeSet<TenantId>,
    ) -> Result<BTreeMap<TenantId, Due>, StoreError> {
        let mut found = BTreeMap::<TenantId, Due>::new();
        let before = expired_before(now, CHALLENGE_KEPT);
        let rows: Vec<(TenantId, ChallengeId)> =
            longest_expired!(self, challenges, id, before, without);
        for (tenant, id) in rows {
            found.entry(tenant).or_default().challenges.push(id);
        }
        let before = expired_before(now, ENROLLMENT_KEPT);
        let rows: Vec<(TenantId, EnrollmentId)> =
            longest_expired!(self, enrollments, id, before, without);
        for (tenant, id) in rows {
            found.entry(tenant).or_default().enrollments.push(id);
        }
        let before = expired_before(now, TICKET_KEPT);
        let rows: Vec<(TenantId, TicketId)> = longest_expired!(self, tickets, id, before, without);
        for (tenant, id) in rows {
            found.entry(tenant).or_default().tickets.push(id);
        }
        let before = expired_before(now, ISSUED_TOKEN_KEPT);
        let rows: Vec<(TenantId, EventSeq)> =
            longest_expired!(self, issued_tokens, event_seq, before, without);
        for (tenant, id) in rows {
            found.entry(tenant).or_default().issued_tokens.push(id);
        }
        let before = expired_before(now, CLIENT_TOKEN_KEPT);
        let rows: Vec<(TenantId, ClientTokenId)> =
            longest_expired!(self, client_tokens, id, before, without);
        for (tenant, id) in rows {
            found.entry(tenant).or_default().client_tokens.push(id);
        }
        Ok(found)
    }

    /// For how long the oldest row of all tenants is past its keeping; zero if none is.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Result<Span, StoreError> {
        let due = [
            first_due!(self, challenges, CHALLENGE_KEPT),
            first_due!(self, enrollments, ENROLLMENT_KEPT),
            first_due!(self, tickets, TICKET_KEPT),
            first_due!(self, issued_tokens, ISSUED_TOKEN_KEPT),
            first_due!(self, client_tokens, CLIENT_TOKEN_KEPT),
        ];
        let oldest = due.into_iter().flatten().min().unwrap_or(now);
        Ok(now.since(oldest.min(now)))
    }

    /// What is left of it now, under the tenant's lock; with the factors that end with it.
    pub(crate) fn still_due(
        &mut self,
        tenant: &TenantId,
        due: &Due,
        now: Timestamp,
    ) -> Result<Due, StoreError> {
        let before = expired_before(now, CHALLENGE_KEPT);
        let challenges =
            still_there!(self, challenges, id, tenant, &due.challenges, before, challenges::id);
        let before = expired_before(now, ENROLLMENT_KEPT);
        let rows: Vec<(EnrollmentId, FactorId)> = still_there!(
            self,
            enrollments,
            id,
            tenant,
            &due.enrollments,
            before,
            (enrollments::id, enrollments::factor_id)
        );
        let (enrollments, enrolled): (Vec<_>, BTreeSet<_>) = rows.into_iter().unzip();
        let factors = self.never_confirmed(tenant, enrolled, before)?;
        let before = expired_before(now, TICKET_KEPT);
        let tickets = still_there!(self, tickets, id, tenant, &due.tickets, before, tickets::id);
        let before = expired_before(now, ISSUED_TOKEN_KEPT);
        let issued_tokens = still_there!(
            self,
            issued_tokens,
            event_seq,
            tenant,
            &due.issued_tokens,
            before,
            issued_tokens::event_seq
        );
        let before = expired_before(now, CLIENT_TOKEN_KEPT);
        let client_tokens = still_there!(
            self,
            client_tokens,
            id,
            tenant,
            &due.client_tokens,
            before,
            client_tokens::id
        );
        Ok(Due { challenges, enrollments, factors, tickets, issued_tokens, client_tokens })
    }

    /// Those of some factors that are pending, and that no enrollment with a later end can confirm.
    fn never_confirmed(
        &mut self,
        tenant: &TenantId,
        mut enrolled: BTreeSet<FactorId>,
        before: Timestamp,
    ) -> Result<Vec<FactorId>, StoreError> {
        let waiting: Vec<FactorId> = on!(self, conn => enrollments::table
            .filter(enrollments::tenant_id.eq(tenant))
            .filter(enrollments::factor_id.eq_any(&enrolled))
            .filter(enrollments::expires_at.ge(before))
            .select(enrollments::factor_id)
            .load(conn))?;
        for factor in waiting {
            enrolled.remove(&factor);
        }
        Ok(on!(self, conn => factors::table
            .filter(factors::tenant_id.eq(tenant))
            .filter(factors::id.eq_any(&enrolled))
            .filter(factors::state.eq(FactorState::Pending))
            .select(factors::id)
            .load(conn))?)
    }

    /// Deletes what [`Tx::still_due`] has just found, and ends its factors.
    pub(crate) fn delete_due(
        &mut self,
        tenant: &TenantId,
        due: &Due,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let ended = change!(self, conn => diesel::update(factors::table)
            .filter(factors::tenant_id.eq(tenant))
            .filter(factors::id.eq_any(&due.factors))
            .filter(factors::state.eq(FactorState::Pending))
            .set((
                factors::state.eq(FactorState::Ended),
                factors::sealed.eq(None::<Vec<u8>>),
                factors::ended_at.eq(at),
                factors::event_seq.eq(event),
            ))
            .execute(conn))?;
        exactly("factors", ended, due.factors.len())?;
        delete!(self, challenges, tenant, &due.challenges);
        delete!(self, enrollments, tenant, &due.enrollments);
        delete!(self, tickets, tenant, &due.tickets);
        // An event may have issued another token, which expires later.
        let before = expired_before(at, ISSUED_TOKEN_KEPT);
        let issued = change!(self, conn => diesel::delete(issued_tokens::table
            .filter(issued_tokens::tenant_id.eq(tenant))
            .filter(issued_tokens::event_seq.eq_any(&due.issued_tokens))
            .filter(issued_tokens::expires_at.lt(before)))
            .execute(conn))?;
        exactly("issued_tokens", issued, due.issued_tokens.len())?;
        delete!(self, client_tokens, tenant, &due.client_tokens);
        Ok(())
    }
}

/// So many rows were to change, and so many did.
fn exactly(what: &'static str, rows: usize, expected: usize) -> Result<(), StoreError> {
    if rows == expected { Ok(()) } else { Err(StoreError::Guard(what, rows)) }
}
