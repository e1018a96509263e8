//! Overrides: everything that weakens, as a row with a life.
//!
//! ```text
//! requested ─▶ approved ─▶ used | expired | revoked
//!     └─▶ denied | withdrawn | expired
//! ```

use super::ids::UserId;
use super::time::{Span, Timestamp};
use super::words::choice_words;

/// How many overrides one administrator may have open at once.
pub const OPEN_PER_ADMINISTRATOR: i64 = 10;
/// The longest that break-glass lasts.
pub const BREAK_GLASS_LIFE: Span = Span::hours(1);

choice_words! {
    /// What an override weakens.
    OverrideKind {
        /// A user is not asked for a code until a date, for named audiences; the factor stays.
        Exempt = "exempt",
        /// Ends a user's factor and answers a ticket; the requirement stays.
        Reset = "reset",
        /// Lifts a user's block.
        Unlock = "unlock",
        /// Makes a factor work again that was suspended by a report of loss.
        Resume = "resume",
        /// A looser policy version.
        Policy = "policy",
        /// A role for a user.
        Role = "role",
        /// A ticket for somebody with a role.
        Ticket = "ticket",
        /// A new client, or a new way for one to sign in.
        Client = "client",
        /// Another name of the tenant, or a directory that lets look-alikes enroll.
        Tenant = "tenant",
    }
    /// Where an override is in its life.
    OverrideState {
        /// Waiting for approvals.
        Requested = "requested",
        /// In force; or, where it makes a secret, waiting for its requester to collect it.
        Approved = "approved",
        /// Done: it was one act.
        Used = "used",
        /// Its time ran out.
        Expired = "expired",
        /// Ended by a person.
        Revoked = "revoked",
        /// An approver said no.
        Denied = "denied",
        /// The requester took it back.
        Withdrawn = "withdrawn",
    }
    /// What a petition asks for.
    PetitionKind {
        /// Not to be asked for a code for a while.
        Exempt = "exempt",
        /// To enroll again.
        Reset = "reset",
        /// To be let in again after too many wrong codes.
        Unlock = "unlock",
        /// To use the phone again that was reported lost.
        Resume = "resume",
    }
    /// Where a petition is.
    PetitionState {
        /// Nobody has decided.
        Open = "open",
        /// An administrator made it their own request.
        TakenUp = "taken_up",
        /// An administrator said no.
        Denied = "denied",
        /// Whoever filed it took it back.
        Withdrawn = "withdrawn",
    }
}

impl From<PetitionKind> for OverrideKind {
    fn from(kind: PetitionKind) -> Self {
        match kind {
            PetitionKind::Exempt => Self::Exempt,
            PetitionKind::Reset => Self::Reset,
            PetitionKind::Unlock => Self::Unlock,
            PetitionKind::Resume => Self::Resume,
        }
    }
}

/// The state that a reader sees: an override whose time ran out is expired, whatever the row says.
/// Expiry counts at decision time and needs no job.
#[must_use]
pub fn state_at(state: OverrideState, expires_at: Timestamp, now: Timestamp) -> OverrideState {
    match state {
        OverrideState::Requested | OverrideState::Approved if now >= expires_at => {
            OverrideState::Expired
        }
        OverrideState::Requested
        | OverrideState::Approved
        | OverrideState::Used
        | OverrideState::Expired
        | OverrideState::Revoked
        | OverrideState::Denied
        | OverrideState::Withdrawn => state,
    }
}

/// Why an approval is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAnApprover {
    /// Whoever requested it.
    Requester,
    /// The one it is for.
    Subject,
    /// They approved already.
    Twice,
}

/// Whether `person` may approve: requester, approvers and subject are different people.
///
/// # Errors
/// [`NotAnApprover`].
pub fn may_approve(
    person: &UserId,
    requester: &str,
    subject: Option<&UserId>,
    approvers: &[UserId],
) -> Result<(), NotAnApprover> {
    if person.as_str() == requester {
        Err(NotAnApprover::Requester)
    } else if subject == Some(person) {
        Err(NotAnApprover::Subject)
    } else if approvers.contains(person) {
        Err(NotAnApprover::Twice)
    } else {
        Ok(())
    }
}

/// When a person requested or approved, and the epoch that they had then.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// When.
    pub at: Timestamp,
    /// The person's epoch then: a loss, a reset, a new factor and off-boarding raise it.
    pub epoch: i64,
}

/// What a person who requested or approved is now.
#[derive(Debug, Clone, Copy)]
pub struct Holding {
    /// The person's epoch.
    pub epoch: i64,
    /// Whether the person left.
    pub is_offboarded: bool,
    /// Since when the person has been an administrator without a break.
    pub administrator_since: Option<Timestamp>,
    /// Whether the person's factor is active.
    pub has_active_factor: bool,
    /// Whether the client that the person used still works.
    pub is_client_live: bool,
}

/// Whether a request or an approval still counts: its person is still who they were, has been an
/// administrator ever since, and used a client that still works.
#[must_use]
pub fn still_stands(used: Used, now: &Holding) -> bool {
    now.epoch == used.epoch
        && !now.is_offboarded
        && now.administrator_since.is_some_and(|since| since <= used.at)
        && now.has_active_factor
        && now.is_client_live
}

/// Whether the factor of a person who weakens is old enough (R-069). A rotation inherits the age of
/// the chain; the bootstrap factor is exempt, or nobody could ever begin.
#[must_use]
pub fn is_cooled_down(
    trust_since: Timestamp,
    is_bootstrap: bool,
    cooldown_hours: i64,
    now: Timestamp,
) -> bool {
    is_bootstrap || now >= trust_since.after(Span::hours(cooldown_hours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requester_approver_and_subject_are_different_people() {
        let [a, b, c] = [1, 2, 3].map(|n| UserId::from_random([n; 16]));
        let approve =
            |who: &UserId, earlier: &[UserId]| may_approve(who, a.as_str(), Some(&b), earlier);
        assert_eq!(approve(&a, &[]), Err(NotAnApprover::Requester));
        assert_eq!(approve(&b, &[]), Err(NotAnApprover::Subject));
        assert_eq!(approve(&c, &[]), Ok(()));
        assert_eq!(approve(&c, std::slice::from_ref(&c)), Err(NotAnApprover::Twice));
    }

    #[test]
    fn an_approval_counts_while_its_person_is_who_they_were() {
        let at = |seconds| Timestamp::from_seconds(seconds);
        let used = Used { at: at(100), epoch: 7 };
        let good = Holding {
            epoch: 7,
            is_offboarded: false,
            administrator_since: Some(at(100)),
            has_active_factor: true,
            is_client_live: true,
        };
        assert!(still_stands(used, &good));
        assert!(!still_stands(used, &Holding { epoch: 8, ..good }));
        assert!(!still_stands(used, &Holding { is_offboarded: true, ..good }));
        assert!(!still_stands(used, &Holding { administrator_since: None, ..good }));
        assert!(!still_stands(used, &Holding { administrator_since: Some(at(101)), ..good }));
        assert!(!still_stands(used, &Holding { has_active_factor: false, ..good }));
        assert!(!still_stands(used, &Holding { is_client_live: false, ..good }));
    }

    #[test]
    fn an_override_expires_by_the_clock_alone() {
        let (now, end) = (Timestamp::from_seconds(100), Timestamp::from_seconds(101));
        assert_eq!(state_at(OverrideState::Approved, end, now), OverrideState::Approved);
        assert_eq!(state_at(OverrideState::Approved, end, end), OverrideState::Expired);
        assert_eq!(state_at(OverrideState::Used, end, end), OverrideState::Used);
    }

    #[test]
    fn a_new_factor_cools_down_and_the_bootstrap_factor_need_not() {
        let bound = Timestamp::from_seconds(1_000_000);
        let almost = bound.after(Span::hours(24)).before(Span::millis(1));
        assert!(!is_cooled_down(bound, false, 24, almost));
        assert!(is_cooled_down(bound, false, 24, bound.after(Span::hours(24))));
        assert!(is_cooled_down(bound, true, 24, bound));
    }
}
