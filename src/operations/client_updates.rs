//! Changing what a client may do. More scopes or audiences let its key do more, so it is an override, as the
//! client was.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, UpdateClientAct};
use super::call::{Note, Person, Work};
use super::client_changes::{self, Asked, ClientChange, enabled};
use super::client_endings::enough_without;
use super::clients::check_sets;
use super::overrides::OverrideResult;
use super::proofs::{Proof, apart, unwritten};
use super::protocol::Plan;
use super::requests::request;
use super::{Call, Done, Pawl};
use crate::mfa::client::Scope;
use crate::mfa::event::EventKind;
use crate::mfa::ids::{ClientId, OverrideId};
use crate::mfa::refusal::Refusal;
use crate::mfa::words::{Audience, Reason, TicketReference};
use crate::store::rows::ClientRow;

/// What a client may do from now on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateClient {
    /// All of its scopes.
    #[schema(min_items = 1, max_items = 5)]
    pub scopes: BTreeSet<Scope>,
    /// All the audiences that it may ask tokens for, besides Pawl's own, which every client may.
    #[schema(max_items = 10)]
    pub audiences: BTreeSet<Audience>,
    /// Why.
    pub reason: Reason,
    /// The number of a ticket in the organization's own system.
    #[serde(default)]
    pub ticket_reference: Option<TicketReference>,
    /// A code of the administrator's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// Scopes and audiences of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClientSets {
    pub(super) scopes: BTreeSet<Scope>,
    pub(super) audiences: BTreeSet<Audience>,
}

/// What a client gets instead of what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClientUpdate {
    /// What it gets.
    #[serde(flatten)]
    pub(super) to: ClientSets,
    /// What it had when the request was made: an approver saw this replaced, and nothing else.
    pub(super) from: ClientSets,
}

impl ClientSets {
    fn of(client: ClientRow) -> Self {
        Self { scopes: client.scopes.0, audiences: client.audiences.0 }
    }
}

/// Replaces a client's scopes and audiences.
///
/// # Errors
/// `not-found`; `client-disabled`; `audience-reserved`; `invalid-request` if the client has exactly these;
/// `last-client` if too few administrators could sign in any more; everything that the protocol can say.
pub async fn update_client(
    pawl: &Pawl,
    call: Call,
    id: ClientId,
    body: UpdateClient,
) -> Done<OverrideResult> {
    let (act, proof) = (
        Act::UpdateClientAct(UpdateClientAct { client_id: id.clone(), body: body.clone() }),
        body.proof.clone(),
    );
    let access = access::UpdateClient::ACCESS;
    request(pawl, call, access, (act, proof), move |work, person| plan(work, person, &id, &body))
        .await
}

/// Checks everything that can be foreseen of a change of a client's scopes and audiences.
pub(super) fn plan(
    work: &mut Work<'_, '_>,
    person: &Person,
    id: &ClientId,
    body: &UpdateClient,
) -> Done<Plan> {
    let from = ClientSets::of(enabled(work, id)?);
    let to = ClientSets { scopes: body.scopes.clone(), audiences: body.audiences.clone() };
    if from == to {
        let reason = "wants other scopes or audiences than the client has";
        return Err(Refusal::InvalidInput { field: "scopes", reason }.into());
    }
    let asked = Asked {
        reason: &body.reason,
        reference: body.ticket_reference.as_ref(),
        audiences: &body.audiences,
    };
    let change = ClientChange::Update { client_id: id.clone(), update: ClientUpdate { to, from } };
    client_changes::plan(work, person, &change, &asked)
}

/// Whether a client can get these scopes and audiences now.
pub(super) fn fits(work: &mut Work<'_, '_>, id: &ClientId, update: &ClientUpdate) -> Done<()> {
    let client = enabled(work, id)?;
    check_sets(work, &update.to.scopes, &update.to.audiences)?;
    // Another override changed the client while this one waited: it would undo that.
    if ClientSets::of(client) != update.from {
        return Err(Refusal::OverrideNotOpen.into());
    }
    if update.to.scopes.contains(&Scope::Login) {
        Ok(())
    } else {
        enough_without(work, |client, _| client == id)
    }
}

/// Writes a client's scopes and audiences.
pub(super) fn write(
    work: &mut Work<'_, '_>,
    id: &ClientId,
    update: &ClientUpdate,
    by: &OverrideId,
) -> Done<()> {
    fits(work, id, update)?;
    let sets = &update.to;
    let data = serde_json::json!({
        "scopes": sets.scopes, "audiences": sets.audiences, "from": update.from, "override": by,
    });
    let event = work.record(Note::new(EventKind::ClientUpdated).object(id).data(data))?;
    let (tenant, scopes, audiences) = (work.tenant.clone(), &sets.scopes, &sets.audiences);
    Ok(work.tx.update_client(&tenant, id, (scopes, audiences), event.seq)?)
}
