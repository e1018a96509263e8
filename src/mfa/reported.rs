//! What a console merely reports about a person: display name, groups and address, as directories and
//! proxies send them. A report never ends a login. What can be cleaned is cleaned; what cannot be used
//! counts as unknown, which is never looser than what it replaces.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::text::readable_name;
use super::words::{DisplayName, Group};

/// A report as it was taken, and what was done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported<T> {
    /// What counts.
    pub value: T,
    /// What was done so that it could be taken; `None` if it was taken as it was sent.
    pub treated: Option<Treated>,
}

/// What was done to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treated {
    /// Characters that cannot be shown were taken out, or what is too long was cut.
    Cleaned,
    /// Nothing that can be shown was left.
    Empty,
    /// So many entries were not kept; each is unknown, not absent.
    NotKept(usize),
    /// Its port, brackets or zone were taken off.
    Unwrapped,
    /// It is none; it counts as unknown.
    Unknown,
}

impl std::fmt::Display for Treated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cleaned => f.write_str("cleaned"),
            Self::Empty => f.write_str("empty"),
            Self::NotKept(count) => write!(f, "{count} not kept"),
            Self::Unwrapped => f.write_str("unwrapped"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// Something that a console reports: any value of its JSON type can be taken.
pub trait Report: Sized {
    /// What is sent.
    type Sent: DeserializeOwned;

    /// Reads a report.
    fn read(sent: Self::Sent) -> Reported<Self>;
}

impl<'de, T: Report> Deserialize<'de> for Reported<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::Sent::deserialize(deserializer).map(T::read)
    }
}

impl<T> Reported<T> {
    /// What was done to it, for the log and the record.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        self.treated.map(|treated| treated.to_string())
    }
}

/// The treated ones of some reports, for the log: `address unknown, groups 3 not kept`.
#[must_use]
pub fn in_words(reports: &[(&str, Option<Treated>)]) -> Option<String> {
    let treated = reports.iter().filter_map(|(name, treated)| Some((name, (*treated)?)));
    let words: Vec<String> = treated.map(|(name, treated)| format!("{name} {treated}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// A display name; `None` if nothing that can be shown was sent. Nothing is decided by it.
impl Report for Option<DisplayName> {
    type Sent = String;

    fn read(sent: String) -> Reported<Self> {
        let seen = readable_name(&sent);
        let treated = match &seen {
            None => Some(Treated::Empty),
            Some(seen) => (*seen != sent).then_some(Treated::Cleaned),
        };
        Reported { value: seen.and_then(|seen| DisplayName::parse(&seen).ok()), treated }
    }
}

/// The most groups that are kept of what one client says about one user: more than the 1,015 of which
/// a Windows access token can tell.
const MOST_GROUPS: usize = 1024;

/// The groups that one client reports of a user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportedGroups {
    /// Those that are kept.
    pub groups: BTreeSet<Group>,
    /// Whether these are all. If not, the others are unknown, not absent.
    pub is_complete: bool,
}

impl ReportedGroups {
    /// Keeps as many as are kept; answers how many are not.
    #[must_use]
    pub fn of(groups: BTreeSet<Group>, is_complete: bool) -> (Self, usize) {
        let left = groups.len().saturating_sub(MOST_GROUPS);
        let groups = groups.into_iter().take(MOST_GROUPS).collect();
        (Self { groups, is_complete: is_complete && left == 0 }, left)
    }
}

impl Report for ReportedGroups {
    type Sent = Vec<String>;

    fn read(sent: Vec<String>) -> Reported<Self> {
        let (count, groups): (usize, BTreeSet<Group>) = sent
            .iter()
            .map(|name| Group::parse(name))
            .fold((0, BTreeSet::new()), |(unusable, mut groups), parsed| match parsed {
                Ok(group) => {
                    groups.insert(group);
                    (unusable, groups)
                }
                Err(_) => (unusable + 1, groups),
            });
        let (value, left) = Self::of(groups, count == 0);
        let not_kept = count + left;
        Reported { value, treated: (not_kept > 0).then_some(Treated::NotKept(not_kept)) }
    }
}

/// Where a user comes from; `None` is unknown, which lies outside every network. Of a list, as
/// `X-Forwarded-For` has it, none is taken: which one is true depends on the console's proxies, and
/// the first can be written by the user.
impl Report for Option<IpAddr> {
    type Sent = String;

    fn read(sent: String) -> Reported<Self> {
        let text = sent.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Reported { value: Some(address.to_canonical()), treated: None };
        }
        let value = unwrapped(text);
        let treated = if value.is_some() { Treated::Unwrapped } else { Treated::Unknown };
        Reported { value, treated: Some(treated) }
    }
}

/// The address in `203.0.113.7:51008`, `[2001:db8::1]:443`, `[2001:db8::1]` or `fe80::1%eth0`.
fn unwrapped(text: &str) -> Option<IpAddr> {
    let host = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            // Only an IPv6 address stands in brackets.
            let is_port = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
            (is_port && host.contains(':')).then_some(host)?
        }
        None => match text.split_once(':') {
            Some((host, port)) if is_port(port) => host,
            Some(_) | None => text,
        },
    };
    match host.split_once('%') {
        None => host.parse().ok().map(|address: IpAddr| address.to_canonical()),
        Some((address, zone)) => {
            let is_zone = zone.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            let address = address.parse::<std::net::Ipv6Addr>().ok().filter(|_| is_zone)?;
            Some(IpAddr::V6(address).to_canonical())
        }
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_without_its_port_and_everything_else_is_unknown() {
        for (sent, address, treated) in [
            ("203.0.113.7", Some("203.0.113.7"), None),
            ("::ffff:203.0.113.7", Some("203.0.113.7"), None),
            ("203.0.113.7:51008", Some("203.0.113.7"), Some(Treated::Unwrapped)),
            ("[2001:db8::1]:443", Some("2001:db8::1"), Some(Treated::Unwrapped)),
            ("[2001:db8::1]", Some("2001:db8::1"), Some(Treated::Unwrapped)),
            ("[::ffff:203.0.113.7]:1", Some("203.0.113.7"), Some(Treated::Unwrapped)),
            ("fe80::1%eth0", Some("fe80::1"), Some(Treated::Unwrapped)),
            ("[fe80::1%eth0]:443", Some("fe80::1"), Some(Treated::Unwrapped)),
        ] {
            let taken = Option::<IpAddr>::read(sent.to_owned());
            let address = address.map(|text| text.parse().unwrap());
            assert_eq!(taken, Reported { value: address, treated }, "{sent}");
        }
        for sent in [
            "",
            "unknown",
            "203.0.113.7, 10.0.0.1",
            "203.0.113.7,10.0.0.1",
            "203.0.113.7 10.0.0.1",
            "203.0.113.7:65536",
            "203.0.113.7:+1",
            "203.0.113.7:",
            "203.0.113.7%eth0",
            "[203.0.113.7]:80",
            "[2001:db8::1]443",
            "[2001:db8::1",
            "for=203.0.113.7",
            "localhost",
            "10.0.0.1/8",
            "010.0.0.1",
        ] {
            let taken = Option::<IpAddr>::read(sent.to_owned());
            let unknown = Reported { value: None, treated: Some(Treated::Unknown) };
            assert_eq!(taken, unknown, "{sent}");
        }
    }

    fn groups(sent: impl IntoIterator<Item = String>) -> (usize, bool, Option<Treated>) {
        let taken = ReportedGroups::read(sent.into_iter().collect());
        (taken.value.groups.len(), taken.value.is_complete, taken.treated)
    }

    #[test]
    fn a_group_that_is_not_kept_leaves_the_set_incomplete() {
        let names = |count: usize| (0..count).map(|n| format!("CN=Group {n},OU=Groups"));
        assert_eq!(groups(names(1024)), (1024, true, None));
        assert_eq!(groups(names(1025)), (1024, false, Some(Treated::NotKept(1))));
        assert_eq!(groups(names(1024).chain(names(1024))), (1024, true, None));
        for odd in ["", "a\nb", "\u{85}", &"x".repeat(257)] {
            let sent = ["ops".to_owned(), odd.to_owned()];
            assert_eq!(groups(sent), (1, false, Some(Treated::NotKept(1))), "{odd:?}");
        }
        assert_eq!(groups([]), (0, true, None));
    }

    #[test]
    fn a_name_is_cleaned_and_an_empty_one_is_none() {
        let taken = Option::<DisplayName>::read("Ann\u{ad}a".to_owned());
        let name = taken.value.as_ref().map(DisplayName::as_str);
        assert_eq!((name, taken.treated), (Some("Anna"), Some(Treated::Cleaned)));
        let taken = Option::<DisplayName>::read("\u{200b}".to_owned());
        assert_eq!(taken, Reported { value: None, treated: Some(Treated::Empty) });
        let words = in_words(&[("display_name", taken.treated), ("groups", None)]);
        assert_eq!(words.as_deref(), Some("display_name empty"));
    }
}
