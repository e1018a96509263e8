//! How many users a client may create in a day. A stolen client credential would otherwise fill the
//! directory.

use super::time::{Span, Timestamp};

/// The share of the directory, as a divisor: 20 %.
const SHARE: i64 = 5;
const DAY: Span = Span::hours(24);

/// What a client created in its newest day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// The UTC day, in days since 1970.
    pub day: i64,
    /// The users that it created in it.
    pub users: i64,
    /// The newest day in which it was refused one; 0 if there is none.
    pub refused_day: i64,
}

/// Whether a client may create one more user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may. This is what it created then.
    Admitted(Created),
    /// It may not until this span has passed.
    Refused {
        /// Until the next day begins.
        retry_after: Span,
        /// What to keep if this is the first refusal of the day.
        first: Option<Created>,
    },
}

impl Created {
    /// Whether one more is admitted at `now`: the larger of `allowance` and 20 % of the users that the
    /// directory would have without those of this day. A clock that went back goes on with the newest day.
    #[must_use]
    pub fn one_more(self, directory: i64, allowance: i64, now: Timestamp) -> Admission {
        let today = now.millis().div_euclid(DAY.as_millis());
        let same = today <= self.day;
        let created = if same { self } else { Self { day: today, users: 0, ..self } };
        let most = most(directory.saturating_sub(created.users), allowance);
        if created.users < most {
            return Admission::Admitted(Self { users: created.users + 1, ..created });
        }
        let next = Timestamp::from_millis(created.day.saturating_add(1) * DAY.as_millis());
        let refused = Self { refused_day: created.day, ..created };
        let first = (self.refused_day < created.day).then_some(refused);
        Admission::Refused { retry_after: next.since(now), first }
    }
}

/// The larger of `allowance` and 20 % of a directory.
#[must_use]
pub fn most(directory: i64, allowance: i64) -> i64 {
    allowance.max(directory / SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Created = Created { day: 0, users: 0, refused_day: 0 };

    fn at(day: i64, hours: i64) -> Timestamp {
        Timestamp::from_seconds(day * 86_400 + hours * 3600)
    }

    /// How many are admitted, one after the other, of a directory that begins with so many users.
    fn admitted(mut created: Created, directory: i64, allowance: i64, now: Timestamp) -> i64 {
        let mut count = 0;
        while let Admission::Admitted(next) = created.one_more(directory + count, allowance, now) {
            (created, count) = (next, count + 1);
        }
        count
    }

    #[test]
    fn the_larger_of_the_allowance_and_a_fifth_of_the_directory_is_admitted() {
        for (directory, allowance, most) in
            [(0, 1000, 1000), (5000, 1000, 1000), (5005, 1000, 1001), (50_000, 1000, 10_000)]
        {
            assert_eq!(admitted(NEW, directory, allowance, at(20_000, 1)), most, "{directory}");
        }
    }

    #[test]
    fn a_new_day_begins_anew_and_a_clock_that_goes_back_does_not() {
        let full = Created { day: 20_000, users: 3, refused_day: 0 };
        assert_eq!(admitted(full, 3, 3, at(20_000, 23)), 0);
        assert_eq!(admitted(full, 3, 3, at(19_999, 23)), 0);
        assert_eq!(admitted(full, 3, 3, at(20_001, 0)), 3);
    }

    #[test]
    fn a_refusal_is_the_first_of_its_day_once() {
        let full = Created { day: 20_000, users: 3, refused_day: 19_999 };
        let Admission::Refused { retry_after, first } = full.one_more(3, 3, at(20_000, 22)) else {
            panic!("admitted")
        };
        assert_eq!(retry_after, Span::hours(2));
        let first = first.unwrap();
        assert_eq!(first, Created { refused_day: 20_000, ..full });
        let again = first.one_more(3, 3, at(20_000, 23));
        assert_eq!(again, Admission::Refused { retry_after: Span::hours(1), first: None });
    }
}
