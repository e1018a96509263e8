//! What an override does once it has its approvals.

use super::Done;
use super::call::{Note, Work};
use super::client_changes::ClientChange;
use super::clients::ClientKey;
use super::codes::limits;
use super::ending::end_everything_open;
use super::policies;
use super::protocol::{still_allowed, suspended};
use super::roles::{self, RoleChange};
use super::tickets::{self, IssuedTicket};
use crate::mfa::challenge::Authority;
use crate::mfa::event::EventKind;
use crate::mfa::factor::FactorState;
use crate::mfa::ids::UserId;
use crate::mfa::overrides::{BREAK_GLASS_LIFE, OverrideKind, OverrideState};
use crate::mfa::policy::PolicyDocument;
use crate::mfa::refusal::Refusal;
use crate::store::StoreError;
use crate::store::rows::{OverrideRow, UserRow};

/// What an executed override hands out, once.
#[derive(Debug, Default)]
pub(super) struct Handed {
    pub(super) ticket: Option<IssuedTicket>,
    pub(super) client_key: Option<ClientKey>,
}

/// What an override will do, as it was written when it was requested.
pub(super) fn facts<T: serde::de::DeserializeOwned>(row: &OverrideRow) -> Result<T, StoreError> {
    serde_json::from_value(row.facts.0.clone()).map_err(|_| StoreError::Invalid("override"))
}

fn subject(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<UserRow> {
    let id = row.user_id.as_ref().ok_or(StoreError::Invalid("override"))?;
    Ok(work.tx.find_user(&work.tenant, None, id)?.ok_or(StoreError::Invalid("override"))?)
}

/// Whether an override that waited can still be executed: read before the approver's code is compared.
pub(super) fn still_possible(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<()> {
    if row.user_id.is_some() && subject(work, row)?.offboarded_at.is_some() {
        return Err(Refusal::UserGone.into());
    }
    still_allowed(work, row)?;
    match row.kind {
        OverrideKind::Exempt | OverrideKind::Reset | OverrideKind::Unlock => Ok(()),
        OverrideKind::Resume => {
            let user = subject(work, row)?;
            let facts = work.facts(user)?;
            Ok(suspended(&facts).map(|_| ())?)
        }
        OverrideKind::Client => {
            let change: ClientChange = facts(row)?;
            change.fits(work)
        }
        OverrideKind::Policy => {
            let document: PolicyDocument = facts(row)?;
            policies::fits(work, document, row.policy_version).map(|_| ())
        }
        OverrideKind::Role => {
            let change: RoleChange = facts(row)?;
            roles::fits(work, &change)
        }
        OverrideKind::Ticket => {
            let user = subject(work, row)?;
            tickets::fits(&user)
        }
    }
}

/// Executes an override that is now approved.
pub(super) fn execute(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<Handed> {
    let mut handed = Handed::default();
    match row.kind {
        OverrideKind::Exempt => {
            let user = subject(work, row)?;
            let note = Note::new(EventKind::UserChanged).user(&user.id).object(&row.id);
            let event = work.record(note.data(serde_json::json!({ "changed": "exempt" })))?;
            work.tx.raise_epoch(&work.tenant, &user.id, &event)?;
            // An exemption is in force until it ends: it is not used up.
            return Ok(handed);
        }
        OverrideKind::Reset => handed.ticket = Some(reset(work, row)?),
        OverrideKind::Unlock => unlock(work, row)?,
        OverrideKind::Resume => resume(work, row)?,
        OverrideKind::Policy => {
            let document: PolicyDocument = facts(row)?;
            let policy = policies::fits(work, document, row.policy_version)?;
            policies::write(work, policy, row.policy_version + 1, Some(&row.id))?;
        }
        OverrideKind::Role => {
            let change: RoleChange = facts(row)?;
            roles::write(work, &change, Some(&row.id))?;
        }
        OverrideKind::Ticket => {
            let user = subject(work, row)?;
            handed.ticket = Some(tickets::issue(work, &user, Some(&row.id), None)?);
        }
        OverrideKind::Client => {
            let change: ClientChange = facts(row)?;
            handed.client_key = change.write(work)?;
        }
    }
    finish(work, row)?;
    Ok(handed)
}

fn finish(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<()> {
    let mut note = Note::new(EventKind::OverrideUsed).object(&row.id);
    if let Some(user) = &row.user_id {
        note = note.user(user);
    }
    let event = work.record(note)?;
    let approved = OverrideRow { state: OverrideState::Approved, ..row.clone() };
    let by = row.requested_by.clone();
    Ok(work.tx.end_override(&approved, OverrideState::Used, &by, work.now, &event)?)
}

/// Ends the factor, closes everything open, and answers the ticket with which only this user, after
/// their own login, can enroll again.
fn reset(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<IssuedTicket> {
    let user = subject(work, row)?;
    let facts = work.facts(user)?;
    let attributes = facts.requirement(work, &[], None).attributes;
    let (tenant, now, id) = (work.tenant.clone(), work.now, facts.user.id.clone());
    end_everything_open(work, &facts)?;
    let mut note = Note::new(EventKind::FactorEnded).user(&id);
    if let Some(factor) = &facts.factor {
        note = note.object(&factor.id);
    }
    let event = work.record(note.data(serde_json::json!({ "override": row.id })))?;
    if let Some(factor) = &facts.factor {
        work.tx.end_factor(factor, &Authority::Override(row.id.clone()), now, &event)?;
    }
    work.tx.require_ticket(&tenant, &id, &event)?;
    work.tx.replace_recovery_codes(&tenant, &id, Vec::new(), now, &event)?;
    work.lift_block(&id, limits(&attributes), &event)?;
    let life = row.is_break_glass.then_some(BREAK_GLASS_LIFE);
    tickets::issue(work, &facts.user, Some(&row.id), life)
}

fn unlock(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<()> {
    let user = subject(work, row)?;
    let facts = work.facts(user)?;
    let attributes = facts.requirement(work, &[], None).attributes;
    let id: UserId = facts.user.id.clone();
    let event = work.record(Note::new(EventKind::UserUnlocked).user(&id).object(&row.id))?;
    work.lift_block(&id, limits(&attributes), &event)?;
    let event = work.record(Note::new(EventKind::UserChanged).user(&id).object(&row.id))?;
    Ok(work.tx.raise_epoch(&work.tenant, &id, &event)?)
}

fn resume(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<()> {
    let user = subject(work, row)?;
    let facts = work.facts(user)?;
    let factor = suspended(&facts)?;
    let note = Note::new(EventKind::FactorResumed).user(&facts.user.id).object(&factor.id);
    let event = work.record(note)?;
    Ok(work.tx.set_factor_state(factor, FactorState::Active, &event)?)
}
