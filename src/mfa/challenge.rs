//! Challenges and enrollments: what an open handle is for, how long it lives, what may end a factor.

use super::factor::{FactorState, Primary};
use super::ids::{FactorId, OverrideId, RecoveryCodeId, UserId};
use super::time::{Span, Timestamp};
use super::words::choice_words;

/// How long a challenge lives.
pub const CHALLENGE_LIFE: Span = Span::minutes(5);
/// How long an enrollment waits for its first code.
pub const ENROLLMENT_LIFE: Span = Span::minutes(15);
/// How long the first administrator's printed enrollment waits.
pub const BOOTSTRAP_LIFE: Span = Span::minutes(30);
/// Codes that one challenge or enrollment may be asked about.
pub const ATTEMPTS: i64 = 5;
/// Challenges of one user, client and purpose that are open at once. One more closes the oldest, so that
/// a person who opens them for a user does not keep the user from opening one.
pub const MOST_OPEN: i64 = 20;
/// The oldest primary login that an evaluation takes, and how far ahead its clock may be.
pub const PRIMARY_AGE: Span = Span::minutes(5);
/// See [`PRIMARY_AGE`].
pub const PRIMARY_AHEAD: Span = Span::seconds(30);

choice_words! {
    /// What a challenge is for. It serves nothing else: each decision opens its own purpose, so that a state
    /// that becomes looser later never makes an open handle worth more.
    Purpose {
        /// A code, for tokens: the user had an active factor.
        Login = "login",
        /// A recovery code or a report of loss: the user's factor was suspended.
        Recovery = "recovery",
        /// Beginning an enrollment: the user was allowed to, with nothing but this login.
        Enroll = "enroll",
        /// Redeeming a ticket: the user was not allowed to enroll without one.
        Ticket = "ticket",
        /// Enrolling again after a recovery code.
        Recover = "recover",
        /// One act of a person.
        Act = "act",
    }
    /// What gives the right to an enrollment.
    EnrollmentAuthority {
        /// The user's own first enrollment, where policy allows it.
        First = "first",
        /// A redeemed ticket.
        Ticket = "ticket",
        /// A code of the factor that is to be replaced.
        Rotation = "rotation",
        /// A recovery code.
        Recovery = "recovery",
        /// The first administrator's, printed by the server.
        Bootstrap = "bootstrap",
    }
    /// How a ticket is redeemed. Others come later.
    TicketMode {
        /// With a live challenge of that very user.
        WithLogin = "with_login",
    }
}

/// Why a handle is over. The caller learns only that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It was used, cancelled or replaced.
    Closed,
    /// Its time is up.
    Expired,
    /// Too many codes were tried.
    Attempts,
}

/// Whether a challenge or enrollment can still be used.
///
/// # Errors
/// [`Over`], for the log line.
pub fn still_open(
    closed_at: Option<Timestamp>,
    expires_at: Timestamp,
    attempts: i64,
    now: Timestamp,
) -> Result<(), Over> {
    if closed_at.is_some() {
        Err(Over::Closed)
    } else if now >= expires_at {
        Err(Over::Expired)
    } else if attempts >= ATTEMPTS {
        Err(Over::Attempts)
    } else {
        Ok(())
    }
}

/// Whether the primary login that a console vouches for is fresh enough to build on.
#[must_use]
pub fn is_fresh(primary: Primary, now: Timestamp) -> bool {
    primary.at.after(PRIMARY_AGE) >= now && primary.at <= now.after(PRIMARY_AHEAD)
}

/// What lets a bound factor end. There is no other way: the store asks for it, and a trigger checks
/// that the row it names exists, is the user's and is good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Authority {
    /// A new factor of the same user, confirmed after a code of the old one.
    Replacement(FactorId),
    /// A recovery code of the same user.
    Recovery(RecoveryCodeId),
    /// An approved `reset`.
    Override(OverrideId),
    /// The user left.
    Offboarding(UserId),
}

impl Authority {
    /// The word and the id that the row keeps.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Replacement(id) => ("replacement", id.as_str()),
            Self::Recovery(id) => ("recovery", id.as_str()),
            Self::Override(id) => ("override", id.as_str()),
            Self::Offboarding(id) => ("offboarding", id.as_str()),
        }
    }
}

/// Whether a factor's codes are accepted at a login.
#[must_use]
pub fn accepts_codes(state: FactorState) -> bool {
    match state {
        FactorState::Active => true,
        FactorState::Pending | FactorState::Suspended | FactorState::Ended => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::factor::PrimaryMethod;
    use super::*;

    #[test]
    fn a_challenge_ends_by_use_time_and_attempts() {
        let (now, later) = (Timestamp::from_seconds(1000), Timestamp::from_seconds(1001));
        assert_eq!(still_open(None, later, 4, now), Ok(()));
        assert_eq!(still_open(Some(now), later, 0, now), Err(Over::Closed));
        assert_eq!(still_open(None, now, 0, now), Err(Over::Expired));
        assert_eq!(still_open(None, later, 5, now), Err(Over::Attempts));
    }

    #[test]
    fn a_primary_login_is_good_for_five_minutes_and_may_be_half_a_minute_ahead() {
        let now = Timestamp::from_seconds(10_000);
        let at = |seconds: i64| Primary {
            method: PrimaryMethod::Password,
            at: Timestamp::from_seconds(10_000 + seconds),
        };
        for (seconds, fresh) in [(-301, false), (-300, true), (0, true), (30, true), (31, false)] {
            assert_eq!(is_fresh(at(seconds), now), fresh, "{seconds}");
        }
    }
}
