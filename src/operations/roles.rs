//! Roles: giving one is an override; taking one away is one too where the policy names that role.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, GrantRoleAct, RevokeRoleAct};
use super::approvals::{Concerns, approvals_needed};
use super::call::{Note, Person, Work};
use super::enrollments::give_up_pending;
use super::overrides::OverrideResult;
use super::proofs::{Proof, apart, cooled_down, prove, required, unwritten};
use super::protocol::{Plan, WAITING, carry_out};
use super::requests::request;
use super::users::{User, view};
use super::{Call, Done, Pawl, answer};
use crate::mfa::event::EventKind;
use crate::mfa::factor::FactorState;
use crate::mfa::ids::{OverrideId, UserId};
use crate::mfa::overrides::OverrideKind;
use crate::mfa::policy::guard::is_left_enough;
use crate::mfa::policy::join::Groups;
use crate::mfa::policy::rule::RuleName;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Span;
use crate::mfa::words::{Reason, Role, TicketReference, UserKind};
use crate::store::StoreError;
use crate::store::rows::RoleRow;

/// A role for a user.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantRole {
    /// Why.
    pub reason: Reason,
    /// The number of a ticket in the organization's own system.
    #[serde(default)]
    pub ticket_reference: Option<TicketReference>,
    /// A code of the administrator's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// A role that is taken away.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRole {
    /// Why.
    pub reason: Reason,
    /// A code of the administrator's factor; needed for an administrator's role, and where the policy
    /// names the role.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// What became of a role's revocation.
#[derive(Debug)]
pub enum RevokeOutcome {
    /// The user does not have it any more.
    Revoked(Box<User>),
    /// It waits for approvals.
    Waiting(Box<OverrideResult>),
}

/// A role given or taken, as an override keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RoleChange {
    pub(super) user_id: UserId,
    pub(super) role: Role,
    pub(super) grant: bool,
}

/// Whether a change of roles can be done now.
pub(super) fn fits(work: &mut Work<'_, '_>, change: &RoleChange) -> Done<()> {
    let user = work.user(&change.user_id)?;
    if user.offboarded_at.is_some() || user.kind == UserKind::Service {
        return Err(Refusal::UserGone.into());
    }
    let held = work.tx.roles_of(&work.tenant, &user.id)?.contains(&change.role);
    match (change.grant, held) {
        (true, true) => Err(Refusal::RoleHeld.into()),
        (false, false) => Err(Refusal::RoleNotHeld.into()),
        (true, false) if change.role == Role::Admin => {
            let factor = work.tx.bound_factor(&work.tenant, &user.id)?;
            match factor.map(|factor| factor.state) {
                Some(FactorState::Active) => Ok(()),
                Some(FactorState::Pending | FactorState::Suspended | FactorState::Ended) | None => {
                    Err(Refusal::NotEnrolled.into())
                }
            }
        }
        (false, true) if change.role == Role::Admin => administrators_without(work, &user.id),
        (true, false) | (false, true) => Ok(()),
    }
}

/// The guard before an administrator goes: enough must be left, for approvals too.
pub(super) fn administrators_without(work: &mut Work<'_, '_>, user: &UserId) -> Done<()> {
    let all = work.administrators()?;
    let others: Vec<_> = all.iter().filter(|other| other.user != *user).cloned().collect();
    let policy = work.tx.current_policy(&work.tenant)?.document.0;
    if is_left_enough(&policy, (&all, &others), &work.own_audience, work.now) {
        Ok(())
    } else {
        Err(Refusal::LastAdministrator.into())
    }
}

/// Gives or takes the role.
pub(super) fn write(
    work: &mut Work<'_, '_>,
    change: &RoleChange,
    by: Option<&OverrideId>,
) -> Done<()> {
    let kind = if change.grant { EventKind::RoleGranted } else { EventKind::RoleRevoked };
    let data = serde_json::json!({ "role": change.role, "override": by });
    let event = work.record(Note::new(kind).user(&change.user_id).data(data))?;
    if change.grant {
        // What a password alone, or one administrator alone, opened before is not for somebody with a
        // role.
        let user = work.user(&change.user_id)?;
        let facts = work.facts(user)?;
        give_up_pending(work, &facts)?;
        work.tx.revoke_tickets_of(&work.tenant, &change.user_id, work.now, event.seq)?;
        work.tx.grant_role(RoleRow {
            tenant_id: work.tenant.clone(),
            user_id: change.user_id.clone(),
            role: change.role,
            granted_at: work.now,
            override_id: by.cloned(),
            revoked_at: None,
            event_seq: event.seq,
        })?;
        return Ok(());
    }
    let (user, role) = (&change.user_id, change.role);
    if !work.tx.revoke_role(&work.tenant, user, role, work.now, event.seq)? {
        return Err(StoreError::Guard("roles", 0).into());
    }
    Ok(())
}

/// Gives a role. An administrator must have a factor, and needs an approval once two administrators
/// are active.
///
/// # Errors
/// Everything that the protocol can say; only `code-rejected` leaves a trace.
pub async fn grant_role(
    pawl: &Pawl,
    call: Call,
    user_id: UserId,
    role: Role,
    body: GrantRole,
) -> Done<OverrideResult> {
    let act =
        Act::GrantRoleAct(GrantRoleAct { user_id: user_id.clone(), role, body: body.clone() });
    let (access, proof) = (access::GrantRole::ACCESS, body.proof.clone());
    request(pawl, call, access, (act, proof), move |work, person| {
        plan_grant(work, person, (&user_id, role), &body)
    })
    .await
}

/// Everybody is a user: that role is neither given nor taken.
fn assignable(role: Role) -> Done<()> {
    match role {
        Role::Helpdesk | Role::Auditor | Role::Admin => Ok(()),
        Role::User => {
            let reason = "everybody has the role user";
            Err(Refusal::InvalidInput { field: "role", reason }.into())
        }
    }
}

/// How long a user who lost a role still counts as its holder: one administrator who takes the other's role
/// away does not give it to a friend alone.
pub(super) const FOUR_EYES: Span = Span::hours(24);

fn approval_for_admin(work: &mut Work<'_, '_>) -> Done<i64> {
    let since = work.now.before(FOUR_EYES);
    let active = crate::mfa::decision::FactorStanding::Active;
    let administrators = work.administrators()?;
    let now = administrators.iter().filter(|other| other.standing.factor == active).count();
    let gone = work.tx.former_holders(&work.tenant, Role::Admin, since)?;
    Ok(i64::from(now + gone >= 2))
}

fn plan(
    work: &mut Work<'_, '_>,
    person: &Person,
    change: &RoleChange,
    (reason, reference): (&Reason, Option<&TicketReference>),
    least: i64,
) -> Done<Plan> {
    if change.user_id == person.user.id {
        return Err(Refusal::OwnAccount.into());
    }
    fits(work, change)?;
    let required = approvals_needed(work, person, &Concerns::User(&change.user_id), least)?;
    Ok(Plan {
        kind: OverrideKind::Role,
        user: Some(change.user_id.clone()),
        facts: serde_json::to_value(change).map_err(|_| StoreError::Invalid("role"))?,
        audiences: std::collections::BTreeSet::new(),
        reason: reason.clone(),
        ticket_reference: reference.cloned(),
        expires_at: work.now.after(WAITING),
        required,
        policy_version: work.tx.current_policy(&work.tenant)?.version,
        petition: None,
    })
}

/// Checks everything that can be foreseen of a grant.
pub(super) fn plan_grant(
    work: &mut Work<'_, '_>,
    person: &Person,
    (user, role): (&UserId, Role),
    body: &GrantRole,
) -> Done<Plan> {
    assignable(role)?;
    let change = RoleChange { user_id: user.clone(), role, grant: true };
    let least = if role == Role::Admin { approval_for_admin(work)? } else { 0 };
    plan(work, person, &change, (&body.reason, body.ticket_reference.as_ref()), least)
}

/// What taking a role away needs.
pub(super) enum Revocation {
    /// Nothing: nobody escapes a rule by it.
    Free,
    /// A code: an administrator goes. A stolen token alone must not leave its thief as the only one.
    Proof,
    /// An override: this rule names the role.
    Override(RuleName, Box<Plan>),
}

/// Checks everything that can be foreseen of a revocation.
pub(super) fn plan_revocation(
    work: &mut Work<'_, '_>,
    person: &Person,
    (user, role): (&UserId, Role),
    body: &RevokeRole,
) -> Done<Revocation> {
    assignable(role)?;
    let change = RoleChange { user_id: user.clone(), role, grant: false };
    if let Some(rule) = rule_on(work, role)? {
        let plan = plan(work, person, &change, (&body.reason, None), 0)?;
        return Ok(Revocation::Override(rule, Box::new(plan)));
    }
    fits(work, &change)?;
    if role == Role::Admin {
        cooled_down(work, person)?;
        return Ok(Revocation::Proof);
    }
    Ok(Revocation::Free)
}

/// Takes a role away.
///
/// # Errors
/// `not-found`, `role-not-held`, `last-administrator`; for an administrator's role what a proof can be
/// refused for; where the policy names the role, everything that the override protocol can say.
pub async fn revoke_role(
    pawl: &Pawl,
    call: Call,
    user_id: UserId,
    role: Role,
    body: RevokeRole,
) -> Done<RevokeOutcome> {
    let committed = call
        .write(pawl, access::RevokeRole::ACCESS, move |work| {
            let person = work.person()?;
            let act = Act::RevokeRoleAct(RevokeRoleAct {
                user_id: user_id.clone(),
                role,
                body: body.clone(),
            });
            let proof = body.proof.as_ref();
            match plan_revocation(work, &person, (&user_id, role), &body)? {
                Revocation::Override(named, _) if proof.is_none() => {
                    let refusal = Refusal::ProofRequired { rule: Some(named), attribute: None };
                    return Err(refusal.into());
                }
                Revocation::Override(_, plan) => {
                    let result = match carry_out(work, &person, &act, *plan, proof)? {
                        Ok(result) => result,
                        Err(refusal) => return Ok(Err(refusal)),
                    };
                    if result.r#override.is_waiting() {
                        return Ok(Ok(RevokeOutcome::Waiting(Box::new(result))));
                    }
                }
                needs @ (Revocation::Proof | Revocation::Free) => {
                    if let Revocation::Proof = needs
                        && let Err(refusal) = prove(work, &person, &act, required(proof)?)?
                    {
                        return Ok(Err(refusal));
                    }
                    let change = RoleChange { user_id: user_id.clone(), role, grant: false };
                    write(work, &change, None)?;
                }
            }
            let user = work.user(&user_id)?;
            Ok(Ok(RevokeOutcome::Revoked(Box::new(view(work, user)?))))
        })
        .await?;
    answer(committed)
}

/// A rule that somebody without the role would escape.
fn rule_on(work: &mut Work<'_, '_>, role: Role) -> Done<Option<RuleName>> {
    let policy = work.tx.current_policy(&work.tenant)?.document.0;
    let (with, without) = ([role].into(), std::collections::BTreeSet::new());
    let named = policy.rules().iter().find(|rule| {
        let condition = crate::mfa::policy::rule::Condition {
            roles_any: rule.when.roles_any.clone(),
            ..Default::default()
        };
        let holds = |roles| {
            condition.holds(&crate::mfa::policy::join::Context {
                groups: &Groups::Unknown,
                roles,
                labels: &std::collections::BTreeSet::new(),
                audiences: &[],
                address: None,
                now: work.now,
            })
        };
        holds(&with) && !holds(&without)
    });
    Ok(named.map(|rule| RuleName::Rule(rule.id.clone())))
}
