//! Token buckets for calls: so many a second, and as many as come in two seconds at once.
//!
//! A bucket is one number, the time at which it will be full again (the generic cell rate algorithm); an
//! empty bucket is as long ahead as [`WINDOW`]. Times are nanoseconds of a clock that does not go back.

/// How long an empty bucket takes to be full again, in nanoseconds.
pub const WINDOW: u64 = 2 * SECOND;
const SECOND: u64 = 1_000_000_000;

/// How fast buckets fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(u32);

/// What a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// What a full bucket holds.
    pub quota: u64,
    /// What it holds now.
    pub remaining: u64,
    /// Seconds until it is full, rounded up.
    pub full_in: u64,
}

/// What a call finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// The call was taken from the bucket, which is full again at `full_at`.
    Taken {
        /// The number to keep.
        full_at: u64,
        /// What is left.
        level: Level,
    },
    /// The bucket is empty.
    Empty(Level),
}

impl Rate {
    /// So many a second, at least one.
    #[must_use]
    pub fn per_second(calls: u32) -> Self {
        Self(calls.clamp(1, 1_000_000))
    }

    /// What one call costs, in nanoseconds.
    #[must_use]
    pub fn cost(self) -> u64 {
        SECOND / u64::from(self.0)
    }

    /// Takes one call from a bucket that is full at `full_at`.
    #[must_use]
    pub fn charge(self, full_at: u64, now: u64) -> Charged {
        let present = full_at.max(now);
        let next = present.saturating_add(self.cost());
        if next.saturating_sub(now) > WINDOW {
            return Charged::Empty(self.level(present, now));
        }
        Charged::Taken { full_at: next, level: self.level(next, now) }
    }

    fn level(self, full_at: u64, now: u64) -> Level {
        let lacking = full_at.saturating_sub(now).min(WINDOW);
        let quota = WINDOW / self.cost();
        Level {
            quota,
            remaining: (WINDOW - lacking) / self.cost(),
            full_in: lacking.div_ceil(SECOND),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many calls a bucket takes at `now`, and when it is full then.
    fn taken(rate: Rate, mut full_at: u64, now: u64) -> (u64, u64) {
        let mut count = 0;
        while let Charged::Taken { full_at: next, .. } = rate.charge(full_at, now) {
            (full_at, count) = (next, count + 1);
        }
        (count, full_at)
    }

    #[test]
    fn a_full_bucket_holds_two_seconds_of_calls_and_fills_at_its_rate() {
        for calls in [1_u32, 7, 200, 100_000] {
            let rate = Rate::per_second(calls);
            let (at_once, full_at) = taken(rate, 0, 5 * SECOND);
            assert_eq!(at_once, WINDOW / rate.cost(), "{calls}");
            let (later, _) = taken(rate, full_at, 6 * SECOND);
            assert!(later.abs_diff(u64::from(calls)) <= 1, "{calls}: {later}");
            let (much_later, _) = taken(rate, full_at, 100 * SECOND);
            assert_eq!(much_later, at_once, "{calls}: no more than a full bucket");
        }
    }

    #[test]
    fn the_level_tells_what_is_left() {
        let rate = Rate::per_second(200);
        let level = Level { quota: 400, remaining: 399, full_in: 1 };
        assert_eq!(rate.charge(0, SECOND), Charged::Taken { full_at: SECOND + rate.cost(), level });
        let empty = Level { quota: 400, remaining: 0, full_in: 2 };
        assert_eq!(rate.charge(3 * SECOND, SECOND), Charged::Empty(empty));
    }
}
