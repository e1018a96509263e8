//! Requesting and approving overrides: the one protocol for everything that weakens.

use std::collections::BTreeSet;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, ApproveOverrideAct, RequestOverrideAct, hex};
use super::call::{Note, Person, Work};
use super::clients::ClientKey;
use super::execute;
use super::proofs::{Proof, apart, cooled_down, prove, required, unwritten};
use super::protocol::{Asking, collect, endorsed, in_state, plan, view};
use super::requests::request;
use super::tickets::IssuedTicket;
use super::{Call, Done, Page, Pawl, answer, cut};
use crate::mfa::event::EventKind;
use crate::mfa::ids::{OverrideId, PetitionId, UserId};
use crate::mfa::overrides::{
    NotAnApprover, OverrideKind, OverrideState, PetitionKind, may_approve,
};
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Audience, Reason, TicketReference};
use crate::store::OverrideFilter;
use crate::store::rows::{ApprovalRow, OverrideRow};
use crate::store::seal::constant_time_eq;

/// A request for an override for a user.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestOverride {
    /// For whom; never oneself.
    pub user_id: UserId,
    /// What.
    pub kind: PetitionKind,
    /// Why.
    pub reason: Reason,
    /// The number of a ticket in the organization's own system.
    #[serde(default)]
    pub ticket_reference: Option<TicketReference>,
    /// For an exemption: the audiences that it covers, never Pawl's.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub audiences: BTreeSet<Audience>,
    /// Until when, within the policy's `override_max_hours`. An exemption needs it; for the others it
    /// is how long the request waits for approvals, 24 hours if left out.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// A code of the requester's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

impl RequestOverride {
    /// What it asks for.
    pub(super) fn asking(&self) -> Asking<'_> {
        Asking {
            kind: self.kind,
            user: &self.user_id,
            reason: &self.reason,
            ticket_reference: self.ticket_reference.as_ref(),
            audiences: &self.audiences,
            expires_at: self.expires_at,
            petition: None,
        }
    }
}

/// An approval of exactly what the approver saw.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveOverride {
    /// The digest that `getOverride` answered.
    #[serde(deserialize_with = "hex_digest")]
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub digest: String,
    /// A code of the approver's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

fn hex_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_hex = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex { Ok(text) } else { Err(D::Error::custom("wants 64 hexadecimal digits")) }
}

/// An override.
#[derive(Debug, Serialize, ToSchema)]
// `Override` is an annotation of Java.
#[schema(as = MfaOverride)]
pub struct Override {
    /// Its id.
    pub id: OverrideId,
    /// What it weakens.
    pub kind: OverrideKind,
    /// For whom, if it is for a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Where it is; an expiry counts at once.
    pub state: OverrideState,
    /// Why.
    pub reason: Reason,
    /// The number of a ticket in the organization's own system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket_reference: Option<TicketReference>,
    /// The audiences that an exemption covers.
    #[schema(max_items = 10)]
    pub audiences: BTreeSet<Audience>,
    /// What exactly was asked for.
    #[schema(value_type = Object)]
    pub facts: serde_json::Value,
    /// SHA-256 of the facts, for `approveOverride`.
    pub digest: String,
    /// Who requested it: a user id, or `server` for break-glass.
    pub requested_by: String,
    /// When.
    pub requested_at: Timestamp,
    /// How many other persons must approve.
    #[schema(minimum = 0, maximum = 4)]
    pub required_approvals: i32,
    /// Who did.
    #[schema(max_items = 4)]
    pub approved_by: Vec<UserId>,
    /// When it came into force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Who ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// The petition that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub petition_id: Option<PetitionId>,
    /// Whether it came from the server's command line.
    pub is_break_glass: bool,
}

/// The answer to a request. The secret that an executed override makes is in this one answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverrideResult {
    /// The override.
    #[serde(rename = "override")]
    pub r#override: Override,
    /// The ticket that an executed `reset` or `ticket` answers, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<IssuedTicket>,
    /// The key that an executed `client` answers, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<ClientKey>,
}

impl Override {
    /// Whether approvals are still open.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, OverrideState::Requested)
    }
}

/// A page of overrides.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverridePage {
    /// The overrides, by id.
    #[schema(max_items = 100)]
    pub items: Vec<Override>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Requests an override for a user.
///
/// # Errors
/// Everything that the protocol can say; only `code-rejected` leaves a trace.
pub async fn request_override(
    pawl: &Pawl,
    call: Call,
    body: RequestOverride,
) -> Done<OverrideResult> {
    let act = Act::RequestOverrideAct(RequestOverrideAct { body: body.clone() });
    let (access, proof) = (access::RequestOverride::ACCESS, body.proof.clone());
    request(pawl, call, access, (act, proof), move |work, person| {
        plan(work, person, &body.asking())
    })
    .await
}

/// Approves an override. The last approval executes it, unless it makes a secret: then its requester does,
/// with [`collect_override`]. What an approver is answered has no place for a secret.
///
/// # Errors
/// Everything that the protocol can say; only `code-rejected` leaves a trace.
pub async fn approve_override(
    pawl: &Pawl,
    call: Call,
    id: OverrideId,
    body: ApproveOverride,
) -> Done<Override> {
    let committed = call
        .write(pawl, access::ApproveOverride::ACCESS, move |work| {
            let person = work.person()?;
            let row = approvable(work, &person, &id, &body)?;
            let act = Act::ApproveOverrideAct(ApproveOverrideAct {
                override_id: id.clone(),
                body: body.clone(),
            });
            let proof = required(body.proof.as_ref())?;
            let proven = match prove(work, &person, &act, proof)? {
                Ok(proven) => proven,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let data = serde_json::json!({ "proof": proven.event.id });
            let mut note = Note::new(EventKind::OverrideEndorsed).object(&row.id).data(data);
            if let Some(user) = &row.user_id {
                note = note.user(user);
            }
            let event = work.record(note)?;
            work.tx.insert_approval(ApprovalRow {
                tenant_id: work.tenant.clone(),
                override_id: row.id.clone(),
                person_id: person.user.id.clone(),
                digest: row.digest.clone(),
                client_id: person.client.clone(),
                epoch: person.user.epoch,
                at: work.now,
                event_seq: event.seq,
            })?;
            endorsed(work, &row).map(Ok)
        })
        .await?;
    answer(committed)
}

/// Executes an approved override that makes a secret, and answers the secret once, to its requester.
///
/// # Errors
/// `not-found`, `override-not-open`, `not-an-approver` for another person, and what makes it impossible by
/// now.
pub async fn collect_override(pawl: &Pawl, call: Call, id: OverrideId) -> Done<OverrideResult> {
    let committed =
        call.write(pawl, access::CollectOverride::ACCESS, move |work| collect(work, &id)).await?;
    Ok(committed.into_inner())
}

/// The override, if this person may approve it now.
pub(super) fn approvable(
    work: &mut Work<'_, '_>,
    person: &Person,
    id: &OverrideId,
    body: &ApproveOverride,
) -> Done<OverrideRow> {
    let row = in_state(work, id, &[OverrideState::Requested])?;
    let approvers = work.tx.approvers_of(&work.tenant, id)?;
    may_approve(&person.user.id, &row.requested_by, row.user_id.as_ref(), &approvers).map_err(
        |because| {
            Refusal::NotAnApprover(match because {
                NotAnApprover::Requester => "you requested it",
                NotAnApprover::Subject => "it is for you",
                NotAnApprover::Twice => "you approved it already",
            })
        },
    )?;
    if !constant_time_eq(hex(&row.digest).as_bytes(), body.digest.as_bytes()) {
        return Err(Refusal::DigestMismatch.into());
    }
    cooled_down(work, person)?;
    execute::still_possible(work, &row)?;
    Ok(row)
}

/// An override by id.
///
/// # Errors
/// `not-found`.
pub async fn get_override(pawl: &Pawl, call: Call, id: OverrideId) -> Done<Override> {
    call.read(pawl, access::GetOverride::ACCESS, move |work| {
        let row = work.tx.find_override(&work.tenant, &id)?.ok_or(Refusal::NotFound)?;
        view(work, row)
    })
    .await
}

/// A page of overrides, by id. An override whose time ran out is `expired`.
///
/// # Errors
/// None of its own.
pub async fn list_overrides(
    pawl: &Pawl,
    call: Call,
    state: Option<OverrideState>,
    user: Option<UserId>,
    page: Page,
) -> Done<OverridePage> {
    call.read(pawl, access::ListOverrides::ACCESS, move |work| {
        let filter = OverrideFilter {
            state,
            now: work.now,
            user: user.clone(),
            after: page.after.clone().unwrap_or_default(),
            limit: page.limit + 1,
        };
        let rows = work.tx.list_overrides(&work.tenant, &filter)?;
        let (rows, next_cursor) = cut(rows, page.limit, |row| row.id.to_string());
        let ids: Vec<OverrideId> = rows.iter().map(|row| row.id.clone()).collect();
        work.tx.read_approvers_of(&work.tenant, &ids)?;
        let items = rows.into_iter().map(|row| view(work, row)).collect::<Done<_>>()?;
        Ok(OverridePage { items, next_cursor })
    })
    .await
}
