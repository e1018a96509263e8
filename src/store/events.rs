//! The record: written with every change, read by page.

use diesel::prelude::*;

use super::conn::on;
use super::memo::Newest;
use super::rows::EventRow;
use super::schema::events;
use super::{StoreError, Tx};
use crate::mfa::event::{Event, EventKind};
use crate::mfa::ids::{EventId, TenantId, UserId};
use crate::mfa::time::{Span, Timestamp};
use crate::telemetry::metrics::Occurrence;

/// Which events a reader wants, oldest first.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct EventFilter {
    pub after_seq: i64,
    pub user: Option<UserId>,
    pub kind: Option<EventKind>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub limit: i64,
}

/// How far a clock may be behind the newest event: what replicas' clocks may differ by.
const TOLERANCE: Span = Span::seconds(30);

impl Tx<'_> {
    /// Refuses to work with a clock that went back: expired exemptions, challenges and tickets would
    /// come to life again. A wrong clock is unknown, and unknown is not "no".
    pub(crate) fn check_clock(
        &mut self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self.newest_event(tenant)? {
            Some((_, newest)) if newest > now.after(TOLERANCE) => {
                Err(StoreError::Clock(newest.since(now).as_seconds_up()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Number and time of a tenant's newest event.
    fn newest_event(&mut self, tenant: &TenantId) -> Result<Newest, StoreError> {
        if let Some(known) = self.memo.newest.get(tenant) {
            return Ok(*known);
        }
        let found = on!(self, conn => events::table
            .filter(events::tenant_id.eq(tenant))
            .order(events::seq.desc())
            .select((events::seq, events::at))
            .first(conn)
            .optional())?;
        self.memo.newest.insert(tenant.clone(), found);
        Ok(found)
    }

    /// Writes an event. It comes first: the row that it explains names it.
    pub(crate) fn record(&mut self, event: &Event, request: &str) -> Result<(), StoreError> {
        // The next number: a writer is alone in its tenant, so nobody takes it meanwhile.
        let seq = self.newest_event(&event.tenant)?.map_or(1, |(newest, _)| newest + 1);
        self.memo.is_changed = true;
        self.count(Occurrence::Event(event.kind));
        self.memo.newest.insert(event.tenant.clone(), Some((seq, event.at)));
        self.memo.last_event = Some((event.tenant.clone(), event.id.clone()));
        self.memo.pending.event(seq, event, request);
        Ok(())
    }

    /// The place of an event in the record.
    pub(crate) fn find_event_seq(
        &mut self,
        tenant: &TenantId,
        id: &EventId,
    ) -> Result<Option<i64>, StoreError> {
        Ok(on!(self, conn => events::table
            .filter(events::id.eq(id))
            .filter(events::tenant_id.eq(tenant))
            .select(events::seq)
            .get_result(conn)
            .optional())?)
    }

    /// A page of a tenant's events.
    pub(crate) fn list_events(
        &mut self,
        tenant: &TenantId,
        filter: &EventFilter,
    ) -> Result<Vec<EventRow>, StoreError> {
        Ok(on!(self, conn => {
            let mut query = events::table
                .filter(events::tenant_id.eq(tenant))
                .filter(events::seq.gt(filter.after_seq))
                .order(events::seq.asc())
                .limit(filter.limit)
                .select(EventRow::as_select())
                .into_boxed();
            if let Some(user) = &filter.user {
                query = query.filter(events::user_id.eq(user));
            }
            if let Some(kind) = filter.kind {
                query = query.filter(events::kind.eq(kind));
            }
            if let Some(since) = filter.since {
                query = query.filter(events::at.ge(since));
            }
            if let Some(until) = filter.until {
                query = query.filter(events::at.lt(until));
            }
            query.load(conn)
        })?)
    }
}
