//! How many other persons must approve an override: one question, and one answer for every kind of it.

use super::Done;
use super::call::{Person, Work};
use super::execute;
use super::proofs::cooled_down;
use crate::mfa::decision::FactorStanding;
use crate::mfa::ids::UserId;
use crate::mfa::overrides::{OPEN_PER_ADMINISTRATOR, OverrideKind};
use crate::mfa::policy::attributes::Approvals;
use crate::mfa::policy::guard::{Administrator, strictest_approvals};
use crate::mfa::policy::weakening::approvals_of_loosened;
use crate::mfa::policy::{Policy, PolicyDocument};
use crate::mfa::refusal::Refusal;
use crate::store::rows::OverrideRow;

/// What an override is about, as far as the number of its approvals depends on it.
pub(super) enum Concerns<'a> {
    /// A user.
    User(&'a UserId),
    /// The policy in force, which this one would replace.
    Policy(&'a Policy),
    /// The tenant: a client of it.
    Tenant,
}

impl Concerns<'_> {
    fn subject(&self) -> Option<&UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Policy(_) | Self::Tenant => None,
        }
    }
}

/// How many other persons must approve: what the policy demands, and at least `least`. If so many
/// cannot be found, the request could never end.
pub(super) fn approvals_needed(
    work: &mut Work<'_, '_>,
    person: &Person,
    concerns: &Concerns<'_>,
    least: i64,
) -> Done<i64> {
    cooled_down(work, person)?;
    let open = work.tx.count_open_overrides(&work.tenant, &person.user.id, work.now)?;
    if open >= OPEN_PER_ADMINISTRATOR {
        return Err(Refusal::TooManyOverrides.into());
    }
    let administrators = work.administrators()?;
    let required = demanded(work, &administrators, concerns)?.max(least);
    let others = administrators
        .iter()
        .filter(|other| other.user != person.user.id && Some(&other.user) != concerns.subject())
        .filter(|other| other.standing.factor == FactorStanding::Active)
        .count();
    if i64::try_from(others).unwrap_or(0) < required {
        return Err(Refusal::SecondPersonRequired.into());
    }
    Ok(required)
}

/// The approvals that the policy in force demands, for every kind of override: the most that it demands
/// of an administrator (the requester is one) and of the subject, and for a policy the most of the rules
/// that it loosens.
fn demanded(
    work: &mut Work<'_, '_>,
    administrators: &[Administrator],
    concerns: &Concerns<'_>,
) -> Done<i64> {
    let policy = work.tx.current_policy(&work.tenant)?.document.0;
    let general = strictest_approvals(&policy, administrators, &work.own_audience, work.now);
    let particular = match concerns {
        Concerns::User(id) => {
            let user = work.user(id)?;
            work.facts(user)?.requirement(work, &[], None).attributes.approvals
        }
        Concerns::Policy(new) => approvals_of_loosened(&policy, new),
        Concerns::Tenant => Approvals::LOOSEST,
    };
    Ok(i64::from(general.max(particular).get()))
}

/// The approvals that the policy in force demands of a request that waits.
pub(super) fn demanded_by(
    work: &mut Work<'_, '_>,
    administrators: &[Administrator],
    row: &OverrideRow,
) -> Done<i64> {
    if row.kind == OverrideKind::Policy {
        let document: PolicyDocument = execute::facts(row)?;
        let current = work.tx.current_policy(&work.tenant)?.document.0;
        let policy = Policy::from_document(document, Some(&current), work.now)
            .map_err(|_| Refusal::OverrideNotOpen)?;
        return demanded(work, administrators, &Concerns::Policy(&policy));
    }
    let concerns = row.user_id.as_ref().map_or(Concerns::Tenant, Concerns::User);
    demanded(work, administrators, &concerns)
}
