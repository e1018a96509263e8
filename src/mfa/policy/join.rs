//! The join: every rule whose condition holds applies, and for each attribute the strictest value
//! wins. Rules have no order that could matter.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

use super::Policy;
use super::attributes::{Attribute, Attributes};
use super::rule::RuleName;
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Audience, Group, Label, Role};

/// The groups of a user, as the consoles assert them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Groups {
    /// No console said anything: every condition on groups holds.
    Unknown,
    /// These, and others that were not kept: a condition that names another one may mean one of those,
    /// so every condition on groups holds.
    Partial(BTreeSet<Group>),
    /// These and no others.
    Known(BTreeSet<Group>),
}

/// What the conditions of rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Asserted by consoles.
    pub groups: &'a Groups,
    /// Kept by Pawl, as rows grant them. A rule on `user` holds without a row.
    pub roles: &'a BTreeSet<Role>,
    /// Set by persons.
    pub labels: &'a BTreeSet<Label>,
    /// All audiences asked for.
    pub audiences: &'a [Audience],
    /// Where the login came from; `None`, for missing or unreadable, lies outside every network.
    pub address: Option<IpAddr>,
    /// The instant that is decided for.
    pub now: Timestamp,
}

/// What the policy demands in one context, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The strictest value of each attribute.
    pub attributes: Attributes,
    /// One entry for each attribute, in the order of [`Attribute::ALL`].
    pub because: Vec<Because>,
}

/// Which rule gave an attribute its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Because {
    /// The attribute.
    pub attribute: Attribute,
    /// `base`, or the id of the first rule that demands more than the base rule does and as much as
    /// any other.
    #[schema(value_type = String, pattern = "^[a-z0-9_-]{1,64}$")]
    pub rule: RuleName,
}

impl Requirement {
    /// The rule that gave an attribute its value.
    #[must_use]
    pub fn rule_of(&self, attribute: Attribute) -> RuleName {
        let because = self.because.iter().find(|because| because.attribute == attribute);
        because.map_or(RuleName::Base, |because| because.rule.clone())
    }
}

/// Joins all rules that hold in `context`.
#[must_use]
pub fn join(policy: &Policy, context: &Context<'_>) -> Requirement {
    let mut attributes = Attributes::LOOSEST.join(policy.base());
    let mut because: Vec<Because> = Attribute::ALL
        .iter()
        .map(|&attribute| Because { attribute, rule: RuleName::Base })
        .collect();
    for rule in policy.rules().iter().filter(|rule| rule.when.holds(context)) {
        for reason in &mut because {
            if rule.set.is_stricter(&attributes, reason.attribute) {
                reason.rule = RuleName::Rule(rule.id.clone());
            }
        }
        attributes = attributes.join(&rule.set);
    }
    Requirement { attributes, because }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arbitrary::{self, Person, settings};
    use super::super::attributes::PartialAttributes;
    use super::*;

    type Change = fn(&mut Person);

    fn no_looser(new: Attributes, old: Attributes) -> bool {
        new.join(&PartialAttributes::from(old)) == new
    }

    fn rule_of(requirement: &Requirement, attribute: Attribute) -> String {
        let reason = requirement.because.iter().find(|b| b.attribute == attribute).unwrap();
        reason.rule.to_string()
    }

    #[test]
    fn the_first_rule_with_the_strictest_value_is_named() {
        let policy = arbitrary::read(
            r#"{"base": {"mfa": "required", "digits": 6},
                "rules": [{"id": "a", "set": {"mfa": "required", "token_ttl_seconds": 200}},
                          {"id": "b", "set": {"digits": 8, "token_ttl_seconds": 100}},
                          {"id": "c", "set": {"digits": 8, "token_ttl_seconds": 100}},
                          {"id": "d", "when": {"labels_any": ["l0"]}, "set": {"approvals": 3}}]}"#,
        );
        let person = Person::plain();
        let requirement = join(&policy, &person.context());
        assert_eq!(rule_of(&requirement, Attribute::Mfa), "base");
        assert_eq!(rule_of(&requirement, Attribute::Digits), "b");
        assert_eq!(rule_of(&requirement, Attribute::TokenTtlSeconds), "b");
        assert_eq!(rule_of(&requirement, Attribute::Approvals), "base");
        assert_eq!(requirement.attributes.token_ttl_seconds.get(), 100);
        assert_eq!(requirement.because.len(), Attribute::ALL.len());
    }

    #[test]
    fn a_condition_holds_only_if_each_of_its_parts_does() {
        let mut person = Person::plain();
        let mut holds = |when: &str, change: Change| {
            change(&mut person);
            arbitrary::condition_of(when).holds(&person.context())
        };
        let cases: [(&str, Change, bool); 15] = [
            ("{}", |_| (), true),
            (r#"{"groups_any":["g0"]}"#, |_| (), false),
            (r#"{"groups_any":["g0"]}"#, |p| p.groups = Groups::Unknown, true),
            (r#"{"groups_any":["g0"]}"#, |p| p.groups = Groups::Partial([].into()), true),
            (r#"{"roles_any":["admin"]}"#, |_| (), false),
            (r#"{"roles_any":["admin","user"]}"#, |_| (), true),
            (r#"{"labels_any":["l0"]}"#, |_| (), false),
            (r#"{"labels_none":["l0"]}"#, |_| (), true),
            (r#"{"audiences":["a1"]}"#, |_| (), false),
            (r#"{"audiences":["a0","a1"]}"#, |_| (), true),
            (r#"{"networks_not_in":["10.0.0.0/8"]}"#, |_| (), true),
            (
                r#"{"networks_not_in":["10.0.0.0/8"]}"#,
                |p| p.address = "10.0.0.9".parse().ok(),
                false,
            ),
            (
                r#"{"networks_not_in":["10.0.0.0/8"]}"#,
                |p| p.address = "11.0.0.9".parse().ok(),
                true,
            ),
            (r#"{"after":"1970-01-01T00:00:05Z"}"#, |p| p.now = Timestamp::from_seconds(5), true),
            (r#"{"before":"1970-01-01T00:00:05Z"}"#, |_| (), false),
        ];
        for (when, change, expected) in cases {
            assert_eq!(holds(when, change), expected, "{when}");
        }
    }

    proptest! {
        #![proptest_config(settings())]

        #[test]
        fn adding_a_rule_never_loosens_an_attribute(
            (policy, extended) in arbitrary::extended_policy(), person in arbitrary::person(),
        ) {
            let old = join(&policy, &person.context()).attributes;
            let new = join(&extended, &person.context()).attributes;
            prop_assert!(no_looser(new, old), "{old:?} {new:?}");
        }

        #[test]
        fn asserting_or_withholding_groups_never_loosens_an_attribute(
            policy in arbitrary::policy(),
            person in arbitrary::person(),
            more in arbitrary::groups(),
        ) {
            let old = join(&policy, &person.context()).attributes;
            let mut other = person.clone();
            other.groups = match (person.groups, more) {
                (Groups::Known(some), Groups::Known(more)) => Groups::Known(&some | &more),
                (Groups::Partial(some), Groups::Known(more) | Groups::Partial(more))
                | (Groups::Known(some), Groups::Partial(more)) => Groups::Partial(&some | &more),
                (Groups::Unknown, _) | (_, Groups::Unknown) => Groups::Unknown,
            };
            prop_assert!(no_looser(join(&policy, &other.context()).attributes, old));
        }
    }
}
