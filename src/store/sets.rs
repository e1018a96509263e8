//! Writes of many logins in one statement, on PostgreSQL.
//!
//! What logins write is gathered and goes out before anything else is asked, in one order of tables.
//! Each statement must change as many rows as were gathered, so a guard that refused one row of a
//! slice refuses the slice, and its requests run alone.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};

use super::postgres::PgConnection;
use super::rows::{ChallengeRow, IssuedTokenRow, ThrottleRow};
use super::{Json, StoreError};
use crate::mfa::challenge::Purpose;
use crate::mfa::event::{ActorKind, Event, EventKind};
use crate::mfa::factor::PrimaryMethod;
use crate::mfa::ids::{ChallengeId, ClientId, EventId, FactorId, TenantId, TokenId, UserId};
use crate::mfa::time::{Step, Timestamp};
use crate::mfa::words::Audience;

/// A statement over the columns of many rows. Its text never changes, so it is prepared once.
macro_rules! sets {
    ($($(#[$about:meta])* $name:ident on $table:literal = $before:literal [
        $first:ident: $first_sql:ty = $first_type:ty $(, $field:ident: $sql:ty = $type:ty)* $(,)?
    ] $after:literal;)*) => {$(
        $(#[$about])*
        #[derive(Debug, Default)]
        struct $name { $first: Vec<$first_type>, $($field: Vec<$type>,)* }

        impl QueryId for $name {
            type QueryId = Self;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl QueryFragment<Pg> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql($before);
                out.push_bind_param::<Array<$first_sql>, _>(&self.$first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<Array<$sql>, _>(&self.$field)?;
                )*
                out.push_sql($after);
                Ok(())
            }
        }

        impl diesel::RunQueryDsl<PgConnection> for $name {}

        impl $name {
            fn flush(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
                let rows = self.$first.len();
                if rows == 0 {
                    return Ok(());
                }
                let statement = std::mem::take(self);
                let changed = statement.execute(connection)?;
                if changed == rows { Ok(()) } else { Err(StoreError::Guard($table, changed)) }
            }
        }
    )*};
}

sets! {
    Events on "events" = "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, \
        client_id, user_id, object_id, evaluated, request_id, data) SELECT * FROM unnest(" [
        seq: BigInt = i64,
        id: Text = EventId,
        tenant: Text = TenantId,
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
    ] ")";
    NewThrottles on "throttles" = "INSERT INTO throttles (tenant_id, user_id, lane, level, \
        updated_at, consecutive, blocked_until, event_id) SELECT * FROM unnest(" [
        tenant: Text = TenantId,
        user: Text = UserId,
        lane: Text = String,
        level: BigInt = i64,
        updated_at: BigInt = Timestamp,
        consecutive: BigInt = i64,
        blocked_until: BigInt = Timestamp,
        event: Text = EventId,
    ] ")";
    Throttles on "throttles" = "UPDATE throttles AS t SET level = n.level, \
        updated_at = n.updated_at, consecutive = n.consecutive, blocked_until = n.blocked_until, \
        event_id = n.event_id FROM unnest(" [
        tenant: Text = TenantId,
        user: Text = UserId,
        lane: Text = String,
        level: BigInt = i64,
        updated_at: BigInt = Timestamp,
        consecutive: BigInt = i64,
        blocked_until: BigInt = Timestamp,
        event: Text = EventId,
    ] ") AS n (tenant_id, user_id, lane, level, updated_at, consecutive, blocked_until, event_id) \
       WHERE t.tenant_id = n.tenant_id AND t.user_id = n.user_id AND t.lane = n.lane";
    Steps on "factor_steps" = "UPDATE factor_steps AS s SET last_step = n.step, \
        event_id = n.event_id FROM unnest(" [
        tenant: Text = TenantId,
        factor: Text = FactorId,
        step: BigInt = Step,
        event: Text = EventId,
    ] ") AS n (tenant_id, factor_id, step, event_id) WHERE s.tenant_id = n.tenant_id \
       AND s.factor_id = n.factor_id AND s.last_step < n.step";
    Charges on "challenges" = "UPDATE challenges AS c SET attempts = n.attempts + 1, \
        closed_at = n.closed_at, event_id = n.event_id FROM unnest(" [
        tenant: Text = TenantId,
        id: Text = ChallengeId,
        attempts: BigInt = i64,
        closed_at: Nullable<BigInt> = Option<Timestamp>,
        event: Text = EventId,
    ] ") AS n (tenant_id, id, attempts, closed_at, event_id) WHERE c.tenant_id = n.tenant_id \
       AND c.id = n.id AND c.closed_at IS NULL AND c.attempts = n.attempts";
    Challenges on "challenges" = "INSERT INTO challenges (tenant_id, id, hash, user_id, client_id, \
        purpose, audiences, primary_method, primary_at, address, act_operation, act_digest, \
        recovery_code_id, created_at, expires_at, attempts, closed_at, event_id) \
        SELECT n.tenant_id, n.id, n.hash, n.user_id, n.client_id, n.purpose, n.audiences, \
        n.primary_method, n.primary_at, n.address, NULL, NULL, NULL, n.created_at, n.expires_at, 0, \
        NULL, n.event_id FROM unnest(" [
        tenant: Text = TenantId,
        id: Text = ChallengeId,
        hash: Binary = Vec<u8>,
        user: Text = UserId,
        client: Text = ClientId,
        purpose: Text = Purpose,
        audiences: Text = Json<Vec<Audience>>,
        primary_method: Text = PrimaryMethod,
        primary_at: BigInt = Timestamp,
        address: Nullable<Text> = Option<String>,
        created_at: BigInt = Timestamp,
        expires_at: BigInt = Timestamp,
        event: Text = EventId,
    ] ") AS n (tenant_id, id, hash, user_id, client_id, purpose, audiences, primary_method, \
       primary_at, address, created_at, expires_at, event_id)";
    Tokens on "issued_tokens" = "INSERT INTO issued_tokens (tenant_id, id, user_id, client_id, \
        factor_id, audience, epoch, issued_at, expires_at, event_id) SELECT * FROM unnest(" [
        tenant: Text = TenantId,
        id: Text = TokenId,
        user: Text = UserId,
        client: Text = ClientId,
        factor: Text = FactorId,
        audience: Text = Audience,
        epoch: BigInt = i64,
        issued_at: BigInt = Timestamp,
        expires_at: BigInt = Timestamp,
        event: Text = EventId,
    ] ")";
}

/// What logins wrote and PostgreSQL has not heard of yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    events: Events,
    new_throttles: NewThrottles,
    throttles: Throttles,
    steps: Steps,
    charges: Charges,
    challenges: Challenges,
    tokens: Tokens,
}

impl Pending {
    /// Sends everything, the events first: rows name them.
    pub(super) fn flush(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        self.events.flush(connection)?;
        self.new_throttles.flush(connection)?;
        self.throttles.flush(connection)?;
        self.steps.flush(connection)?;
        self.charges.flush(connection)?;
        self.challenges.flush(connection)?;
        self.tokens.flush(connection)
    }

    pub(super) fn event(&mut self, seq: i64, event: &Event, request: &str) {
        let (actor_kind, actor_id, client) = event.actor.parts();
        let set = &mut self.events;
        set.seq.push(seq);
        set.id.push(event.id.clone());
        set.tenant.push(event.tenant.clone());
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
        is(&self.throttles.user, &self.throttles.lane)
            || is(&self.new_throttles.user, &self.new_throttles.lane)
    }

    pub(super) fn throttle(&mut self, row: ThrottleRow, is_new: bool) {
        macro_rules! push {
            ($set:expr) => {{
                let set = &mut $set;
                set.tenant.push(row.tenant_id);
                set.user.push(row.user_id);
                set.lane.push(row.lane);
                set.level.push(row.level);
                set.updated_at.push(row.updated_at);
                set.consecutive.push(row.consecutive);
                set.blocked_until.push(row.blocked_until);
                set.event.push(row.event_id);
            }};
        }
        if is_new { push!(self.new_throttles) } else { push!(self.throttles) }
    }

    pub(super) fn has_step(&self, factor: &FactorId) -> bool {
        self.steps.factor.contains(factor)
    }

    pub(super) fn step(
        &mut self,
        tenant: &TenantId,
        factor: &FactorId,
        step: Step,
        event: &EventId,
    ) {
        self.steps.tenant.push(tenant.clone());
        self.steps.factor.push(factor.clone());
        self.steps.step.push(step);
        self.steps.event.push(event.clone());
    }

    /// Whether this challenge was opened or charged by something that waits.
    pub(super) fn has_challenge(&self, id: &ChallengeId) -> bool {
        self.charges.id.contains(id) || self.challenges.id.contains(id)
    }

    pub(super) fn charge(
        &mut self,
        row: &ChallengeRow,
        closed_at: Option<Timestamp>,
        event: &EventId,
    ) {
        self.charges.tenant.push(row.tenant_id.clone());
        self.charges.id.push(row.id.clone());
        self.charges.attempts.push(row.attempts);
        self.charges.closed_at.push(closed_at);
        self.charges.event.push(event.clone());
    }

    /// A challenge for a login or an enrollment; one for an act has more columns.
    pub(super) fn challenge(&mut self, row: ChallengeRow) {
        let set = &mut self.challenges;
        set.tenant.push(row.tenant_id);
        set.id.push(row.id);
        set.hash.push(row.hash);
        set.user.push(row.user_id);
        set.client.push(row.client_id);
        set.purpose.push(row.purpose);
        set.audiences.push(row.audiences);
        set.primary_method.push(row.primary_method);
        set.primary_at.push(row.primary_at);
        set.address.push(row.address);
        set.created_at.push(row.created_at);
        set.expires_at.push(row.expires_at);
        set.event.push(row.event_id);
    }

    pub(super) fn token(&mut self, row: IssuedTokenRow) {
        let set = &mut self.tokens;
        set.tenant.push(row.tenant_id);
        set.id.push(row.id);
        set.user.push(row.user_id);
        set.client.push(row.client_id);
        set.factor.push(row.factor_id);
        set.audience.push(row.audience);
        set.epoch.push(row.epoch);
        set.issued_at.push(row.issued_at);
        set.expires_at.push(row.expires_at);
        set.event.push(row.event_id);
    }
}
