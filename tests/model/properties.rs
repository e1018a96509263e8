//! What must hold in every state, and what must be seen in some.

use std::collections::BTreeSet;

use pawl::mfa::policy::weakening::loosening;
use stateright::{Model, Property};

use crate::model::fold::{REQUIRED, is_blocked, policy, record_explains};
use crate::model::lane::WritePath;
use crate::model::world::{Answer, Arrival, Kind, Phase, Tenant, World};

pub const SPENT_ONCE: &str = "a step is spent once";
pub const TOKEN_HAS_CLAIM: &str = "a token has its committed claim";
pub const CHARGED_FIRST: &str = "no answer before its charge";
pub const RUN_ONCE: &str = "an arrival is charged once";
pub const APPROVED: &str = "no weakening without its approvals";
pub const NO_DEADLOCK: &str = "something can go on, or all is done";
pub const NONE_MISSING: &str = "no event of an answer is missing";
pub const DENSE: &str = "events are numbered without gaps";
pub const EXPLAINED: &str = "the record explains the throttle";

/// All properties.
pub fn all() -> Vec<Property<WritePath>> {
    vec![
        Property::always(SPENT_ONCE, |_, world: &World| world.tenants.iter().all(spends_once)),
        Property::always(TOKEN_HAS_CLAIM, tokens_have_claims),
        Property::always(CHARGED_FIRST, charged_first),
        Property::always(RUN_ONCE, |_, world: &World| world.tenants.iter().all(runs_once)),
        Property::always(APPROVED, |_, world: &World| world.tenants.iter().all(is_approved)),
        Property::always(NO_DEADLOCK, goes_on),
        Property::always(NONE_MISSING, none_missing),
        Property::always(DENSE, |_, world: &World| world.tenants.iter().all(is_dense)),
        Property::always(EXPLAINED, |_, world: &World| world.tenants.iter().all(record_explains)),
        Property::sometimes("a token is issued", |_, world: &World| {
            answered(world).any(|(_, answer)| matches!(answer, Answer::Token(_)))
        }),
        Property::sometimes("both steps are spent", |_, world: &World| {
            world.tenants.iter().any(|tenant| tenant.tokens.len() == 2)
        }),
        Property::sometimes("a code is rejected", |_, world: &World| saw(world, Answer::Rejected)),
        Property::sometimes("a user is blocked", |_, world: &World| saw(world, Answer::Blocked)),
        Property::sometimes("a handle is over", |_, world: &World| saw(world, Answer::Over)),
        Property::sometimes("an approver is refused", |_, world: &World| {
            saw(world, Answer::Forbidden)
        }),
        Property::sometimes("an override is in force", |_, world: &World| {
            world.tenants.iter().any(|tenant| tenant.is_loose)
        }),
        Property::sometimes("an ambiguous commit is found", |_, world: &World| world.found),
        Property::sometimes("a charge is written alone", |_, world: &World| {
            saw(world, Answer::Unavailable { compared: true })
        }),
        Property::sometimes("a slice names both tenants", |_, world: &World| {
            world.replicas.iter().any(|replica| match &replica.phase {
                Phase::Working(open) => open.locked.len() == 2,
                _ => false,
            })
        }),
        Property::sometimes("a retry gets a token", |_, world: &World| {
            answered(world)
                .any(|(arrival, answer)| arrival.retry > 0 && matches!(answer, Answer::Token(_)))
        }),
    ]
}

fn answered(world: &World) -> impl Iterator<Item = (Arrival, Answer)> {
    world.callers.iter().enumerate().filter_map(|(request, caller)| {
        caller.answer.map(|answer| (Arrival { request, retry: caller.retry }, answer))
    })
}

fn saw(world: &World, wanted: Answer) -> bool {
    answered(world).any(|(_, answer)| answer == wanted)
}

fn tenant_of<'a>(model: &WritePath, world: &'a World, arrival: Arrival) -> &'a Tenant {
    &world.tenants[model.stories[world.story].requests[arrival.request].tenant]
}

fn spends_once(tenant: &Tenant) -> bool {
    let steps: BTreeSet<i64> = tenant.tokens.iter().map(|token| token.step).collect();
    steps.len() == tenant.tokens.len()
}

/// Its event, its row and its step are in the database, and no other caller holds a token of the step.
fn tokens_have_claims(model: &WritePath, world: &World) -> bool {
    answered(world).all(|(arrival, answer)| {
        let Answer::Token(step) = answer else { return true };
        let tenant = tenant_of(model, world, arrival);
        let mut claims = tenant.tokens.iter();
        let has_row = claims.any(|row| row.step == step && row.event.arrival == arrival);
        let has_event = tenant.events_of(arrival).any(|event| event.kind == Kind::Verified);
        has_row && has_event && tenant.last_step >= step
    })
}

/// A 503 after a comparison may also come without a charge of its own if the user was blocked by the
/// time that it was to be written: nothing is left to charge.
fn charged_first(model: &WritePath, world: &World) -> bool {
    answered(world).filter(|(_, answer)| answer.reveals()).all(|(arrival, answer)| {
        let tenant = tenant_of(model, world, arrival);
        let is_charged = tenant.events_of(arrival).any(|event| event.kind != Kind::Changed);
        let is_refusal = matches!(answer, Answer::Unavailable { .. });
        is_charged || (is_refusal && is_blocked(tenant))
    })
}

fn runs_once(tenant: &Tenant) -> bool {
    tenant.events.iter().all(|event| tenant.events_of(event.key.arrival).count() == 1)
}

/// If the policy in force is looser than the first one, enough administrators approved it, who are
/// others than its requester.
fn is_approved(tenant: &Tenant) -> bool {
    if loosening(&policy(false), &policy(tenant.is_loose)).is_none() {
        return true;
    }
    tenant.overrides.iter().filter(|row| row.is_used).any(|row| {
        let counts = |person: &&u8| **person != row.requester && row.witnesses.contains(person);
        let others: BTreeSet<_> = row.approvers.iter().filter(counts).collect();
        i64::try_from(others.len()).unwrap() >= REQUIRED
    })
}

fn goes_on(model: &WritePath, world: &World) -> bool {
    let mut actions = Vec::new();
    model.actions(world, &mut actions);
    actions.iter().any(|action| !action.is_fault())
        || world.callers.iter().all(|caller| caller.answer.is_some() && !caller.is_waiting)
}

fn none_missing(model: &WritePath, world: &World) -> bool {
    answered(world)
        .filter(|(_, answer)| answer.acknowledges())
        .all(|(arrival, _)| tenant_of(model, world, arrival).events_of(arrival).next().is_some())
}

fn is_dense(tenant: &Tenant) -> bool {
    tenant.events.iter().zip(1..).all(|(event, seq)| event.seq == seq)
}
