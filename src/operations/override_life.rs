//! What ends or shortens an override. All of it tightens, so none of it needs a proof.

use serde::Deserialize;
use utoipa::ToSchema;

use super::access::{self, Access, Permitted};
use super::call::{Note, Person, Work};
use super::overrides::Override;
use super::protocol::{in_state, shown};
use super::{Call, Done, Pawl};
use crate::mfa::event::EventKind;
use crate::mfa::ids::OverrideId;
use crate::mfa::overrides::{OverrideKind, OverrideState};
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::mfa::words::Reason;
use crate::store::rows::OverrideRow;

/// Why an override is denied.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DenyOverride {
    /// For the record.
    pub reason: Reason,
}

/// An earlier end.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShortenOverride {
    /// Ahead, and before the present end.
    pub expires_at: Timestamp,
}

fn note(kind: EventKind, row: &OverrideRow) -> Note {
    let note = Note::new(kind).object(&row.id);
    match &row.user_id {
        Some(user) => note.user(user),
        None => note,
    }
}

/// An override that the calling person may end or shorten: not one on themselves, who would keep a
/// role or a factor by it.
fn decidable(
    work: &mut Work<'_, '_>,
    person: &Person,
    id: &OverrideId,
    states: &[OverrideState],
) -> Done<OverrideRow> {
    let row = in_state(work, id, states)?;
    if row.user_id.as_ref() == Some(&person.user.id) {
        return Err(Refusal::NotAnApprover("the subject decides nothing about it").into());
    }
    Ok(row)
}

/// An end: from which state, to which, by which event.
struct End {
    access: &'static Access,
    from: OverrideState,
    to: OverrideState,
    kind: EventKind,
    own: bool,
    data: serde_json::Value,
}

async fn end(pawl: &Pawl, call: Call, id: OverrideId, how: End) -> Done<Override> {
    let committed = call
        .write(pawl, how.access, move |work| {
            let person = work.person()?;
            let row = decidable(work, &person, &id, &[how.from])?;
            if how.own && row.requested_by != person.user.id.as_str() {
                return Err(Refusal::NotAnApprover("only the requester withdraws").into());
            }
            let event = work.record(note(how.kind, &row).data(how.data.clone()))?;
            work.tx.end_override(&row, how.to, person.user.id.as_str(), work.now, event.seq)?;
            if how.from == OverrideState::Approved
                && row.kind == OverrideKind::Exempt
                && let Some(user) = &row.user_id
            {
                work.tx.raise_epoch(&work.tenant, user, event.seq)?;
            }
            shown(work, &id)
        })
        .await?;
    Ok(committed.into_inner())
}

/// Denies a request.
///
/// # Errors
/// `not-found`, `override-not-open`, `not-an-approver` for its subject.
pub async fn deny_override(
    pawl: &Pawl,
    call: Call,
    id: OverrideId,
    request: DenyOverride,
) -> Done<Override> {
    let how = End {
        access: access::DenyOverride::ACCESS,
        from: OverrideState::Requested,
        to: OverrideState::Denied,
        kind: EventKind::OverrideDenied,
        own: false,
        data: serde_json::json!({ "reason": request.reason }),
    };
    end(pawl, call, id, how).await
}

/// Takes one's own request back.
///
/// # Errors
/// `not-found`, `override-not-open`, `not-an-approver` for somebody else's.
pub async fn withdraw_override(pawl: &Pawl, call: Call, id: OverrideId) -> Done<Override> {
    let how = End {
        access: access::WithdrawOverride::ACCESS,
        from: OverrideState::Requested,
        to: OverrideState::Withdrawn,
        kind: EventKind::OverrideWithdrawn,
        own: true,
        data: serde_json::json!({}),
    };
    end(pawl, call, id, how).await
}

/// Ends an override in force, at once.
///
/// # Errors
/// `not-found`, `override-not-open`, `not-an-approver` for its subject.
pub async fn revoke_override(pawl: &Pawl, call: Call, id: OverrideId) -> Done<Override> {
    let how = End {
        access: access::RevokeOverride::ACCESS,
        from: OverrideState::Approved,
        to: OverrideState::Revoked,
        kind: EventKind::OverrideRevoked,
        own: false,
        data: serde_json::json!({}),
    };
    end(pawl, call, id, how).await
}

/// Brings the end of an override closer.
///
/// # Errors
/// `not-found`, `override-not-open`, `expiry-out-of-bounds`, `not-an-approver` for its subject.
pub async fn shorten_override(
    pawl: &Pawl,
    call: Call,
    id: OverrideId,
    request: ShortenOverride,
) -> Done<Override> {
    let committed = call
        .write(pawl, access::ShortenOverride::ACCESS, move |work| {
            let person = work.person()?;
            let open = [OverrideState::Requested, OverrideState::Approved];
            let row = decidable(work, &person, &id, &open)?;
            if request.expires_at <= work.now || request.expires_at >= row.expires_at {
                return Err(Refusal::ExpiryOutOfBounds { latest: row.expires_at }.into());
            }
            let data = serde_json::json!({ "expires_at": request.expires_at });
            let event = work.record(note(EventKind::OverrideShortened, &row).data(data))?;
            work.tx.shorten_override(&row, request.expires_at, event.seq)?;
            shown(work, &id)
        })
        .await?;
    Ok(committed.into_inner())
}
