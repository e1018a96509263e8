//! The answers of `evaluateLogin`: one for each decision.

use serde::Serialize;
use utoipa::ToSchema;

use super::Shown;
use super::union::union;
use crate::mfa::decision::DeniedBecause;
use crate::mfa::ids::{OverrideId, UserId};
use crate::mfa::policy::join::Because;
use crate::mfa::time::Timestamp;

/// An open challenge.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenChallenge {
    /// The handle: single use, useless as a bearer token.
    pub handle: Shown,
    /// Until when.
    pub expires_at: Timestamp,
}

/// An enrollment whose secret was shown before, waiting for its first code.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenEnrollment {
    /// The handle for `confirmEnrollment`.
    pub handle: Shown,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What the user must do soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Obligation {
    /// Replace the authenticator: somebody else saw its secret, or the policy asks for more digits.
    Rotate,
}

macro_rules! decisions {
    ($($(#[doc = $about:literal])+ $name:ident { $($(#[$attribute:meta])+ $field:ident: $type:ty,)* })+) => {$(
        $(#[doc = $about])+
        #[derive(Debug, Serialize, ToSchema)]
        pub struct $name {
            /// The user: `sub` of every token.
            pub user_id: UserId,
            /// For each attribute, which rule gave its value; with `explain: true` only.
            #[schema(max_items = 12)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub because: Option<Vec<Because>>,
            $($(#[$attribute])+ pub $field: $type,)*
        }
    )+};
}

decisions! {
    /// Refuse the login.
    DeniedDecision {
        /// Why.
        reason: DeniedBecause,
    }
    /// Own session only, under an administrator's override: no Pawl token.
    ExemptDecision {
        /// The override.
        override_id: OverrideId,
        /// When it ends.
        expires_at: Timestamp,
        /// For a user who has a factor and wants a token all the same.
        #[serde(skip_serializing_if = "Option::is_none")]
        challenge: Option<OpenChallenge>,
    }
    /// Ask for the code, then `verifyCode`.
    ChallengeDecision {
        /// The challenge.
        challenge: OpenChallenge,
        /// What the user must do soon.
        #[schema(max_items = 10)]
        obligations: Vec<Obligation>,
    }
    /// The factor is suspended: `useRecoveryCode`, or the administrator.
    RecoverDecision {
        /// The challenge for `useRecoveryCode`.
        challenge: OpenChallenge,
    }
    /// The user must enroll now: `beginEnrollment` with the challenge, or, if the secret was shown
    /// before, `confirmEnrollment` with the enrollment.
    EnrollDecision {
        /// The challenge for `beginEnrollment`.
        #[serde(skip_serializing_if = "Option::is_none")]
        challenge: Option<OpenChallenge>,
        /// The waiting enrollment: the first administrator's.
        #[serde(skip_serializing_if = "Option::is_none")]
        enrollment: Option<OpenEnrollment>,
    }
    /// The user must enroll and needs a ticket: "ask your administrator".
    TicketRequiredDecision {
        /// The challenge for `redeemTicket`.
        challenge: OpenChallenge,
    }
    /// Own session only: no Pawl token.
    NotRequiredDecision {
        /// For a user who wants to enroll all the same.
        #[serde(skip_serializing_if = "Option::is_none")]
        challenge: Option<OpenChallenge>,
    }
}

union! {
    /// What must happen at this login. "Own session only" means that there is no Pawl token, so
    /// downstream audiences refuse.
    #[derive(Debug, Serialize)]
    Evaluation by "decision" {
        /// Off-boarded, or a service account.
        Denied(DeniedDecision) = "denied",
        /// An override is in force.
        Exempt(ExemptDecision) = "exempt",
        /// A factor is active.
        Challenge(ChallengeDecision) = "challenge",
        /// The factor is suspended.
        Recover(RecoverDecision) = "recover",
        /// No factor, and the user may enroll now.
        Enroll(EnrollDecision) = "enroll",
        /// No factor, and only a ticket lets the user enroll.
        TicketRequired(TicketRequiredDecision) = "ticket_required",
        /// Optional, and no factor.
        NotRequired(NotRequiredDecision) = "not_required",
    }
}
