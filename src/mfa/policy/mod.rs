//! Policy: a base rule and further rules, joined to what must happen. Pure.
//!
//! A [`Policy`] can only be made by checking: [`Policy::from_document`] for what a caller sends,
//! and deserializing for what was stored.

pub mod attributes;
pub mod guard;
pub mod join;
pub mod rule;
pub mod weakening;

#[cfg(test)]
pub(crate) mod arbitrary;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use self::attributes::{Attribute, Attributes, PartialAttributes};
use self::rule::{Condition, Rule, RuleId};
use super::time::Timestamp;

/// The most rules beside the base rule.
const MOST_RULES: usize = 50;

/// A checked policy. Serialized with the rules' `since`, for storage; refused at reading if
/// [`Policy::from_document`] would refuse it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredPolicy")]
pub struct Policy {
    base: PartialAttributes,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPolicy {
    base: PartialAttributes,
    rules: Vec<Rule>,
}

/// A policy as callers write and read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    /// What is demanded of everybody, always.
    pub base: PartialAttributes,
    /// What is demanded besides, under conditions. Their order decides nothing.
    #[schema(max_items = 50)]
    pub rules: Vec<RuleDocument>,
}

/// A conditional rule as callers write and read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    /// Its name, unique in the policy and not `base`. It lets a rule keep its age over versions.
    #[schema(value_type = String, pattern = "^[a-z0-9_-]{1,64}$")]
    pub id: RuleId,
    /// When it applies; left out, it always does.
    #[serde(default)]
    #[schema(required = false)]
    pub when: Condition,
    /// What it demands then. With `audiences` or `networks_not_in` it may name only `mfa` and
    /// `token_ttl_seconds`.
    pub set: PartialAttributes,
}

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidPolicy {
    /// The rule at fault; `None` if it is the policy as a whole.
    pub rule: Option<RuleId>,
    /// Where, such as `rules[2].when.before`.
    pub field: String,
    /// What would be right.
    pub reason: &'static str,
}

impl Policy {
    /// The policy of a new tenant: a base rule that spells out all defaults.
    #[must_use]
    pub fn initial() -> Self {
        Self { base: Attributes::default_base().into(), rules: Vec::new() }
    }

    /// Checks what a caller sent. A rule whose id `previous` has keeps its `since`; any other is
    /// dated `now`.
    ///
    /// # Errors
    /// [`InvalidPolicy`] for the first fault.
    pub fn from_document(
        document: PolicyDocument,
        previous: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, InvalidPolicy> {
        let known: &[Rule] = previous.map_or(&[], Self::rules);
        let dated = |RuleDocument { id, when, set }: RuleDocument| {
            let since = known.iter().find(|rule| rule.id == id).map_or(now, |rule| rule.since);
            Rule { id, since, when, set }
        };
        Self::checked(document.base, document.rules.into_iter().map(dated).collect())
    }

    /// The form in which callers read the policy.
    #[must_use]
    pub fn to_document(&self) -> PolicyDocument {
        let rules = self.rules.iter().cloned();
        PolicyDocument {
            base: self.base,
            rules: rules.map(|Rule { id, when, set, .. }| RuleDocument { id, when, set }).collect(),
        }
    }

    /// What is demanded of everybody, always.
    #[must_use]
    pub fn base(&self) -> &PartialAttributes {
        &self.base
    }

    /// The conditional rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    fn checked(base: PartialAttributes, rules: Vec<Rule>) -> Result<Self, InvalidPolicy> {
        if rules.len() > MOST_RULES {
            let field = "rules".to_owned();
            return Err(InvalidPolicy { rule: None, field, reason: "at most 50 rules" });
        }
        let mut ids = BTreeSet::new();
        for (index, rule) in rules.iter().enumerate() {
            let fault = if ids.insert(&rule.id) {
                fault_of(rule)
            } else {
                Some(("id".to_owned(), "an id that no other rule has"))
            };
            if let Some((field, reason)) = fault {
                let field = format!("rules[{index}].{field}");
                return Err(InvalidPolicy { rule: Some(rule.id.clone()), field, reason });
            }
        }
        Ok(Self { base, rules })
    }
}

fn fault_of(rule: &Rule) -> Option<(String, &'static str)> {
    let Rule { when, set, .. } = rule;
    if let (Some(after), Some(before)) = (when.after, when.before)
        && after >= before
    {
        return Some(("when.before".to_owned(), "an instant later than `after`"));
    }
    if when.audiences.is_none() && when.networks_not_in.is_none() {
        return None;
    }
    // The throttle, the factor and the approvals are one per user: what they demand must not depend
    // on which door somebody tries.
    let per_login = [Attribute::Mfa, Attribute::TokenTtlSeconds];
    let mut named = Attribute::ALL.iter().filter(|attribute| set.names(**attribute));
    named.find(|attribute| !per_login.contains(attribute)).map(|attribute| {
        let reason = "nothing: by audience or network only mfa and token_ttl_seconds may differ";
        (format!("set.{}", attribute.as_str()), reason)
    })
}

impl TryFrom<StoredPolicy> for Policy {
    type Error = InvalidPolicy;
    fn try_from(stored: StoredPolicy) -> Result<Self, InvalidPolicy> {
        Self::checked(stored.base, stored.rules)
    }
}

/// The chance (0 to 1) that somebody who has the password, and guesses as often as the throttle
/// lets them, hits a code of one given user within 30 days.
#[must_use]
pub fn guess_probability(attributes: &Attributes) -> f64 {
    const HOURS: f64 = 720.0;
    let accepted = f64::from(1 + attributes.window.past() + attributes.window.future());
    let hit = accepted / 10_f64.powi(i32::from(attributes.digits.get()));
    let refilled = HOURS / f64::from(attributes.attempts_refill_hours.get());
    let guesses = f64::from(attributes.attempts_bucket.get()) + refilled;
    // 1 - (1 - hit)^guesses, without losing the digits of a small `hit`.
    -(guesses * (-hit).ln_1p()).exp_m1()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::arbitrary::{self, settings};
    use super::attributes::{Digits, Window};
    use super::*;

    fn check(document: &str, previous: Option<&Policy>) -> Result<Policy, InvalidPolicy> {
        let document = serde_json::from_str(document).unwrap();
        Policy::from_document(document, previous, Timestamp::from_seconds(9))
    }

    fn fault(rules: &str) -> (Option<String>, String) {
        let fault = check(&format!(r#"{{"base":{{}},"rules":[{rules}]}}"#), None).unwrap_err();
        (fault.rule.map(|id| id.as_str().to_owned()), fault.field)
    }

    #[test]
    fn faults_name_the_rule_and_the_field() {
        let at = |rule: &str, field: &str| (Some(rule.to_owned()), field.to_owned());
        assert_eq!(fault(r#"{"id":"a","set":{}},{"id":"a","set":{}}"#), at("a", "rules[1].id"));
        assert_eq!(
            fault(r#"{"id":"a","when":{"audiences":["x"]},"set":{"mfa":"required","digits":8}}"#),
            at("a", "rules[0].set.digits"),
        );
        assert_eq!(
            fault(r#"{"id":"a","when":{"networks_not_in":["10.0.0.0/8"]},"set":{"approvals":1}}"#),
            at("a", "rules[0].set.approvals"),
        );
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        for (after, before) in [(late, early), (early, early)] {
            let when = format!(r#"{{"after":"{after}","before":"{before}"}}"#);
            let rule = format!(r#"{{"id":"b","when":{when},"set":{{}}}}"#);
            assert_eq!(fault(&rule), at("b", "rules[0].when.before"));
        }
        let many: Vec<_> = (0..51).map(|n| format!(r#"{{"id":"r{n}","set":{{}}}}"#)).collect();
        assert_eq!(fault(&many.join(",")), (None, "rules".to_owned()));
        assert!(
            check(&format!(r#"{{"base":{{}},"rules":[{}]}}"#, many[..50].join(",")), None).is_ok()
        );
    }

    #[test]
    fn a_rule_keeps_its_since_over_versions() {
        let rule = r#"{"id":"a","since":"1970-01-01T00:00:03.000Z","when":{},"set":{}}"#;
        let old = format!(r#"{{"base":{{}},"rules":[{rule}]}}"#);
        let old: Policy = serde_json::from_str(&old).unwrap();
        let new = r#"{"base":{},"rules":[{"id":"b","set":{}},{"id":"a","set":{"digits":8}}]}"#;
        let new = check(new, Some(&old)).unwrap();
        let since: Vec<_> = new.rules().iter().map(|rule| rule.since.seconds()).collect();
        assert_eq!(since, [9, 3]);
    }

    #[test]
    fn what_was_stored_is_checked_again() {
        let stored = |rules: &str| {
            serde_json::from_str::<Policy>(&format!(r#"{{"base":{{}},"rules":[{rules}]}}"#))
        };
        let rule = r#"{"id":"a","since":"2026-01-01T00:00:00Z","when":{},"set":{}}"#;
        assert!(stored(rule).is_ok());
        assert!(stored(&format!("{rule},{rule}")).is_err());
        assert!(stored(r#"{"id":"a","when":{},"set":{}}"#).is_err());
        assert!(stored(&rule.replace("\"when\"", "\"note\":1,\"when\"")).is_err());
        assert!(serde_json::from_str::<Policy>(r#"{"base":{},"rules":[],"floor":{}}"#).is_err());
    }

    #[test]
    fn callers_cannot_date_a_rule() {
        let text = r#"{"base":{},"rules":[{"id":"a","since":"2026-01-01T00:00:00Z","set":{}}]}"#;
        assert!(serde_json::from_str::<PolicyDocument>(text).is_err());
    }

    #[test]
    fn a_new_tenant_requires_mfa() {
        assert_eq!(Attributes::LOOSEST.join(Policy::initial().base()), Attributes::default_base());
    }

    #[test]
    fn the_guess_probability_is_what_the_design_states() {
        let base = Attributes::default_base();
        assert!((guess_probability(&base) - 0.000_39).abs() < 0.000_001);
        let strict = Attributes { window: Window::Exact, digits: Digits::Eight, ..base };
        assert!((guess_probability(&strict) - 1.3e-6).abs() < 1e-9);
    }

    proptest! {
        #![proptest_config(settings())]

        #[test]
        fn a_policy_survives_storage_and_the_wire(policy in arbitrary::policy()) {
            let stored = serde_json::to_string(&policy).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Policy>(&stored).unwrap(), &policy);
            let wire = serde_json::to_string(&policy.to_document()).unwrap();
            prop_assert_eq!(&check(&wire, Some(&policy)).unwrap(), &policy);
        }
    }
}
