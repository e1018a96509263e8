//! What happens at a login: the first decision that holds, from the joined policy and the user's
//! standing. Pure; there is no flag to flip.

use std::collections::BTreeSet;

use super::ids::OverrideId;
use super::policy::attributes::{Mfa, SelfEnrollment};
use super::policy::join::Requirement;
use super::time::Timestamp;
use super::words::{Audience, UserKind, choice_words};

/// The factor that a user has, as far as a login is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactorStanding {
    /// None that was ever confirmed and has not ended.
    None,
    /// Its codes are accepted.
    Active,
    /// Reported lost.
    Suspended,
}

/// An approved `exempt` override that has not been revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// The override's row.
    pub override_id: OverrideId,
    /// The audiences that it names.
    pub audiences: BTreeSet<Audience>,
    /// The first instant at which it no longer holds.
    pub expires_at: Timestamp,
}

/// The facts about a user that decide.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each read from its own column"
)]
pub struct Standing {
    /// What the user is.
    pub kind: UserKind,
    /// Whether the user was off-boarded.
    pub offboarded: bool,
    /// The factor.
    pub factor: FactorStanding,
    /// Whether the user ever had a factor.
    pub ever_enrolled: bool,
    /// Whether only a ticket lets the user enroll: after a reset or a reinstatement, or if the external id
    /// is another spelling of an older user's.
    pub ticket_only: bool,
    /// Whether the user holds a role: then a password alone never enrolls them.
    pub holds_role: bool,
    /// Whether the printed enrollment of the first administrator waits for this user.
    pub bootstrap_pending: bool,
    /// Exemptions, expired ones or not.
    pub exemptions: Vec<Exemption>,
}

choice_words! {
    /// Why a login is refused.
    DeniedBecause {
        /// The user was off-boarded.
        Offboarded = "offboarded",
        /// Machine accounts do not sign in.
        ServiceAccount = "service_account",
    }
}

impl Standing {
    /// Whether the user was held at creation, for an external id that is another spelling of an older
    /// user's, and has not enrolled by a ticket since: a reset is for users who were enrolled.
    fn is_held(&self) -> bool {
        self.ticket_only && !self.ever_enrolled && self.factor == FactorStanding::None
    }
}

/// What must happen at a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The console's own session only.
    NotRequired {
        /// Whether this user may enroll now with nothing but this login.
        may_enroll: bool,
    },
    /// The console's own session only, by an override.
    Exempt {
        /// The override.
        override_id: OverrideId,
        /// When it ends.
        until: Timestamp,
        /// Whether a code may be given all the same, for a token.
        challenge: bool,
    },
    /// The user sets up a factor now.
    Enroll,
    /// The user needs a ticket to set up a factor.
    TicketRequired,
    /// The user gives a code.
    Challenge,
    /// The user gives a recovery code, or asks an administrator.
    Recover,
    /// Nothing.
    Denied(DeniedBecause),
}

impl Decision {
    /// The place in the order of looseness: adding a rule to a policy never lowers it.
    #[must_use]
    pub const fn rank(&self) -> u8 {
        match self {
            Self::NotRequired { .. } => 0,
            Self::Exempt { .. } => 1,
            Self::Enroll => 2,
            Self::TicketRequired => 3,
            Self::Challenge | Self::Recover => 4,
            Self::Denied(_) => 5,
        }
    }
}

/// Decides for a user who passed the primary login and asks for all of `audiences`; `requirement`
/// must have been joined over the same audiences.
#[must_use]
pub fn decide(
    requirement: &Requirement,
    standing: &Standing,
    audiences: &[Audience],
    now: Timestamp,
) -> Decision {
    if let Some(because) = denied(standing) {
        return Decision::Denied(because);
    }
    // Before exemptions, or requiring MFA of the first administrator would let an exemption in.
    if standing.bootstrap_pending && standing.factor == FactorStanding::None {
        return Decision::Enroll;
    }
    // Also where MFA is optional: another spelling of an enrolled user's name would get in. Before
    // exemptions, or requiring MFA would let one in.
    if standing.is_held() {
        return Decision::TicketRequired;
    }
    if let Some(exemption) = exemption(requirement, standing, audiences, now) {
        return Decision::Exempt {
            override_id: exemption.override_id.clone(),
            until: exemption.expires_at,
            challenge: standing.factor == FactorStanding::Active,
        };
    }
    let may_enroll = may_self_enroll(requirement, standing);
    match (standing.factor, requirement.attributes.mfa) {
        (FactorStanding::Active, _) => Decision::Challenge,
        (FactorStanding::Suspended, _) => Decision::Recover,
        (FactorStanding::None, Mfa::Required) if may_enroll => Decision::Enroll,
        (FactorStanding::None, Mfa::Required) => Decision::TicketRequired,
        (FactorStanding::None, Mfa::Optional) => Decision::NotRequired { may_enroll },
    }
}

/// Whether the user may set up a factor now with nothing but the primary login. Never somebody with a
/// role: whoever knows that password, or vouches for it, would become an administrator.
#[must_use]
pub fn may_self_enroll(requirement: &Requirement, standing: &Standing) -> bool {
    let allowed = match requirement.attributes.self_enrollment {
        SelfEnrollment::Allowed => true,
        SelfEnrollment::FirstOnly => !standing.ever_enrolled,
        SelfEnrollment::TicketOnly => false,
    };
    denied(standing).is_none()
        && standing.factor == FactorStanding::None
        && allowed
        && !standing.ticket_only
        && !standing.holds_role
        // The secret of the first administrator was printed: only its holder enrolls.
        && !standing.bootstrap_pending
}

fn denied(standing: &Standing) -> Option<DeniedBecause> {
    match (standing.offboarded, standing.kind) {
        (true, _) => Some(DeniedBecause::Offboarded),
        (false, UserKind::Service) => Some(DeniedBecause::ServiceAccount),
        (false, UserKind::Person) => None,
    }
}

/// The exemption that holds, and of several the one that ends last.
fn exemption<'a>(
    requirement: &Requirement,
    standing: &'a Standing,
    audiences: &[Audience],
    now: Timestamp,
) -> Option<&'a Exemption> {
    let attributes = &requirement.attributes;
    let applies = attributes.mfa == Mfa::Required || standing.factor != FactorStanding::None;
    // Asking for no audience at all must not count as asking for covered ones only.
    if !applies || !attributes.exempt_allowed.0 || audiences.is_empty() {
        return None;
    }
    let holds = |exemption: &&Exemption| {
        exemption.expires_at > now && audiences.iter().all(|a| exemption.audiences.contains(a))
    };
    standing.exemptions.iter().filter(holds).max_by_key(|exemption| exemption.expires_at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::policy::arbitrary::{self, Person, settings};
    use super::super::policy::join::join;
    use super::*;

    fn decision_for(policy: &str, standing: &Standing) -> Decision {
        let person = Person::plain();
        let requirement = join(&arbitrary::read(policy), &person.context());
        decide(&requirement, standing, &person.audiences, person.now)
    }

    const REQUIRED: &str =
        r#"{"base":{"mfa":"required","self_enrollment":"first_only"},"rules":[]}"#;
    const OPTIONAL: &str = r#"{"base":{"self_enrollment":"first_only"},"rules":[]}"#;
    const NO_EXEMPTION: &str = r#"{"base":{"mfa":"required","exempt_allowed":false},"rules":[]}"#;

    fn exempted(audiences: &[&str], until: i64) -> Standing {
        let audiences = audiences.iter().map(|a| Audience::parse(a).unwrap()).collect();
        let expires_at = Timestamp::from_seconds(until);
        let override_id = OverrideId::from_random([1; 16]);
        let exemptions = vec![Exemption { override_id, audiences, expires_at }];
        Standing { exemptions, ..arbitrary::newcomer() }
    }

    #[test]
    fn without_an_exemption_the_factor_and_the_policy_decide() {
        let new = arbitrary::newcomer();
        let active = Standing { factor: FactorStanding::Active, ..new.clone() };
        let suspended = Standing { factor: FactorStanding::Suspended, ..new.clone() };
        let again = Standing { ever_enrolled: true, ..new.clone() };
        let reset = Standing { ticket_only: true, ..again.clone() };
        let held = Standing { ticket_only: true, ..new.clone() };
        let first = Standing { bootstrap_pending: true, ticket_only: true, ..new.clone() };
        let cases = [
            (&new, Decision::Enroll, Decision::NotRequired { may_enroll: true }),
            (&active, Decision::Challenge, Decision::Challenge),
            (&suspended, Decision::Recover, Decision::Recover),
            (&again, Decision::TicketRequired, Decision::NotRequired { may_enroll: false }),
            (&reset, Decision::TicketRequired, Decision::NotRequired { may_enroll: false }),
            (&held, Decision::TicketRequired, Decision::TicketRequired),
            (&first, Decision::Enroll, Decision::Enroll),
        ];
        for (standing, required, optional) in cases {
            assert_eq!(decision_for(REQUIRED, standing), required, "{standing:?}");
            assert_eq!(decision_for(OPTIONAL, standing), optional, "{standing:?}");
        }
    }

    #[test]
    fn nobody_off_boarded_and_no_machine_gets_in() {
        let mut standing = exempted(&["a0"], 99);
        standing.kind = UserKind::Service;
        let service = Decision::Denied(DeniedBecause::ServiceAccount);
        assert_eq!(decision_for(REQUIRED, &standing), service);
        standing.offboarded = true;
        standing.bootstrap_pending = true;
        let offboarded = Decision::Denied(DeniedBecause::Offboarded);
        assert_eq!(decision_for(OPTIONAL, &standing), offboarded);
    }

    #[test]
    fn an_exemption_holds_only_where_it_covers_every_audience_in_time() {
        // The plain person asks for `a0` at second 5.
        let exempt = |policy, standing| {
            matches!(decision_for(policy, &standing), Decision::Exempt { challenge: false, .. })
        };
        assert!(exempt(REQUIRED, exempted(&["a0", "a1"], 6)));
        assert!(!exempt(REQUIRED, exempted(&["a0"], 5)));
        assert!(!exempt(REQUIRED, exempted(&["a1"], 6)));
        assert!(!exempt(OPTIONAL, exempted(&["a0"], 6)));
        assert!(!exempt(NO_EXEMPTION, exempted(&["a0"], 6)));
        let lost = Standing { factor: FactorStanding::Suspended, ..exempted(&["a0"], 6) };
        assert!(exempt(OPTIONAL, lost));
        let active = Standing { factor: FactorStanding::Active, ..exempted(&["a0"], 6) };
        let decision = decision_for(OPTIONAL, &active);
        assert!(matches!(decision, Decision::Exempt { challenge: true, .. }), "{decision:?}");
        let mut two = exempted(&["a0"], 9);
        two.exemptions.extend(exempted(&["a0"], 6).exemptions);
        let latest = Timestamp::from_seconds(9);
        let decision = decision_for(REQUIRED, &two);
        assert!(matches!(decision, Decision::Exempt { until, .. } if until == latest));
    }

    #[test]
    fn an_exemption_for_some_of_the_audiences_exempts_from_none() {
        let mut person = Person::plain();
        let requirement = join(&arbitrary::read(REQUIRED), &person.context());
        person.audiences.push(Audience::parse("a1").unwrap());
        let standing = exempted(&["a0"], 6);
        for audiences in [&person.audiences[..], &[]] {
            let decision = decide(&requirement, &standing, audiences, person.now);
            assert_eq!(decision, Decision::Enroll, "{audiences:?}");
        }
    }

    #[test]
    fn the_cases_of_the_law_reach_every_decision() {
        let cases = (arbitrary::policy(), arbitrary::person(), arbitrary::standing());
        let seen: BTreeSet<String> = arbitrary::samples(&cases, 3000)
            .into_iter()
            .map(|(policy, person, standing)| {
                let requirement = join(&policy, &person.context());
                let decision = decide(&requirement, &standing, &person.audiences, person.now);
                if let Decision::Exempt { challenge, .. } = decision {
                    format!("exempt, {challenge}")
                } else {
                    format!("{decision:?}")
                }
            })
            .collect();
        let expected = [
            "Challenge",
            "Denied(Offboarded)",
            "Denied(ServiceAccount)",
            "Enroll",
            "NotRequired { may_enroll: false }",
            "NotRequired { may_enroll: true }",
            "Recover",
            "TicketRequired",
            "exempt, false",
            "exempt, true",
        ];
        assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }

    proptest! {
        #![proptest_config(settings())]

        #[test]
        fn adding_a_rule_never_loosens_the_decision(
            (policy, extended) in arbitrary::extended_policy(),
            person in arbitrary::person(),
            standing in arbitrary::standing(),
        ) {
            let decided = |policy| {
                let requirement = join(policy, &person.context());
                decide(&requirement, &standing, &person.audiences, person.now)
            };
            let (old, new) = (decided(&policy), decided(&extended));
            prop_assert!(new.rank() >= old.rank(), "{old:?} became {new:?}");
        }
    }
}
