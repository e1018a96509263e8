//! Random choices that a seed repeats.

/// xorshift64*.
pub struct Random(u64);

impl Random {
    /// Any seed will do.
    pub fn new(seed: u64) -> Self {
        // The state must not be zero, and near seeds must not give near walks.
        let mut random = Self(seed ^ 0x9e37_79b9_7f4a_7c15 | 1);
        for _ in 0..8 {
            let _ = random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// A number of seconds from the first to before the second.
    pub fn seconds(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.next() % u64::try_from(to - from).unwrap()).unwrap()
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of several, or nothing of none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.below(of.len())) }
    }

    /// One of the last few.
    pub fn recent<'a, T>(&mut self, of: &'a [T], few: usize) -> Option<&'a T> {
        self.pick(&of[of.len().saturating_sub(few)..])
    }
}
