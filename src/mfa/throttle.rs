//! How often a code may be guessed: charged before the comparison, whatever its result.
//!
//! A state is plain integers for a row. `charge` answers a new one to write, or says for how long
//! the lane is blocked; a refusal changes nothing, so it needs no write.

use super::time::{Span, Timestamp};

/// Consecutive failures after which only unlock, recovery or reset opens the lane again.
pub const MOST_CONSECUTIVE: u32 = 100;
/// The consecutive failure from which on each one brings a delay.
const FIRST_DELAYED: u32 = 3;
/// The first delay; each further one doubles it.
const FIRST_DELAY: Span = Span::seconds(30);
/// The longest delay, and what a capped lane answers as `Retry-After`.
const LONGEST_DELAY: Span = Span::hours(1);

/// The size of a token bucket and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most tokens it holds, and what a fresh one holds.
    pub bucket: u32,
    /// How long one token takes to come back; less than a millisecond counts as one.
    pub refill: Span,
}

impl Limits {
    /// What a user's lane gets unless policy says otherwise: 10 tokens, one back every 6 hours.
    pub const DEFAULT: Self = Self { bucket: 10, refill: Span::hours(6) };
    /// Recovery codes: 5 an hour.
    pub const RECOVERY_HOUR: Self = Self { bucket: 5, refill: Span::minutes(12) };
    /// Recovery codes: 20 a day.
    pub const RECOVERY_DAY: Self = Self { bucket: 20, refill: Span::minutes(72) };

    fn refill_millis(self) -> i64 {
        self.refill.as_millis().max(1)
    }
}

/// A token bucket, refilled lazily in whole tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Tokens left at `refilled_at`.
    pub tokens: u32,
    /// Since when the next token grows. It never moves back, so a clock that does earns nothing.
    pub refilled_at: Timestamp,
}

impl Bucket {
    fn full(limits: Limits, now: Timestamp) -> Self {
        Self { tokens: limits.bucket, refilled_at: now }
    }

    /// Adds the tokens that came back; the remainder of the time stays on `refilled_at`.
    fn refilled(self, limits: Limits, now: Timestamp) -> Self {
        let gained = now.since(self.refilled_at).as_millis() / limits.refill_millis();
        let tokens = self.tokens.saturating_add(u32::try_from(gained).unwrap_or(u32::MAX));
        if tokens >= limits.bucket {
            // Nothing grows in a full bucket: the time it stood full must not count later.
            return Self::full(limits, now.max(self.refilled_at));
        }
        let grown = Span::millis(gained.saturating_mul(limits.refill_millis()));
        Self { tokens, refilled_at: self.refilled_at.after(grown) }
    }

    /// One token less, or how long an empty bucket takes to grow one.
    fn take(self, limits: Limits, now: Timestamp) -> Result<Self, Span> {
        let bucket = self.refilled(limits, now);
        let next = bucket.refilled_at.after(Span::millis(limits.refill_millis()));
        match bucket.tokens.checked_sub(1) {
            Some(tokens) => Ok(Self { tokens, ..bucket }),
            None => Err(next.since(now)),
        }
    }
}

/// Why an attempt was not even looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockedBecause {
    /// Three or more consecutive failures: the growing delay runs.
    Delay,
    /// The bucket is empty.
    Bucket,
    /// [`MOST_CONSECUTIVE`] was reached: waiting does not help.
    Cap,
}

/// A refused attempt. Nothing was charged and the code must not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// For how long: at least one second. One hour for the cap, which waiting does not lift.
    pub retry_after: Span,
    /// Why; of two reasons the one that lasts longer.
    pub because: BlockedBecause,
}

impl Blocked {
    fn new(wait: Span, because: BlockedBecause) -> Self {
        Self { retry_after: wait.max(Span::seconds(1)), because }
    }
}

/// The throttle of one user's lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// What is left to guess with.
    pub bucket: Bucket,
    /// Failures since the last success, unlock, recovery or reset.
    pub consecutive: u32,
    /// When the delay ends; 1970 if there is none.
    pub blocked_until: Timestamp,
}

/// A charged attempt: the code may be compared now, and one of the two states must be written.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Charged {
    failed: Throttle,
}

impl Throttle {
    /// The state of a lane that was never used: a full bucket, no failures.
    #[must_use]
    pub fn fresh(limits: Limits, now: Timestamp) -> Self {
        Self {
            bucket: Bucket::full(limits, now),
            consecutive: 0,
            blocked_until: Timestamp::from_millis(0),
        }
    }

    /// The state that unlock, recovery and reset write: they lift everything, the cap too.
    #[must_use]
    pub fn unlocked(limits: Limits, now: Timestamp) -> Self {
        Self::fresh(limits, now)
    }

    /// Charges one attempt before its code is compared: a token, a failure and its delay.
    ///
    /// # Errors
    /// [`Blocked`]; then this state stays as it is.
    pub fn charge(&self, limits: Limits, now: Timestamp) -> Result<Charged, Blocked> {
        if self.consecutive >= MOST_CONSECUTIVE {
            return Err(Blocked::new(LONGEST_DELAY, BlockedBecause::Cap));
        }
        let delay = self.blocked_until.since(now);
        let taken = self.bucket.take(limits, now);
        if delay > taken.err().unwrap_or(Span::millis(0)) {
            return Err(Blocked::new(delay, BlockedBecause::Delay));
        }
        let bucket = taken.map_err(|wait| Blocked::new(wait, BlockedBecause::Bucket))?;
        let consecutive = self.consecutive.saturating_add(1);
        let blocked_until =
            delay_after(consecutive).map_or(Timestamp::from_millis(0), |delay| now.after(delay));
        Ok(Charged { failed: Self { bucket, consecutive, blocked_until } })
    }
}

/// The delay that the n-th consecutive failure brings: `min(30 * 2^(n-3), 3600)` seconds.
fn delay_after(consecutive: u32) -> Option<Span> {
    let doublings = consecutive.checked_sub(FIRST_DELAYED)?;
    let factor = 2_i64.saturating_pow(doublings);
    Some(Span::millis(FIRST_DELAY.as_millis().saturating_mul(factor)).min(LONGEST_DELAY))
}

impl Charged {
    /// The state to write if the code was not accepted, for whatever reason.
    #[must_use]
    pub fn failed(self) -> Throttle {
        self.failed
    }

    /// The state to write if the code was accepted: this attempt's own token is back, earlier ones
    /// are not, or somebody who guesses between the user's logins would never run dry.
    #[must_use]
    pub fn succeeded(self) -> Throttle {
        let Bucket { tokens, refilled_at } = self.failed.bucket;
        Throttle {
            bucket: Bucket { tokens: tokens.saturating_add(1), refilled_at },
            consecutive: 0,
            blocked_until: Timestamp::from_millis(0),
        }
    }
}

/// What one user may try in recovery codes: 5 an hour and 20 a day, right or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryBudget {
    /// See [`Limits::RECOVERY_HOUR`].
    pub hour: Bucket,
    /// See [`Limits::RECOVERY_DAY`].
    pub day: Bucket,
}

impl RecoveryBudget {
    /// The budget of a user who never tried one.
    #[must_use]
    pub fn fresh(now: Timestamp) -> Self {
        Self {
            hour: Bucket::full(Limits::RECOVERY_HOUR, now),
            day: Bucket::full(Limits::RECOVERY_DAY, now),
        }
    }

    /// Charges one attempt before its code is looked up, and answers the state to write. A right
    /// code gives nothing back.
    ///
    /// # Errors
    /// [`Blocked`]; then this state stays as it is.
    pub fn charge(&self, now: Timestamp) -> Result<Self, Blocked> {
        let hour = self.hour.take(Limits::RECOVERY_HOUR, now);
        let day = self.day.take(Limits::RECOVERY_DAY, now);
        match (hour, day) {
            (Ok(hour), Ok(day)) => Ok(Self { hour, day }),
            (hour, day) => {
                let wait = hour.err().max(day.err()).unwrap_or(Span::millis(0));
                Err(Blocked::new(wait, BlockedBecause::Bucket))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits::DEFAULT;
    const WIDE: Limits = Limits { bucket: 1000, refill: Span::hours(6) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000 + seconds)
    }

    fn blocked(wait: Span, because: BlockedBecause) -> Result<Charged, Blocked> {
        Err(Blocked { retry_after: wait, because })
    }

    fn failing(limits: Limits, times: u32) -> (Throttle, Timestamp) {
        let (mut state, mut now) = (Throttle::fresh(limits, at(0)), at(0));
        for _ in 0..times {
            now = now.max(state.blocked_until);
            state = state.charge(limits, now).unwrap().failed();
        }
        (state, now)
    }

    #[test]
    fn ten_failures_drain_the_bucket_and_six_hours_bring_one_back() {
        let (state, now) = failing(LIMITS, 10);
        let rested = now.after(Span::hours(1));
        let left = at(0).after(Span::hours(6)).since(rested);
        assert_eq!(state.charge(LIMITS, rested), blocked(left, BlockedBecause::Bucket));
        let refilled = at(0).after(Span::hours(6));
        let early = refilled.before(Span::millis(1));
        assert_eq!(state.charge(LIMITS, early), blocked(Span::seconds(1), BlockedBecause::Bucket));
        let state = state.charge(LIMITS, refilled).unwrap().failed();
        assert_eq!(state.bucket, Bucket { tokens: 0, refilled_at: refilled });
    }

    #[test]
    fn part_of_a_refill_is_kept_and_a_full_bucket_grows_nothing() {
        let bucket = Bucket { tokens: 2, refilled_at: at(0) };
        let hours = |h| at(0).after(Span::hours(h));
        assert_eq!(bucket.refilled(LIMITS, hours(11)), Bucket { tokens: 3, refilled_at: hours(6) });
        let full = Bucket::full(LIMITS, at(0)).take(LIMITS, hours(59)).unwrap();
        assert_eq!(full, Bucket { tokens: 9, refilled_at: hours(59) });
        assert_eq!(full.refilled(LIMITS, hours(64)).tokens, 9);
    }

    #[test]
    fn the_delay_grows_from_the_third_failure_to_one_hour() {
        let mut state = Throttle::fresh(WIDE, at(0));
        let mut now = at(0);
        for wait in [0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
            state = state.charge(WIDE, now).unwrap().failed();
            if wait > 0 {
                let delay = blocked(Span::seconds(wait), BlockedBecause::Delay);
                assert_eq!(state.charge(WIDE, now), delay);
                let last = now.after(Span::millis(wait * 1000 - 1));
                assert!(state.charge(WIDE, last).is_err());
            }
            now = now.after(Span::seconds(wait));
        }
        assert_eq!(delay_after(u32::MAX), Some(Span::hours(1)));
    }

    #[test]
    fn a_hundred_failures_close_the_lane_until_it_is_unlocked() {
        let (state, now) = failing(WIDE, 100);
        let year = now.after(Span::hours(24 * 365));
        assert_eq!(state.charge(WIDE, year), blocked(Span::hours(1), BlockedBecause::Cap));
        assert!(Throttle::unlocked(WIDE, year).charge(WIDE, year).is_ok());
    }

    #[test]
    fn a_success_gives_back_its_own_charge_and_ends_the_delay() {
        let (state, _) = failing(LIMITS, 4);
        let state = state.charge(LIMITS, state.blocked_until).unwrap().succeeded();
        let expected = Throttle {
            bucket: Bucket { tokens: 6, refilled_at: at(0) },
            consecutive: 0,
            blocked_until: Timestamp::from_millis(0),
        };
        assert_eq!(state, expected);
        let fresh = Throttle::fresh(LIMITS, at(0));
        assert_eq!(fresh.charge(LIMITS, at(0)).unwrap().succeeded(), fresh);
    }

    #[test]
    fn guessing_between_the_logins_of_the_user_drains_the_bucket() {
        let (mut state, mut now, mut failures) = (Throttle::fresh(LIMITS, at(0)), at(0), 0);
        for attempt in 0..30 * 5 {
            now = now.max(state.blocked_until);
            if let Ok(charged) = state.charge(LIMITS, now) {
                let right = attempt % 5 == 4;
                failures += u32::from(!right);
                state = if right { charged.succeeded() } else { charged.failed() };
            }
        }
        assert_eq!(failures, 10);
    }

    #[test]
    fn a_right_code_while_blocked_changes_nothing_and_works_afterwards() {
        let (state, now) = failing(LIMITS, 3);
        assert!(state.charge(LIMITS, now).is_err());
        let state = state.charge(LIMITS, now.after(Span::seconds(30))).unwrap().succeeded();
        assert_eq!((state.bucket.tokens, state.consecutive), (7, 0));
    }

    #[test]
    fn a_clock_that_steps_back_earns_nothing() {
        let bucket = Bucket { tokens: 3, refilled_at: at(0) };
        let back = bucket.refilled(LIMITS, at(-1_000_000));
        assert_eq!(back, bucket);
        assert_eq!(back.refilled(LIMITS, at(0)).tokens, 3);
        let full = Bucket::full(LIMITS, at(0)).take(LIMITS, at(-1_000_000)).unwrap();
        assert_eq!(full.refilled(LIMITS, at(0)).tokens, 9);
    }

    #[test]
    fn of_two_reasons_the_longer_is_told() {
        let empty = Bucket { tokens: 0, refilled_at: at(0) };
        let state = Throttle { bucket: empty, consecutive: 9, blocked_until: at(60) };
        assert_eq!(state.charge(LIMITS, at(0)), blocked(Span::hours(6), BlockedBecause::Bucket));
        let late = Span::hours(6).as_millis() / 1000 - 5;
        let state = Throttle { blocked_until: at(late + 60), ..state };
        let delay = blocked(Span::seconds(60), BlockedBecause::Delay);
        assert_eq!(state.charge(LIMITS, at(late)), delay);
    }

    #[test]
    fn new_limits_take_hold_at_once_and_odd_ones_do_no_harm() {
        let state = Throttle::fresh(WIDE, at(0)).charge(LIMITS, at(0)).unwrap().failed();
        assert_eq!(state.bucket.tokens, 9);
        let none = Limits { bucket: 0, refill: Span::millis(0) };
        assert!(Throttle::fresh(none, at(0)).charge(none, at(9)).is_err());
        let fast = Limits { bucket: 99, refill: Span::millis(1) };
        assert_eq!(state.bucket.refilled(fast, at(5_000_000)), Bucket::full(fast, at(5_000_000)));
    }

    #[test]
    fn recovery_codes_may_be_tried_five_times_an_hour_and_twenty_times_a_day() {
        let mut budget = RecoveryBudget::fresh(at(0));
        for _ in 0..5 {
            budget = budget.charge(at(0)).unwrap();
        }
        let blocked = budget.charge(at(0)).unwrap_err();
        assert_eq!(blocked.retry_after, Span::minutes(12));
        let mut tried = 5;
        for minute in 0..12 * 60 {
            if let Ok(next) = budget.charge(at(minute * 60)) {
                (budget, tried) = (next, tried + 1);
            }
        }
        // The hour alone would give 5 + 59; the day gives 20 and one more in 72 minutes.
        assert_eq!(tried, 20 + 9);
    }

    proptest! {
        #[test]
        fn no_order_of_times_earns_more_than_the_refill(
            times in prop::collection::vec(0_i64..2_000_000, 0..300),
        ) {
            let mut bucket = Bucket::full(LIMITS, at(0));
            let mut taken = 0;
            for seconds in &times {
                if let Ok(next) = bucket.take(LIMITS, at(*seconds)) {
                    bucket = next;
                    taken += 1;
                }
            }
            let latest = times.iter().max().copied().unwrap_or(0);
            prop_assert!(taken <= 10 + latest / (6 * 3600));
        }
    }
}
