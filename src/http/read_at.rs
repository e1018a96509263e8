//! When keys were read, and whether they may still be answered.

use std::time::{Duration, Instant};

use crate::mfa::time::{Span, Timestamp};

/// When keys were read. The wall's clock may be set or stand still, and the steady one stops while the
/// machine sleeps: neither may say that keys are younger than they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadAt {
    /// By the wall's clock.
    pub(super) wall: Timestamp,
    /// By the steady one.
    pub(super) steady: Instant,
}

impl ReadAt {
    /// Whether keys of that time are younger than so much, by both clocks.
    pub(super) fn is_usable(self, longest: Span, now: Timestamp, steady: Instant) -> bool {
        let unread = steady.saturating_duration_since(self.steady);
        is_younger(self.wall, longest, now)
            && unread < Duration::from_millis(longest.as_millis().unsigned_abs())
    }
}

/// Not older than so much, and not of a time that has yet to come: the clock went back.
pub(super) fn is_younger(read_at: Timestamp, than: Span, now: Timestamp) -> bool {
    read_at <= now && now < read_at.after(than)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_usable_until_either_clock_says_that_they_are_too_old() {
        let (wall, steady) = (Timestamp::from_millis(1_000_000), Instant::now());
        let read_at = ReadAt { wall, steady };
        let minutes = |count: u64| Duration::from_secs(60 * count);
        for longest in [15, 60] {
            let is_usable = |of_wall: i64, of_steady: i64| {
                let (now, later) =
                    (wall.after(Span::minutes(of_wall)), minutes(of_steady.unsigned_abs()));
                read_at.is_usable(Span::minutes(longest), now, steady + later)
            };
            assert!(is_usable(0, 0) && is_usable(longest - 1, longest - 1));
            assert!(!is_usable(longest, longest - 1), "the machine slept");
            assert!(!is_usable(1, longest), "the clock was set back, or stood still");
            assert!(!is_usable(-1, 1), "it was read at a time that has yet to come");
        }
    }
}
