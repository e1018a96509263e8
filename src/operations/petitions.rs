//! A user's wish to switch MFA off, and petitions for overrides.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::call::{Caller, Note, Work};
use super::{Call, Done, Page, Pawl, Traced, answer, cut};
use crate::mfa::event::{ActorKind, EventKind};
use crate::mfa::ids::{OverrideId, PetitionId, UserId};
use crate::mfa::overrides::{PetitionKind, PetitionState};
use crate::mfa::policy::attributes::Attribute;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Reason, Role};
use crate::store::rows::{PetitionRow, UserRow};
use crate::store::{Json, PetitionDecision, PetitionFilter, StoreError};

/// A user pressed *Disable MFA*.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestDisable {
    /// Whether to file a petition for an exemption too.
    #[serde(default)]
    #[schema(required = false)]
    pub petition: bool,
    /// Why; needed for a petition.
    #[serde(default)]
    pub reason: Option<Reason>,
}

/// A wish for an override.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePetition {
    /// For whom.
    pub user_id: UserId,
    /// For what.
    pub kind: PetitionKind,
    /// Why.
    pub reason: Reason,
}

/// Why a petition is denied.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DenyPetition {
    /// For the record.
    pub reason: Reason,
}

/// A petition.
#[derive(Debug, Serialize, ToSchema)]
pub struct Petition {
    /// Its id.
    pub id: PetitionId,
    /// What it asks for.
    pub kind: PetitionKind,
    /// For whom.
    pub user_id: UserId,
    /// Where it is.
    pub state: PetitionState,
    /// Why it was filed.
    pub reason: Reason,
    /// Who filed it: a client or a user id.
    pub requested_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// Who decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<UserId>,
    /// The override that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub override_id: Option<OverrideId>,
}

/// A page of petitions.
#[derive(Debug, Serialize, ToSchema)]
pub struct PetitionPage {
    /// The petitions, by id.
    #[schema(max_items = 100)]
    pub items: Vec<Petition>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl From<PetitionRow> for Petition {
    fn from(row: PetitionRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            user_id: row.user_id,
            state: row.state,
            reason: row.reason,
            requested_by: row.requested_by,
            created_at: row.created_at,
            decided_at: row.decided_at,
            decided_by: row.decided_by,
            override_id: row.override_id,
        }
    }
}

/// A petition that is to be filed.
pub(super) struct Filing<'a> {
    pub(super) kind: PetitionKind,
    pub(super) user: &'a UserRow,
    pub(super) reason: &'a Reason,
    pub(super) facts: serde_json::Value,
}

/// Open petitions of one user and kind. Each waits for a person to read it.
const MOST_OPEN: usize = 3;

/// Files a petition, or refuses one too many.
fn file(work: &mut Work<'_, '_>, filing: Filing<'_>) -> Done<Petition> {
    let open = work.tx.open_petitions(&work.tenant, &filing.user.id, filing.kind)?;
    if open.len() >= MOST_OPEN {
        return Err(Refusal::TooManyPetitions.into());
    }
    insert(work, filing)
}

/// Files a petition. One too many is not filed: the newest open one stands for it, so that what else is
/// done with it, such as a report of a loss, is not refused.
pub(super) fn file_or_newest(work: &mut Work<'_, '_>, filing: Filing<'_>) -> Done<Petition> {
    let open = work.tx.open_petitions(&work.tenant, &filing.user.id, filing.kind)?;
    match (open.len() >= MOST_OPEN).then(|| open.into_iter().next()).flatten() {
        Some(newest) => Ok(newest.into()),
        None => insert(work, filing),
    }
}

fn insert(work: &mut Work<'_, '_>, filing: Filing<'_>) -> Done<Petition> {
    let id = PetitionId::from_random(work.bytes());
    let note = Note::new(EventKind::PetitionFiled).user(&filing.user.id).object(&id);
    let data = serde_json::json!({ "kind": filing.kind });
    let event = work.record(note.data(data))?;
    let (requested_by_kind, requested_by) = match &work.caller {
        Caller::Client(client) => (ActorKind::Client, client.row().id.to_string()),
        Caller::Person(person) => (ActorKind::Person, person.user.id.to_string()),
        Caller::Server(_) => return Err(Refusal::Forbidden("the server files nothing").into()),
    };
    let row = PetitionRow {
        tenant_id: work.tenant.clone(),
        id,
        kind: filing.kind,
        user_id: filing.user.id.clone(),
        state: PetitionState::Open,
        reason: filing.reason.clone(),
        facts: Json(filing.facts),
        requested_by_kind,
        requested_by,
        created_at: work.now,
        decided_at: None,
        decided_by: None,
        override_id: None,
        event_seq: event.seq,
    };
    work.tx.insert_petition(row.clone())?;
    Ok(row.into())
}

/// A user of the caller's; a person without a fitting role sees only themselves.
fn visible(work: &mut Work<'_, '_>, id: &UserId, roles: &[Role]) -> Done<UserRow> {
    if let Caller::Person(person) = &work.caller
        && person.user.id != *id
        && !roles.iter().any(|role| person.roles.contains(role))
    {
        return Err(Refusal::NotFound.into());
    }
    work.user(id)
}

/// The same, if they are still here.
fn subject(work: &mut Work<'_, '_>, id: &UserId, roles: &[Role]) -> Done<UserRow> {
    let user = visible(work, id, roles)?;
    if user.offboarded_at.is_some() { Err(Refusal::UserGone.into()) } else { Ok(user) }
}

/// Refuses to switch MFA off. Always: there is nothing to switch. The wish is on record, and may
/// become a petition.
///
/// # Errors
/// `mfa-disable-refused`, always, if the user is known.
pub async fn request_disable(
    pawl: &Pawl,
    call: Call,
    id: UserId,
    request: RequestDisable,
) -> Done<Infallible> {
    let committed = call
        .write(pawl, access::RequestDisable::ACCESS, move |work| {
            let user = subject(work, &id, &[])?;
            let petition = match (&request.reason, request.petition) {
                (None, true) => {
                    let reason = "needed for a petition";
                    return Err(Refusal::InvalidInput { field: "reason", reason }.into());
                }
                (Some(reason), true) => {
                    let facts = serde_json::json!({ "wish": "disable" });
                    let kind = PetitionKind::Exempt;
                    Some(file_or_newest(work, Filing { kind, user: &user, reason, facts })?.id)
                }
                (Some(_) | None, false) => None,
            };
            let facts = work.facts(user)?;
            let requirement = facts.requirement(work, &[], None);
            let rule = requirement.rule_of(Attribute::Mfa);
            let policy_version = facts.policy.version;
            let data = serde_json::json!({ "policy_version": policy_version, "rule": rule });
            let note = Note::new(EventKind::DisableRefused).user(&facts.user.id).data(data);
            work.record(note)?;
            let refused: Traced<Infallible> =
                Err(Refusal::DisableRefused { policy_version, rule, petition });
            Ok(refused)
        })
        .await?;
    answer(committed)
}

/// Files a petition: a client for a user of its directory, a helpdesk person or administrator for
/// anybody, a user for themselves.
///
/// # Errors
/// `not-found`, `user-offboarded`, `too-many-petitions`.
pub async fn create_petition(pawl: &Pawl, call: Call, request: CreatePetition) -> Done<Petition> {
    let committed = call
        .write(pawl, access::CreatePetition::ACCESS, move |work| {
            let user = subject(work, &request.user_id, access::CreatePetition::ACCESS.roles)?;
            let facts = serde_json::json!({});
            let (kind, reason) = (request.kind, &request.reason);
            file(work, Filing { kind, user: &user, reason, facts })
        })
        .await?;
    Ok(committed.into_inner())
}

pub(super) fn open_petition(work: &mut Work<'_, '_>, id: &PetitionId) -> Done<PetitionRow> {
    let row = work.tx.find_petition(&work.tenant, id)?.ok_or(Refusal::NotFound)?;
    match row.state {
        PetitionState::Open => Ok(row),
        PetitionState::TakenUp | PetitionState::Denied | PetitionState::Withdrawn => {
            Err(Refusal::PetitionDecided.into())
        }
    }
}

fn decide(
    work: &mut Work<'_, '_>,
    row: &PetitionRow,
    state: PetitionState,
    note: Note,
) -> Done<Petition> {
    let event = work.record(note.user(&row.user_id).object(&row.id))?;
    let by = match &work.caller {
        Caller::Person(person) => Some(person.user.id.clone()),
        Caller::Client(_) | Caller::Server(_) => None,
    };
    let decision = PetitionDecision {
        state,
        by: by.as_ref(),
        override_id: None,
        at: work.now,
        event: event.seq,
    };
    work.tx.decide_petition(&work.tenant, &row.id, &decision)?;
    let row = work.tx.find_petition(&work.tenant, &row.id)?;
    Ok(row.ok_or(StoreError::Invalid("petition"))?.into())
}

/// Takes a petition back: only whoever filed it.
///
/// # Errors
/// `not-found`, also for somebody else's; `petition-decided`.
pub async fn withdraw_petition(pawl: &Pawl, call: Call, id: PetitionId) -> Done<Petition> {
    let committed = call
        .write(pawl, access::WithdrawPetition::ACCESS, move |work| {
            let filed_by = match &work.caller {
                Caller::Client(client) => client.row().id.to_string(),
                Caller::Person(person) => person.user.id.to_string(),
                Caller::Server(_) => String::new(),
            };
            let row = work.tx.find_petition(&work.tenant, &id)?.ok_or(Refusal::NotFound)?;
            if row.requested_by != filed_by {
                return Err(Refusal::NotFound.into());
            }
            let row = open_petition(work, &id)?;
            let note = Note::new(EventKind::PetitionWithdrawn);
            decide(work, &row, PetitionState::Withdrawn, note)
        })
        .await?;
    Ok(committed.into_inner())
}

/// Denies a petition. That weakens nothing and needs no proof.
///
/// # Errors
/// `not-found`, `petition-decided`.
pub async fn deny_petition(
    pawl: &Pawl,
    call: Call,
    id: PetitionId,
    request: DenyPetition,
) -> Done<Petition> {
    let committed = call
        .write(pawl, access::DenyPetition::ACCESS, move |work| {
            let row = open_petition(work, &id)?;
            let data = serde_json::json!({ "reason": request.reason });
            let note = Note::new(EventKind::PetitionDenied).data(data);
            decide(work, &row, PetitionState::Denied, note)
        })
        .await?;
    Ok(committed.into_inner())
}

/// A page of petitions, by id.
///
/// # Errors
/// None of its own.
pub async fn list_petitions(
    pawl: &Pawl,
    call: Call,
    state: Option<PetitionState>,
    user: Option<UserId>,
    page: Page,
) -> Done<PetitionPage> {
    call.read(pawl, access::ListPetitions::ACCESS, move |work| {
        let filter = PetitionFilter {
            state,
            user: user.clone(),
            after: page.after.clone().unwrap_or_default(),
            limit: page.limit + 1,
        };
        let rows = work.tx.list_petitions(&work.tenant, &filter)?;
        let (rows, next_cursor) = cut(rows, page.limit, |row| row.id.to_string());
        Ok(PetitionPage { items: rows.into_iter().map(Petition::from).collect(), next_cursor })
    })
    .await
}

/// Reads a petition: a client that of a user of its directory, a person without a fitting role their own.
///
/// # Errors
/// `not-found`.
pub async fn get_petition(pawl: &Pawl, call: Call, id: PetitionId) -> Done<Petition> {
    call.read(pawl, access::GetPetition::ACCESS, move |work| {
        let row = work.tx.find_petition(&work.tenant, &id)?.ok_or(Refusal::NotFound)?;
        visible(work, &row.user_id, access::GetPetition::ACCESS.roles)?;
        Ok(row.into())
    })
    .await
}
