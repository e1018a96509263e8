//! How much one caller may do.

use super::{Reader, Variable};

/// How many users a client may create in a day.
pub(super) const NEW_USERS_PER_DAY: Variable = Variable {
    name: "PAWL_NEW_USERS_PER_DAY",
    default: "1000",
    about: "Users that a client may create in a UTC day, 1 to 100000000; 20 % of its directory, where that is more. Raise it for a first import.",
};

/// What one caller may do.
#[derive(Debug, Clone)]
pub struct Caps {
    /// Users that a client may create in a day, where 20 % of its directory is not more.
    pub new_users_per_day: u32,
}

impl Default for Caps {
    fn default() -> Self {
        Self { new_users_per_day: 1000 }
    }
}

impl Caps {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let new_users_per_day =
            number(reader, &NEW_USERS_PER_DAY, 100_000_000, "wants 1 to 100000000");
        Self { new_users_per_day }
    }

    pub(super) fn pairs(&self) -> [(&'static str, String); 1] {
        [(NEW_USERS_PER_DAY.name, self.new_users_per_day.to_string())]
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
            let pair = [("PAWL_NEW_USERS_PER_DAY".to_owned(), value.to_owned())];
            assert_eq!(Config::read(pair.into_iter()).is_ok(), is_taken, "{value}");
        }
    }
}
