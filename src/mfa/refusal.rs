//! Every "no" that an operation can say. `http::problem` gives each its code and status.

use super::ids::PetitionId;
use super::policy::attributes::Attribute;
use super::policy::guard::GuardRefused;
use super::policy::rule::RuleName;
use super::time::{Span, Timestamp};

/// Why an operation did not do what it was asked. Nothing in it is secret, and nothing in it echoes
/// what the caller sent.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "`http::problem` has the one text of each")]
pub enum Refusal {
    Unauthenticated(&'static str),
    Forbidden(&'static str),
    NotFound,
    StalePrimaryLogin,
    AudienceNotRegistered,
    ChallengeOver(&'static str),
    CodeRejected(&'static str),
    TooManyAttempts { retry_after: Span },
    EnrollmentOver(&'static str),
    TicketOver(&'static str),
    TicketRequired,
    AlreadyEnrolled,
    NotEnrolled,
    FactorNotSuspended,
    UserGone,
    DisableRefused { policy_version: i64, rule: RuleName, petition: Option<PetitionId> },
    ProofRequired { rule: Option<RuleName>, attribute: Option<Attribute> },
    ProofMismatch,
    FactorTooNew { usable_from: Timestamp },
    OwnAccount,
    NotAnApprover(&'static str),
    DigestMismatch,
    OverrideNotOpen,
    TooManyOverrides,
    ExpiryOutOfBounds { latest: Timestamp },
    ExemptionNotAllowed { rule: RuleName },
    AudienceReserved,
    PetitionDecided,
    TooManyPetitions,
    TooManyNewUsers { retry_after: Span },
    TooManyOffboardings { retry_after: Span },
    VersionMismatch { current: i64 },
    VersionRequired,
    InvalidPolicy { field: String, reason: &'static str },
    GuardRefused(GuardRefused),
    LastAdministrator,
    LastClient,
    LastWayIn,
    RoleHeld,
    RoleNotHeld,
    SecondPersonRequired,
    HoldsRole,
    ClientDisabled,
    TooManySecrets,
    TooManyKeys,
    ScopeNotRegistered,
    InvalidInput { field: &'static str, reason: &'static str },
}
