//! Writes of many logins, table by table.
//!
//! What logins write is gathered and goes out before anything else is asked, in one order of tables.
//! As many rows must change as were gathered, so a guard that refused one row of a slice refuses the
//! slice, and its requests run alone.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::open_challenges::Openings;
use super::postgres::PgConnection;
use super::rows::{ChallengeRow, IssuedTokenRow, ThrottleRow};
use super::{Connection, Json, StoreError};
use crate::mfa::challenge::Purpose;
use crate::mfa::event::{ActorKind, Event, EventKind, EventSeq};
use crate::mfa::factor::PrimaryMethod;
use crate::mfa::ids::{
    ChallengeId, ClientId, EventId, FactorId, RecoveryCodeId, TenantId, TokenId, UserId,
};
use crate::mfa::time::{Step, Timestamp};
use crate::mfa::words::Audience;

/// A write of many rows: on PostgreSQL one statement over their columns, on SQLite one for each row.
/// diesel would prepare an UPDATE, and an INSERT of NULLs, anew each time, and on SQLite all their
/// triggers with it; these texts never change.
macro_rules! write {
    ($name:ident into $table:literal { $first:ident: $first_sql:ty = $first_type:ty,
        $($field:ident: $sql:ty = $type:ty,)* }) => {
        columns!($name of $table { $first: $first_sql = $first_type, $($field: $sql = $type,)* });

        impl QueryFragment<Pg> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql(concat!("INSERT INTO ", $table, " (", stringify!($first),
                    $(", ", stringify!($field),)* ") SELECT * FROM unnest("));
                out.push_bind_param::<Array<$first_sql>, _>(&self.$first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<Array<$sql>, _>(&self.$field)?;
                )*
                out.push_sql(")");
                Ok(())
            }
        }

        impl QueryFragment<Sqlite> for One<'_, $name> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql(concat!("INSERT INTO ", $table, " (", stringify!($first),
                    $(", ", stringify!($field),)* ") VALUES ("));
                out.push_bind_param::<$first_sql, _>(at(&self.set.$first, self.row)?)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<$sql, _>(at(&self.set.$field, self.row)?)?;
                )*
                out.push_sql(")");
                Ok(())
            }
        }
    };
    ($name:ident in $table:literal { $first:ident: $first_sql:ty = $first_type:ty,
        $($field:ident: $sql:ty = $type:ty,)* } where {
        $($key:ident: $key_sql:ty = $key_type:ty,)* } $(, $guard:literal $guarded:ident: $guard_sql:ty)?
        $(; $fixed:literal)?) => {
        columns!($name of $table {
            $first: $first_sql = $first_type, $($field: $sql = $type,)* $($key: $key_sql = $key_type,)*
        });

        impl QueryFragment<Pg> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql(concat!("UPDATE ", $table, " AS t SET ",
                    stringify!($first), " = n.", stringify!($first),
                    $(", ", stringify!($field), " = n.", stringify!($field),)* " FROM unnest("));
                out.push_bind_param::<Array<$first_sql>, _>(&self.$first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<Array<$sql>, _>(&self.$field)?;
                )*
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<Array<$key_sql>, _>(&self.$key)?;
                )*
                out.push_sql(concat!(") AS n (", stringify!($first), $(", ", stringify!($field),)*
                    $(", ", stringify!($key),)* ") WHERE true",
                    $(" AND t.", stringify!($key), " = n.", stringify!($key),)*
                    $(" AND ", $guard, " n.", stringify!($guarded),)? $(" AND ", $fixed)?));
                Ok(())
            }
        }

        impl QueryFragment<Sqlite> for One<'_, $name> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql(concat!("UPDATE ", $table, " AS t SET ", stringify!($first), " = "));
                out.push_bind_param::<$first_sql, _>(at(&self.set.$first, self.row)?)?;
                $(
                    out.push_sql(concat!(", ", stringify!($field), " = "));
                    out.push_bind_param::<$sql, _>(at(&self.set.$field, self.row)?)?;
                )*
                out.push_sql(" WHERE true");
                $(
                    out.push_sql(concat!(" AND t.", stringify!($key), " = "));
                    out.push_bind_param::<$key_sql, _>(at(&self.set.$key, self.row)?)?;
                )*
                $(
                    out.push_sql(concat!(" AND ", $guard, " "));
                    out.push_bind_param::<$guard_sql, _>(at(&self.set.$guarded, self.row)?)?;
                )?
                $(out.push_sql(concat!(" AND ", $fixed));)?
                Ok(())
            }
        }
    };
}

/// The columns of the rows, and how they are written.
macro_rules! columns {
    ($name:ident of $table:literal { $first:ident: $first_sql:ty = $first_type:ty,
        $($field:ident: $sql:ty = $type:ty,)* }) => {
        #[derive(Debug, Default)]
        struct $name { $first: Vec<$first_type>, $($field: Vec<$type>,)* }

        impl QueryId for $name {
            type QueryId = Self;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::RunQueryDsl<PgConnection> for $name {}

        impl $name {
            fn flush(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
                let rows = self.$first.len();
                if rows == 0 {
                    return Ok(());
                }
                let set = std::mem::take(self);
                let changed = match connection {
                    Connection::Postgres(connection) => set.execute(&mut **connection)?,
                    Connection::Sqlite(connection) => {
                        let mut changed = 0;
                        for row in 0..rows {
                            changed += One { set: &set, row }.execute(connection)?;
                        }
                        changed
                    }
                };
                if changed == rows { Ok(()) } else { Err(StoreError::Guard($table, changed)) }
            }
        }
    };
}

/// One row of a set.
struct One<'a, S> {
    set: &'a S,
    row: usize,
}

impl<S: 'static> QueryId for One<'_, S> {
    type QueryId = S;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S> diesel::RunQueryDsl<SqliteConnection> for One<'_, S> {}

fn at<T>(column: &[T], row: usize) -> QueryResult<&T> {
    column.get(row).ok_or(diesel::result::Error::NotFound)
}

write! { Events into "events" {
    seq: BigInt = i64,
    id: Text = EventId,
    tenant_id: Text = TenantId,
    at: BigInt = Timestamp,
    kind: Text = EventKind,
    actor_kind: Text = ActorKind,
    actor_id: Text = String,
    client_id: Nullable<Text> = Option<ClientId>,
    user_id: Nullable<Text> = Option<UserId>,
    object_id: Nullable<Text> = Option<String>,
    evaluated: Nullable<Bool> = Option<bool>,
    request_id: Text = String,
    data: Text = Json<serde_json::Value>,
} }
write! { NewThrottles into "throttles" {
    tenant_id: Text = TenantId,
    user_id: Text = UserId,
    lane: Text = String,
    level: BigInt = i64,
    updated_at: BigInt = Timestamp,
    consecutive: BigInt = i64,
    blocked_until: BigInt = Timestamp,
    event_seq: BigInt = EventSeq,
} }
write! { Throttles in "throttles" {
    level: BigInt = i64,
    updated_at: BigInt = Timestamp,
    consecutive: BigInt = i64,
    blocked_until: BigInt = Timestamp,
    event_seq: BigInt = EventSeq,
} where {
    tenant_id: Text = TenantId,
    user_id: Text = UserId,
    lane: Text = String,
} }
write! { Steps in "factor_steps" {
    last_step: BigInt = Step,
    event_seq: BigInt = EventSeq,
} where {
    tenant_id: Text = TenantId,
    factor_id: Text = FactorId,
}, "t.last_step + 0 <" last_step: BigInt }
write! { Charges in "challenges" {
    attempts: BigInt = i64,
    closed_at: Nullable<BigInt> = Option<Timestamp>,
    event_seq: BigInt = EventSeq,
} where {
    tenant_id: Text = TenantId,
    id: Text = ChallengeId,
}, "t.attempts + 1 =" attempts: BigInt; "t.closed_at IS NULL" }
write! { Challenges into "challenges" {
    tenant_id: Text = TenantId,
    id: Text = ChallengeId,
    hash: Binary = Vec<u8>,
    user_id: Text = UserId,
    client_id: Text = ClientId,
    purpose: Text = Purpose,
    audiences: Text = Json<Vec<Audience>>,
    primary_method: Text = PrimaryMethod,
    primary_at: BigInt = Timestamp,
    address: Nullable<Text> = Option<String>,
    act_operation: Nullable<Text> = Option<String>,
    act_digest: Nullable<Binary> = Option<Vec<u8>>,
    recovery_code_id: Nullable<Text> = Option<RecoveryCodeId>,
    created_at: BigInt = Timestamp,
    expires_at: BigInt = Timestamp,
    attempts: BigInt = i64,
    closed_at: Nullable<BigInt> = Option<Timestamp>,
    event_seq: BigInt = EventSeq,
} }
write! { Tokens into "issued_tokens" {
    tenant_id: Text = TenantId,
    id: Text = TokenId,
    user_id: Text = UserId,
    client_id: Text = ClientId,
    factor_id: Text = FactorId,
    audience: Text = Audience,
    epoch: BigInt = i64,
    issued_at: BigInt = Timestamp,
    expires_at: BigInt = Timestamp,
    event_seq: BigInt = EventSeq,
} }

/// What logins wrote and the database has not heard of yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    events: Events,
    new_throttles: NewThrottles,
    throttles: Throttles,
    steps: Steps,
    charges: Charges,
    challenges: Challenges,
    openings: Openings,
    tokens: Tokens,
}

impl Pending {
    /// Sends everything, the events first: rows name them. Answers how many challenges were closed because
    /// too many were open.
    pub(super) fn flush(&mut self, connection: &mut Connection) -> Result<usize, StoreError> {
        self.events.flush(connection)?;
        self.new_throttles.flush(connection)?;
        self.throttles.flush(connection)?;
        self.steps.flush(connection)?;
        self.charges.flush(connection)?;
        self.challenges.flush(connection)?;
        self.tokens.flush(connection)?;
        self.openings.close_surplus(connection)
    }

    pub(super) fn event(&mut self, seq: i64, event: &Event, request: &str) {
        let (actor_kind, actor_id, client) = event.actor.parts();
        let set = &mut self.events;
        set.seq.push(seq);
        set.id.push(event.id.clone());
        set.tenant_id.push(event.tenant.clone());
        set.at.push(event.at);
        set.kind.push(event.kind);
        set.actor_kind.push(actor_kind);
        set.actor_id.push(actor_id.to_owned());
        set.client_id.push(client.cloned());
        set.user_id.push(event.user.clone());
        set.object_id.push(event.object.clone());
        set.evaluated.push(event.evaluated);
        set.request_id.push(request.to_owned());
        set.data.push(Json(event.data.clone()));
    }

    /// Whether a statement would meet this throttle twice, and one of the two be lost.
    pub(super) fn has_throttle(&self, row: &ThrottleRow) -> bool {
        let is = |users: &[UserId], lanes: &[String]| {
            users.iter().zip(lanes).any(|(user, lane)| *user == row.user_id && *lane == row.lane)
        };
        is(&self.throttles.user_id, &self.throttles.lane)
            || is(&self.new_throttles.user_id, &self.new_throttles.lane)
    }

    pub(super) fn throttle(&mut self, row: ThrottleRow, is_new: bool) {
        macro_rules! push {
            ($set:expr) => {{
                let set = &mut $set;
                set.tenant_id.push(row.tenant_id);
                set.user_id.push(row.user_id);
                set.lane.push(row.lane);
                set.level.push(row.level);
                set.updated_at.push(row.updated_at);
                set.consecutive.push(row.consecutive);
                set.blocked_until.push(row.blocked_until);
                set.event_seq.push(row.event_seq);
            }};
        }
        if is_new { push!(self.new_throttles) } else { push!(self.throttles) }
    }

    pub(super) fn has_step(&self, factor: &FactorId) -> bool {
        self.steps.factor_id.contains(factor)
    }

    pub(super) fn step(
        &mut self,
        tenant: &TenantId,
        factor: &FactorId,
        step: Step,
        event: EventSeq,
    ) {
        self.steps.tenant_id.push(tenant.clone());
        self.steps.factor_id.push(factor.clone());
        self.steps.last_step.push(step);
        self.steps.event_seq.push(event);
    }

    /// Whether this challenge was opened or charged by something that waits.
    pub(super) fn has_challenge(&self, id: &ChallengeId) -> bool {
        self.charges.id.contains(id) || self.challenges.id.contains(id)
    }

    pub(super) fn charge(
        &mut self,
        row: &ChallengeRow,
        closed_at: Option<Timestamp>,
        event: EventSeq,
    ) {
        self.charges.tenant_id.push(row.tenant_id.clone());
        self.charges.id.push(row.id.clone());
        self.charges.attempts.push(row.attempts + 1);
        self.charges.closed_at.push(closed_at);
        self.charges.event_seq.push(event);
    }

    pub(super) fn challenge(&mut self, row: ChallengeRow) {
        self.openings.note(&row);
        let set = &mut self.challenges;
        set.tenant_id.push(row.tenant_id);
        set.id.push(row.id);
        set.hash.push(row.hash);
        set.user_id.push(row.user_id);
        set.client_id.push(row.client_id);
        set.purpose.push(row.purpose);
        set.audiences.push(row.audiences);
        set.primary_method.push(row.primary_method);
        set.primary_at.push(row.primary_at);
        set.address.push(row.address);
        set.act_operation.push(row.act_operation);
        set.act_digest.push(row.act_digest);
        set.recovery_code_id.push(row.recovery_code_id);
        set.created_at.push(row.created_at);
        set.expires_at.push(row.expires_at);
        set.attempts.push(row.attempts);
        set.closed_at.push(row.closed_at);
        set.event_seq.push(row.event_seq);
    }

    pub(super) fn token(&mut self, row: IssuedTokenRow) {
        let set = &mut self.tokens;
        set.tenant_id.push(row.tenant_id);
        set.id.push(row.id);
        set.user_id.push(row.user_id);
        set.client_id.push(row.client_id);
        set.factor_id.push(row.factor_id);
        set.audience.push(row.audience);
        set.epoch.push(row.epoch);
        set.issued_at.push(row.issued_at);
        set.expires_at.push(row.expires_at);
        set.event_seq.push(row.event_seq);
    }
}
