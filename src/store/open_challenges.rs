//! How many challenges stay open: one more closes the oldest ones.
//!
//! The statement runs for each batch, after the rows of its challenges were written. It reads the newest
//! challenges of a user, a client and a purpose, by an index that ends with the id, whose beginning is the
//! time. It looks at so many at the most that its cost has a limit, whatever was opened and closed before.

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::postgres::PgConnection;
use super::rows::ChallengeRow;
use super::{Connection, StoreError};
use crate::mfa::challenge::{CHALLENGE_LIFE, MOST_OPEN, Purpose};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{ChallengeId, ClientId, TenantId, UserId, time_first};
use crate::mfa::time::Timestamp;

/// How many of the newest challenges are looked at, open or not: those that may stay open, and a batch.
const LOOKED_AT: i64 = MOST_OPEN + 140;

/// What the challenges of one user, client and purpose are found by.
type Group = (TenantId, UserId, ClientId, Purpose);

/// The last opening of each group in this batch.
#[derive(Debug, Default)]
pub(super) struct Openings(HashMap<Group, Opening>);

#[derive(Debug)]
struct Opening {
    /// Smaller ids belong to challenges that expired.
    since: ChallengeId,
    at: Timestamp,
    event: EventSeq,
}

impl Openings {
    pub(super) fn note(&mut self, row: &ChallengeRow) {
        let group =
            (row.tenant_id.clone(), row.user_id.clone(), row.client_id.clone(), row.purpose);
        let since =
            ChallengeId::from_random(time_first(row.created_at.before(CHALLENGE_LIFE), [0; 16]));
        let opening = Opening { since, at: row.created_at, event: row.event_seq };
        self.0.insert(group, opening);
    }

    /// Closes what is more than may be open; answers how many were closed. The event of the last opening
    /// closes them. A challenge that a later event of this batch charged stays as it is.
    pub(super) fn close_surplus(
        &mut self,
        connection: &mut Connection,
    ) -> Result<usize, StoreError> {
        let openings = std::mem::take(self);
        match connection {
            Connection::Postgres(connection) if openings.0.is_empty() => Ok(0),
            Connection::Postgres(connection) => {
                Ok(Columns::from(openings).execute(&mut **connection)?)
            }
            Connection::Sqlite(connection) => {
                let mut closed = 0;
                for (group, opening) in &openings.0 {
                    closed += One { group, opening }.execute(connection)?;
                }
                Ok(closed)
            }
        }
    }
}

#[derive(Default)]
struct Columns {
    tenants: Vec<TenantId>,
    users: Vec<UserId>,
    clients: Vec<ClientId>,
    purposes: Vec<Purpose>,
    since: Vec<ChallengeId>,
    at: Vec<Timestamp>,
    events: Vec<EventSeq>,
}

impl From<Openings> for Columns {
    fn from(openings: Openings) -> Self {
        let mut columns = Self::default();
        for ((tenant, user, client, purpose), opening) in openings.0 {
            columns.tenants.push(tenant);
            columns.users.push(user);
            columns.clients.push(client);
            columns.purposes.push(purpose);
            columns.since.push(opening.since);
            columns.at.push(opening.at);
            columns.events.push(opening.event);
        }
        columns
    }
}

impl QueryId for Columns {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl diesel::RunQueryDsl<PgConnection> for Columns {}

impl QueryFragment<Pg> for Columns {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE challenges AS t SET closed_at = s.at, event_seq = s.event_seq FROM (");
        out.push_sql("SELECT o.tenant_id, o.at, o.event_seq, c.id FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.tenants)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.users)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.clients)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.purposes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.since)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.events)?;
        out.push_sql(
            ") AS o (tenant_id, user_id, client_id, purpose, since, at, event_seq) \
             CROSS JOIN LATERAL (SELECT n.id FROM (SELECT c.* FROM challenges c \
             WHERE c.tenant_id = o.tenant_id AND c.user_id = o.user_id AND c.client_id = o.client_id \
             AND c.purpose = o.purpose AND c.id > o.since ORDER BY c.id DESC LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&LOOKED_AT)?;
        out.push_sql(
            ") AS n WHERE n.closed_at IS NULL AND n.expires_at > o.at \
             ORDER BY (n.event_seq = o.event_seq) DESC, n.id DESC OFFSET ",
        );
        out.push_bind_param::<BigInt, _>(&MOST_OPEN)?;
        out.push_sql(
            ") AS c OFFSET 0) AS s WHERE t.tenant_id = s.tenant_id AND t.id = s.id \
             AND t.event_seq < s.event_seq",
        );
        Ok(())
    }
}

struct One<'a> {
    group: &'a Group,
    opening: &'a Opening,
}

impl QueryId for One<'_> {
    type QueryId = One<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl diesel::RunQueryDsl<SqliteConnection> for One<'_> {}

impl QueryFragment<Sqlite> for One<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let (tenant, user, client, purpose) = self.group;
        out.push_sql("UPDATE challenges AS t SET closed_at = ");
        out.push_bind_param::<BigInt, _>(&self.opening.at)?;
        out.push_sql(", event_seq = ");
        out.push_bind_param::<BigInt, _>(&self.opening.event)?;
        out.push_sql(" WHERE t.tenant_id = ");
        out.push_bind_param::<Text, _>(tenant)?;
        out.push_sql(
            " AND t.id IN (SELECT n.id FROM (SELECT c.* FROM challenges c WHERE c.tenant_id = ",
        );
        out.push_bind_param::<Text, _>(tenant)?;
        out.push_sql(" AND c.user_id = ");
        out.push_bind_param::<Text, _>(user)?;
        out.push_sql(" AND c.client_id = ");
        out.push_bind_param::<Text, _>(client)?;
        out.push_sql(" AND c.purpose = ");
        out.push_bind_param::<Text, _>(purpose)?;
        out.push_sql(" AND c.id > ");
        out.push_bind_param::<Text, _>(&self.opening.since)?;
        out.push_sql(" ORDER BY c.id DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&LOOKED_AT)?;
        out.push_sql(") AS n WHERE n.closed_at IS NULL AND n.expires_at > ");
        out.push_bind_param::<BigInt, _>(&self.opening.at)?;
        out.push_sql(" ORDER BY (n.event_seq = ");
        out.push_bind_param::<BigInt, _>(&self.opening.event)?;
        out.push_sql(") DESC, n.id DESC LIMIT -1 OFFSET ");
        out.push_bind_param::<BigInt, _>(&MOST_OPEN)?;
        out.push_sql(") AND t.event_seq < ");
        out.push_bind_param::<BigInt, _>(&self.opening.event)?;
        Ok(())
    }
}
