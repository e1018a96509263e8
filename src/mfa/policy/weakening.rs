//! Whether a new policy weakens an old one: a syntactic test that is sound, not complete. What it
//! lets through is surely no looser for anybody; what it stops may be harmless, and then costs an
//! override that nobody needed.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Policy;
use super::attributes::{Approvals, Attribute, Attributes, PartialAttributes};
use super::rule::{Condition, RuleName};

/// Why a new policy counts as weakening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loosening {
    /// The old rule that no single new rule covers.
    pub rule: RuleName,
    /// The first attribute in which its demand is no longer surely met.
    pub attribute: Attribute,
}

/// The first old rule that no new rule covers; `None` means that `new` is surely no looser.
///
/// A new rule covers an old one if its condition is no narrower, its validity no shorter, and each
/// attribute no looser. An old rule that demands nothing needs no cover.
#[must_use]
pub fn loosening(old: &Policy, new: &Policy) -> Option<Loosening> {
    rules_of(old).find_map(|(name, when, set)| uncovered(&name, &when, set, new, Attribute::ALL))
}

/// An attribute of which a new policy demands something else of the same people.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PolicyChange {
    /// The rule: its id, or `base`.
    #[schema(value_type = String)]
    pub rule: RuleName,
    /// The attribute.
    pub attribute: Attribute,
    /// What the old policy demands.
    #[schema(value_type = Value)]
    pub from: Value,
    /// What the new policy demands.
    #[schema(value_type = Value)]
    pub to: Value,
}

/// Everything in which `new` is looser. Empty only where [`loosening`] is `None`.
#[must_use]
pub fn loosened(old: &Policy, new: &Policy) -> Vec<PolicyChange> {
    lacking(old, new, Attribute::ALL)
}

/// The attributes that decide who may help a user, and how soon. With a stolen token that raises them a thief
/// would keep the other administrators from undoing what the thief did.
const GOVERNING: &[Attribute] = &[
    Attribute::ExemptAllowed,
    Attribute::OverrideMaxHours,
    Attribute::Approvals,
    Attribute::FactorCooldownHours,
];

/// Everything in which `new` is stricter about who may help a user, and how soon: the approvals, the cool-down
/// of a factor, the longest life of an override and whether there are exemptions. Sound like [`loosening`]: nothing is stricter where it is empty.
#[must_use]
pub fn hardened(old: &Policy, new: &Policy) -> Vec<PolicyChange> {
    let mut all = lacking(new, old, GOVERNING);
    for change in &mut all {
        std::mem::swap(&mut change.from, &mut change.to);
    }
    all
}

/// What `other` lacks of what `policy` demands: for each of its rules that no rule of `other` covers, the
/// attributes of `among` that the rule of the same name lacks, or the base where there is none.
fn lacking(policy: &Policy, other: &Policy, among: &[Attribute]) -> Vec<PolicyChange> {
    let mut all = Vec::new();
    for (rule, when, set) in rules_of(policy) {
        if uncovered(&rule, &when, set, other, among).is_none() {
            continue;
        }
        let same = other.rules().iter().find(|candidate| {
            RuleName::Rule(candidate.id.clone()) == rule && candidate.when.covers(&when)
        });
        let then = Attributes::LOOSEST.join(same.map_or(other.base(), |same| &same.set));
        let before = Attributes::LOOSEST.join(set);
        let lacks = among.iter().filter(|attribute| set.is_stricter(&then, **attribute));
        all.extend(lacks.map(|attribute| PolicyChange {
            rule: rule.clone(),
            attribute: *attribute,
            from: before.value(*attribute),
            to: then.value(*attribute),
        }));
    }
    all
}

/// The rules of a policy, its base first.
fn rules_of(policy: &Policy) -> impl Iterator<Item = (RuleName, Condition, &PartialAttributes)> {
    let base = (RuleName::Base, Condition::default(), policy.base());
    let rules = policy.rules().iter();
    let rules = rules.map(|rule| (RuleName::Rule(rule.id.clone()), rule.when.clone(), &rule.set));
    std::iter::once(base).chain(rules)
}

/// The most approvals that an old rule demands of those to whom it applies, among the rules that `new` loosens.
#[must_use]
pub fn approvals_of_loosened(old: &Policy, new: &Policy) -> Approvals {
    rules_of(old)
        .filter(|(name, when, set)| uncovered(name, when, set, new, Attribute::ALL).is_some())
        .map(|(_, _, set)| Attributes::LOOSEST.join(set).approvals)
        .max()
        .unwrap_or(Approvals::LOOSEST)
}

fn uncovered(
    name: &RuleName,
    when: &Condition,
    set: &PartialAttributes,
    new: &Policy,
    among: &[Attribute],
) -> Option<Loosening> {
    let mut attribute = looser(set, new.base(), among)?;
    for candidate in new.rules().iter().filter(|candidate| candidate.when.covers(when)) {
        let looser = looser(set, &candidate.set, among)?;
        // What the rule of the same name lacks explains best.
        if *name == RuleName::Rule(candidate.id.clone()) {
            attribute = looser;
        }
    }
    Some(Loosening { rule: name.clone(), attribute })
}

/// The first attribute of `among` for which `new` demands less than `old`.
fn looser(
    old: &PartialAttributes,
    new: &PartialAttributes,
    among: &[Attribute],
) -> Option<Attribute> {
    let demanded = Attributes::LOOSEST.join(new);
    among.iter().copied().find(|&attribute| old.is_stricter(&demanded, attribute))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arbitrary::{self, Person, settings};
    use super::super::join::join;
    use super::*;

    /// What `loosening` says when a policy's rule `r` becomes another.
    fn rule_change(old: &str, new: &str) -> Option<(String, Attribute)> {
        let policy = |rule| arbitrary::read(&format!(r#"{{"base":{{}},"rules":[{rule}]}}"#));
        loosening(&policy(old), &policy(new)).map(|why| (why.rule.to_string(), why.attribute))
    }

    fn condition_change(old: &str, new: &str) -> bool {
        let rule = |when| format!(r#"{{"id":"r","when":{when},"set":{{"mfa":"required"}}}}"#);
        rule_change(&rule(old), &rule(new)).is_some()
    }

    #[test]
    fn each_part_of_a_condition_may_widen_but_not_narrow() {
        let pairs = [
            (r#"{"groups_any":["g0"]}"#, r#"{"groups_any":["g0","g1"]}"#),
            (r#"{"roles_any":["admin"]}"#, r#"{"roles_any":["admin","user"]}"#),
            (r#"{"labels_any":["l0"]}"#, r#"{"labels_any":["l0","l1"]}"#),
            (r#"{"labels_none":["l0","l1"]}"#, r#"{"labels_none":["l0"]}"#),
            (r#"{"audiences":["a0"]}"#, r#"{"audiences":["a0","a1"]}"#),
            (r#"{"networks_not_in":["10.0.0.0/8"]}"#, r#"{"networks_not_in":["10.1.0.0/16"]}"#),
            (r#"{"after":"2026-01-02T00:00:00Z"}"#, r#"{"after":"2026-01-01T00:00:00Z"}"#),
            (r#"{"before":"2026-01-01T00:00:00Z"}"#, r#"{"before":"2026-01-02T00:00:00Z"}"#),
        ];
        for (narrow, wide) in pairs {
            for (old, new, weakens) in [
                (narrow, wide, false),
                (wide, "{}", false),
                (wide, wide, false),
                (wide, narrow, true),
                ("{}", wide, true),
            ] {
                assert_eq!(condition_change(old, new), weakens, "{old} to {new}");
            }
        }
    }

    #[test]
    fn the_rule_and_the_attribute_that_loosen_are_named() {
        let old = r#"{"id":"r","set":{"mfa":"required","digits":8}}"#;
        let named = |new| rule_change(old, new);
        assert_eq!(named(r#"{"id":"s","set":{"mfa":"required","digits":8}}"#), None);
        let digits = Some(("r".to_owned(), Attribute::Digits));
        assert_eq!(named(r#"{"id":"r","set":{"mfa":"required"}}"#), digits);
        let narrower = r#"{"id":"r","when":{"labels_any":["l0"]},"set":{"mfa":"required"}}"#;
        assert_eq!(named(narrower), Some(("r".to_owned(), Attribute::Mfa)));
    }

    #[test]
    fn the_base_rule_needs_an_unconditional_cover() {
        let base = arbitrary::read(r#"{"base":{"approvals":1},"rules":[]}"#);
        let moved = |when| {
            let rule = format!(r#"{{"id":"r","when":{when},"set":{{"approvals":2}}}}"#);
            loosening(&base, &arbitrary::read(&format!(r#"{{"base":{{}},"rules":[{rule}]}}"#)))
        };
        assert_eq!(moved("{}"), None);
        let expected = Loosening { rule: RuleName::Base, attribute: Attribute::Approvals };
        assert_eq!(moved(r#"{"labels_none":["l0"]}"#), Some(expected));
    }

    #[test]
    fn a_rule_that_demands_nothing_may_go() {
        let idle = r#"{"id":"r","set":{"mfa":"optional","exempt_allowed":true}}"#;
        assert_eq!(rule_change(idle, r#"{"id":"s","set":{}}"#), None);
    }

    #[test]
    fn what_decides_who_may_help_is_named_where_it_hardens() {
        let old = arbitrary::read(r#"{"base":{"approvals":1},"rules":[]}"#);
        let named = |new: &str| {
            let changes = hardened(&old, &arbitrary::read(new));
            let words = changes.iter().map(|change| {
                let attribute = change.attribute.as_str();
                format!("{} {attribute} {} {}", change.rule, change.from, change.to)
            });
            words.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(named(r#"{"base":{"approvals":1,"mfa":"required","digits":8},"rules":[]}"#), "");
        assert_eq!(named(r#"{"base":{"approvals":0},"rules":[]}"#), "");
        assert_eq!(named(r#"{"base":{"approvals":2},"rules":[]}"#), "base approvals 1 2");
        let rule = |set: &str| {
            let rule = format!(r#"{{"id":"r","when":{{"labels_any":["l0"]}},"set":{set}}}"#);
            format!(r#"{{"base":{{"approvals":1}},"rules":[{rule}]}}"#)
        };
        assert_eq!(named(&rule(r#"{"approvals":1}"#)), "");
        assert_eq!(named(&rule(r#"{"exempt_allowed":false}"#)), "r exempt_allowed true false");
        let cooled = "r factor_cooldown_hours 0 24";
        assert_eq!(named(&rule(r#"{"factor_cooldown_hours":24}"#)), cooled);
    }

    fn assert_sound(old: &Policy, new: &Policy, people: &[Person]) -> Result<(), TestCaseError> {
        if loosening(old, new).is_some() {
            return Ok(());
        }
        for person in people {
            let before = PartialAttributes::from(join(old, &person.context()).attributes);
            let after = join(new, &person.context()).attributes;
            let loosened = Attribute::ALL.iter().find(|a| before.is_stricter(&after, **a));
            prop_assert!(loosened.is_none(), "{loosened:?} loosens for {person:?}");
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(settings())]

        #[test]
        fn an_edit_that_passes_loosens_nothing_for_anybody(
            (old, new) in arbitrary::edited_policy(),
            people in proptest::collection::vec(arbitrary::person(), 64),
        ) {
            assert_sound(&old, &new, &people)?;
        }

        #[test]
        fn another_policy_that_passes_loosens_nothing_for_anybody(
            old in arbitrary::policy(), new in arbitrary::policy(),
            people in proptest::collection::vec(arbitrary::person(), 16),
        ) {
            assert_sound(&old, &new, &people)?;
        }

        #[test]
        fn an_edit_without_hardening_hardens_nothing_for_anybody(
            (old, new) in arbitrary::edited_policy(),
            people in proptest::collection::vec(arbitrary::person(), 64),
        ) {
            prop_assume!(hardened(&old, &new).is_empty());
            for person in people {
                let before = join(&old, &person.context()).attributes;
                let after = PartialAttributes::from(join(&new, &person.context()).attributes);
                let hardened = GOVERNING.iter().find(|a| after.is_stricter(&before, **a));
                prop_assert!(hardened.is_none(), "{hardened:?} hardens for {person:?}");
            }
        }

        #[test]
        fn adding_a_rule_is_no_weakening((old, new) in arbitrary::extended_policy()) {
            prop_assert_eq!(loosening(&old, &new), None);
        }
    }
}
