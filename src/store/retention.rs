//! What is past its keeping: found over all tenants, deleted in one.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::conn::{change, on};
use super::schema::{challenges, client_tokens, enrollments, factors, issued_tokens, tickets};
use super::{StoreError, Tx};
use crate::mfa::factor::FactorState;
use crate::mfa::ids::{
    ChallengeId, ClientTokenId, EnrollmentId, EventId, FactorId, TenantId, TicketId, TokenId,
};
use crate::mfa::retention::{
    CHALLENGE_KEPT, CLIENT_TOKEN_KEPT, ENROLLMENT_KEPT, ISSUED_TOKEN_KEPT, LONGEST_TOKEN,
    TICKET_KEPT, expired_before,
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
    issued_tokens: Vec<TokenId>,
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

/// The first id that an event of this instant can have: ids of events begin with their time.
fn first_event_at(at: Timestamp) -> EventId {
    EventId::from_random((u128::from(at.millis().unsigned_abs()) << 80).to_be_bytes())
}

/// The longest expired rows of a table, as tenant and id, through the index on their end.
macro_rules! longest_expired {
    ($tx:expr, $table:ident, $before:expr, $without:expr) => {
        on!($tx, conn => $table::table
            .filter($table::expires_at.lt($before))
            .filter($table::tenant_id.ne_all($without))
            .order($table::expires_at.asc())
            .limit(BATCH)
            .select(($table::tenant_id, $table::id))
            .load(conn))?
    };
}

/// When the row of a table that comes first in an order becomes due.
macro_rules! first_due {
    ($tx:expr, $table:ident, $order:ident, $kept:expr) => {{
        let first: Option<Timestamp> = on!($tx, conn => $table::table
            .order($table::$order.asc())
            .select($table::expires_at)
            .first(conn)
            .optional())?;
        first.map(|expired| expired.after($kept))
    }};
}

/// Those of some rows of a tenant that are there, and past their keeping.
macro_rules! still_there {
    ($tx:expr, $table:ident, $tenant:expr, $ids:expr, $before:expr, $what:expr) => {
        on!($tx, conn => $table::table
            .filter($table::tenant_id.eq($tenant))
            .filter($table::id.eq_any($ids))
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
            longest_expired!(self, challenges, before, without);
        for (tenant, id) in rows {
            found.entry(tenant).or_default().challenges.push(id);
        }
        let before = expired_before(now, ENROLLMENT_KEPT);
        let rows: Vec<(TenantId, EnrollmentId)> =
            longest_expired!(self, enrollments, before, without);
        for (tenant, id) in rows {
            found.entry(tenant).or_default().enrollments.push(id);
        }
        let before = expired_before(now, TICKET_KEPT);
        let rows: Vec<(TenantId, TicketId)> = longest_expired!(self, tickets, before, without);
        for (tenant, id) in rows {
            found.entry(tenant).or_default().tickets.push(id);
        }
        for (tenant, id) in self.first_issued(expired_before(now, ISSUED_TOKEN_KEPT), without)? {
            found.entry(tenant).or_default().issued_tokens.push(id);
        }
        let before = expired_before(now, CLIENT_TOKEN_KEPT);
        let rows: Vec<(TenantId, ClientTokenId)> =
            longest_expired!(self, client_tokens, before, without);
        for (tenant, id) in rows {
            found.entry(tenant).or_default().client_tokens.push(id);
        }
        Ok(found)
    }

    /// For how long the oldest row of all tenants is past its keeping; zero if none is. Of issued tokens it
    /// is the one that was issued first.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Result<Span, StoreError> {
        let due = [
            first_due!(self, challenges, expires_at, CHALLENGE_KEPT),
            first_due!(self, enrollments, expires_at, ENROLLMENT_KEPT),
            first_due!(self, tickets, expires_at, TICKET_KEPT),
            first_due!(self, issued_tokens, event_id, ISSUED_TOKEN_KEPT),
            first_due!(self, client_tokens, expires_at, CLIENT_TOKEN_KEPT),
        ];
        let oldest = due.into_iter().flatten().min().unwrap_or(now);
        Ok(now.since(oldest.min(now)))
    }

    /// The rows of the tokens that were issued first, and so long ago that all of them expired before
    /// an instant.
    fn first_issued(
        &mut self,
        before: Timestamp,
        without: &BTreeSet<TenantId>,
    ) -> Result<Vec<(TenantId, TokenId)>, StoreError> {
        let first = first_event_at(before.before(LONGEST_TOKEN));
        Ok(on!(self, conn => issued_tokens::table
            .filter(issued_tokens::event_id.lt(&first))
            .filter(issued_tokens::expires_at.lt(before))
            .filter(issued_tokens::tenant_id.ne_all(without))
            .order(issued_tokens::event_id.asc())
            .limit(BATCH)
            .select((issued_tokens::tenant_id, issued_tokens::id))
            .load(conn))?)
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
            still_there!(self, challenges, tenant, &due.challenges, before, challenges::id);
        let before = expired_before(now, ENROLLMENT_KEPT);
        let rows: Vec<(EnrollmentId, FactorId)> = still_there!(
            self,
            enrollments,
            tenant,
            &due.enrollments,
            before,
            (enrollments::id, enrollments::factor_id)
        );
        let (enrollments, enrolled): (Vec<_>, BTreeSet<_>) = rows.into_iter().unzip();
        let factors = self.never_confirmed(tenant, enrolled, before)?;
        let before = expired_before(now, TICKET_KEPT);
        let tickets = still_there!(self, tickets, tenant, &due.tickets, before, tickets::id);
        let before = expired_before(now, ISSUED_TOKEN_KEPT);
        let issued_tokens = still_there!(
            self,
            issued_tokens,
            tenant,
            &due.issued_tokens,
            before,
            issued_tokens::id
        );
        let before = expired_before(now, CLIENT_TOKEN_KEPT);
        let client_tokens = still_there!(
            self,
            client_tokens,
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
        event: &EventId,
    ) -> Result<(), StoreError> {
        let ended = change!(self, conn => diesel::update(factors::table)
            .filter(factors::tenant_id.eq(tenant))
            .filter(factors::id.eq_any(&due.factors))
            .filter(factors::state.eq(FactorState::Pending))
            .set((
                factors::state.eq(FactorState::Ended),
                factors::sealed.eq(None::<Vec<u8>>),
                factors::ended_at.eq(at),
                factors::event_id.eq(event),
            ))
            .execute(conn))?;
        exactly("factors", ended, due.factors.len())?;
        delete!(self, challenges, tenant, &due.challenges);
        delete!(self, enrollments, tenant, &due.enrollments);
        delete!(self, tickets, tenant, &due.tickets);
        delete!(self, issued_tokens, tenant, &due.issued_tokens);
        delete!(self, client_tokens, tenant, &due.client_tokens);
        Ok(())
    }
}

/// So many rows were to change, and so many did.
fn exactly(what: &'static str, rows: usize, expected: usize) -> Result<(), StoreError> {
    if rows == expected { Ok(()) } else { Err(StoreError::Guard(what, rows)) }
}
