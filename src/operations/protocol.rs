//! The protocol of everything that weakens: check all that can be foreseen, then the proof, then write
//! the request, then execute it once it has its approvals.

use std::collections::BTreeSet;

use super::Done;
use super::Traced;
use super::acts::{Act, hex};
use super::approvals::{Concerns, approvals_needed};
use super::authority::{Requester, standing_approvals};
use super::call::{Note, Person, Work};
use super::execute::{self, Deed, Handed};
use super::overrides::{Override, OverrideResult};
use super::proofs::{Proof, prove, required};
use super::roles::FOUR_EYES;
use super::standing::Facts;
use crate::mfa::event::{EventKind, RecordedEvent};
use crate::mfa::factor::FactorState;
use crate::mfa::ids::{OverrideId, PetitionId, UserId};
use crate::mfa::overrides::{OverrideKind, OverrideState, PetitionKind, PetitionState, state_at};
use crate::mfa::policy::attributes::Attribute;
use crate::mfa::policy::join::Requirement;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::{Span, Timestamp};
use crate::mfa::words::{Audience, Reason, TicketReference, UserKind};
use crate::store::rows::{FactorRow, OverrideRow};
use crate::store::seal::sha256;
use crate::store::{Json, PetitionDecision, StoreError};

/// A request for a user, its own or from a petition.
pub(super) struct Asking<'a> {
    pub(super) kind: PetitionKind,
    pub(super) user: &'a UserId,
    pub(super) reason: &'a Reason,
    pub(super) ticket_reference: Option<&'a TicketReference>,
    pub(super) audiences: &'a BTreeSet<Audience>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) petition: Option<&'a PetitionId>,
}

/// Does an act that was planned: checks its proof, writes the request, and executes it if it needs no
/// approval.
pub(super) fn carry_out(
    work: &mut Work<'_, '_>,
    person: &Person,
    act: &Act,
    plan: Plan,
    proof: Option<&Proof>,
) -> Done<Traced<OverrideResult>> {
    let proven = match prove(work, person, act, required(proof)?)? {
        Ok(proven) => proven,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let petition = plan.petition.clone().zip(plan.user.clone());
    let row = file(work, person, plan, &proven.event)?;
    if let Some((petition, user)) = petition {
        take_up(work, person, (&petition, &user), &row.id)?;
    }
    requested(work, &row).map(Ok)
}

fn take_up(
    work: &mut Work<'_, '_>,
    person: &Person,
    (petition, user): (&PetitionId, &UserId),
    id: &OverrideId,
) -> Done<()> {
    let note = Note::new(EventKind::PetitionTakenUp).user(user).object(petition);
    let event = work.record(note)?;
    let decision = PetitionDecision {
        state: PetitionState::TakenUp,
        by: Some(&person.user.id),
        override_id: Some(id),
        at: work.now,
        event: event.seq,
    };
    Ok(work.tx.decide_petition(&work.tenant, petition, &decision)?)
}

/// An override that may be filed once its proof is good.
pub(super) struct Plan {
    pub(super) kind: OverrideKind,
    pub(super) user: Option<UserId>,
    pub(super) facts: serde_json::Value,
    pub(super) audiences: BTreeSet<Audience>,
    pub(super) reason: Reason,
    pub(super) ticket_reference: Option<TicketReference>,
    pub(super) expires_at: Timestamp,
    pub(super) required: i64,
    pub(super) policy_version: i64,
    pub(super) petition: Option<PetitionId>,
}

/// How long a request waits for approvals if it does not say.
pub(super) const WAITING: Span = Span::hours(24);

/// Checks everything that can be foreseen of a request for a user, before a code is asked for.
pub(super) fn plan(work: &mut Work<'_, '_>, person: &Person, asking: &Asking<'_>) -> Done<Plan> {
    if *asking.user == person.user.id {
        return Err(Refusal::OwnAccount.into());
    }
    let user = work.user(asking.user)?;
    if user.offboarded_at.is_some() || user.kind == UserKind::Service {
        return Err(Refusal::UserGone.into());
    }
    let facts = work.facts(user)?;
    let audiences: Vec<Audience> = asking.audiences.iter().cloned().collect();
    let requirement = facts.requirement(work, &audiences, None);
    check_kind(work, asking, &facts, &requirement)?;
    let longest = Span::hours(i64::from(requirement.attributes.override_max_hours.get()));
    let expires_at = expiry(work, asking, longest)?;
    let role = i64::from(hands_over(asking.kind) && held_a_role(work, &facts)?);
    let required = approvals_needed(work, person, &Concerns::User(asking.user), role)?;
    let body = serde_json::json!({
        "kind": asking.kind, "user_id": asking.user, "audiences": asking.audiences,
        "expires_at": expires_at, "factor": facts.factor.as_ref().map(|factor| &factor.id),
    });
    Ok(Plan {
        kind: asking.kind.into(),
        user: Some(asking.user.clone()),
        facts: body,
        audiences: asking.audiences.clone(),
        reason: asking.reason.clone(),
        ticket_reference: asking.ticket_reference.cloned(),
        expires_at,
        required,
        policy_version: facts.policy.version,
        petition: asking.petition.cloned(),
    })
}

/// Whether an override of this kind could make its requester the user: a reset answers a ticket, and the
/// phone that is resumed may be in a thief's hand. For a user with a role it takes a second person.
fn hands_over(kind: PetitionKind) -> bool {
    match kind {
        PetitionKind::Reset | PetitionKind::Resume => true,
        PetitionKind::Exempt | PetitionKind::Unlock => false,
    }
}

/// Whether the user has a role, or lost one within a day: taking it away first is no way around the
/// second person.
pub(super) fn held_a_role(work: &mut Work<'_, '_>, facts: &Facts) -> Done<bool> {
    let since = work.now.before(FOUR_EYES);
    Ok(!facts.roles.is_empty() || work.tx.lost_a_role(&work.tenant, &facts.user.id, since)?)
}

/// The user's suspended factor.
///
/// # Errors
/// `factor-not-suspended`.
pub(super) fn suspended(facts: &Facts) -> Result<&FactorRow, Refusal> {
    let factor = facts.factor.as_ref().filter(|factor| factor.state == FactorState::Suspended);
    factor.ok_or(Refusal::FactorNotSuspended)
}

/// Refuses an audience that no client may ask for: an exemption for a mistyped one would help nobody.
pub(super) fn known_audiences(work: &mut Work<'_, '_>, audiences: &BTreeSet<Audience>) -> Done<()> {
    if work.tx.registered_audiences(&work.tenant)?.is_superset(audiences) {
        return Ok(());
    }
    let reason = "wants audiences for which a client is registered, has another";
    Err(Refusal::InvalidInput { field: "audiences", reason }.into())
}

fn check_kind(
    work: &mut Work<'_, '_>,
    asking: &Asking<'_>,
    facts: &Facts,
    requirement: &Requirement,
) -> Done<()> {
    match asking.kind {
        PetitionKind::Exempt => {
            if asking.audiences.is_empty() || asking.audiences.len() > 10 {
                let reason = "one to ten audiences for an exemption";
                return Err(Refusal::InvalidInput { field: "audiences", reason }.into());
            }
            if asking.audiences.contains(&work.own_audience) {
                return Err(Refusal::AudienceReserved.into());
            }
            known_audiences(work, asking.audiences)?;
            if !requirement.attributes.exempt_allowed.0 {
                let rule = requirement.rule_of(Attribute::ExemptAllowed);
                return Err(Refusal::ExemptionNotAllowed { rule }.into());
            }
            Ok(())
        }
        PetitionKind::Reset | PetitionKind::Unlock | PetitionKind::Resume
            if !asking.audiences.is_empty() =>
        {
            let reason = "only an exemption names audiences";
            Err(Refusal::InvalidInput { field: "audiences", reason }.into())
        }
        PetitionKind::Reset if !facts.user.ever_enrolled => Err(Refusal::NotEnrolled.into()),
        PetitionKind::Resume => Ok(suspended(facts).map(|_| ())?),
        PetitionKind::Reset | PetitionKind::Unlock => Ok(()),
    }
}

fn expiry(work: &Work<'_, '_>, asking: &Asking<'_>, longest: Span) -> Done<Timestamp> {
    let latest = work.now.after(longest);
    let wished = match (asking.expires_at, asking.kind) {
        (Some(at), _) => at,
        (None, PetitionKind::Exempt) => {
            let reason = "an exemption has an end";
            return Err(Refusal::InvalidInput { field: "expires_at", reason }.into());
        }
        (None, PetitionKind::Reset | PetitionKind::Unlock | PetitionKind::Resume) => {
            latest.min(work.now.after(WAITING))
        }
    };
    if wished > work.now && wished <= latest {
        Ok(wished)
    } else {
        Err(Refusal::ExpiryOutOfBounds { latest }.into())
    }
}

/// Writes the request. Its proof was good.
fn file(
    work: &mut Work<'_, '_>,
    person: &Person,
    plan: Plan,
    proof: &RecordedEvent,
) -> Done<OverrideRow> {
    let id = OverrideId::from_random(work.bytes());
    let mut row = OverrideRow {
        tenant_id: work.tenant.clone(),
        id: id.clone(),
        kind: plan.kind,
        user_id: plan.user,
        facts: Json(plan.facts),
        audiences: Json(plan.audiences),
        digest: Vec::new(),
        state: OverrideState::Requested,
        reason: plan.reason,
        ticket_reference: plan.ticket_reference,
        requested_by: person.user.id.to_string(),
        requested_client_id: Some(person.client.clone()),
        requested_epoch: Some(person.user.epoch),
        requested_at: work.now,
        required_approvals: plan.required,
        policy_version: plan.policy_version,
        petition_id: plan.petition,
        is_break_glass: false,
        expires_at: plan.expires_at,
        approved_at: None,
        ended_at: None,
        ended_by: None,
        event_seq: proof.seq,
    };
    row.digest = digest(&row)?.to_vec();
    let data = serde_json::json!({ "kind": row.kind, "reason": row.reason, "proof": proof.id });
    let mut note = Note::new(EventKind::OverrideRequested).object(&id).data(data);
    if let Some(user) = &row.user_id {
        note = note.user(user);
    }
    row.event_seq = work.record(note)?.seq;
    work.tx.insert_override(row.clone())?;
    Ok(row)
}

/// SHA-256 over every fact of an override, in Pawl's own form.
pub(super) fn digest(row: &OverrideRow) -> Result<[u8; 32], StoreError> {
    let facts = serde_json::json!([
        "pawl override v1",
        row.tenant_id,
        row.id,
        row.kind,
        row.user_id,
        row.facts.0,
        row.audiences.0,
        row.reason,
        row.ticket_reference,
        row.requested_by,
        row.requested_at,
        row.required_approvals,
        row.policy_version,
        row.expires_at,
    ]);
    let text = serde_json::to_string(&facts).map_err(|_| StoreError::Invalid("override"))?;
    Ok(sha256(text.as_bytes()))
}

/// Puts a request into force if it has its approvals, and says whether it did.
fn approved(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<bool> {
    if standing_approvals(work, row)? < row.required_approvals {
        return Ok(false);
    }
    let mut note = Note::new(EventKind::OverrideApproved).object(&row.id);
    if let Some(user) = &row.user_id {
        note = note.user(user);
    }
    let event = work.record(note)?;
    work.tx.approve_override(&work.tenant, &row.id, work.now, event.seq)?;
    Ok(true)
}

/// Goes on with a new request: executes it if it needs no approval. Its requester calls.
pub(super) fn requested(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<OverrideResult> {
    if approved(work, row)? { execute(work, row) } else { result(work, &row.id, None) }
}

/// Goes on with a request that got an approval: the last one executes it, unless it makes a secret. Then
/// it waits for its requester.
pub(super) fn endorsed(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<Override> {
    if approved(work, row)?
        && let Deed::Change(change) = Deed::of(row)?
    {
        change.execute(work, row)?;
    }
    shown(work, &row.id)
}

/// Executes an approved override for its requester.
fn execute(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<OverrideResult> {
    let requester = Requester::calling(work, row)?;
    let handed = match Deed::of(row)? {
        Deed::Change(change) => change.execute(work, row).map(|()| None)?,
        Deed::Secret(secret) => Some(secret.execute(work, &requester)?),
    };
    result(work, &row.id, handed)
}

/// Executes an approved override that makes a secret, which its requester collects. Everything is looked at
/// again: who asked, who approved, and what it is for.
pub(super) fn collect(work: &mut Work<'_, '_>, id: &OverrideId) -> Done<OverrideResult> {
    let row = in_state(work, id, &[OverrideState::Approved])?;
    let requester = Requester::calling(work, &row)?;
    let Deed::Secret(secret) = Deed::of(&row)? else {
        return Err(Refusal::OverrideNotOpen.into());
    };
    if standing_approvals(work, &row)? < row.required_approvals {
        return Err(Refusal::OverrideNotOpen.into());
    }
    execute::still_possible(work, &row)?;
    let handed = secret.execute(work, &requester)?;
    result(work, id, Some(handed))
}

fn result(
    work: &mut Work<'_, '_>,
    id: &OverrideId,
    handed: Option<Handed>,
) -> Done<OverrideResult> {
    let r#override = shown(work, id)?;
    let (ticket, client_key) = match handed {
        None => (None, None),
        Some(Handed::Ticket(ticket)) => (Some(ticket), None),
        Some(Handed::ClientKey(key)) => (None, Some(key)),
    };
    Ok(OverrideResult { r#override, ticket, client_key })
}

/// The override as it is now.
pub(super) fn shown(work: &mut Work<'_, '_>, id: &OverrideId) -> Done<Override> {
    let row = work.tx.find_override(&work.tenant, id)?.ok_or(StoreError::Invalid("override"))?;
    view(work, row)
}

pub(super) fn view(work: &mut Work<'_, '_>, row: OverrideRow) -> Done<Override> {
    let approved_by = work.tx.approvers_of(&work.tenant, &row.id)?;
    let state = state_at(row.state, row.expires_at, work.now);
    Ok(Override {
        id: row.id,
        kind: row.kind,
        user_id: row.user_id,
        state,
        reason: row.reason,
        ticket_reference: row.ticket_reference,
        audiences: row.audiences.0,
        facts: row.facts.0,
        digest: hex(&row.digest),
        requested_by: row.requested_by,
        requested_at: row.requested_at,
        required_approvals: i32::try_from(row.required_approvals).unwrap_or(i32::MAX),
        approved_by,
        approved_at: row.approved_at,
        expires_at: row.expires_at,
        ended_at: row.ended_at,
        ended_by: row.ended_by,
        petition_id: row.petition_id,
        is_break_glass: row.is_break_glass,
    })
}

/// A live override in one of these states.
pub(super) fn in_state(
    work: &mut Work<'_, '_>,
    id: &OverrideId,
    states: &[OverrideState],
) -> Done<OverrideRow> {
    let row = work.tx.find_override(&work.tenant, id)?.ok_or(Refusal::NotFound)?;
    if states.contains(&state_at(row.state, row.expires_at, work.now)) {
        Ok(row)
    } else {
        Err(Refusal::OverrideNotOpen.into())
    }
}
