//! Counts for `/metrics`, over all tenants. Each goes through an index of its own, which holds only what
//! is counted.

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::conn::on;
use super::schema::{events, overrides, throttles};
use super::{Connection, LOGIN_LANE, StoreError, Tx};
use crate::mfa::overrides::{OverrideKind, OverrideState};
use crate::mfa::throttle::{Limits, MOST_CONSECUTIVE};
use crate::mfa::time::Timestamp;
use crate::telemetry::metrics::OpenOverrides;

/// In the words of the partial indexes: a bound value would not be seen to be inside of them.
const DELAYED: &str = "throttles.blocked_until > 0";
const OPEN: &str = "overrides.state IN ('requested', 'approved')";

#[derive(QueryableByName)]
struct Millis {
    #[diesel(sql_type = BigInt)]
    millis: i64,
}

impl Tx<'_> {
    /// Users whose next code is not looked at after failures in a row: because of the delay, of the cap, or of
    /// a bucket without a token. The last is as of [`Limits::DEFAULT`]'s refill, whatever a policy demands.
    pub(crate) fn count_blocked(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let most = i64::from(MOST_CONSECUTIVE);
        let refilled = now.before(Limits::DEFAULT.refill);
        let is_empty = throttles::lane
            .eq(LOGIN_LANE)
            .and(throttles::level.eq(0))
            .and(throttles::updated_at.gt(refilled));
        let count: i64 = on!(self, conn => throttles::table
            .filter(sql::<Bool>(DELAYED))
            .filter(throttles::blocked_until.gt(now).or(throttles::consecutive.ge(most)).or(is_empty))
            .count()
            .get_result(conn))?;
        unsigned(count)
    }

    /// Overrides that wait or are in force, by kind and state; of each there is a number.
    pub(crate) fn count_overrides(
        &mut self,
        now: Timestamp,
    ) -> Result<Vec<OpenOverrides>, StoreError> {
        let found: Vec<(OverrideKind, OverrideState, i64)> = on!(self, conn => overrides::table
            .filter(sql::<Bool>(OPEN))
            .filter(overrides::expires_at.gt(now))
            .group_by((overrides::kind, overrides::state))
            .select((overrides::kind, overrides::state, count_star()))
            .load(conn))?;
        let mut counts = Vec::new();
        for kind in OverrideKind::ALL {
            for state in [OverrideState::Requested, OverrideState::Approved] {
                let is_it = |(k, s, _): &&_| (k, s) == (kind, &state);
                let count = found.iter().find(is_it).map_or(0, |(_, _, count)| *count);
                counts.push(OpenOverrides { kind: *kind, state, count: unsigned(count)? });
            }
        }
        Ok(counts)
    }

    /// Overrides that were ever made at the server's command line.
    pub(crate) fn count_break_glass(&mut self) -> Result<u64, StoreError> {
        let count: i64 = on!(self, conn => overrides::table
            .filter(overrides::is_break_glass)
            .count()
            .get_result(conn))?;
        unsigned(count)
    }

    /// How far the database's clock is ahead, in milliseconds. SQLite has none of its own: there it is
    /// how far the newest event is ahead, and zero if it is not.
    pub(crate) fn clock_difference(
        &mut self,
        tell: &impl Fn() -> Timestamp,
    ) -> Result<i64, StoreError> {
        self.flush()?;
        if let Connection::Postgres(conn) = &mut *self.connection {
            let clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS millis";
            let read: Millis = diesel::sql_query(clock).get_result(&mut **conn)?;
            return Ok(read.millis - tell().millis());
        }
        // Ids of events begin with their time.
        let newest: Option<Timestamp> = on!(self, conn => events::table
            .order(events::id.desc())
            .select(events::at)
            .first(conn)
            .optional())?;
        Ok(newest.map_or(0, |newest| newest.since(tell()).as_millis()))
    }
}

fn unsigned(count: i64) -> Result<u64, StoreError> {
    u64::try_from(count).map_err(|_| StoreError::Invalid("count"))
}
