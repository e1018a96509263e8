//! Generators for the tests of policy and decision. Their worlds are small, so that conditions,
//! people and audiences meet often.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::attributes::{
    Approvals, AttemptsBucket, AttemptsRefillHours, Digits, FactorCooldownHours, Mfa,
    OverrideMaxHours, PartialAttributes, Permission, SelfEnrollment, TicketTtlHours,
    TokenTtlSeconds, Window,
};
use super::join::{Context, Groups};
use super::rule::{Condition, Members, Network, RuleId};
use super::{Policy, PolicyDocument, RuleDocument};
use crate::mfa::decision::{Exemption, FactorStanding, Standing};
use crate::mfa::ids::OverrideId;
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Audience, Group, Label, Role, UserKind};

/// Many cases, and no files written beside the sources.
pub fn settings() -> ProptestConfig {
    ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() }
}

/// The same `count` values at every run.
pub fn samples<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// The policy that a document spells.
pub fn read(document: &str) -> Policy {
    let document = serde_json::from_str(document).unwrap();
    Policy::from_document(document, None, Timestamp::from_seconds(0)).unwrap()
}

/// The condition that a text spells.
pub fn condition_of(text: &str) -> Condition {
    serde_json::from_str(text).unwrap()
}

/// Everything that a context borrows.
#[derive(Debug, Clone)]
pub struct Person {
    pub groups: Groups,
    pub roles: BTreeSet<Role>,
    pub labels: BTreeSet<Label>,
    pub audiences: Vec<Audience>,
    pub address: Option<IpAddr>,
    pub now: Timestamp,
}

impl Person {
    /// Role `user`, audience `a0`, at second 5, and nothing else.
    pub fn plain() -> Self {
        Self {
            groups: Groups::Known(BTreeSet::new()),
            roles: BTreeSet::new(),
            labels: BTreeSet::new(),
            audiences: vec![Audience::parse("a0").unwrap()],
            address: None,
            now: Timestamp::from_seconds(5),
        }
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            groups: &self.groups,
            roles: &self.roles,
            labels: &self.labels,
            audiences: &self.audiences,
            address: self.address,
            now: self.now,
        }
    }
}

fn group() -> impl Strategy<Value = Group> {
    select(vec!["g0", "g1"]).prop_map(|text| Group::parse(text).unwrap())
}

fn label() -> impl Strategy<Value = Label> {
    select(vec!["l0", "l1"]).prop_map(|text| Label::parse(text).unwrap())
}

fn audience() -> impl Strategy<Value = Audience> {
    select(vec!["a0", "a1", "a2"]).prop_map(|text| Audience::parse(text).unwrap())
}

fn network() -> impl Strategy<Value = Network> {
    select(vec!["10.0.0.0/8", "10.1.0.0/16", "::/0", "2001:db8::/32"])
        .prop_map(|text| Network::parse(text).unwrap())
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (0..10_i64).prop_map(Timestamp::from_seconds)
}

fn sometimes<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    option::weighted(0.2, strategy)
}

fn list<T: Ord + std::fmt::Debug, S: Strategy<Value = T>>(
    member: S,
) -> impl Strategy<Value = Option<Members<T>>> {
    sometimes(vec(member, 1..3).prop_map(|values| Members::new(values).unwrap()))
}

fn limit<T: TryFrom<u16, Error: std::fmt::Debug> + std::fmt::Debug>(
    values: [u16; 3],
) -> impl Strategy<Value = Option<T>> {
    option::of(select(values.to_vec()).prop_map(|value| T::try_from(value).unwrap()))
}

fn any_of<T: Copy + std::fmt::Debug + 'static>(
    values: &[T],
) -> impl Strategy<Value = Option<T>> + use<T> {
    option::of(select(values.to_vec()))
}

pub fn attributes() -> impl Strategy<Value = PartialAttributes> {
    let first = (
        any_of(Mfa::ALL),
        any_of(SelfEnrollment::ALL),
        any_of(Window::ALL),
        any_of(&[Digits::Six, Digits::Eight]),
        limit::<AttemptsBucket>([10, 7, 5]),
        limit::<AttemptsRefillHours>([3, 6, 12]),
    );
    let second = (
        limit::<TokenTtlSeconds>([900, 300, 60]),
        option::weighted(0.3, any::<bool>().prop_map(Permission)),
        limit::<OverrideMaxHours>([168, 72, 1]),
        limit::<Approvals>([0, 1, 3]),
        limit::<FactorCooldownHours>([0, 24, 72]),
        limit::<TicketTtlHours>([336, 72, 1]),
    );
    (first, second).prop_map(|(a, b)| PartialAttributes {
        mfa: a.0,
        self_enrollment: a.1,
        window: a.2,
        digits: a.3,
        attempts_bucket: a.4,
        attempts_refill_hours: a.5,
        token_ttl_seconds: b.0,
        exempt_allowed: b.1,
        override_max_hours: b.2,
        approvals: b.3,
        factor_cooldown_hours: b.4,
        ticket_ttl_hours: b.5,
    })
}

pub fn condition() -> impl Strategy<Value = Condition> {
    let who = (list(group()), list(select(Role::ALL.to_vec())), list(label()), list(label()));
    let how = (list(audience()), list(network()), sometimes(instant()), sometimes(instant()));
    (who, how).prop_map(|(who, how)| Condition {
        groups_any: who.0,
        roles_any: who.1,
        labels_any: who.2,
        labels_none: who.3,
        audiences: how.0,
        networks_not_in: how.1,
        after: how.2,
        before: how.3,
    })
}

/// Makes a rule that a policy may hold out of parts that may not go together.
fn rule(id: &str, mut when: Condition, mut set: PartialAttributes) -> RuleDocument {
    if when.after >= when.before {
        when.after = None;
    }
    if when.audiences.is_some() || when.networks_not_in.is_some() {
        let PartialAttributes { mfa, token_ttl_seconds, .. } = set;
        set = PartialAttributes { mfa, token_ttl_seconds, ..PartialAttributes::default() };
    }
    RuleDocument { id: RuleId::parse(id).unwrap(), when, set }
}

fn checked(base: PartialAttributes, rules: Vec<RuleDocument>) -> Policy {
    let document = PolicyDocument { base, rules };
    Policy::from_document(document, None, Timestamp::from_seconds(0)).unwrap()
}

pub fn policy() -> impl Strategy<Value = Policy> {
    (attributes(), vec((condition(), attributes()), 0..4)).prop_map(|(base, rules)| {
        let rules = rules.into_iter().enumerate();
        checked(base, rules.map(|(n, (when, set))| rule(&format!("r{n}"), when, set)).collect())
    })
}

/// A policy, and the same with one rule more.
pub fn extended_policy() -> impl Strategy<Value = (Policy, Policy)> {
    (policy(), condition(), attributes()).prop_map(|(policy, when, set)| {
        let PolicyDocument { base, mut rules } = policy.to_document();
        rules.push(rule("extra", when, set));
        (policy, checked(base, rules))
    })
}

/// A policy with one rule, and the same with one part of that rule's condition, or its attributes,
/// or the base rule's, exchanged.
pub fn edited_policy() -> impl Strategy<Value = (Policy, Policy)> {
    let parts = (condition(), condition(), attributes(), attributes());
    (parts, any::<bool>(), 0..10_u8).prop_map(|((mut when, other, set, fresh), bare, part)| {
        let base = if bare { PartialAttributes::default() } else { fresh };
        if part < 8 && when.after.is_none() && when.before.is_none() {
            when.before = Some(Timestamp::from_seconds(9));
        }
        let old = rule("r", when, set);
        let (mut when, mut set, mut new_base) = (old.when.clone(), old.set, base);
        match part {
            0 => when.groups_any = other.groups_any,
            1 => when.roles_any = other.roles_any,
            2 => when.labels_any = other.labels_any,
            3 => when.labels_none = other.labels_none,
            4 => when.audiences = other.audiences,
            5 => when.networks_not_in = other.networks_not_in,
            6 => when.after = other.after,
            7 => when.before = other.before,
            8 => set = fresh,
            _ => new_base = fresh,
        }
        (checked(base, vec![old]), checked(new_base, vec![rule("r", when, set)]))
    })
}

pub fn groups() -> impl Strategy<Value = Groups> {
    prop_oneof![
        1 => Just(Groups::Unknown),
        1 => btree_set(group(), 0..3).prop_map(Groups::Partial),
        4 => btree_set(group(), 0..3).prop_map(Groups::Known),
    ]
}

pub fn person() -> impl Strategy<Value = Person> {
    let addresses = ["10.0.0.1", "10.1.0.1", "::ffff:10.1.0.1", "11.0.0.1", "2001:db8::1", "::2"];
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    // As rows grant them: no row grants `user`.
    let granted = vec![Role::Helpdesk, Role::Auditor, Role::Admin];
    let who = (groups(), btree_set(select(granted), 0..3), btree_set(label(), 0..3));
    let how = (btree_set(audience(), 1..3), option::of(select(addresses)), instant());
    (who, how).prop_map(|((groups, roles, labels), (audiences, address, now))| Person {
        groups,
        roles,
        labels,
        audiences: audiences.into_iter().collect(),
        address,
        now,
    })
}

/// A person who never had a factor and about whom nothing is special.
pub fn newcomer() -> Standing {
    Standing {
        kind: UserKind::Person,
        offboarded: false,
        factor: FactorStanding::None,
        ever_enrolled: false,
        ticket_only: false,
        holds_role: false,
        bootstrap_pending: false,
        exemptions: Vec::new(),
    }
}

fn exemption() -> impl Strategy<Value = Exemption> {
    let all = ["a0", "a1", "a2"].map(|text| Audience::parse(text).unwrap());
    (subsequence(all.to_vec(), 1..=3), instant(), any::<[u8; 16]>()).prop_map(
        |(audiences, expires_at, id)| Exemption {
            override_id: OverrideId::from_random(id),
            audiences: audiences.into_iter().collect(),
            expires_at,
        },
    )
}

pub fn standing() -> impl Strategy<Value = Standing> {
    let rarely = || proptest::bool::weighted(0.05);
    let factors = [FactorStanding::None, FactorStanding::Active, FactorStanding::Suspended];
    let kind = (rarely(), proptest::bool::weighted(0.2));
    let flags = (rarely(), any::<bool>(), proptest::bool::weighted(0.2), rarely(), kind);
    (flags, select(factors.to_vec()), vec(exemption(), 0..3)).prop_map(
        |(
            (offboarded, ever_enrolled, ticket_only, bootstrap_pending, (service, holds_role)),
            factor,
            exemptions,
        )| {
            Standing {
                kind: if service { UserKind::Service } else { UserKind::Person },
                offboarded,
                factor,
                ever_enrolled,
                ticket_only,
                holds_role,
                bootstrap_pending,
                exemptions,
            }
        },
    )
}
