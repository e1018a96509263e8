//! Reads variables one by one, and gathers what is wrong with them.

use std::str::FromStr;
use std::time::Duration;

use super::{Fault, VARIABLES};

/// What was given, and the faults so far.
pub(super) struct Reader<'a> {
    pub(super) given: &'a [(String, String)],
    pub(super) faults: &'a mut Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(super) fn text(&self, name: &str) -> &'a str {
        let given = self.given.iter().find(|(given, _)| given == name);
        let default = VARIABLES.iter().find(|variable| variable.name == name);
        given.map_or(default.map_or("", |variable| variable.default), |(_, value)| value)
    }

    pub(super) fn parsed<T: FromStr>(&mut self, name: &str, reason: &'static str) -> Option<T> {
        let value = self.text(name).parse().ok();
        if value.is_none() {
            self.fault(name, reason);
        }
        value
    }

    pub(super) fn pause(&mut self, name: &str) -> Duration {
        let seconds = self.text(name).parse().ok().filter(|seconds| *seconds <= 300);
        if seconds.is_none() {
            self.fault(name, "wants seconds, 0 to 300");
        }
        Duration::from_secs(seconds.unwrap_or_default())
    }

    pub(super) fn fault(&mut self, name: &str, reason: &'static str) {
        self.faults.push(Fault { variable: name.to_owned(), reason });
    }
}
