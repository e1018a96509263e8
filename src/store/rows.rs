//! Rows as they are kept: one struct for each table, read and written whole. The words in them are
//! the domain's, so a row that the domain would refuse cannot be read.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::columns::Json;
use super::schema::{
    approvals, challenges, client_keys, client_secrets, client_tokens, clients, directories,
    enrollments, events, factors, installation, issued_tokens, overrides, petitions, policies,
    recovery_codes, roles, signing_keys, tenants, throttles, tickets, user_groups, users,
};
use crate::mfa::challenge::{EnrollmentAuthority, Purpose, TicketMode};
use crate::mfa::client::Scope;
use crate::mfa::client_key::PublicJwk;
use crate::mfa::event::{ActorKind, EventKind, EventSeq};
use crate::mfa::factor::{FactorKind, FactorState, Primary, PrimaryMethod};
use crate::mfa::ids::{
    ChallengeId, ClientId, ClientKeyId, ClientSecretId, ClientTokenId, DirectoryId, EnrollmentId,
    EventId, FactorId, OverrideId, PetitionId, RecoveryCodeId, TenantId, TicketId, TokenId, UserId,
};
use crate::mfa::overrides::{OverrideKind, OverrideState, PetitionKind, PetitionState};
use crate::mfa::policy::Policy;
use crate::mfa::time::Timestamp;
use crate::mfa::token_key::{KeyState, Kid};
use crate::mfa::totp::Algorithm;
use crate::mfa::words::{
    Audience, DisplayName, ExternalId, Group, Label, LookAlikes, Reason, Role, ServiceAccount,
    TicketReference, UserKind,
};

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident in $table:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Queryable, QueryableByName, Selectable, Insertable)]
        #[diesel(table_name = $table, treat_none_as_default_value = false)]
        #[allow(missing_docs, reason = "a column says what it is; docs/data-model.md tells its life")]
        pub struct $name { $(pub $field: $type,)* }
    )*};
}

rows! {
    /// The installation's one row.
    InstallationRow in installation {
        id: i64,
        tenant_id: TenantId,
        key_check: Vec<u8>,
        sealed_pepper: Vec<u8>,
        created_at: Timestamp,
        event_seq: EventSeq,
    }
    /// A token key.
    SigningKeyRow in signing_keys {
        tenant_id: TenantId,
        id: Kid,
        algorithm: String,
        public_jwk: String,
        sealed: Option<Vec<u8>>,
        state: KeyState,
        created_at: Timestamp,
        active_from: Option<Timestamp>,
        retiring_from: Option<Timestamp>,
        ended_at: Option<Timestamp>,
        event_seq: EventSeq,
    }
    /// A tenant.
    TenantRow in tenants {
        tenant_id: TenantId,
        name: DisplayName,
        created_at: Timestamp,
        suspended_at: Option<Timestamp>,
        event_seq: EventSeq,
    }
    /// A directory.
    DirectoryRow in directories {
        tenant_id: TenantId,
        id: DirectoryId,
        name: DisplayName,
        created_at: Timestamp,
        look_alikes: LookAlikes,
        event_seq: EventSeq,
    }
    /// A client.
    ClientRow in clients {
        tenant_id: TenantId,
        id: ClientId,
        directory_id: DirectoryId,
        name: DisplayName,
        scopes: Json<BTreeSet<Scope>>,
        audiences: Json<BTreeSet<Audience>>,
        created_by: String,
        created_at: Timestamp,
        disabled_at: Option<Timestamp>,
        new_users_day: i64,
        new_users: i64,
        new_users_refused_day: i64,
        offboardings_day: i64,
        offboardings: i64,
        offboardings_refused_day: i64,
        event_seq: EventSeq,
    }
    /// One secret of a client, as its SHA-256.
    ClientSecretRow in client_secrets {
        tenant_id: TenantId,
        id: ClientSecretId,
        client_id: ClientId,
        hash: Vec<u8>,
        created_at: Timestamp,
        expires_at: Timestamp,
        revoked_at: Option<Timestamp>,
        event_seq: EventSeq,
    }
    /// A public key of a client, or a service account that may sign in as it.
    ClientKeyRow in client_keys {
        tenant_id: TenantId,
        id: ClientKeyId,
        client_id: ClientId,
        jwk: Option<Json<PublicJwk>>,
        service_account: Option<ServiceAccount>,
        created_at: Timestamp,
        removed_at: Option<Timestamp>,
        event_seq: EventSeq,
    }
    /// An access token of a client, as its SHA-256, and the assertion that it was given for.
    ClientTokenRow in client_tokens {
        tenant_id: TenantId,
        id: ClientTokenId,
        client_id: ClientId,
        key_id: ClientKeyId,
        jti_hash: Vec<u8>,
        hash: Vec<u8>,
        scopes: Json<BTreeSet<Scope>>,
        issued_at: Timestamp,
        expires_at: Timestamp,
        event_seq: EventSeq,
    }
    /// A user.
    UserRow in users {
        tenant_id: TenantId,
        id: UserId,
        directory_id: DirectoryId,
        external_id: ExternalId,
        display_name: DisplayName,
        kind: UserKind,
        labels: Json<BTreeSet<Label>>,
        epoch: i64,
        ever_enrolled: bool,
        ticket_only: bool,
        created_at: Timestamp,
        offboarded_at: Option<Timestamp>,
        event_seq: EventSeq,
        external_id_folded: String,
    }
    /// The groups that one client asserts of a user.
    UserGroupsRow in user_groups {
        tenant_id: TenantId,
        user_id: UserId,
        client_id: ClientId,
        groups: Json<BTreeSet<Group>>,
        is_complete: bool,
        is_told: bool,
        held: Option<Vec<u8>>,
        event_seq: EventSeq,
    }
    /// A role of a user.
    RoleRow in roles {
        tenant_id: TenantId,
        user_id: UserId,
        role: Role,
        granted_at: Timestamp,
        override_id: Option<OverrideId>,
        revoked_at: Option<Timestamp>,
        event_seq: EventSeq,
    }
    /// A policy version.
    PolicyRow in policies {
        tenant_id: TenantId,
        version: i64,
        document: Json<Policy>,
        created_by: String,
        created_at: Timestamp,
        override_id: Option<OverrideId>,
        event_seq: EventSeq,
    }
    /// A factor.
    FactorRow in factors {
        tenant_id: TenantId,
        id: FactorId,
        user_id: UserId,
        kind: FactorKind,
        state: FactorState,
        algorithm: Algorithm,
        digits: i64,
        sealed: Option<Vec<u8>>,
        created_at: Timestamp,
        activated_at: Option<Timestamp>,
        trust_since: Option<Timestamp>,
        is_bootstrap: bool,
        exposed_to: Option<UserId>,
        rotate_by: Option<Timestamp>,
        ended_at: Option<Timestamp>,
        end_authority: Option<String>,
        end_authority_id: Option<String>,
        event_seq: EventSeq,
    }
    /// A user's throttle in one lane; `level` and `updated_at` are the bucket.
    ThrottleRow in throttles {
        tenant_id: TenantId,
        user_id: UserId,
        lane: String,
        level: i64,
        updated_at: Timestamp,
        consecutive: i64,
        blocked_until: Timestamp,
        event_seq: EventSeq,
    }
    /// A challenge.
    ChallengeRow in challenges {
        tenant_id: TenantId,
        id: ChallengeId,
        hash: Vec<u8>,
        user_id: UserId,
        client_id: ClientId,
        purpose: Purpose,
        audiences: Json<Vec<Audience>>,
        primary_method: PrimaryMethod,
        primary_at: Timestamp,
        address: Option<String>,
        act_operation: Option<String>,
        act_digest: Option<Vec<u8>>,
        recovery_code_id: Option<RecoveryCodeId>,
        created_at: Timestamp,
        expires_at: Timestamp,
        attempts: i64,
        closed_at: Option<Timestamp>,
        event_seq: EventSeq,
    }
    /// An enrollment.
    EnrollmentRow in enrollments {
        tenant_id: TenantId,
        id: EnrollmentId,
        hash: Vec<u8>,
        user_id: UserId,
        client_id: Option<ClientId>,
        factor_id: FactorId,
        authority: EnrollmentAuthority,
        authority_id: Option<String>,
        audiences: Json<Vec<Audience>>,
        primary_method: PrimaryMethod,
        primary_at: Timestamp,
        address: Option<String>,
        attempts: i64,
        created_at: Timestamp,
        expires_at: Timestamp,
        closed_at: Option<Timestamp>,
        event_seq: EventSeq,
    }
    /// A recovery code, as its keyed hash.
    RecoveryCodeRow in recovery_codes {
        tenant_id: TenantId,
        id: RecoveryCodeId,
        user_id: UserId,
        hash: Vec<u8>,
        created_at: Timestamp,
        used_at: Option<Timestamp>,
        replaced_at: Option<Timestamp>,
        event_seq: EventSeq,
    }
    /// A ticket.
    TicketRow in tickets {
        tenant_id: TenantId,
        id: TicketId,
        user_id: UserId,
        mode: TicketMode,
        hash: Vec<u8>,
        attempts: i64,
        created_by: String,
        override_id: Option<OverrideId>,
        created_at: Timestamp,
        expires_at: Timestamp,
        redeemed_at: Option<Timestamp>,
        revoked_at: Option<Timestamp>,
        event_seq: EventSeq,
    }
    /// A petition.
    PetitionRow in petitions {
        tenant_id: TenantId,
        id: PetitionId,
        kind: PetitionKind,
        user_id: UserId,
        state: PetitionState,
        reason: Reason,
        facts: Json<serde_json::Value>,
        requested_by_kind: ActorKind,
        requested_by: String,
        created_at: Timestamp,
        decided_at: Option<Timestamp>,
        decided_by: Option<UserId>,
        override_id: Option<OverrideId>,
        event_seq: EventSeq,
    }
    /// An override.
    OverrideRow in overrides {
        tenant_id: TenantId,
        id: OverrideId,
        kind: OverrideKind,
        user_id: Option<UserId>,
        facts: Json<serde_json::Value>,
        audiences: Json<BTreeSet<Audience>>,
        digest: Vec<u8>,
        state: OverrideState,
        reason: Reason,
        ticket_reference: Option<TicketReference>,
        requested_by: String,
        requested_client_id: Option<ClientId>,
        requested_epoch: Option<i64>,
        requested_at: Timestamp,
        required_approvals: i64,
        policy_version: i64,
        petition_id: Option<PetitionId>,
        is_break_glass: bool,
        expires_at: Timestamp,
        approved_at: Option<Timestamp>,
        ended_at: Option<Timestamp>,
        ended_by: Option<String>,
        event_seq: EventSeq,
    }
    /// One approval.
    ApprovalRow in approvals {
        tenant_id: TenantId,
        override_id: OverrideId,
        person_id: UserId,
        digest: Vec<u8>,
        client_id: ClientId,
        epoch: i64,
        at: Timestamp,
        event_seq: EventSeq,
    }
    /// A token that was minted; not the token.
    IssuedTokenRow in issued_tokens {
        tenant_id: TenantId,
        id: TokenId,
        user_id: UserId,
        client_id: ClientId,
        factor_id: FactorId,
        audience: Audience,
        epoch: i64,
        issued_at: Timestamp,
        expires_at: Timestamp,
        event_seq: EventSeq,
    }
}

/// An event as it is read.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = events)]
#[allow(missing_docs, reason = "a column says what it is; docs/data-model.md tells its life")]
pub struct EventRow {
    pub seq: i64,
    pub id: EventId,
    pub at: Timestamp,
    pub kind: EventKind,
    pub actor_kind: ActorKind,
    pub actor_id: String,
    pub client_id: Option<ClientId>,
    pub user_id: Option<UserId>,
    pub object_id: Option<String>,
    pub evaluated: Option<bool>,
    pub request_id: String,
    pub data: Json<serde_json::Value>,
}

impl ChallengeRow {
    /// What the console vouched for.
    #[must_use]
    pub fn primary(&self) -> Primary {
        Primary { method: self.primary_method, at: self.primary_at }
    }
}

impl EnrollmentRow {
    /// What the console vouched for.
    #[must_use]
    pub fn primary(&self) -> Primary {
        Primary { method: self.primary_method, at: self.primary_at }
    }
}
