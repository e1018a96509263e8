//! `getMfaStatus`: requirement, factor, override, lock and obligations as separate axes, and what can
//! be done.

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::call::{Caller, Work};
use super::codes::limits;
use super::evaluations::{Obligation, may_begin, obligations};
use super::standing::Facts;
use super::{Call, Done, Pawl};
use crate::mfa::factor::{FactorKind, FactorState};
use crate::mfa::ids::{FactorId, OverrideId, UserId};
use crate::mfa::policy::attributes::Attributes;
use crate::mfa::policy::join::Because;
use crate::mfa::refusal::Refusal;
use crate::mfa::throttle::{Blocked, BlockedBecause};
use crate::mfa::time::Timestamp;
use crate::mfa::totp::Algorithm;
use crate::mfa::words::{Audience, Role, choice_words};
use crate::store::StoreError;

choice_words! {
    /// Who could do what the user cannot.
    Whom {
        /// The user.
        User = "user",
        /// An administrator, by an override or a ticket.
        Administrator = "administrator",
        /// Nobody.
        Nobody = "nobody",
    }
    /// Why an action is not open: the code of the problem that it would answer.
    Obstacle {
        /// `mfa-disable-refused`.
        DisableRefused = "mfa-disable-refused",
        /// `already-enrolled`.
        AlreadyEnrolled = "already-enrolled",
        /// `ticket-required`.
        TicketRequired = "ticket-required",
        /// `unauthenticated`: a person's token takes an active factor.
        Unauthenticated = "unauthenticated",
        /// `challenge-over`: without a factor there is no login challenge.
        ChallengeOver = "challenge-over",
        /// `code-rejected`.
        CodeRejected = "code-rejected",
        /// `user-offboarded`.
        UserOffboarded = "user-offboarded",
    }
}

/// The demands of the policy for this user, over all audiences that it does not tell apart.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequirementStatus {
    /// The policy version.
    pub policy_version: i64,
    /// The joined attributes.
    pub attributes: Attributes,
    /// Which rule gave each; with `explain=true` only.
    #[schema(max_items = 12)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Vec<Because>>,
}

/// The user's factor.
#[derive(Debug, Serialize, ToSchema)]
pub struct FactorStatus {
    /// Its id: `fid` of a token.
    pub id: FactorId,
    /// What it is.
    pub kind: FactorKind,
    /// Where it is in its life.
    pub state: FactorState,
    /// The hash.
    pub algorithm: Algorithm,
    /// Digits of a code.
    #[schema(minimum = 6, maximum = 8)]
    pub digits: i32,
    /// When it was bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Timestamp>,
    /// Recovery codes that are left.
    pub recovery_codes_left: i32,
}

/// An exemption in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExemptionStatus {
    /// The override.
    pub override_id: OverrideId,
    /// The audiences that it covers.
    #[schema(max_items = 10)]
    pub audiences: BTreeSet<Audience>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A block after wrong codes.
#[derive(Debug, Serialize, ToSchema)]
pub struct LockStatus {
    /// Why.
    pub reason: LockReason,
    /// When the next code is looked at, if time alone lifts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Why no code is looked at now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockReason {
    /// The delay after wrong codes in a row.
    Delay,
    /// The budget of wrong codes is used up.
    Budget,
    /// A hundred wrong codes in a row: only an administrator or a recovery code helps.
    Cap,
}

/// One thing that a user may want to do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Action {
    /// The operationId.
    pub operation: String,
    /// Whether it would be done.
    pub allowed: bool,
    /// Otherwise: the problem that it would answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Obstacle>,
    /// Otherwise: who could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<Whom>,
}

/// A user's MFA, as separate axes. There is no "enabled": what must happen at a login is what
/// `evaluateLogin` says.
#[derive(Debug, Serialize, ToSchema)]
pub struct MfaStatus {
    /// The user.
    pub user_id: UserId,
    /// When the user left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offboarded_at: Option<Timestamp>,
    /// What the policy demands.
    pub requirement: RequirementStatus,
    /// The factor, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<FactorStatus>,
    /// Exemptions in force.
    #[schema(max_items = 1000)]
    pub exemptions: Vec<ExemptionStatus>,
    /// A block after wrong codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockStatus>,
    /// What the user must do soon.
    #[schema(max_items = 10)]
    pub obligations: Vec<Obligation>,
    /// What the user can do now. A console hides its *Disable MFA* button by this.
    #[schema(max_items = 20)]
    pub actions: Vec<Action>,
}

/// A user's MFA.
///
/// # Errors
/// `not-found`; for a person without a role, also for anybody but themselves.
pub async fn get_mfa_status(pawl: &Pawl, call: Call, id: UserId, explain: bool) -> Done<MfaStatus> {
    call.read(pawl, access::GetMfaStatus::ACCESS, move |work| {
        if let Caller::Person(person) = &work.caller
            && person.user.id != id
            && !access::GetMfaStatus::ACCESS
                .roles
                .iter()
                .any(|role: &Role| person.roles.contains(role))
        {
            return Err(Refusal::NotFound.into());
        }
        let user = work.user(&id)?;
        let facts = work.facts(user)?;
        status(work, facts, explain)
    })
    .await
}

fn status(work: &mut Work<'_, '_>, facts: Facts, explain: bool) -> Done<MfaStatus> {
    let requirement = facts.requirement(work, &[], None);
    let codes = work.tx.open_recovery_codes(&work.tenant, &facts.user.id)?.len();
    let lock = lock(work, &facts, &requirement.attributes)?;
    let actions = actions(&facts, may_begin(&facts, &requirement), codes);
    let obligations = obligations(&facts, &requirement);
    let factor = match &facts.factor {
        None => None,
        Some(row) => Some(FactorStatus {
            id: row.id.clone(),
            kind: row.kind,
            state: row.state,
            algorithm: row.algorithm,
            digits: i32::try_from(row.digits).map_err(|_| StoreError::Invalid("factor"))?,
            activated_at: row.activated_at,
            recovery_codes_left: i32::try_from(codes).unwrap_or(i32::MAX),
        }),
    };
    let exemptions = facts.standing.exemptions.into_iter().map(|exemption| ExemptionStatus {
        override_id: exemption.override_id,
        audiences: exemption.audiences,
        expires_at: exemption.expires_at,
    });
    Ok(MfaStatus {
        user_id: facts.user.id,
        offboarded_at: facts.user.offboarded_at,
        requirement: RequirementStatus {
            policy_version: facts.policy.version,
            attributes: requirement.attributes,
            because: explain.then_some(requirement.because),
        },
        factor,
        exemptions: exemptions.collect(),
        lock,
        obligations,
        actions,
    })
}

fn lock(
    work: &mut Work<'_, '_>,
    facts: &Facts,
    attributes: &Attributes,
) -> Done<Option<LockStatus>> {
    let limits = limits(attributes);
    let (throttle, _) = work.throttle(&facts.user.id, limits)?;
    Ok(throttle.charge(limits, work.now).err().map(|Blocked { retry_after, because }| {
        let expires_at = Some(work.now.after(retry_after));
        match because {
            BlockedBecause::Delay => LockStatus { reason: LockReason::Delay, expires_at },
            BlockedBecause::Bucket => LockStatus { reason: LockReason::Budget, expires_at },
            BlockedBecause::Cap => LockStatus { reason: LockReason::Cap, expires_at: None },
        }
    }))
}

/// What would happen if the user tried. A test holds this against what really happens.
fn actions(facts: &Facts, may_begin: bool, codes: usize) -> Vec<Action> {
    let gone = facts.user.offboarded_at.is_some();
    let state = facts.factor.as_ref().map(|factor| factor.state);
    let enrolled = state == Some(FactorState::Active);
    let open = |operation: &str| Action {
        operation: operation.to_owned(),
        allowed: true,
        obstacle: None,
        who: None,
    };
    let shut = |operation: &str, obstacle, who| Action {
        operation: operation.to_owned(),
        allowed: false,
        obstacle: Some(obstacle),
        who: Some(who),
    };
    if gone {
        let gone = |operation| shut(operation, Obstacle::UserOffboarded, Whom::Nobody);
        return ["requestDisable", "createPetition"].map(gone).into();
    }
    let only_enrolled = |operation: &str| {
        if enrolled {
            open(operation)
        } else {
            shut(operation, Obstacle::Unauthenticated, Whom::User)
        }
    };
    vec![
        shut("requestDisable", Obstacle::DisableRefused, Whom::Administrator),
        open("createPetition"),
        match (state, may_begin) {
            (Some(FactorState::Suspended), _) => {
                shut("beginEnrollment", Obstacle::ChallengeOver, Whom::User)
            }
            (Some(_), _) => shut("beginEnrollment", Obstacle::AlreadyEnrolled, Whom::User),
            (None, true) => open("beginEnrollment"),
            (None, false) => shut("beginEnrollment", Obstacle::TicketRequired, Whom::Administrator),
        },
        only_enrolled("beginRotation"),
        only_enrolled("regenerateRecoveryCodes"),
        match state {
            Some(_) => open("reportLoss"),
            None => shut("reportLoss", Obstacle::ChallengeOver, Whom::User),
        },
        match (state, codes) {
            (None, _) => shut("useRecoveryCode", Obstacle::ChallengeOver, Whom::User),
            (Some(_), 0) => shut("useRecoveryCode", Obstacle::CodeRejected, Whom::Administrator),
            (Some(_), _) => open("useRecoveryCode"),
        },
    ]
}
