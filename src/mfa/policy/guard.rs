//! The guard before a change that could lock a tenant's administrators out, or make what needs
//! approval impossible for ever.

use std::collections::BTreeSet;

use super::Policy;
use super::attributes::{Approvals, Attributes};
use super::join::{Context, Groups, Requirement, join};
use super::rule::Condition;
use crate::mfa::decision::{Decision, Standing, decide, may_self_enroll};
use crate::mfa::ids::UserId;
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Audience, Label, Role, choice_words};

/// What is known about one of a tenant's administrators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator {
    /// Who.
    pub user: UserId,
    /// Asserted by consoles.
    pub groups: Groups,
    /// Kept by Pawl.
    pub roles: BTreeSet<Role>,
    /// Set by persons.
    pub labels: BTreeSet<Label>,
    /// What decides besides the policy.
    pub standing: Standing,
}

choice_words! {
    /// What the guard lets through but says.
    Warning {
        /// One administrator alone can come to a token.
        OneAdministrator = "one_administrator",
        /// An administrator can weaken alone.
        ApprovalsZero = "approvals_zero",
        /// There are enough administrators to ask for one approval.
        ProposeApproval = "propose_approval",
        /// A rule asks for a label, and no user can carry one yet: the rule never holds.
        LabelsNeverSet = "labels_never_set",
        /// A rule asks for audiences, and no client is registered for any of them: the rule never holds.
        AudiencesUnknown = "audiences_unknown",
    }
}

/// Why the guard refuses a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardRefused {
    /// Some who can come to a token now could not any more.
    #[error("fewer administrators could sign in than before")]
    FewerAdministrators,
    /// Somebody can come to a token now, and then nobody could.
    #[error("no administrator could sign in")]
    NoAdministrator,
    /// Approvals could never be met.
    #[error("{approvals} approvals cannot be met by {administrators} administrators")]
    ApprovalsUnreachable {
        /// Persons besides the requester.
        approvals: u16,
        /// Who could come to a token, the requester included.
        administrators: usize,
    },
}

/// Checks a new policy against the administrators, at `now` and whenever one of its rules begins to
/// apply later. `audience` is Pawl's own; where administrators will come from is unknown, so every
/// rule on networks counts.
///
/// # Errors
/// [`GuardRefused`].
pub fn guard(
    new: &Policy,
    old: &Policy,
    administrators: &[Administrator],
    audience: &Audience,
    now: Timestamp,
) -> Result<Vec<Warning>, GuardRefused> {
    let able_now = administrators_left(old, administrators, audience, now);
    let later = new.rules().iter().filter_map(|rule| rule.when.after).filter(|after| *after > now);
    for at in std::iter::once(now).chain(later) {
        let left = administrators_left(new, administrators, audience, at);
        if left == 0 && able_now > 0 {
            return Err(GuardRefused::NoAdministrator);
        }
        if left < administrators_left(old, administrators, audience, at) {
            return Err(GuardRefused::FewerAdministrators);
        }
        let approvals = strictest_approvals(new, administrators, audience, at);
        if approvals > Approvals::LOOSEST && !enough(left, approvals) {
            let approvals = approvals.get();
            return Err(GuardRefused::ApprovalsUnreachable { approvals, administrators: left });
        }
    }
    Ok(warnings(new, administrators, audience, now))
}

/// How many of `administrators` can come to a token for `audience` (Pawl's own) at `now`: with a
/// factor that they have, or by enrolling with nothing but their login.
#[must_use]
pub fn administrators_left(
    policy: &Policy,
    administrators: &[Administrator],
    audience: &Audience,
    now: Timestamp,
) -> usize {
    let audiences = std::slice::from_ref(audience);
    let able = |administrator: &&Administrator| {
        let requirement = requirement(policy, administrator, audience, now);
        let standing = &administrator.standing;
        match decide(&requirement, standing, audiences, now) {
            Decision::Challenge | Decision::Enroll => true,
            Decision::Exempt { challenge, .. } => {
                challenge || may_self_enroll(&requirement, standing)
            }
            Decision::NotRequired { may_enroll } => may_enroll,
            Decision::TicketRequired | Decision::Recover | Decision::Denied(_) => false,
        }
    };
    administrators.iter().filter(able).count()
}

/// The most approvals that the policy demands of any of `administrators` at `now`.
#[must_use]
pub fn strictest_approvals(
    policy: &Policy,
    administrators: &[Administrator],
    audience: &Audience,
    now: Timestamp,
) -> Approvals {
    approvals(policy, administrators, audience, now).max().unwrap_or(Approvals::LOOSEST)
}

/// Whether a requester and `approvals` others can be found among so many administrators.
#[must_use]
pub fn enough(left: usize, approvals: Approvals) -> bool {
    left > usize::from(approvals.get())
}

/// Whether a change that takes administrators away leaves enough of them, or takes away none who can
/// come to a token now: it refuses only what makes it worse.
#[must_use]
pub fn is_left_enough(
    policy: &Policy,
    (before, after): (&[Administrator], &[Administrator]),
    audience: &Audience,
    now: Timestamp,
) -> bool {
    let left = administrators_left(policy, after, audience, now);
    enough(left, strictest_approvals(policy, after, audience, now))
        || left >= administrators_left(policy, before, audience, now)
}

fn warnings(
    policy: &Policy,
    administrators: &[Administrator],
    audience: &Audience,
    now: Timestamp,
) -> Vec<Warning> {
    let left = administrators_left(policy, administrators, audience, now);
    let base = Attributes::LOOSEST.join(policy.base()).approvals;
    let fewest = approvals(policy, administrators, audience, now).min().unwrap_or(base);
    let alone = fewest == Approvals::LOOSEST;
    [
        (left == 1, Warning::OneAdministrator),
        (alone, Warning::ApprovalsZero),
        (alone && left >= 2, Warning::ProposeApproval),
    ]
    .into_iter()
    .filter_map(|(applies, warning)| applies.then_some(warning))
    .collect()
}

/// Warns of rules that can never hold: no operation sets labels yet, and `audiences` are all that some
/// client of the tenant may ask tokens for.
#[must_use]
pub fn never_holding(policy: &Policy, audiences: &BTreeSet<Audience>) -> Vec<Warning> {
    let some = |dead: fn(&Condition, &BTreeSet<Audience>) -> bool| {
        policy.rules().iter().any(|rule| dead(&rule.when, audiences))
    };
    let labels = some(|when, _| when.labels_any.is_some());
    let unknown =
        some(|when, known| when.audiences.as_ref().is_some_and(|wanted| !wanted.meets(known)));
    [(labels, Warning::LabelsNeverSet), (unknown, Warning::AudiencesUnknown)]
        .into_iter()
        .filter_map(|(applies, warning)| applies.then_some(warning))
        .collect()
}

fn approvals(
    policy: &Policy,
    administrators: &[Administrator],
    audience: &Audience,
    now: Timestamp,
) -> impl Iterator<Item = Approvals> {
    let demanded = move |each| requirement(policy, each, audience, now).attributes.approvals;
    administrators.iter().map(demanded)
}

fn requirement(
    policy: &Policy,
    administrator: &Administrator,
    audience: &Audience,
    now: Timestamp,
) -> Requirement {
    let context = Context {
        groups: &administrator.groups,
        roles: &administrator.roles,
        labels: &administrator.labels,
        audiences: std::slice::from_ref(audience),
        address: None,
        now,
    };
    join(policy, &context)
}

#[cfg(test)]
mod tests {
    use super::super::arbitrary::{newcomer, read};
    use super::*;
    use crate::mfa::decision::FactorStanding;

    const OPEN: &str = r#"{"base":{"mfa":"required"},"rules":[]}"#;

    fn administrator(number: u8, factor: FactorStanding) -> Administrator {
        Administrator {
            user: UserId::from_random([number; 16]),
            groups: Groups::Known(BTreeSet::new()),
            roles: BTreeSet::from([Role::Admin]),
            labels: BTreeSet::new(),
            standing: Standing { factor, ..newcomer() },
        }
    }

    fn active(count: u8) -> Vec<Administrator> {
        (0..count).map(|number| administrator(number, FactorStanding::Active)).collect()
    }

    fn change(
        old: &str,
        new: &str,
        administrators: &[Administrator],
    ) -> Result<Vec<Warning>, GuardRefused> {
        let pawl = Audience::parse("pawl").unwrap();
        guard(&read(new), &read(old), administrators, &pawl, Timestamp::from_seconds(5))
    }

    fn base(set: &str) -> String {
        format!(r#"{{"base":{{"mfa":"required",{set}}},"rules":[]}}"#)
    }

    #[test]
    fn who_can_come_to_a_token_is_counted() {
        let pawl = Audience::parse("pawl").unwrap();
        let mut off = administrator(4, FactorStanding::Active);
        off.standing.offboarded = true;
        let all = [
            administrator(1, FactorStanding::Active),
            administrator(2, FactorStanding::None),
            administrator(3, FactorStanding::Suspended),
            off,
        ];
        let left = |policy: &str| {
            administrators_left(&read(policy), &all, &pawl, Timestamp::from_seconds(5))
        };
        assert_eq!(left(OPEN), 2);
        assert_eq!(left(r#"{"base":{},"rules":[]}"#), 2);
        assert_eq!(left(&base(r#""self_enrollment":"ticket_only""#)), 1);
        assert_eq!(left(r#"{"base":{"self_enrollment":"ticket_only"},"rules":[]}"#), 1);
    }

    #[test]
    fn locking_administrators_out_is_refused() {
        let tickets = base(r#""self_enrollment":"ticket_only""#);
        let newcomers = [administrator(1, FactorStanding::None)];
        assert_eq!(change(OPEN, &tickets, &newcomers), Err(GuardRefused::NoAdministrator));
        assert_eq!(change(&tickets, &tickets, &newcomers), Ok(vec![Warning::ApprovalsZero]));
        let both = [newcomers, [administrator(2, FactorStanding::Active)]].concat();
        assert_eq!(change(OPEN, &tickets, &both), Err(GuardRefused::FewerAdministrators));
        assert!(change(OPEN, &tickets, &active(2)).is_ok());
    }

    #[test]
    fn a_lock_out_that_begins_later_is_refused_now() {
        let rule = |when: &str, set: &str| {
            let rule = format!(r#"{{"id":"r","when":{when},"set":{set}}}"#);
            format!(r#"{{"base":{{"mfa":"required"}},"rules":[{rule}]}}"#)
        };
        let later = r#"{"after":"2030-01-01T00:00:00Z","before":"2030-01-02T00:00:00Z"}"#;
        let tickets = rule(later, r#"{"self_enrollment":"ticket_only"}"#);
        let newcomers = [administrator(1, FactorStanding::None)];
        assert_eq!(change(OPEN, &tickets, &newcomers), Err(GuardRefused::NoAdministrator));
        let approvals = rule(later, r#"{"approvals":2}"#);
        assert!(matches!(
            change(OPEN, &approvals, &active(2)),
            Err(GuardRefused::ApprovalsUnreachable { approvals: 2, administrators: 2 })
        ));
        let over = r#"{"before":"1970-01-01T00:00:05Z"}"#;
        assert!(change(OPEN, &rule(over, r#"{"approvals":2}"#), &active(2)).is_ok());
    }

    #[test]
    fn approvals_must_be_reachable_where_they_are_strictest() {
        let two = base(r#""approvals":2"#);
        assert_eq!(change(OPEN, &two, &active(3)), Ok(vec![]));
        let refused = GuardRefused::ApprovalsUnreachable { approvals: 2, administrators: 2 };
        assert_eq!(change(OPEN, &two, &active(2)), Err(refused));
        let rule = r#"{"id":"r","when":{"labels_any":["l0"]},"set":{"approvals":2}}"#;
        let labeled = format!(r#"{{"base":{{}},"rules":[{rule}]}}"#);
        let mut two = active(2);
        assert!(change(OPEN, &labeled, &two).is_ok());
        two[1].labels.insert(Label::parse("l0").unwrap());
        assert_eq!(change(OPEN, &labeled, &two), Err(refused));
    }

    #[test]
    fn warnings_say_what_a_tenant_could_do() {
        let (one, none) = (Warning::OneAdministrator, Warning::ApprovalsZero);
        assert_eq!(change(OPEN, OPEN, &[]), Ok(vec![none]));
        assert_eq!(change(OPEN, OPEN, &active(1)), Ok(vec![one, none]));
        assert_eq!(change(OPEN, OPEN, &active(2)), Ok(vec![none, Warning::ProposeApproval]));
        assert_eq!(change(OPEN, &base(r#""approvals":1"#), &active(2)), Ok(vec![]));
    }

    #[test]
    fn a_requester_does_not_approve() {
        let one = Approvals::try_from(1).unwrap();
        assert!(enough(2, one) && !enough(1, one) && enough(1, Approvals::LOOSEST));
        assert!(!enough(0, Approvals::LOOSEST));
    }
}
