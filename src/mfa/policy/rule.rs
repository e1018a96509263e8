//! Rules and their conditions: when a rule holds, and when a condition is no narrower than another.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::attributes::PartialAttributes;
use super::join::{Context, Groups};
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Audience, Group, InvalidWord, Label, Role};

/// The longest list that a condition may hold.
const MOST_MEMBERS: usize = 50;

/// The name of a rule in its policy: 1 to 64 of `a-z`, `0-9`, `_` and `-`, and not `base`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RuleId(String);

impl RuleId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`InvalidWord`], without echoing the text.
    pub fn parse(text: &str) -> Result<Self, InvalidWord> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if text == "base" {
            Err(InvalidWord::new("another id: `base` names the base rule"))
        } else if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidWord::new("1 to 64 of a-z, 0-9, _ and -"))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RuleId {
    type Error = InvalidWord;
    fn try_from(text: String) -> Result<Self, InvalidWord> {
        Self::parse(&text)
    }
}

/// Which rule: on the wire `base` or the rule's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleName {
    /// The unconditional rule.
    Base,
    /// One of the further rules.
    Rule(RuleId),
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("base"),
            Self::Rule(id) => f.write_str(id.as_str()),
        }
    }
}

impl Serialize for RuleName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A range of addresses in CIDR form, such as `10.0.0.0/8` or `2001:db8::/32`.
///
/// IPv4-mapped IPv6 ranges are kept as the IPv4 ranges that they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `address/prefix`, where the address is the first of its range.
    ///
    /// # Errors
    /// [`InvalidWord`], also for an address inside the range: whoever wrote it meant another one.
    pub fn parse(text: &str) -> Result<Self, InvalidWord> {
        let network = Self::read(text).ok_or(InvalidWord::new("a range in CIDR form"))?;
        let (width, bits) = width_and_bits(network.first);
        let host = u32::from(width - network.prefix);
        if bits.trailing_zeros() >= host || host == 0 {
            Ok(network)
        } else {
            Err(InvalidWord::new("a range in CIDR form that begins with its first address"))
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        // `u8` also reads `+8` and `08`.
        let prefix: u8 = prefix.parse().ok().filter(|n: &u8| n.to_string() == prefix)?;
        let first = address.to_canonical();
        let unmapped = width_and_bits(address).0 - width_and_bits(first).0;
        let prefix = prefix.checked_sub(unmapped)?;
        (prefix <= width_and_bits(first).0).then_some(Self { first, prefix })
    }

    /// Whether `address` lies in the range; an IPv4-mapped address counts as the IPv4 one.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (width, first) = width_and_bits(self.first);
        let (other_width, bits) = width_and_bits(address.to_canonical());
        let differing = (first ^ bits).checked_shr(u32::from(width - self.prefix));
        width == other_width && differing.unwrap_or(0) == 0
    }

    /// Whether every address of `other` lies in this range.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.first)
    }
}

impl std::str::FromStr for Network {
    type Err = InvalidWord;

    fn from_str(text: &str) -> Result<Self, InvalidWord> {
        Self::parse(text)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

fn width_and_bits(address: IpAddr) -> (u8, u128) {
    match address {
        IpAddr::V4(v4) => (32, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (128, v6.to_bits()),
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/{}", self.first, self.prefix))
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What a condition lists: 1 to 50 values. An empty list would hold for nobody, or for everybody,
/// and its author would learn which one too late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Members<T: Ord>(BTreeSet<T>);

impl<T: Ord> Members<T> {
    /// Takes 1 to 50 values; repeated ones count each time.
    ///
    /// # Errors
    /// [`InvalidWord`] for none or more than 50.
    pub fn new(values: Vec<T>) -> Result<Self, InvalidWord> {
        if (1..=MOST_MEMBERS).contains(&values.len()) {
            Ok(Self(values.into_iter().collect()))
        } else {
            Err(InvalidWord::new("1 to 50 values"))
        }
    }

    pub(super) fn meets<'a>(&self, given: impl IntoIterator<Item = &'a T>) -> bool
    where
        T: 'a,
    {
        given.into_iter().any(|value| self.0.contains(value))
    }
}

impl<'de, T: Ord + Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// When a rule applies: if everything that is named here holds. Naming nothing means always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The user is in one of these groups, or their groups are unknown or incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Group>>, min_items = 1, max_items = 50)]
    pub groups_any: Option<Members<Group>>,
    /// The user has one of these roles. Everybody has `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Role>>, min_items = 1, max_items = 50)]
    pub roles_any: Option<Members<Role>>,
    /// The user carries one of these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Label>>, min_items = 1, max_items = 50)]
    pub labels_any: Option<Members<Label>>,
    /// The user carries none of these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Label>>, min_items = 1, max_items = 50)]
    pub labels_none: Option<Members<Label>>,
    /// One of the audiences asked for is among these.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Audience>>, min_items = 1, max_items = 50)]
    pub audiences: Option<Members<Audience>>,
    /// The source address lies in none of these ranges, given in CIDR form, or is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 50)]
    pub networks_not_in: Option<Members<Network>>,
    /// From this instant on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub after: Option<Timestamp>,
    /// Until just before this instant, which is later than `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub before: Option<Timestamp>,
}

impl Condition {
    /// Whether the condition holds in `context`.
    #[must_use]
    pub fn holds(&self, context: &Context<'_>) -> bool {
        let groups = self.groups_any.as_ref().is_none_or(|wanted| match context.groups {
            // Leaving groups out of a request, or hiding them among too many, must not get anybody
            // around a rule.
            Groups::Unknown | Groups::Partial(_) => true,
            Groups::Known(groups) => wanted.meets(groups),
        });
        let inside = |ranges: &Members<Network>| {
            context.address.is_some_and(|at| ranges.0.iter().any(|range| range.contains(at)))
        };
        groups
            && self.roles_any.as_ref().is_none_or(|wanted| {
                // Every user holds the role `user`, which no row grants.
                wanted.meets(&[Role::User]) || wanted.meets(context.roles)
            })
            && self.labels_any.as_ref().is_none_or(|wanted| wanted.meets(context.labels))
            && self.labels_none.as_ref().is_none_or(|barred| !barred.meets(context.labels))
            && self.audiences.as_ref().is_none_or(|wanted| wanted.meets(context.audiences))
            && self.networks_not_in.as_ref().is_none_or(|ranges| !inside(ranges))
            && self.after.is_none_or(|after| after <= context.now)
            && self.before.is_none_or(|before| context.now < before)
    }

    /// Whether this condition surely holds wherever `other` does. `false` may also mean "unsure".
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        wider(self.groups_any.as_ref(), other.groups_any.as_ref())
            && wider(self.roles_any.as_ref(), other.roles_any.as_ref())
            && wider(self.labels_any.as_ref(), other.labels_any.as_ref())
            && wider(self.audiences.as_ref(), other.audiences.as_ref())
            && implied(self.labels_none.as_ref(), other.labels_none.as_ref(), |own, others| {
                own.0.is_subset(&others.0)
            })
            && implied(
                self.networks_not_in.as_ref(),
                other.networks_not_in.as_ref(),
                |own, others| {
                    own.0.iter().all(|range| others.0.iter().any(|wide| wide.covers(range)))
                },
            )
            && self.is_valid_through(other)
    }

    /// Whether this condition's time begins no later and ends no earlier than that of `other`.
    fn is_valid_through(&self, other: &Self) -> bool {
        implied(self.after.as_ref(), other.after.as_ref(), |own, others| own <= others)
            && implied(self.before.as_ref(), other.before.as_ref(), |own, others| own >= others)
    }
}

/// Whether the part `own` of a condition follows from the part `others`; a part not named demands
/// nothing.
fn implied<T>(own: Option<&T>, others: Option<&T>, follows: impl Fn(&T, &T) -> bool) -> bool {
    own.is_none_or(|own| others.is_some_and(|others| follows(own, others)))
}

fn wider<T: Ord>(own: Option<&Members<T>>, others: Option<&Members<T>>) -> bool {
    implied(own, others, |own, others| others.0.is_subset(&own.0))
}

/// One conditional rule of a policy, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, unique in the policy.
    pub id: RuleId,
    /// When the id first appeared in the tenant's policy; the server sets it.
    pub since: Timestamp,
    /// When it applies.
    pub when: Condition,
    /// What it demands then.
    pub set: PartialAttributes,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::parse(text).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn rule_ids_leave_base_to_the_base_rule() {
        assert!(RuleId::parse("admins-2").is_ok());
        for text in ["", "base", "Admins", "a b", "ä", &"x".repeat(65)] {
            assert!(RuleId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_contain_what_their_prefix_says() {
        assert!(network("10.0.0.0/8").contains(address("10.255.0.1")));
        assert!(!network("10.0.0.0/8").contains(address("11.0.0.0")));
        assert!(network("0.0.0.0/0").contains(address("255.1.2.3")));
        assert!(!network("0.0.0.0/0").contains(address("2001:db8::1")));
        assert!(!network("::/0").contains(address("10.0.0.1")));
        assert!(network("::/0").contains(address("2001:db8::1")));
        assert!(network("192.0.2.7/32").contains(address("192.0.2.7")));
        assert!(!network("192.0.2.7/32").contains(address("192.0.2.6")));
        assert!(network("2001:db8::/33").contains(address("2001:db8:7fff::1")));
        assert!(!network("2001:db8::/33").contains(address("2001:db8:8000::1")));
    }

    #[test]
    fn mapped_addresses_and_ranges_are_ipv4() {
        assert!(network("10.0.0.0/8").contains(address("::ffff:10.1.2.3")));
        assert_eq!(network("::ffff:10.0.0.0/104"), network("10.0.0.0/8"));
        assert!(Network::parse("::ffff:10.0.0.0/90").is_err());
    }

    #[test]
    fn one_network_covers_another_only_if_it_is_no_smaller() {
        assert!(network("10.0.0.0/8").covers(&network("10.1.0.0/16")));
        assert!(network("10.0.0.0/8").covers(&network("10.0.0.0/8")));
        assert!(!network("10.0.0.0/16").covers(&network("10.0.0.0/8")));
        assert!(!network("10.0.0.0/16").covers(&network("10.1.0.0/24")));
        assert!(!network("0.0.0.0/0").covers(&network("2001:db8::/32")));
    }

    #[test]
    fn malformed_networks_are_refused() {
        let refused = "/ 10.0.0.0 10.0.0.0/ 10.0.0.0/33 10.0.0.1/8 10.0.0.0/+8 10.0.0.0/08 ::1/0
            2001:db8::/129 10.0.0/8 10.0.0.0/8/8 fe80::%1/64";
        for text in refused.split_whitespace() {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_has_1_to_50_members_as_sent() {
        let list = |n: usize| serde_json::to_string(&vec!["a"; n]).unwrap();
        let read = |n| serde_json::from_str::<Members<Group>>(&list(n));
        assert!(read(0).is_err() && read(51).is_err());
        assert_eq!(serde_json::to_string(&read(50).unwrap()).unwrap(), r#"["a"]"#);
    }
}
