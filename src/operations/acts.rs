//! Acts: one code buys exactly one.
//!
//! [`begin_step_up`] hashes its own canonical form of the act (operation, tenant, person, path ids,
//! `If-Match`, body) and opens a challenge for that one act. The operation then carries the same
//! fields with the challenge and a code; another act than the bound one is `proof-mismatch`, found
//! before any comparison and not charged.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::call::{Note, Work};
use super::client_endings::DisableClient;
use super::client_keys::AddClientKey;
use super::client_secrets::RotateClientSecret;
use super::client_updates::UpdateClient;
use super::clients::CreateClient;
use super::decisions::OpenChallenge;
use super::enrollments::BeginRotation;
use super::look_alikes::SetLookAlikes;
use super::overrides::{ApproveOverride, RequestOverride};
use super::policies::PutPolicy;
use super::proofs::active_factor;
use super::recovery::RegenerateRecoveryCodes;
use super::roles::{GrantRole, RevokeRole};
use super::take_up::TakeUpPetition;
use super::tenant_changes::RenameTenant;
use super::tickets::CreateTicket;
use super::union::union;
use super::wording::{NamedUser, Words, words};
use super::{Call, Done, Pawl, Shown};
use crate::mfa::challenge::{CHALLENGE_LIFE, Purpose};
use crate::mfa::event::EventKind;
use crate::mfa::factor::PrimaryMethod;
use crate::mfa::ids::{ChallengeId, ClientId, DirectoryId, OverrideId, PetitionId, UserId};
use crate::mfa::policy::weakening::PolicyChange;
use crate::mfa::words::Role;
use crate::store::rows::ChallengeRow;
use crate::store::seal::sha256;
use crate::store::{Json, StoreError};

macro_rules! acts {
    ($($(#[doc = $about:literal])+ $name:ident = $value:literal {
        $($(#[doc = $field_about:literal])+ $field:ident: $type:ty,)*
    })+) => {
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
        }
    };
}

acts! {
    /// Requesting an override.
    RequestOverrideAct = "requestOverride" {
        /// The body of the operation, without its proof.
        body: RequestOverride,
    }
    /// Approving an override.
    ApproveOverrideAct = "approveOverride" {
        /// The id in the operation's path.
        override_id: OverrideId,
        /// The body of the operation, without its proof.
        body: ApproveOverride,
    }
    /// Taking up a petition.
    TakeUpPetitionAct = "takeUpPetition" {
        /// The id in the operation's path.
        petition_id: PetitionId,
        /// The body of the operation, without its proof.
        body: TakeUpPetition,
    }
    /// Replacing the policy by one that is looser, or stricter about who may help a user.
    PutPolicyAct = "putPolicy" {
        /// The operation's `If-Match`.
        if_match: String,
        /// The body of the operation, without its proof.
        body: PutPolicy,
    }
    /// Giving a role.
    GrantRoleAct = "grantRole" {
        /// The user in the operation's path.
        user_id: UserId,
        /// The role in the operation's path.
        role: Role,
        /// The body of the operation, without its proof.
        body: GrantRole,
    }
    /// Taking a role away that the policy names.
    RevokeRoleAct = "revokeRole" {
        /// The user in the operation's path.
        user_id: UserId,
        /// The role in the operation's path.
        role: Role,
        /// The body of the operation, without its proof.
        body: RevokeRole,
    }
    /// Making a ticket.
    CreateTicketAct = "createTicket" {
        /// The body of the operation, without its proof.
        body: CreateTicket,
    }
    /// Making a client.
    CreateClientAct = "createClient" {
        /// The body of the operation, without its proof.
        body: CreateClient,
    }
    /// Disabling a client.
    DisableClientAct = "disableClient" {
        /// The client in the operation's path.
        client_id: ClientId,
        /// The body of the operation, without its proof.
        body: DisableClient,
    }
    /// Replacing a client's scopes and audiences.
    UpdateClientAct = "updateClient" {
        /// The client in the operation's path.
        client_id: ClientId,
        /// The body of the operation, without its proof.
        body: UpdateClient,
    }
    /// Giving a client a second secret.
    RotateClientSecretAct = "rotateClientSecret" {
        /// The client in the operation's path.
        client_id: ClientId,
        /// The body of the operation, without its proof.
        body: RotateClientSecret,
    }
    /// Giving a client a public key.
    AddClientKeyAct = "addClientKey" {
        /// The client in the operation's path.
        client_id: ClientId,
        /// The body of the operation, without its proof.
        body: AddClientKey,
    }
    /// Giving the tenant another name.
    RenameTenantAct = "renameTenant" {
        /// The body of the operation, without its proof.
        body: RenameTenant,
    }
    /// Setting what becomes of a directory's look-alikes.
    SetLookAlikesAct = "setLookAlikes" {
        /// The directory in the operation's path.
        directory_id: DirectoryId,
        /// The body of the operation, without its proof.
        body: SetLookAlikes,
    }
    /// Beginning a rotation of one's own factor.
    BeginRotationAct = "beginRotation" {
        /// The body of the operation, without its proof.
        body: BeginRotation,
    }
    /// Making new recovery codes for oneself.
    RegenerateRecoveryCodesAct = "regenerateRecoveryCodes" {
        /// The body of the operation, without its proof.
        body: RegenerateRecoveryCodes,
    }
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
        /// `disableClient`.
        DisableClientAct(DisableClientAct) = "disableClient",
        /// `updateClient`.
        UpdateClientAct(UpdateClientAct) = "updateClient",
        /// `rotateClientSecret`.
        RotateClientSecretAct(RotateClientSecretAct) = "rotateClientSecret",
        /// `addClientKey`.
        AddClientKeyAct(AddClientKeyAct) = "addClientKey",
        /// `renameTenant`.
        RenameTenantAct(RenameTenantAct) = "renameTenant",
        /// `setLookAlikes`.
        SetLookAlikesAct(SetLookAlikesAct) = "setLookAlikes",
        /// `beginRotation`.
        BeginRotationAct(BeginRotationAct) = "beginRotation",
        /// `regenerateRecoveryCodes`.
        RegenerateRecoveryCodesAct(RegenerateRecoveryCodesAct) = "regenerateRecoveryCodes",
    }
}

impl Act {
    /// SHA-256 of what Pawl itself parsed, bound to the tenant and the person. The proof is no part
    /// of it: it is not serialized.
    pub(super) fn digest(
        &self,
        work: &Work<'_, '_>,
        person: &UserId,
    ) -> Result<[u8; 32], StoreError> {
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
    /// The challenge: its handle is sent back with the code.
    pub challenge: OpenChallenge,
    /// The act for a person to read: show it before asking for the code. What others wrote is quoted in it.
    pub act: String,
    /// The user that the act is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<NamedUser>,
    /// For an approval: the person who asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requester: Option<NamedUser>,
    /// For a policy: everything that gets looser, and what gets stricter about who may help a user.
    #[schema(max_items = 1000)]
    pub changes: Vec<PolicyChange>,
    /// SHA-256 of the act's canonical form, as hex.
    pub digest: String,
}

pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Opens a challenge for one act of the calling person, if its operation would take it now: what can be
/// foreseen is refused before a code is asked for.
///
/// # Errors
/// `not-enrolled` without an active factor, and everything that the operation refuses before it looks at
/// a proof.
pub async fn begin_step_up(pawl: &Pawl, call: Call, act: Act) -> Done<StepUp> {
    let committed = call
        .write(pawl, access::BeginStepUp::ACCESS, move |work| {
            let person = work.person()?;
            active_factor(work, &person)?;
            act.foresee(work, &person)?;
            let digest = act.digest(work, &person.user.id)?;
            let id = ChallengeId::from_random(work.ordered());
            let data = serde_json::json!({ "operation": act.operation(), "digest": hex(&digest) });
            let note = Note::new(EventKind::StepUpBegun).user(&person.user.id).object(&id);
            let event = work.record(note.data(data))?;
            let Words { text, subject, requester, changes } = words(work, &act)?;
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
                event_seq: event.seq,
            });
            let challenge = OpenChallenge { handle: Shown::new(handle), expires_at };
            let digest = hex(&digest);
            Ok(StepUp { challenge, act: text, subject, requester, changes, digest })
        })
        .await?;
    Ok(committed.into_inner())
}
