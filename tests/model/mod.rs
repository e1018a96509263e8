//! The write path, in every order in which two replicas, a database and impatient callers can act.
//!
//! What is modelled and what is not: docs/adr/0014-model.md.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::large_enum_variant,
    reason = "a model with a hole in it has failed"
)]

mod fold;
mod lane;
mod properties;
mod world;

use std::collections::BTreeSet;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use lane::{Mutant, Story, WritePath};
use properties::{APPROVED, CHARGED_FIRST, NO_DEADLOCK, RUN_ONCE, SPENT_ONCE, TOKEN_HAS_CLAIM};
use world::{Faults, Request, Typed, Wish};

fn verify(tenant: usize, challenge: usize, typed: Typed) -> Request {
    Request { tenant, wish: Wish::Verify { challenge, typed } }
}

fn act(wish: Wish) -> Request {
    Request { tenant: 0, wish }
}

const NO_FAULTS: Faults = Faults { crashes: 0, aborts: 0, lost_commits: 0, retries: 0 };

/// One user: a code twice, the next one and a wrong one.
fn one_user() -> Story {
    let requests = vec![
        verify(0, 0, Typed::Present),
        verify(0, 1, Typed::Present),
        verify(0, 1, Typed::Wrong),
        verify(0, 2, Typed::Next),
    ];
    Story { requests, faults: NO_FAULTS }
}

/// One user in trouble: a code twice, while everything breaks.
fn trouble() -> Story {
    let requests = vec![verify(0, 0, Typed::Present), verify(0, 1, Typed::Present)];
    let faults = Faults { crashes: 1, aborts: 2, lost_commits: 1, retries: 1 };
    Story { requests, faults }
}

/// A wrong code, then the next one, while transactions are aborted.
fn guessing() -> Story {
    let requests =
        vec![verify(0, 0, Typed::Wrong), verify(0, 1, Typed::Wrong), verify(0, 2, Typed::Next)];
    let faults = Faults { crashes: 0, aborts: 2, lost_commits: 1, retries: 0 };
    Story { requests, faults }
}

/// Two tenants, whose requests meet in one slice.
fn two_tenants() -> Story {
    let requests = vec![
        verify(0, 0, Typed::Present),
        verify(1, 0, Typed::Present),
        verify(1, 1, Typed::Present),
        verify(0, 1, Typed::Wrong),
    ];
    Story { requests, faults: Faults { aborts: 1, lost_commits: 1, ..NO_FAULTS } }
}

/// A looser policy: its requester approves it too, one other does so twice, and a third.
fn weakening() -> Story {
    let requests = vec![
        act(Wish::Loosen { by: 0 }),
        act(Wish::Approve { by: 0 }),
        act(Wish::Approve { by: 1 }),
        act(Wish::Approve { by: 1 }),
        act(Wish::Approve { by: 2 }),
    ];
    Story { requests, faults: NO_FAULTS }
}

/// A looser policy, while one of its approvers loses the role and a replica dies.
fn demotion() -> Story {
    let requests = vec![
        act(Wish::Loosen { by: 0 }),
        act(Wish::Approve { by: 1 }),
        act(Wish::Approve { by: 2 }),
        act(Wish::Demote { whom: 1 }),
    ];
    Story { requests, faults: Faults { crashes: 1, ..NO_FAULTS } }
}

/// Fewer states than this mean that the model lost some of the world.
const FLOOR: usize = 300_000;

#[test]
fn every_order_of_things_holds_the_rules() {
    let begun = Instant::now();
    let stories = vec![one_user(), trouble(), guessing(), two_tenants(), weakening(), demotion()];
    let checked =
        WritePath { stories, mutant: Mutant::None }.checker().threads(2).spawn_bfs().join();
    let states = checked.unique_state_count();
    println!("{states} unique states, depth {}, {:?}", checked.max_depth(), begun.elapsed());
    checked.assert_properties();
    assert!(states >= FLOOR, "{states} states");
}

/// Whether the checker finds a state in which `property` is broken.
fn breaks(mutant: Mutant, story: Story, property: &'static str) -> bool {
    let model = WritePath { stories: vec![story], mutant };
    let wanted = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checked = model.checker().threads(2).finish_when(wanted).spawn_bfs().join();
    checked.discovery(property).is_some()
}

#[test]
fn a_claim_without_its_guard_spends_a_step_twice() {
    assert!(breaks(Mutant::NoGuard, one_user(), SPENT_ONCE));
}

#[test]
fn with_its_guard_even_stale_facts_spend_it_once() {
    assert!(!breaks(Mutant::StaleFacts, one_user(), SPENT_ONCE));
}

#[test]
fn facts_read_before_the_lock_lose_a_charge() {
    assert!(breaks(Mutant::StaleFacts, one_user(), properties::EXPLAINED));
}

#[test]
fn an_answer_before_its_charge_is_found() {
    assert!(breaks(Mutant::AnswerBeforeCharge, one_user(), CHARGED_FIRST));
}

#[test]
fn an_answer_before_its_commit_is_a_token_without_a_claim() {
    assert!(breaks(Mutant::AnswerBeforeCommit, one_user(), TOKEN_HAS_CLAIM));
}

#[test]
fn an_abort_that_is_not_charged_is_found() {
    assert!(breaks(Mutant::NoChargeAfterAbort, guessing(), CHARGED_FIRST));
}

#[test]
fn an_ambiguous_commit_that_is_run_again_charges_twice() {
    assert!(breaks(Mutant::RunAgain, guessing(), RUN_ONCE));
}

#[test]
fn locks_in_the_order_of_arrival_end_in_a_deadlock() {
    assert!(breaks(Mutant::LockInArrivalOrder, two_tenants(), NO_DEADLOCK));
}

#[test]
fn approvals_that_nobody_counts_weaken() {
    assert!(breaks(Mutant::ApprovalsNotCounted, weakening(), APPROVED));
}

#[test]
fn facts_read_before_the_lock_count_an_approver_who_lost_the_role() {
    assert!(breaks(Mutant::StaleFacts, demotion(), APPROVED));
}
