//! How long a row is kept after its end. Events are kept for ever; what happened is in them.

use super::time::{Span, Timestamp};

/// A challenge, after it expired, whatever became of it (R-147). Far more than replicas' clocks may
/// differ by: none purges what another still takes a code for.
pub const CHALLENGE_KEPT: Span = Span::hours(1);
/// An enrollment, after it expired (R-147). With it goes the sealed seed of a factor that nobody
/// confirmed: nobody can confirm it any more.
pub const ENROLLMENT_KEPT: Span = Span::hours(1);
/// A ticket, after it expired (R-147). An administrator still finds in the list what became of it; and
/// an enrollment that it gave the right to is over long before.
pub const TICKET_KEPT: Span = Span::hours(30 * 24);
/// The row of an issued token, after the token expired (R-147): its event names the code, the user and
/// the client for ever.
pub const ISSUED_TOKEN_KEPT: Span = Span::hours(1);
/// The row of a client's access token, after the token expired: with it goes the memory of its
/// assertion, which was over at the latest when the token was.
pub const CLIENT_TOKEN_KEPT: Span = Span::hours(1);
/// The longest that a token lives.
pub const LONGEST_TOKEN: Span = Span::minutes(15);

/// Rows that ended within one clock hour become due together, so that a quiet tenant gets one event of
/// housekeeping an hour and not one a minute.
const ROUND: Span = Span::hours(1);

/// What expired before this instant is past its keeping.
#[must_use]
pub fn expired_before(now: Timestamp, kept: Span) -> Timestamp {
    let limit = now.before(kept).millis();
    Timestamp::from_millis(limit - limit.rem_euclid(ROUND.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::challenge::{BOOTSTRAP_LIFE, ENROLLMENT_LIFE};
    use crate::mfa::policy::Policy;

    #[test]
    fn nothing_is_due_before_its_keeping_is_over_and_all_of_an_hour_is_due_together() {
        let hour = Span::hours(1).as_millis();
        let now = |millis| Timestamp::from_millis(1_800_000_000_000 + millis);
        assert_eq!(expired_before(now(0), CHALLENGE_KEPT), now(-hour));
        assert_eq!(expired_before(now(hour - 1), CHALLENGE_KEPT), now(-hour));
        assert_eq!(expired_before(now(hour), CHALLENGE_KEPT), now(0));
        assert_eq!(expired_before(Timestamp::from_millis(5), TICKET_KEPT).millis(), 0);
    }

    #[test]
    fn a_ticket_is_kept_longer_than_any_enrollment_that_it_gave_the_right_to() {
        for life in [ENROLLMENT_LIFE, BOOTSTRAP_LIFE] {
            assert!(TICKET_KEPT > Span::millis(life.as_millis() + ENROLLMENT_KEPT.as_millis()));
        }
    }

    #[test]
    fn no_policy_lets_a_token_live_longer_than_the_longest() {
        let longest = LONGEST_TOKEN.as_millis() / 1000;
        let policy = |seconds: i64| {
            let base = format!(r#"{{"base":{{"token_ttl_seconds":{seconds}}},"rules":[]}}"#);
            serde_json::from_str::<Policy>(&base)
        };
        assert!(policy(longest).is_ok() && policy(longest + 1).is_err());
    }
}
