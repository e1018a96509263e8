//! How long a writer waits for the locks of its tenants before it takes them for held.

use std::time::Duration;

/// The shortest wait of a writer that has no other in turn: longer than a commit takes on a disk that is not slow.
const LEAST: Duration = Duration::from_millis(50);

/// The longest wait: the other tenants of the lane wait meanwhile.
const MOST: Duration = Duration::from_secs(1);

/// A free lock is had in this time.
const SHORTEST: Duration = Duration::from_millis(5);

/// A writer's wait for a lock: four times as long as its own transactions hold theirs, for those of another replica on the
/// same disk last as long.
pub(super) struct LockWait {
    learned: Duration,
    most: Duration,
}

impl LockWait {
    pub(super) fn new() -> Self {
        Self { learned: LEAST, most: MOST }
    }

    /// Learns how long a transaction held its locks. A slow one is forgotten after a few fast ones.
    pub(super) fn learn(&mut self, held: Duration) {
        self.learned = (held * 4).max(self.learned * 7 / 8).clamp(LEAST, MOST);
    }

    /// Makes a round of this many turns last no longer than the longest wait for one.
    pub(super) fn share(&mut self, turns: usize) {
        self.most = MOST / u32::try_from(turns).unwrap_or(u32::MAX).max(1);
    }

    /// How long the next transaction waits, in whole milliseconds: PostgreSQL's `lock_timeout` knows no shorter time, and
    /// a lock that was waited for less than this time would not be taken for held.
    pub(super) fn next(&self) -> Duration {
        let next = self.learned.min(self.most).max(SHORTEST);
        next.saturating_sub(Duration::from_nanos(u64::from(next.subsec_nanos() % 1_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_slow_disk_makes_the_wait_longer_and_a_fast_one_shorter_again() {
        let mut wait = LockWait::new();
        assert_eq!(wait.next(), millis(50));
        wait.learn(millis(200));
        assert_eq!(wait.next(), millis(800));
        wait.learn(millis(3));
        assert_eq!(wait.next(), millis(700));
        wait.learn(millis(9000));
        assert_eq!(wait.next(), MOST);
        for _ in 0..100 {
            wait.learn(millis(3));
        }
        assert_eq!(wait.next(), LEAST);
    }

    #[test]
    fn a_wait_is_of_whole_milliseconds() {
        let mut wait = LockWait::new();
        wait.learn(Duration::from_micros(21_999));
        assert_eq!(wait.next(), millis(87));
        wait.learn(millis(200));
        wait.share(3);
        assert_eq!(wait.next(), millis(333));
    }

    #[test]
    fn a_round_of_many_lasts_as_long_as_the_wait_for_one() {
        let mut wait = LockWait::new();
        for (turns, each) in [(1, 50), (20, 50), (40, 25), (1000, 5), (0, 50)] {
            wait.share(turns);
            assert_eq!(wait.next(), millis(each), "{turns}");
        }
    }
}
