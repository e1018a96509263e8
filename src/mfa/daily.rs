//! What a client may do so many times a day. A stolen client credential would otherwise fill the directory, or
//! off-board everybody in it, for good.

use super::time::{Span, Timestamp};

const DAY: Span = Span::hours(24);

/// What is counted for each client and UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Users that it creates.
    NewUsers,
    /// Users that it off-boards.
    Offboardings,
}

/// How many of each a client may in a day, where the share of its directory is not more.
#[derive(Debug, Clone, Copy)]
pub struct Allowances {
    /// New users.
    pub new_users: i64,
    /// Off-boardings.
    pub offboardings: i64,
}

/// What a client did in its newest day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The UTC day, in days since 1970.
    pub day: i64,
    /// How many times.
    pub count: i64,
    /// The newest day in which it was refused one more; 0 if there is none.
    pub refused_day: i64,
}

/// Whether a client may do it once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may. This is what it did then.
    Admitted(Counted),
    /// It may not until this span has passed.
    Refused {
        /// Until the next day begins.
        retry_after: Span,
        /// What to keep if this is the first refusal of the day.
        first: Option<Counted>,
    },
}

impl Counting {
    /// The larger of `allowance` and a share of the directory, in which those count who left: 20 % for new users, of
    /// what there would be without those of this day, and 2 % for off-boardings.
    #[must_use]
    pub fn most(self, directory: i64, counted: i64, allowance: i64) -> i64 {
        let share = match self {
            Self::NewUsers => directory.saturating_sub(counted) / 5,
            Self::Offboardings => directory / 50,
        };
        allowance.max(share)
    }
}

impl Counted {
    /// Whether one more is admitted at `now`, of at most so many as `most` says of those counted this day. A clock
    /// that went back goes on with the newest day.
    #[must_use]
    pub fn one_more(self, most: impl Fn(i64) -> i64, now: Timestamp) -> Admission {
        let today = now.millis().div_euclid(DAY.as_millis());
        let same = today <= self.day;
        let counted = if same { self } else { Self { day: today, count: 0, ..self } };
        if counted.count < most(counted.count) {
            return Admission::Admitted(Self { count: counted.count + 1, ..counted });
        }
        let next = Timestamp::from_millis(counted.day.saturating_add(1) * DAY.as_millis());
        let refused = Self { refused_day: counted.day, ..counted };
        let first = (self.refused_day < counted.day).then_some(refused);
        Admission::Refused { retry_after: next.since(now), first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Counted = Counted { day: 0, count: 0, refused_day: 0 };

    fn at(day: i64, hours: i64) -> Timestamp {
        Timestamp::from_seconds(day * 86_400 + hours * 3600)
    }

    /// How many are admitted, one after the other.
    fn admitted(mut counted: Counted, most: impl Fn(i64, i64) -> i64, now: Timestamp) -> i64 {
        let mut count = 0;
        while let Admission::Admitted(next) = counted.one_more(|today| most(count, today), now) {
            (counted, count) = (next, count + 1);
        }
        count
    }

    #[test]
    fn the_larger_of_the_allowance_and_a_fifth_of_the_directory_is_new() {
        for (directory, allowance, most) in
            [(0, 1000, 1000), (5000, 1000, 1000), (5005, 1000, 1001), (50_000, 1000, 10_000)]
        {
            let of =
                |made: i64, today: i64| Counting::NewUsers.most(directory + made, today, allowance);
            assert_eq!(admitted(NEW, of, at(20_000, 1)), most, "{directory}");
        }
    }

    #[test]
    fn the_larger_of_the_allowance_and_two_hundredths_of_the_directory_is_offboarded() {
        for (directory, allowance, most) in
            [(0, 100, 100), (5000, 100, 100), (5050, 100, 101), (50_000, 100, 1000)]
        {
            // Who left is still counted as of the directory.
            let of = |_: i64, today: i64| Counting::Offboardings.most(directory, today, allowance);
            assert_eq!(admitted(NEW, of, at(20_000, 1)), most, "{directory}");
        }
    }

    #[test]
    fn a_new_day_counts_from_zero_and_a_clock_that_goes_back_does_not() {
        let full = Counted { day: 20_000, count: 3, refused_day: 0 };
        assert_eq!(admitted(full, |_, _| 3, at(20_000, 23)), 0);
        assert_eq!(admitted(full, |_, _| 3, at(19_999, 23)), 0);
        assert_eq!(admitted(full, |_, _| 3, at(20_001, 0)), 3);
    }

    #[test]
    fn a_refusal_is_the_first_of_its_day_once() {
        let full = Counted { day: 20_000, count: 3, refused_day: 19_999 };
        let Admission::Refused { retry_after, first } = full.one_more(|_| 3, at(20_000, 22)) else {
            panic!("admitted")
        };
        assert_eq!(retry_after, Span::hours(2));
        let first = first.unwrap();
        assert_eq!(first, Counted { refused_day: 20_000, ..full });
        let again = first.one_more(|_| 3, at(20_000, 23));
        assert_eq!(again, Admission::Refused { retry_after: Span::hours(1), first: None });
    }
}
