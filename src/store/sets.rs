//! Writes of many logins, table by table.
//!
//! What logins write is gathered and goes out before anything else is asked, in one order of tables.
//! As many rows must change as were gathered, so a guard that refused one row of a slice refuses the
//! slice, and its requests run alone.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};
use diesel::sqlite::Sqlite;

use super::open_challenges::Openings;
use super::postgres::PgConnection;
use super::rows::{ChallengeRow, IssuedTokenRow, RecoveryCodeRow, ThrottleRow};
use super::set::{One, at, columns, write};
use super::{Connection, Json, StoreError};
use crate::mfa::challenge::Purpose;
use crate::mfa::event::{ActorKind, Event, EventKind, EventSeq};
use crate::mfa::factor::PrimaryMethod;
use crate::mfa::ids::{
    ChallengeId, ClientId, EventId, FactorId, RecoveryCodeId, TenantId, TokenId, UserId,
};
use crate::mfa::time::{Step, Timestamp};
use crate::mfa::words::Audience;

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

write! { RecoveryCodes into "recovery_codes" {
    tenant_id: Text = TenantId,
    id: Text = RecoveryCodeId,
    user_id: Text = UserId,
    hash: Binary = Vec<u8>,
    created_at: BigInt = Timestamp,
    used_at: Nullable<BigInt> = Option<Timestamp>,
    replaced_at: Nullable<BigInt> = Option<Timestamp>,
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
    recovery_codes: RecoveryCodes,
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
        self.recovery_codes.flush(connection)?;
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
    pub(super) fn recovery_code(&mut self, row: RecoveryCodeRow) {
        let set = &mut self.recovery_codes;
        set.tenant_id.push(row.tenant_id);
        set.id.push(row.id);
        set.user_id.push(row.user_id);
        set.hash.push(row.hash);
        set.created_at.push(row.created_at);
        set.used_at.push(row.used_at);
        set.replaced_at.push(row.replaced_at);
        set.event_seq.push(row.event_seq);
    }
}
