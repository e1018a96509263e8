//! How much one caller may do.

use super::{Reader, Variable};
use crate::mfa::daily::Allowances;

/// How many users a client may create in a day.
pub(super) const NEW_USERS_PER_DAY: Variable = Variable {
    name: "PAWL_NEW_USERS_PER_DAY",
    default: "1000",
    about: "Users that a client may create in a UTC day, 1 to 100000000; 20 % of its directory, where that is more. Raise it for a first import.",
};

/// How many users a client may off-board in a day.
pub(super) const OFFBOARDINGS_PER_DAY: Variable = Variable {
    name: "PAWL_OFFBOARDINGS_PER_DAY",
    default: "100",
    about: "Users that a client may off-board in a UTC day, 1 to 100000000; 2 % of its directory, where that is more. Raise it before many leave at once.",
};

/// How many calls a caller may make.
pub(super) const CALLS_PER_SECOND: Variable = Variable {
    name: "PAWL_CALLS_PER_SECOND",
    default: "200",
    about: "Calls of one client, or of one person, that each server takes in a second, 1 to 100000; twice as many at once.",
};

/// How many calls without a known credential an address may make.
pub(super) const UNKNOWN_CALLS_PER_SECOND: Variable = Variable {
    name: "PAWL_UNKNOWN_CALLS_PER_SECOND",
    default: "50",
    about: "Calls from one address whose credential each server does not know or refused, 1 to 100000 in a second; twice as many at once.",
};

/// What one caller may do.
#[derive(Debug, Clone)]
pub struct Caps {
    /// Users that a client may create in a day, where 20 % of its directory is not more.
    pub new_users_per_day: u32,
    /// Users that a client may off-board in a day, where 2 % of its directory is not more.
    pub offboardings_per_day: u32,
    /// Calls of a client or a person in a second.
    pub calls_per_second: u32,
    /// Calls of an address without a credential that is known to be good, in a second.
    pub unknown_calls_per_second: u32,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            new_users_per_day: 1000,
            offboardings_per_day: 100,
            calls_per_second: 200,
            unknown_calls_per_second: 50,
        }
    }
}

impl Caps {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut users = |of: &Variable| number(reader, of, 100_000_000, "wants 1 to 100000000");
        let new_users_per_day = users(&NEW_USERS_PER_DAY);
        let offboardings_per_day = users(&OFFBOARDINGS_PER_DAY);
        let mut calls = |of: &Variable| number(reader, of, 100_000, "wants 1 to 100000");
        let calls_per_second = calls(&CALLS_PER_SECOND);
        let unknown_calls_per_second = calls(&UNKNOWN_CALLS_PER_SECOND);
        Self { new_users_per_day, offboardings_per_day, calls_per_second, unknown_calls_per_second }
    }

    /// What a client may do in a day.
    #[must_use]
    pub fn per_day(&self) -> Allowances {
        Allowances {
            new_users: i64::from(self.new_users_per_day),
            offboardings: i64::from(self.offboardings_per_day),
        }
    }

    pub(super) fn pairs(&self) -> [(&'static str, String); 4] {
        [
            (NEW_USERS_PER_DAY.name, self.new_users_per_day.to_string()),
            (OFFBOARDINGS_PER_DAY.name, self.offboardings_per_day.to_string()),
            (CALLS_PER_SECOND.name, self.calls_per_second.to_string()),
            (UNKNOWN_CALLS_PER_SECOND.name, self.unknown_calls_per_second.to_string()),
        ]
    }
}

fn number(reader: &mut Reader<'_>, of: &Variable, most: u32, wants: &'static str) -> u32 {
    let number = reader.text(of.name).parse().ok().filter(|n| (1..=most).contains(n));
    number.unwrap_or_else(|| {
        reader.fault(of.name, wants);
        1
    })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_cap_is_a_number_above_zero() {
        for (value, is_taken) in
            [("1", true), ("250000", true), ("0", false), ("-1", false), ("", false)]
        {
            for name in ["PAWL_NEW_USERS_PER_DAY", "PAWL_OFFBOARDINGS_PER_DAY"] {
                let pair = [(name.to_owned(), value.to_owned())];
                assert_eq!(Config::read(pair.into_iter()).is_ok(), is_taken, "{name} {value}");
            }
        }
    }
}
