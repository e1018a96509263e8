//! Taking a petition up: it becomes the calling administrator's own request.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, TakeUpPetitionAct};
use super::call::{Person, Work};
use super::overrides::OverrideResult;
use super::petitions::open_petition;
use super::proofs::{Proof, apart, unwritten};
use super::protocol::{self, Asking, Plan};
use super::requests::request;
use super::{Call, Done, Pawl};
use crate::mfa::ids::PetitionId;
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Audience, Reason, TicketReference};

/// An administrator makes a petition their own request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeUpPetition {
    /// The administrator's own reason.
    pub reason: Reason,
    /// The number of a ticket in the organization's own system.
    #[serde(default)]
    pub ticket_reference: Option<TicketReference>,
    /// For an exemption: the audiences that it covers.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub audiences: BTreeSet<Audience>,
    /// Until when.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// A code of the administrator's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// Checks everything that can be foreseen of taking a petition up.
pub(super) fn plan(
    work: &mut Work<'_, '_>,
    person: &Person,
    id: &PetitionId,
    request: &TakeUpPetition,
) -> Done<Plan> {
    let petition = open_petition(work, id)?;
    let asking = Asking {
        kind: petition.kind,
        user: &petition.user_id,
        reason: &request.reason,
        ticket_reference: request.ticket_reference.as_ref(),
        audiences: &request.audiences,
        expires_at: request.expires_at,
        petition: Some(&petition.id),
    };
    protocol::plan(work, person, &asking)
}

/// Makes a petition the calling administrator's own request for an override.
///
/// # Errors
/// `not-found`, `petition-decided`, and those of `requestOverride`.
pub async fn take_up_petition(
    pawl: &Pawl,
    call: Call,
    id: PetitionId,
    body: TakeUpPetition,
) -> Done<OverrideResult> {
    let (petition_id, proof) = (id.clone(), body.proof.clone());
    let act = Act::TakeUpPetitionAct(TakeUpPetitionAct { petition_id, body: body.clone() });
    let access = access::TakeUpPetition::ACCESS;
    request(pawl, call, access, (act, proof), move |work, person| plan(work, person, &id, &body))
        .await
}
