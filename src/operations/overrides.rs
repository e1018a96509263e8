//! Requesting and approving overrides: the one protocol for everything that weakens.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{
    Act, ApproveOverrideAct, Proof, RequestOverrideAct, cooled_down, hex, prove, required,
};
use super::call::{Note, Person, Work};
use super::clients::ClientKey;
use super::execute::{self, execute};
use super::tickets::IssuedTicket;
use super::{Call, Done, Page, Pawl, Traced, answer, cut};
use crate::mfa::event::EventKind;
use crate::mfa::ids::{EventId, OverrideId, PetitionId, UserId};
use crate::mfa::overrides::{
    NotAnApprover, OPEN_PER_ADMINISTRATOR, OverrideKind, OverrideState, PetitionKind,
    PetitionState, may_approve, state_at,
};
use crate::mfa::policy::attributes::Attribute;
use crate::mfa::policy::guard::strictest_approvals;
use crate::mfa::policy::rule::RuleName;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::{Span, Timestamp};
use crate::mfa::words::{Audience, Reason, TicketReference, UserKind};
use crate::store::rows::{ApprovalRow, OverrideRow, PetitionRow};
use crate::store::seal::{constant_time_eq, sha256};
use crate::store::{Json, OverrideFilter, PetitionDecision, StoreError};

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
    #[serde(default, skip_serializing)]
    pub proof: Option<Proof>,
}

/// An approval of exactly what the approver saw.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveOverride {
    /// The digest that `getOverride` answered.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub digest: String,
    /// A code of the approver's factor, for this one act.
    #[serde(default, skip_serializing)]
    pub proof: Option<Proof>,
}

/// An override.
#[derive(Debug, Serialize, ToSchema)]
pub struct Override {
    /// Its id.
    pub id: OverrideId,
    /// What it weakens.
    pub kind: OverrideKind,
    /// For whom, if it is for a user.
    pub user_id: Option<UserId>,
    /// Where it is; an expiry counts at once.
    pub state: OverrideState,
    /// Why.
    pub reason: Reason,
    /// The number of a ticket in the organization's own system.
    pub ticket_reference: Option<TicketReference>,
    /// The audiences that an exemption covers.
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
    pub approved_by: Vec<UserId>,
    /// When it came into force.
    pub approved_at: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who ended it.
    pub ended_by: Option<String>,
    /// The petition that it came from.
    pub petition_id: Option<PetitionId>,
    /// Whether it came from the server's command line.
    pub is_break_glass: bool,
}

/// What became of a request or an approval. What an executed override hands out is in this one answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverrideResult {
    /// The override.
    #[serde(rename = "override")]
    pub r#override: Override,
    /// The ticket that an executed `reset` or `ticket` answers, once.
    pub ticket: Option<IssuedTicket>,
    /// The key that an executed `client` answers, once.
    pub client_key: Option<ClientKey>,
}

impl OverrideResult {
    /// Whether approvals are still open.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.r#override.state, OverrideState::Requested)
    }
}

/// A page of overrides.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverridePage {
    /// The overrides, by id.
    pub items: Vec<Override>,
    /// Where the next page begins; absent on the last one.
    pub next_cursor: Option<String>,
}

/// A request for a user, its own or from a petition.
pub(super) struct Asking<'a> {
    pub(super) kind: PetitionKind,
    pub(super) user: &'a UserId,
    pub(super) reason: &'a Reason,
    pub(super) ticket_reference: Option<&'a TicketReference>,
    pub(super) audiences: &'a BTreeSet<Audience>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) petition: Option<&'a PetitionRow>,
    pub(super) proof: Option<&'a Proof>,
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
    let committed = call
        .write(pawl, access::RequestOverride::ACCESS, move |work| {
            let act = Act::RequestOverrideAct(RequestOverrideAct { body: body.clone() });
            let asking = Asking {
                kind: body.kind,
                user: &body.user_id,
                reason: &body.reason,
                ticket_reference: body.ticket_reference.as_ref(),
                audiences: &body.audiences,
                expires_at: body.expires_at,
                petition: None,
                proof: body.proof.as_ref(),
            };
            request(work, &act, asking)
        })
        .await?;
    answer(committed)
}

/// Checks everything that can be foreseen, then the proof, then writes the request.
pub(super) fn request(
    work: &mut Work<'_, '_>,
    act: &Act,
    asking: Asking<'_>,
) -> Done<Traced<OverrideResult>> {
    let person = work.person()?;
    let plan = plan(work, &person, &asking)?;
    let proof = required(asking.proof)?;
    let proven = match prove(work, &person, act, proof)? {
        Ok(proven) => proven,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let row = file(work, &person, plan, &proven.event)?;
    if let Some(petition) = asking.petition {
        take_up(work, &person, petition, &row.id)?;
    }
    proceed(work, row).map(Ok)
}

fn take_up(
    work: &mut Work<'_, '_>,
    person: &Person,
    petition: &PetitionRow,
    id: &OverrideId,
) -> Done<()> {
    let note = Note::new(EventKind::PetitionTakenUp).user(&petition.user_id).object(&petition.id);
    let event = work.record(note)?;
    let decision = PetitionDecision {
        state: PetitionState::TakenUp,
        by: Some(&person.user.id),
        override_id: Some(id),
        at: work.now,
        event: &event,
    };
    Ok(work.tx.decide_petition(&work.tenant, &petition.id, &decision)?)
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

fn plan(work: &mut Work<'_, '_>, person: &Person, asking: &Asking<'_>) -> Done<Plan> {
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
    check_kind(work, asking, &facts, &requirement.because, &requirement.attributes)?;
    let longest = Span::hours(i64::from(requirement.attributes.override_max_hours.get()));
    let expires_at = expiry(work, asking, longest)?;
    let own = i64::from(requirement.attributes.approvals.get());
    let required = approvals_needed(work, person, Some(asking.user), own)?;
    let body = serde_json::json!({
        "kind": asking.kind, "user_id": asking.user, "audiences": asking.audiences,
        "expires_at": expires_at,
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
        petition: asking.petition.map(|petition| petition.id.clone()),
    })
}

fn check_kind(
    work: &Work<'_, '_>,
    asking: &Asking<'_>,
    facts: &super::standing::Facts,
    because: &[crate::mfa::policy::join::Because],
    attributes: &crate::mfa::policy::attributes::Attributes,
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
            if !attributes.exempt_allowed.0 {
                let rule = because
                    .iter()
                    .find(|because| because.attribute == Attribute::ExemptAllowed)
                    .map_or(RuleName::Base, |because| because.rule.clone());
                return Err(Refusal::ExemptionNotAllowed { rule }.into());
            }
            Ok(())
        }
        PetitionKind::Reset | PetitionKind::Unlock if !asking.audiences.is_empty() => {
            let reason = "only an exemption names audiences";
            Err(Refusal::InvalidInput { field: "audiences", reason }.into())
        }
        PetitionKind::Reset if !facts.user.ever_enrolled => Err(Refusal::NotEnrolled.into()),
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
        (None, PetitionKind::Reset | PetitionKind::Unlock) => latest.min(work.now.after(WAITING)),
    };
    if wished > work.now && wished <= latest {
        Ok(wished)
    } else {
        Err(Refusal::ExpiryOutOfBounds { latest }.into())
    }
}

/// How many other persons must approve: the strictest that the policy demands of anybody concerned,
/// and at least `least`. If so many cannot be found, the request could never end.
pub(super) fn approvals_needed(
    work: &mut Work<'_, '_>,
    person: &Person,
    subject: Option<&UserId>,
    least: i64,
) -> Done<i64> {
    cooled_down(work, person)?;
    let open = work.tx.count_open_overrides(&work.tenant, &person.user.id, work.now)?;
    if open >= OPEN_PER_ADMINISTRATOR {
        return Err(Refusal::TooManyOverrides.into());
    }
    let administrators = work.administrators()?;
    let policy = work.tx.current_policy(&work.tenant)?.document.0;
    let demanded = strictest_approvals(&policy, &administrators, &work.own_audience, work.now);
    let required = i64::from(demanded.get()).max(least);
    let others = administrators
        .iter()
        .filter(|other| other.user != person.user.id && Some(&other.user) != subject)
        .filter(|other| other.standing.factor == crate::mfa::decision::FactorStanding::Active)
        .count();
    if i64::try_from(others).unwrap_or(0) < required {
        return Err(Refusal::SecondPersonRequired.into());
    }
    Ok(required)
}

/// Writes the request. Its proof was good.
pub(super) fn file(
    work: &mut Work<'_, '_>,
    person: &Person,
    plan: Plan,
    proof: &EventId,
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
        requested_at: work.now,
        required_approvals: plan.required,
        policy_version: plan.policy_version,
        petition_id: plan.petition,
        is_break_glass: false,
        expires_at: plan.expires_at,
        approved_at: None,
        ended_at: None,
        ended_by: None,
        event_id: proof.clone(),
    };
    row.digest = digest(&row)?.to_vec();
    let data = serde_json::json!({ "kind": row.kind, "reason": row.reason, "proof": proof });
    let mut note = Note::new(EventKind::OverrideRequested).object(&id).data(data);
    if let Some(user) = &row.user_id {
        note = note.user(user);
    }
    row.event_id = work.record(note)?;
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

/// Executes an override that has its approvals, or leaves it waiting.
pub(super) fn proceed(work: &mut Work<'_, '_>, row: OverrideRow) -> Done<OverrideResult> {
    let given = work.tx.approvers_of(&work.tenant, &row.id)?.len();
    let mut result = execute::Handed::default();
    if i64::try_from(given).unwrap_or(0) >= row.required_approvals {
        let mut note = Note::new(EventKind::OverrideApproved).object(&row.id);
        if let Some(user) = &row.user_id {
            note = note.user(user);
        }
        let event = work.record(note)?;
        work.tx.approve_override(&work.tenant, &row.id, work.now, &event)?;
        result = execute(work, &row)?;
    }
    let row =
        work.tx.find_override(&work.tenant, &row.id)?.ok_or(StoreError::Invalid("override"))?;
    let r#override = view(work, row)?;
    Ok(OverrideResult { r#override, ticket: result.ticket, client_key: result.client_key })
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

/// Approves an override; the last approval executes it.
///
/// # Errors
/// Everything that the protocol can say; only `code-rejected` leaves a trace.
pub async fn approve_override(
    pawl: &Pawl,
    call: Call,
    id: OverrideId,
    body: ApproveOverride,
) -> Done<OverrideResult> {
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
            let data = serde_json::json!({ "proof": proven.event });
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
                at: work.now,
                event_id: event,
            })?;
            proceed(work, row).map(Ok)
        })
        .await?;
    answer(committed)
}

fn approvable(
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
        let items = rows.into_iter().map(|row| view(work, row)).collect::<Done<_>>()?;
        Ok(OverridePage { items, next_cursor })
    })
    .await
}
