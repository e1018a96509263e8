//! Proofs: one code buys exactly one act.
//!
//! [`begin_step_up`] hashes its own canonical form of the act (operation, tenant, person, path ids,
//! `If-Match`, body) and opens a challenge for that one act. The operation then carries the same
//! fields with the challenge and a code; another act than the bound one is `proof-mismatch`, found
//! before any comparison and not charged.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::call::{Note, Person, Work};
use super::client_keys::AddClientKey;
use super::client_secrets::RotateClientSecret;
use super::clients::CreateClient;
use super::codes::{Answered, Asked};
use super::enrollments::BeginRotation;
use super::overrides::{ApproveOverride, RequestOverride};
use super::petitions::TakeUpPetition;
use super::policies::PutPolicy;
use super::recovery::RegenerateRecoveryCodes;
use super::roles::{GrantRole, RevokeRole};
use super::standing::Facts;
use super::tickets::CreateTicket;
use super::union::union;
use super::{Call, Done, Handle, Pawl, SharedCode, Shown, Traced, wording};
use crate::mfa::challenge::{CHALLENGE_LIFE, Purpose, still_open};
use crate::mfa::event::EventKind;
use crate::mfa::factor::{FactorState, Login, Primary, PrimaryMethod};
use crate::mfa::ids::{ChallengeId, ClientId, EventId, FactorId, OverrideId, PetitionId, UserId};
use crate::mfa::overrides::is_cooled_down;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::{Span, Timestamp};
use crate::mfa::words::Role;
use crate::store::rows::{ChallengeRow, FactorRow};
use crate::store::seal::{constant_time_eq, sha256};
use crate::store::{Json, StoreError};

/// A challenge that was opened for this one act, and a fresh code for it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The handle from `beginStepUp`.
    pub challenge: Handle,
    /// A code of the acting person's own factor.
    pub code: SharedCode,
}

/// A proof is no part of the act that it proves: neither its digest nor the record has it. The document
/// does, which it would not if the field were skipped for good.
pub(super) fn apart<T>(_: &T) -> bool {
    true
}

/// What [`apart`] keeps from being called.
pub(super) fn unwritten<T, S: serde::Serializer>(_: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_none()
}

macro_rules! acts {
    ($($(#[doc = $about:literal])+ $name:ident = $value:literal {
        $($(#[doc = $field_about:literal])+ $field:ident: $type:ty,)*
    } in $words:expr;)+) => {
        $(
            $(#[doc = $about])+
            #[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[doc = $field_about])+ pub $field: $type,)* }
        )+

        impl Act {
            /// The operationId.
            #[must_use]
            pub const fn operation(&self) -> &'static str {
                match self { $(Self::$name(_) => $value,)+ }
            }

            /// The act in words, as far as the act itself tells.
            fn in_own_words(&self) -> String {
                match self { $(Self::$name(act) => {
                    let words: fn(&$name) -> String = $words;
                    words(act)
                })+ }
            }
        }
    };
}

acts! {
    /// Requesting an override.
    RequestOverrideAct = "requestOverride" {
        /// The body of the operation, without its proof.
        body: RequestOverride,
    } in |act| act.body.in_words();
    /// Approving an override.
    ApproveOverrideAct = "approveOverride" {
        /// The id in the operation's path.
        override_id: OverrideId,
        /// The body of the operation, without its proof.
        body: ApproveOverride,
    } in |act| format!("Approve the override {}", act.override_id);
    /// Taking up a petition.
    TakeUpPetitionAct = "takeUpPetition" {
        /// The id in the operation's path.
        petition_id: PetitionId,
        /// The body of the operation, without its proof.
        body: TakeUpPetition,
    } in |act| format!("Take up the petition {}", act.petition_id);
    /// Replacing the policy by a looser one.
    PutPolicyAct = "putPolicy" {
        /// The operation's `If-Match`.
        if_match: String,
        /// The body of the operation, without its proof.
        body: PutPolicy,
    } in |act| wording::policy(act.if_match.trim_matches('"'));
    /// Giving a role.
    GrantRoleAct = "grantRole" {
        /// The user in the operation's path.
        user_id: UserId,
        /// The role in the operation's path.
        role: Role,
        /// The body of the operation, without its proof.
        body: GrantRole,
    } in |act| wording::role(true, act.role, &act.user_id);
    /// Taking a role away that the policy names.
    RevokeRoleAct = "revokeRole" {
        /// The user in the operation's path.
        user_id: UserId,
        /// The role in the operation's path.
        role: Role,
        /// The body of the operation, without its proof.
        body: RevokeRole,
    } in |act| wording::role(false, act.role, &act.user_id);
    /// Making a ticket.
    CreateTicketAct = "createTicket" {
        /// The body of the operation, without its proof.
        body: CreateTicket,
    } in |act| wording::ticket(&act.body.user_id);
    /// Making a client.
    CreateClientAct = "createClient" {
        /// The body of the operation, without its proof.
        body: CreateClient,
    } in |act| wording::client(act.body.name.as_str());
    /// Giving a client a second secret.
    RotateClientSecretAct = "rotateClientSecret" {
        /// The client in the operation's path.
        client_id: ClientId,
        /// The body of the operation, without its proof.
        body: RotateClientSecret,
    } in |act| wording::client_secret(&act.client_id);
    /// Giving a client a public key.
    AddClientKeyAct = "addClientKey" {
        /// The client in the operation's path.
        client_id: ClientId,
        /// The body of the operation, without its proof.
        body: AddClientKey,
    } in |act| act.body.in_words(&act.client_id);
    /// Beginning a rotation of one's own factor.
    BeginRotationAct = "beginRotation" {
        /// The body of the operation, without its proof.
        body: BeginRotation,
    } in |_| "Replace your own authenticator".to_owned();
    /// Making new recovery codes for oneself.
    RegenerateRecoveryCodesAct = "regenerateRecoveryCodes" {
        /// The body of the operation, without its proof.
        body: RegenerateRecoveryCodes,
    } in |_| "Replace your own recovery codes".to_owned();
}

union! {
    /// An act that needs a proof: the operationId and everything that the operation will carry.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    Act by "operation" {
        /// `requestOverride`.
        RequestOverrideAct(RequestOverrideAct) = "requestOverride",
        /// `approveOverride`.
        ApproveOverrideAct(ApproveOverrideAct) = "approveOverride",
        /// `takeUpPetition`.
        TakeUpPetitionAct(TakeUpPetitionAct) = "takeUpPetition",
        /// `putPolicy`.
        PutPolicyAct(PutPolicyAct) = "putPolicy",
        /// `grantRole`.
        GrantRoleAct(GrantRoleAct) = "grantRole",
        /// `revokeRole`.
        RevokeRoleAct(RevokeRoleAct) = "revokeRole",
        /// `createTicket`.
        CreateTicketAct(CreateTicketAct) = "createTicket",
        /// `createClient`.
        CreateClientAct(CreateClientAct) = "createClient",
        /// `rotateClientSecret`.
        RotateClientSecretAct(RotateClientSecretAct) = "rotateClientSecret",
        /// `addClientKey`.
        AddClientKeyAct(AddClientKeyAct) = "addClientKey",
        /// `beginRotation`.
        BeginRotationAct(BeginRotationAct) = "beginRotation",
        /// `regenerateRecoveryCodes`.
        RegenerateRecoveryCodesAct(RegenerateRecoveryCodesAct) = "regenerateRecoveryCodes",
    }
}

impl Act {
    /// The act in words, for the page on which the person types the code. Only an administrator reads what
    /// an id stands for: nobody else may do the act, and nobody learns here what they may not read.
    fn in_words(&self, work: &mut Work<'_, '_>, person: &Person) -> Done<String> {
        let own = self.in_own_words();
        if !person.roles.contains(&Role::Admin) {
            return Ok(own);
        }
        let about = if let Self::ApproveOverrideAct(act) = self {
            wording::approval(work, &act.override_id)?
        } else if let Self::TakeUpPetitionAct(act) = self {
            wording::take_up(work, &act.petition_id, &act.body)?
        } else {
            None
        };
        Ok(about.map(|about| format!("{own}: {about}")).unwrap_or(own))
    }

    /// SHA-256 of what Pawl itself parsed, bound to the tenant and the person. The proof is no part
    /// of it: it is not serialized.
    fn digest(&self, work: &Work<'_, '_>, person: &UserId) -> Result<[u8; 32], StoreError> {
        let act = serde_json::to_string(self).map_err(|_| StoreError::Invalid("act"))?;
        let parts = ["pawl act v1", work.tenant.as_str(), person.as_str(), &act];
        let mut text = String::new();
        for part in parts {
            text.extend([part.len().to_string().as_str(), ":", part]);
        }
        Ok(sha256(text.as_bytes()))
    }
}

/// A challenge for one act.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepUp {
    /// The handle to send back with the code.
    pub challenge: Shown,
    /// Until when.
    pub expires_at: Timestamp,
    /// The act in words: show it to the person before asking for the code.
    pub act: String,
    /// SHA-256 of the act's canonical form, as hex.
    pub digest: String,
}

pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Opens a challenge for one act of the calling person. Anybody may ask; what the act itself needs is
/// checked when it is done.
///
/// # Errors
/// `not-enrolled` without an active factor.
pub async fn begin_step_up(pawl: &Pawl, call: Call, act: Act) -> Done<StepUp> {
    let committed = call
        .write(pawl, access::BeginStepUp::ACCESS, move |work| {
            let person = work.person()?;
            active_factor(work, &person)?;
            let digest = act.digest(work, &person.user.id)?;
            let id = ChallengeId::from_random(work.ordered());
            let data = serde_json::json!({ "operation": act.operation(), "digest": hex(&digest) });
            let note = Note::new(EventKind::StepUpBegun).user(&person.user.id).object(&id);
            let event = work.record(note.data(data))?;
            let words = act.in_words(work, &person)?;
            let (handle, hash) = work.secret("mch_");
            let expires_at = work.now.after(CHALLENGE_LIFE);
            work.tx.insert_challenge(ChallengeRow {
                tenant_id: work.tenant.clone(),
                id,
                hash,
                user_id: person.user.id.clone(),
                client_id: person.client.clone(),
                purpose: Purpose::Act,
                audiences: Json(Vec::new()),
                primary_method: PrimaryMethod::Other,
                primary_at: work.now,
                address: None,
                act_operation: Some(act.operation().to_owned()),
                act_digest: Some(digest.to_vec()),
                recovery_code_id: None,
                created_at: work.now,
                expires_at,
                attempts: 0,
                closed_at: None,
                event_id: event,
            });
            let challenge = Shown::new(handle);
            Ok(StepUp { challenge, expires_at, act: words, digest: hex(&digest) })
        })
        .await?;
    Ok(committed.into_inner())
}

fn active_factor(work: &mut Work<'_, '_>, person: &Person) -> Done<FactorRow> {
    work.tx
        .bound_factor(&work.tenant, &person.user.id)?
        .filter(|factor| factor.state == FactorState::Active)
        .ok_or_else(|| Refusal::NotEnrolled.into())
}

/// An act whose code was right: verified, spent, and good for this transaction only.
pub(super) struct Proven {
    /// The factor that gave the code.
    pub(super) factor: FactorId,
    /// The event that records the code.
    pub(super) event: EventId,
}

/// Before anything is compared: the person's factor is old enough to weaken with.
pub(super) fn cooled_down(work: &mut Work<'_, '_>, person: &Person) -> Done<()> {
    let factor = active_factor(work, person)?;
    let facts = work.facts(person.user.clone())?;
    let own = work.own_audience.clone();
    let attributes = facts.requirement(work, &[own], None).attributes;
    let hours = i64::from(attributes.factor_cooldown_hours.get());
    let since = factor.trust_since.ok_or(StoreError::Invalid("factor"))?;
    if is_cooled_down(since, factor.is_bootstrap, hours, work.now) {
        Ok(())
    } else {
        Err(Refusal::FactorTooNew { usable_from: since.after(Span::hours(hours)) }.into())
    }
}

/// Checks and spends a proof. Everything else that could refuse the act was checked before, so that
/// after the comparison only the commit is left.
///
/// The outer result rolls back; the inner one is a rejected code whose charge must be committed.
pub(super) fn prove(
    work: &mut Work<'_, '_>,
    person: &Person,
    act: &Act,
    proof: &Proof,
) -> Done<Traced<Proven>> {
    let challenge = open_challenge(work, person, proof)?;
    let digest = act.digest(work, &person.user.id)?;
    if !challenge.act_digest.as_deref().is_some_and(|bound| constant_time_eq(bound, &digest)) {
        return Err(Refusal::ProofMismatch.into());
    }
    let facts = work.facts(person.user.clone())?;
    let own = work.own_audience.clone();
    let attributes = facts.requirement(work, &[own], None).attributes;
    let factor = active_factor(work, person)?;
    let login = act_login(work, &facts, &factor, person);
    let asked = Asked {
        login,
        code: proof.code.get(),
        factor: Some(&factor),
        attributes: &attributes,
        kind: EventKind::CodeVerified,
        object: challenge.id.to_string(),
        address: None,
    };
    match work.ask(asked)? {
        Answered::Blocked(retry_after) => Err(Refusal::TooManyAttempts { retry_after }.into()),
        Answered::Rejected(event) => {
            work.tx.charge_challenge(&challenge, None, &event)?;
            Ok(Err(Refusal::CodeRejected("the proof's code")))
        }
        Answered::Verified(_, event) => {
            work.tx.charge_challenge(&challenge, Some(work.now), &event)?;
            Ok(Ok(Proven { factor: factor.id, event }))
        }
    }
}

fn open_challenge(work: &mut Work<'_, '_>, person: &Person, proof: &Proof) -> Done<ChallengeRow> {
    let challenge = work
        .tx
        .find_challenge(&work.tenant, proof.challenge.hash())?
        .filter(|row| row.purpose == Purpose::Act && row.user_id == person.user.id)
        .ok_or(Refusal::ChallengeOver("no such act of this person"))?;
    still_open(challenge.closed_at, challenge.expires_at, challenge.attempts, work.now)
        .map_err(|_| Refusal::ChallengeOver("closed, expired or out of attempts"))?;
    Ok(challenge)
}

fn act_login(work: &mut Work<'_, '_>, facts: &Facts, factor: &FactorRow, person: &Person) -> Login {
    Login {
        tenant: work.tenant.clone(),
        user: person.user.id.clone(),
        client: person.client.clone(),
        factor: factor.id.clone(),
        epoch: facts.user.epoch,
        event: work.event_id(),
        at: work.now,
        primary: Primary { method: PrimaryMethod::Other, at: work.now },
        grants: Vec::new(),
        key: None,
    }
}

/// The proof, or the refusal that says which one is needed.
pub(super) fn required(proof: Option<&Proof>) -> Done<&Proof> {
    proof.ok_or_else(|| Refusal::ProofRequired { rule: None, attribute: None }.into())
}
