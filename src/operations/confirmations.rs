//! `confirmEnrollment`: a pending factor is bound by its first code, and what it replaces ends.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::SharedCode;
use super::access::{self, Permitted};
use super::call::{Note, Work};
use super::codes::{Answered, Asked};
use super::enrollments::live_enrollment;
use super::evaluations::may_begin;
use super::standing::Facts;
use super::verifications::{LoginOf, issue, login, reported};
use super::{Call, Done, Handle, Pawl, Shown, Traced, recovery};
use crate::mfa::challenge::{Authority, EnrollmentAuthority, Purpose};
use crate::mfa::event::{EventKind, EventSeq};
use crate::mfa::factor::{FactorState, VerifiedFactor};
use crate::mfa::ids::{RecoveryCodeId, TicketId};
use crate::mfa::refusal::Refusal;
use crate::store::rows::{EnrollmentRow, FactorRow};
use crate::store::{Committed, StoreError};

/// The first code of a new factor.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmEnrollment {
    /// The enrollment's handle.
    pub enrollment: Handle,
    /// A code from the new secret.
    pub code: SharedCode,
}

/// What a confirmed enrollment led to, besides the tokens.
#[derive(Debug, Serialize)]
pub struct Confirmed {
    /// Ten new recovery codes.
    pub recovery_codes: Vec<Shown>,
}

/// The proof and what goes with it.
pub type Outcome = Traced<(VerifiedFactor, Confirmed)>;

/// Binds a pending factor by its first code, which counts as used. What it replaces ends in the same
/// transaction.
///
/// # Errors
/// `enrollment-over` and `too-many-attempts`, which change nothing.
pub async fn confirm_enrollment(
    pawl: &Pawl,
    call: Call,
    request: ConfirmEnrollment,
) -> Done<Committed<Outcome>> {
    call.write(pawl, access::ConfirmEnrollment::ACCESS, move |work| {
        let client = work.client()?;
        let enrollment = live_enrollment(work, &request.enrollment, &client)?;
        let user = work
            .tx
            .find_user(&work.tenant, None, &enrollment.user_id)?
            .filter(|user| user.offboarded_at.is_none())
            .ok_or(Refusal::EnrollmentOver("the user is gone"))?;
        let facts = work.facts(user)?;
        let pending = work
            .tx
            .pending_factor(&work.tenant, &facts.user.id)?
            .filter(|factor| factor.id == enrollment.factor_id)
            .ok_or(Refusal::EnrollmentOver("its secret is gone"))?;
        still_entitled(work, &facts, &enrollment)?;
        let replaces = match facts.factor {
            Some(_) => Some(replacing(&enrollment, &pending)?),
            None => None,
        };
        confirm(work, &facts, (&enrollment, replaces), &pending, &request.code)
    })
    .await
}

/// Asks again what gave the right to the enrollment: a policy that is tighter now, a ticket that was
/// revoked and a factor that was lost since end it.
fn still_entitled(work: &mut Work<'_, '_>, facts: &Facts, enrollment: &EnrollmentRow) -> Done<()> {
    let by = enrollment.authority_id.as_deref().unwrap_or_default();
    let (stands, because) = match enrollment.authority {
        EnrollmentAuthority::First => {
            let address = reported(enrollment.address.as_deref());
            let requirement = facts.requirement(work, &enrollment.audiences.0, address);
            (may_begin(facts, &requirement), "the user may not enroll with a login alone any more")
        }
        EnrollmentAuthority::Ticket => {
            let id = TicketId::parse(by).map_err(|_| StoreError::Invalid("enrollment"))?;
            let ticket = work.tx.find_ticket(&work.tenant, &id)?;
            (ticket.is_some_and(|ticket| ticket.revoked_at.is_none()), "its ticket was revoked")
        }
        EnrollmentAuthority::Rotation => {
            let old = facts.factor.as_ref().filter(|old| old.state == FactorState::Active);
            (old.is_some_and(|old| old.id.as_str() == by), "the factor that began it is gone")
        }
        // A used code stays used: new codes, a report of loss and a reset give the enrollment up.
        EnrollmentAuthority::Recovery | EnrollmentAuthority::Bootstrap => (true, ""),
    };
    if stands { Ok(()) } else { Err(Refusal::EnrollmentOver(because).into()) }
}

fn confirm(
    work: &mut Work<'_, '_>,
    facts: &Facts,
    (enrollment, replaces): (&EnrollmentRow, Option<Authority>),
    pending: &FactorRow,
    code: &SharedCode,
) -> Done<Outcome> {
    let address = reported(enrollment.address.as_deref());
    let attributes = facts.requirement(work, &enrollment.audiences.0, address).attributes;
    let client = enrollment.client_id.as_ref().ok_or(StoreError::Invalid("enrollment"))?;
    let about = LoginOf {
        client,
        audiences: &enrollment.audiences.0,
        address,
        primary: enrollment.primary(),
        // Binding raises the epoch; the tokens must carry the new one.
        epoch: facts.user.epoch.saturating_add(1),
    };
    let asked = Asked {
        login: login(work, facts, pending.id.clone(), about)?,
        code: code.get(),
        factor: Some(pending),
        attributes: &attributes,
        kind: EventKind::EnrollmentConfirmed,
        object: enrollment.id.to_string(),
        address,
    };
    match work.ask(asked)? {
        Answered::Blocked(retry_after) => Err(Refusal::TooManyAttempts { retry_after }.into()),
        Answered::Rejected(event) => {
            work.tx.charge_enrollment(enrollment, None, event.seq)?;
            Ok(Err(Refusal::CodeRejected("wrong, replayed or expired")))
        }
        Answered::Verified(proof, event) => {
            work.tx.charge_enrollment(enrollment, Some(work.now), event.seq)?;
            bind(work, facts, (enrollment, replaces), pending, event.seq)?;
            issue(work, &proof, event.seq);
            let codes = recovery::replace_codes(work, &facts.user.id)?;
            Ok(Ok((proof, Confirmed { recovery_codes: codes })))
        }
    }
}

/// Ends what the new factor replaces, then binds it.
fn bind(
    work: &mut Work<'_, '_>,
    facts: &Facts,
    (enrollment, replaces): (&EnrollmentRow, Option<Authority>),
    pending: &FactorRow,
    event: EventSeq,
) -> Done<()> {
    let mut trust_since = work.now;
    if let (Some(old), Some(authority)) = (&facts.factor, replaces) {
        if let Authority::Replacement(_) = authority
            && facts.roles.is_empty()
        {
            // A rotation proven by the old factor inherits the age of the trust chain. Not for somebody
            // with a role: a console that relayed one code could rotate, and then weaken with its own.
            trust_since = old.trust_since.unwrap_or(work.now);
        }
        let note = Note::new(EventKind::FactorEnded).user(&facts.user.id).object(&old.id);
        let ended = work.record(note)?;
        work.tx.end_factor(old, &authority, work.now, ended.seq)?;
    }
    work.tx.close_challenges_of(
        &work.tenant,
        &facts.user.id,
        &[Purpose::Recover],
        work.now,
        event,
    )?;
    work.tx.activate_factor(pending, work.now, trust_since, event)?;
    work.tx.close_enrollments_of(&work.tenant, &pending.id, work.now, event)?;
    let by_ticket = match enrollment.authority {
        EnrollmentAuthority::Ticket | EnrollmentAuthority::Bootstrap => true,
        EnrollmentAuthority::First
        | EnrollmentAuthority::Rotation
        | EnrollmentAuthority::Recovery => false,
    };
    Ok(work.tx.mark_enrolled(&facts.user, by_ticket, event)?)
}

fn replacing(enrollment: &EnrollmentRow, pending: &FactorRow) -> Done<Authority> {
    match enrollment.authority {
        EnrollmentAuthority::Rotation => Ok(Authority::Replacement(pending.id.clone())),
        EnrollmentAuthority::Recovery => {
            let id = enrollment.authority_id.as_deref().unwrap_or_default();
            let id = RecoveryCodeId::parse(id).map_err(|_| StoreError::Invalid("enrollment"))?;
            Ok(Authority::Recovery(id))
        }
        EnrollmentAuthority::First
        | EnrollmentAuthority::Ticket
        | EnrollmentAuthority::Bootstrap => {
            Err(Refusal::EnrollmentOver("another factor was bound meanwhile").into())
        }
    }
}
