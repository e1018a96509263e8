//! How long a writer waits for the locks of its tenants before it takes them for held.

use std::time::Duration;

/// Longer than a commit takes on a disk that is not slow.
const LEAST: Duration = Duration::from_millis(50);

/// Other tenants wait for it in the same lane.
const MOST: Duration = Duration::from_secs(1);

/// A lock that nobody has is had in this time.
const SHORTEST: Duration = Duration::from_millis(5);

/// Four times as long as the writer's own transactions hold their locks: those of another replica, on the same disk, last as
/// long.
pub(super) struct Patience {
    learned: Duration,
    most: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { learned: LEAST, most: MOST }
    }

    /// Takes note of how long a transaction held its locks; what was slow is forgotten bit by bit.
    pub(super) fn learn(&mut self, held: Duration) {
        self.learned = (held * 4).max(self.learned * 7 / 8).clamp(LEAST, MOST);
    }

    /// Waits for so many in turn no longer than for one.
    pub(super) fn share(&mut self, turns: usize) {
        self.most = MOST / u32::try_from(turns).unwrap_or(u32::MAX).max(1);
    }

    /// How long the next transaction waits.
    pub(super) fn next(&self) -> Duration {
        self.learned.min(self.most).max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_slow_disk_makes_patient_and_a_fast_one_impatient_again() {
        let mut patience = Patience::new();
        assert_eq!(patience.next(), millis(50));
        patience.learn(millis(200));
        assert_eq!(patience.next(), millis(800));
        patience.learn(millis(3));
        assert_eq!(patience.next(), millis(700));
        patience.learn(millis(9000));
        assert_eq!(patience.next(), MOST);
        for _ in 0..100 {
            patience.learn(millis(3));
        }
        assert_eq!(patience.next(), LEAST);
    }

    #[test]
    fn a_round_of_many_lasts_as_long_as_the_wait_for_one() {
        let mut patience = Patience::new();
        for (turns, wait) in [(1, 50), (20, 50), (40, 25), (1000, 5), (0, 50)] {
            patience.share(turns);
            assert_eq!(patience.next(), millis(wait), "{turns}");
        }
    }
}
