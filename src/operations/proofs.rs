//! The proof of an act: its challenge, and a code that is compared for this one act.

use serde::Deserialize;
use utoipa::ToSchema;

use super::acts::Act;
use super::call::{Person, Work};
use super::codes::{Answered, Asked};
use super::standing::Facts;
use super::{Done, Handle, SharedCode, Traced};
use crate::mfa::challenge::{Purpose, still_open};
use crate::mfa::event::{EventKind, RecordedEvent};
use crate::mfa::factor::{FactorState, Login, Primary, PrimaryMethod};
use crate::mfa::ids::FactorId;
use crate::mfa::overrides::is_cooled_down;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Span;
use crate::store::StoreError;
use crate::store::rows::{ChallengeRow, FactorRow};
use crate::store::seal::constant_time_eq;

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

pub(super) fn active_factor(work: &mut Work<'_, '_>, person: &Person) -> Done<FactorRow> {
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
    pub(super) event: RecordedEvent,
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
            work.tx.charge_challenge(&challenge, None, event.seq)?;
            Ok(Err(Refusal::CodeRejected("the proof's code")))
        }
        Answered::Verified(_, event) => {
            work.tx.charge_challenge(&challenge, Some(work.now), event.seq)?;
            Ok(Ok(Proven { factor: factor.id, event }))
        }
    }
}

fn open_challenge(work: &mut Work<'_, '_>, person: &Person, proof: &Proof) -> Done<ChallengeRow> {
    let challenge = work
        .tx
        .find_challenge(&work.tenant, proof.challenge.hash())?
        .filter(|row| row.purpose == Purpose::Act && row.user_id == person.user.id)
        // A console that another one's challenge leaked to has no use for it.
        .filter(|row| row.client_id == person.client)
        .ok_or(Refusal::ChallengeOver("no such act of this person at this client"))?;
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
