//! The record: written with every change, read by page.

use diesel::debug_query;
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel::sqlite::Sqlite;

use super::conn::on;
use super::deadline::Timed as _;
use super::memo::Newest;
use super::rows::EventRow;
use super::schema::events;
use super::{Database, StoreError, Tx};
use crate::mfa::event::{Event, EventKind, EventSeq, RecordedEvent};
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

/// What the index of kinds is made of.
const TENANT_AND_KIND: &str = "events.tenant_id || ' ' || events.kind";

/// The query of a page, between two numbers. Each filter has one index in the order of the numbers, and no other fits:
/// SQLite has no statistics to choose by. So the tenant is hidden from the key where an index is better, and with a
/// user and a kind, the user's is read: a tenant has many more events of one kind than of one user.
macro_rules! page {
    ($in_time:expr, $tenant:expr, $filter:expr, $after:expr, $end:expr) => {{
        let mut query = events::table
            .filter($in_time)
            .filter(events::seq.gt($after))
            .filter(events::seq.lt($end))
            .order(events::seq.asc())
            .limit($filter.limit)
            .select(EventRow::as_select())
            .into_boxed();
        if let Some(user) = &$filter.user {
            query = query.filter(events::user_id.eq(user));
            query = query.filter(events::tenant_id.concat("").eq($tenant));
            if let Some(kind) = $filter.kind {
                query = query.filter(events::kind.eq(kind));
            }
        } else if let Some(kind) = $filter.kind {
            let wanted = format!("{} {}", $tenant, kind.as_str());
            query = query.filter(sql::<Text>(TENANT_AND_KIND).eq(wanted));
        } else {
            query = query.filter(events::tenant_id.eq($tenant));
        }
        query
    }};
}

impl Tx<'_> {
    /// The time of a transaction in a tenant: the clock's, or the newest event's if that is later, as it may
    /// be by what replicas' clocks differ. So the times of a tenant's events never decrease.
    ///
    /// Refuses to work with a clock that went back: expired exemptions, challenges and tickets would
    /// come to life again. A wrong clock is unknown, and unknown is not "no".
    pub(crate) fn check_clock(
        &mut self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        match self.newest_event(tenant)? {
            Some((_, newest)) if newest > now.after(TOLERANCE) => {
                Err(StoreError::Clock(newest.since(now).as_seconds_up()))
            }
            Some((_, newest)) => Ok(now.max(newest)),
            None => Ok(now),
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
    pub(crate) fn record(
        &mut self,
        event: &Event,
        request: &str,
    ) -> Result<RecordedEvent, StoreError> {
        // The next number: a writer is alone in its tenant, so nobody takes it meanwhile.
        let newest = self.newest_event(&event.tenant)?;
        // `listEvents` seeks a time by halving the log.
        if newest.is_some_and(|(_, at)| at > event.at) {
            return Err(StoreError::Invalid("time of an event"));
        }
        let seq = newest.map_or(1, |(seq, _)| seq + 1);
        self.memo.is_changed = true;
        self.count(Occurrence::Event(event.kind));
        self.memo.newest.insert(event.tenant.clone(), Some((seq, event.at)));
        self.memo.last_event = Some((event.tenant.clone(), event.id.clone()));
        self.memo.pending.event(seq, event, request);
        Ok(RecordedEvent { id: event.id.clone(), seq: EventSeq::from_number(seq) })
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

    /// The number of a tenant's first event at or after an instant; one past the last if there is none. Events
    /// are numbered without gaps and their times never decrease, so each step halves the log.
    fn first_seq_at(&mut self, tenant: &TenantId, at: Timestamp) -> Result<i64, StoreError> {
        let mut low = 1;
        let mut high = self.newest_event(tenant)?.map_or(1, |(newest, _)| newest + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let found: Timestamp = on!(self, conn => events::table
                .filter(events::tenant_id.eq(tenant))
                .filter(events::seq.eq(middle))
                .select(events::at)
                .get_result(conn))?;
            if found < at { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// A page of a tenant's events.
    pub(crate) fn list_events(
        &mut self,
        tenant: &TenantId,
        filter: &EventFilter,
    ) -> Result<Vec<EventRow>, StoreError> {
        let since = filter.since.map(|since| self.first_seq_at(tenant, since)).transpose()?;
        let after = since.map_or(filter.after_seq, |since| filter.after_seq.max(since - 1));
        let end = filter.until.map(|until| self.first_seq_at(tenant, until)).transpose()?;
        let end = end.unwrap_or(i64::MAX);
        Ok(on!(self, conn => page!(conn.in_time(), tenant, filter, after, end).load(conn))?)
    }
}

/// The text of each query that a page may be, and the index that must serve it: tests look at the plans.
#[doc(hidden)]
#[must_use]
pub fn page_queries(database: &Database) -> Vec<(String, &'static str)> {
    let tenant = TenantId::from_random([1; 16]);
    let user = Some(UserId::from_random([1; 16]));
    let kind = Some(EventKind::CodeVerified);
    let pages = [
        (None, None, "key"),
        (user.clone(), None, "events_by_user"),
        (None, kind, "events_by_kind"),
        (user, kind, "events_by_user"),
    ];
    let text = |(user, kind, index)| {
        let filter = EventFilter { user, kind, limit: 51, ..EventFilter::default() };
        let always = sql::<Bool>("TRUE");
        let text = match database {
            Database::Sqlite(_) => {
                debug_query::<Sqlite, _>(&page!(always, &tenant, filter, 1, 9)).to_string()
            }
            Database::Postgres(_) => {
                debug_query::<Pg, _>(&page!(always, &tenant, filter, 1, 9)).to_string()
            }
        };
        let statement = text.split_once(" -- binds").map_or("", |(statement, _)| statement);
        (statement.to_owned(), index)
    };
    pages.into_iter().map(text).collect()
}
