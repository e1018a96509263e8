//! Whether the authority of a person who requested or approved an override still stands: it is checked
//! when it counts, not only when it was used.

use super::Done;
use super::call::{Caller, Work};
use crate::mfa::factor::FactorState;
use crate::mfa::ids::{ClientId, UserId};
use crate::mfa::overrides::{Holding, Used, still_stands};
use crate::mfa::refusal::Refusal;
use crate::mfa::words::Role;
use crate::store::StoreError;
use crate::store::rows::OverrideRow;

/// The requester of an override, who calls. What it makes in secret is answered to nobody else: there is no
/// other way to one.
pub(super) struct Requester<'a>(&'a OverrideRow);

impl<'a> Requester<'a> {
    /// The caller, if the override is the caller's own.
    ///
    /// # Errors
    /// `not-an-approver`.
    pub(super) fn calling(work: &Work<'_, '_>, row: &'a OverrideRow) -> Result<Self, Refusal> {
        let is_own = match &work.caller {
            Caller::Person(person) => {
                // Another console, which may be a thief's, does not collect what was asked for here.
                !row.is_break_glass
                    && person.user.id.as_str() == row.requested_by
                    && row.requested_client_id.as_ref() == Some(&person.client)
            }
            Caller::Server(_) => row.is_break_glass,
            Caller::Client(_) => false,
        };
        if is_own {
            Ok(Self(row))
        } else {
            Err(Refusal::NotAnApprover(
                "only the requester collects, at the console of the request",
            ))
        }
    }

    /// The override.
    pub(super) fn of(&self) -> &'a OverrideRow {
        self.0
    }
}

/// Whether the requester of an override still may request it. The server may: it broke the glass.
pub(super) fn requester_stands(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<bool> {
    if row.is_break_glass {
        return Ok(true);
    }
    let person = UserId::parse(&row.requested_by).map_err(|_| StoreError::Invalid("override"))?;
    let (Some(client), Some(epoch)) = (&row.requested_client_id, row.requested_epoch) else {
        return Err(StoreError::Invalid("override").into());
    };
    stands(work, &person, client, Used { at: row.requested_at, epoch })
}

/// How many approvals of an override count now.
pub(super) fn standing_approvals(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<i64> {
    let mut count = 0;
    for approval in work.tx.approvals_of(&work.tenant, &row.id)? {
        let used = Used { at: approval.at, epoch: approval.epoch };
        count += i64::from(stands(work, &approval.person_id, &approval.client_id, used)?);
    }
    Ok(count)
}

fn stands(work: &mut Work<'_, '_>, person: &UserId, client: &ClientId, used: Used) -> Done<bool> {
    let Some(row) = work.tx.find_user(&work.tenant, None, person)? else { return Ok(false) };
    let factor = work.tx.bound_factor(&work.tenant, person)?;
    let client = work.tx.find_client(&work.tenant, client)?;
    let holding = Holding {
        epoch: row.epoch,
        is_offboarded: row.offboarded_at.is_some(),
        administrator_since: work.tx.holder_since(&work.tenant, person, Role::Admin)?,
        has_active_factor: factor.is_some_and(|factor| factor.state == FactorState::Active),
        is_client_live: client.is_some_and(|client| client.passes_logins()),
    };
    Ok(still_stands(used, &holding))
}
