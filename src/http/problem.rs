//! The one table that joins code, status, title and what to do next, and the RFC 9457 problems that
//! it yields. A problem is made from a code: there is no place to put a string by accident.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::mfa::ids::PetitionId;
use crate::mfa::policy::attributes::Attribute;
use crate::mfa::policy::rule::RuleName;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::{Span, Timestamp};
use crate::operations::Failure;
use crate::telemetry;

macro_rules! problems {
    ($($name:ident = $status:ident, $code:tt, $title:literal, $next:literal;)*) => {
        /// Every code that a problem can have.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
        // An authenticator's code is `Code` in the document.
        #[schema(as = ProblemCode)]
        pub enum Code { $(#[doc = $title] #[serde(rename = $code)] $name,)* }

        impl Code {
            /// The whole table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Its status.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// Its title.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What to do next.
            #[must_use]
            pub const fn next(self) -> &'static str {
                match self { $(Self::$name => $next,)* }
            }
        }
    };
}

problems! {
    InvalidRequest = BAD_REQUEST, "invalid-request", "The request is not well formed",
        "Correct what `field` and `reason` name and send it again; nothing was changed.";
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "The credential is missing or not good",
        "Send a live client key, or a person's fresh token for Pawl's audience, as a bearer credential.";
    Forbidden = FORBIDDEN, "forbidden", "The credential does not allow this",
        "Use a client with the scope, or a person with the role, that the operation names.";
    NotFound = NOT_FOUND, "not-found", "There is no such thing here",
        "Check the path and the id; what belongs to another tenant does not exist.";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here",
        "Use a method that the Allow header names.";
    RequestTimeout = REQUEST_TIMEOUT, "request-timeout", "The request did not come in time",
        "Send it again, as a whole and at once; nothing was changed.";
    HeadTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", "The head of the request is too large",
        "Send at most 16 KiB of request line and headers.";
    PayloadTooLarge = PAYLOAD_TOO_LARGE, "payload-too-large", "The body is too large",
        "Send a smaller body: `reason` says how large it may be.";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is of another type",
        "Send application/json in UTF-8; issueClientToken takes application/x-www-form-urlencoded.";
    TooManyCalls = TOO_MANY_REQUESTS, "too-many-calls", "The caller makes too many calls",
        "Wait for Retry-After, then call less often: `RateLimit` and `RateLimit-Policy` tell how often.";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "Pawl cannot answer now",
        "Try again after Retry-After. Refuse the login meanwhile: unknown is not \"no\".";
    StalePrimaryLogin = UNPROCESSABLE_ENTITY, "stale-primary-login", "The primary login is too old, or ahead",
        "Let the user sign in again; it may be 5 minutes old and 30 seconds ahead. Check the console's clock.";
    AudienceNotRegistered = FORBIDDEN, "audience-not-registered", "The client may not ask for this audience",
        "Ask for an audience of the client's registration, or for Pawl's own.";
    ChallengeOver = GONE, "challenge-over", "The challenge expired or was already used",
        "Begin again with evaluateLogin (or beginStepUp).";
    CodeRejected = UNPROCESSABLE_ENTITY, "code-rejected", "The code was not accepted",
        "Ask for the next code of the authenticator; each works once.";
    TooManyAttempts = TOO_MANY_REQUESTS, "too-many-attempts", "Too many codes were tried",
        "Wait for Retry-After; until then no code is looked at, not even the right one.";
    EnrollmentOver = GONE, "enrollment-over", "The enrollment expired or was already used",
        "Begin again with evaluateLogin (or beginRotation).";
    TicketOver = GONE, "ticket-over", "The ticket expired, was used or was revoked",
        "Ask the administrator for a new one.";
    TicketRequired = FORBIDDEN, "ticket-required", "This user enrolls with a ticket only",
        "Ask the administrator for a ticket and use redeemTicket.";
    AlreadyEnrolled = CONFLICT, "already-enrolled", "The user has, or had, a factor",
        "To replace a factor use beginRotation; if it is lost, a recovery code or a reset.";
    NotEnrolled = CONFLICT, "not-enrolled", "The user has no factor",
        "Let the user enroll first.";
    FactorNotSuspended = CONFLICT, "factor-not-suspended", "The user's factor is not suspended",
        "There is nothing to resume: read getMfaStatus again.";
    UserOffboarded = CONFLICT, "user-offboarded", "The user left, or is a service account",
        "Nothing can be done for this user.";
    HoldsRole = CONFLICT, "holds-role", "The user holds a role",
        "Let an administrator take the role away first.";
    MfaDisableRefused = FORBIDDEN, "mfa-disable-refused", "MFA cannot be switched off",
        "File a petition; only an administrator's dated override can relieve this user for a while.";
    ProofRequired = FORBIDDEN, "proof-required", "This act needs a proof",
        "Call beginStepUp with the same act, then send its challenge and a fresh code as `proof`.";
    ProofMismatch = CONFLICT, "proof-mismatch", "The proof was opened for another act",
        "Call beginStepUp with exactly this act; the code was not looked at.";
    FactorTooNew = FORBIDDEN, "factor-too-new", "The person's factor is too new for this act",
        "Wait until `usable_from`, or let another administrator act.";
    OwnAccount = FORBIDDEN, "own-account", "A person cannot weaken for themselves",
        "Let another administrator act.";
    NotAnApprover = FORBIDDEN, "not-an-approver", "This person cannot decide about this override",
        "Requester, approvers and subject are different people; only the requester withdraws or collects.";
    DigestMismatch = CONFLICT, "digest-mismatch", "The digest is not this override's",
        "Read it again with getOverride and approve what it shows.";
    OverrideNotOpen = CONFLICT, "override-not-open", "The override is not in a state for this",
        "Read it again with getOverride.";
    TooManyOverrides = CONFLICT, "too-many-overrides", "The administrator has ten overrides open",
        "End some first.";
    ExpiryOutOfBounds = UNPROCESSABLE_ENTITY, "expiry-out-of-bounds", "The end is not within its bounds",
        "Choose an end that lies ahead and not after `latest`.";
    ExemptionNotAllowed = FORBIDDEN, "exemption-not-allowed", "The policy allows no exemption for this user",
        "See `rule`; a looser policy is an override too.";
    AudienceReserved = UNPROCESSABLE_ENTITY, "audience-reserved", "Pawl's own audience cannot be named here",
        "Leave out audiences that are Pawl's issuers.";
    TooManyNewUsers = TOO_MANY_REQUESTS, "too-many-new-users", "The client has created as many users today as it may",
        "Known users go on signing in. For a first import, let the operator raise PAWL_NEW_USERS_PER_DAY.";
    TooManyOffboardings = TOO_MANY_REQUESTS, "too-many-offboardings", "The client has off-boarded as many users today as it may",
        "Refuse their logins, and go on tomorrow; or let the operator raise PAWL_OFFBOARDINGS_PER_DAY.";
    PetitionDecided = CONFLICT, "petition-decided", "The petition was decided",
        "Read it again with getPetition.";
    TooManyPetitions = CONFLICT, "too-many-petitions", "The user has three open petitions of this kind",
        "Wait until an administrator decides one of them, or take one back with withdrawPetition.";
    VersionMismatch = PRECONDITION_FAILED, "version-mismatch", "The policy was replaced meanwhile",
        "Read it again with getPolicy and put your change on top of `current_version`.";
    PreconditionRequired = PRECONDITION_REQUIRED, "precondition-required", "If-Match is missing",
        "Send the ETag of getPolicy as If-Match.";
    InvalidPolicy = UNPROCESSABLE_ENTITY, "invalid-policy", "The policy breaks a rule",
        "Correct what `field` and `reason` name.";
    PolicyGuard = CONFLICT, "policy-guard", "Too few administrators could sign in under this policy",
        "See `reason`; let more administrators enroll first, or demand less of them.";
    LastAdministrator = CONFLICT, "last-administrator", "Too few administrators would be left",
        "Give the role to another enrolled user first.";
    LastClient = CONFLICT, "last-client", "No client could pass on a login any more",
        "Make another client first.";
    LastWayIn = CONFLICT, "last-way-in", "The client could not sign in any more",
        "Give the client another key first, or disable it with disableClient.";
    RoleHeld = CONFLICT, "role-held", "The user has this role",
        "Nothing is to be done.";
    RoleNotHeld = CONFLICT, "role-not-held", "The user does not have this role",
        "Nothing is to be done.";
    SecondPersonRequired = CONFLICT, "second-person-required", "There is no second person who could approve",
        "Give the role admin to another enrolled user; for the last administrator there is break-glass.";
    ClientDisabled = CONFLICT, "client-disabled", "The client is disabled",
        "Nothing is to be done.";
    TooManySecrets = CONFLICT, "too-many-secrets", "The client has two live secrets",
        "Revoke the old one with revokeClientSecret first.";
    TooManyKeys = CONFLICT, "too-many-keys", "The client has two public keys",
        "Remove the old one with removeClientKey first.";
    InvalidClient = BAD_REQUEST, "invalid-client", "The assertion is not good",
        "Sign a new one with a key of the client: see \"Sign in as a client\" in docs/integrating.md.";
    InvalidScope = BAD_REQUEST, "invalid-scope", "The client does not have this scope",
        "Ask for scopes of the client's registration, or leave `scope` out.";
    UnsupportedGrantType = BAD_REQUEST, "unsupported-grant-type", "There is one grant type",
        "Send grant_type=client_credentials.";
}

/// An RFC 9457 problem. The members after `instance` stand where they help.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:pawl:problem:` and the code.
    #[schema(format = "uri")]
    pub r#type: String,
    /// What went wrong, in words.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// The stable code: match on this.
    pub code: Code,
    /// What to do next.
    pub detail: String,
    /// `urn:pawl:request:` and the request's id, as in the log line.
    #[schema(format = "uri")]
    pub instance: String,
    /// The field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds to wait, also in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<i64>,
    /// The policy version that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<i64>,
    /// The policy version in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_version: Option<i64>,
    /// The policy rule that decided, or that would loosen; `base` for the base rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub rule: Option<RuleName>,
    /// The attribute that would loosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<Attribute>,
    /// The petition that was filed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub petition_id: Option<PetitionId>,
    /// When the person's factor is old enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usable_from: Option<Timestamp>,
    /// The latest end that is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest: Option<Timestamp>,
    /// The token endpoint's error, as RFC 6749 section 5.2 names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub error: Option<&'static str>,
    /// The same in words, for who runs the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

/// What the bodies of errors are.
pub(super) const JSON: &str = "application/json";
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// Seconds after which a caller may try again when Pawl cannot answer.
const UNAVAILABLE_SECONDS: i64 = 1;

impl Problem {
    /// The problem of a code, and nothing else.
    #[must_use]
    pub fn new(code: Code) -> Self {
        let id = telemetry::request_id();
        Self {
            r#type: format!("urn:pawl:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status().as_u16(),
            code,
            detail: code.next().to_owned(),
            instance: format!("urn:pawl:request:{}", id.as_deref().unwrap_or("none")),
            field: None,
            reason: None,
            retry_after_seconds: (code == Code::Unavailable).then_some(UNAVAILABLE_SECONDS),
            policy_version: None,
            current_version: None,
            rule: None,
            attribute: None,
            petition_id: None,
            usable_from: None,
            latest: None,
            error: None,
            error_description: None,
        }
    }

    /// A request that is not well formed. Neither text echoes what the caller sent.
    #[must_use]
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        let (field, reason) = (Some(field.into()), Some(reason.into()));
        Self { field, reason, ..Self::new(Code::InvalidRequest) }
    }
}

/// A refusal that ends by itself.
fn wait(code: Code, after: Span) -> Problem {
    Problem { retry_after_seconds: Some(after.as_seconds_up()), ..Problem::new(code) }
}

/// Notes why, for the log line, and gives the code.
fn because(code: Code, why: &'static str) -> Problem {
    telemetry::note(|log| log.cause = Some(why.to_owned()));
    Problem::new(code)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthenticated(why) => because(Code::Unauthenticated, why),
            Refusal::Forbidden(why) => because(Code::Forbidden, why),
            Refusal::NotFound => Self::new(Code::NotFound),
            Refusal::StalePrimaryLogin => Self::new(Code::StalePrimaryLogin),
            Refusal::AudienceNotRegistered => Self::new(Code::AudienceNotRegistered),
            Refusal::ChallengeOver(why) => because(Code::ChallengeOver, why),
            Refusal::CodeRejected(why) => because(Code::CodeRejected, why),
            Refusal::TooManyAttempts { retry_after } => wait(Code::TooManyAttempts, retry_after),
            Refusal::EnrollmentOver(why) => because(Code::EnrollmentOver, why),
            Refusal::TicketOver(why) => because(Code::TicketOver, why),
            Refusal::TicketRequired => Self::new(Code::TicketRequired),
            Refusal::AlreadyEnrolled => Self::new(Code::AlreadyEnrolled),
            Refusal::NotEnrolled => Self::new(Code::NotEnrolled),
            Refusal::FactorNotSuspended => Self::new(Code::FactorNotSuspended),
            Refusal::UserGone => Self::new(Code::UserOffboarded),
            Refusal::HoldsRole => Self::new(Code::HoldsRole),
            Refusal::DisableRefused { policy_version, rule, petition } => Self {
                policy_version: Some(policy_version),
                rule: Some(rule),
                petition_id: petition,
                ..Self::new(Code::MfaDisableRefused)
            },
            Refusal::ProofRequired { rule, attribute } => {
                Self { rule, attribute, ..Self::new(Code::ProofRequired) }
            }
            Refusal::ProofMismatch => Self::new(Code::ProofMismatch),
            Refusal::FactorTooNew { usable_from } => {
                Self { usable_from: Some(usable_from), ..Self::new(Code::FactorTooNew) }
            }
            Refusal::OwnAccount => Self::new(Code::OwnAccount),
            Refusal::NotAnApprover(why) => {
                Self { reason: Some(why.to_owned()), ..Self::new(Code::NotAnApprover) }
            }
            Refusal::DigestMismatch => Self::new(Code::DigestMismatch),
            Refusal::OverrideNotOpen => Self::new(Code::OverrideNotOpen),
            Refusal::TooManyOverrides => Self::new(Code::TooManyOverrides),
            Refusal::ExpiryOutOfBounds { latest } => {
                Self { latest: Some(latest), ..Self::new(Code::ExpiryOutOfBounds) }
            }
            Refusal::ExemptionNotAllowed { rule } => {
                Self { rule: Some(rule), ..Self::new(Code::ExemptionNotAllowed) }
            }
            Refusal::AudienceReserved => Self::new(Code::AudienceReserved),
            Refusal::PetitionDecided => Self::new(Code::PetitionDecided),
            Refusal::TooManyNewUsers { retry_after } => wait(Code::TooManyNewUsers, retry_after),
            Refusal::TooManyOffboardings { retry_after: at } => wait(Code::TooManyOffboardings, at),
            Refusal::TooManyPetitions => Self::new(Code::TooManyPetitions),
            Refusal::VersionMismatch { current } => {
                Self { current_version: Some(current), ..Self::new(Code::VersionMismatch) }
            }
            Refusal::VersionRequired => Self::new(Code::PreconditionRequired),
            Refusal::InvalidPolicy { field, reason } => Self {
                field: Some(field),
                reason: Some(reason.to_owned()),
                ..Self::new(Code::InvalidPolicy)
            },
            Refusal::GuardRefused(why) => {
                Self { reason: Some(why.to_string()), ..Self::new(Code::PolicyGuard) }
            }
            Refusal::LastAdministrator => Self::new(Code::LastAdministrator),
            Refusal::LastClient => Self::new(Code::LastClient),
            Refusal::LastWayIn => Self::new(Code::LastWayIn),
            Refusal::RoleHeld => Self::new(Code::RoleHeld),
            Refusal::RoleNotHeld => Self::new(Code::RoleNotHeld),
            Refusal::SecondPersonRequired => Self::new(Code::SecondPersonRequired),
            Refusal::ClientDisabled => Self::new(Code::ClientDisabled),
            Refusal::TooManySecrets => Self::new(Code::TooManySecrets),
            Refusal::TooManyKeys => Self::new(Code::TooManyKeys),
            Refusal::ScopeNotRegistered => Self::new(Code::InvalidScope),
            Refusal::InvalidInput { field, reason } => Self::invalid(field, reason),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::Store(error) => {
                let cause = telemetry::chain(&error);
                telemetry::note(|log| log.cause = Some(cause));
                Self::new(Code::Unavailable)
            }
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code.as_str())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        telemetry::note(|log| log.problem = Some(self.code.as_str()));
        let mut response = HttpResponse::build(self.code.status());
        // RFC 6749 section 5.2: the token endpoint's errors are plain JSON.
        let is_oauth = self.error.is_some();
        response.content_type(if is_oauth { JSON } else { PROBLEM_JSON });
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if self.code.status() == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        // A struct of strings and numbers cannot fail to serialize.
        response.body(serde_json::to_vec(self).unwrap_or_default())
    }
}
