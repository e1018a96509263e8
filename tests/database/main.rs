//! Design rule 10: the database says no too. Hostile statements, run over a second connection as a
//! wrong query of ours would be, against a populated database: every one is refused, with and without
//! `recursive_triggers`, and every trigger is there because something passes without it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot write its database has failed"
)]

mod codes;
mod factors;
mod hostile;
mod overrides;
mod population;
mod record;
mod story;

use std::collections::{BTreeMap, BTreeSet};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Text;

use hostile::Hostile;
use population::populated;
use story::Story;

fn every_statement() -> Vec<Hostile> {
    [
        record::of_the_record(),
        record::without_an_event(),
        record::of_a_fact(),
        codes::all(),
        factors::all(),
        overrides::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn recursive(story: &mut Story, on: bool) {
    let value = if on { "ON" } else { "OFF" };
    story.connection.batch_execute(&format!("PRAGMA recursive_triggers = {value}")).unwrap();
}

#[test]
fn every_hostile_statement_is_refused_by_the_guard_that_is_there_for_it() {
    let mut story = populated("refused");
    let all = every_statement();
    assert!(all.len() >= 60, "{} statements", all.len());
    let mut faults = Vec::new();
    for on in [true, false] {
        recursive(&mut story, on);
        for hostile in &all {
            let about = format!("rule {}, {}: {}", hostile.rule, hostile.why, hostile.sql);
            match story.try_it(hostile) {
                None => faults.push(format!("passes (recursive_triggers {on}): {about}")),
                Some(said) if !said.contains(&hostile.says) => {
                    faults.push(format!("refused by another guard: {said}: {about}"));
                }
                Some(_) => {}
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_hostile_statements_aim_at_rules_1_2_5_and_7() {
    let mut counts = BTreeMap::<u8, usize>::new();
    for hostile in every_statement() {
        *counts.entry(hostile.rule).or_default() += 1;
    }
    for rule in [1, 2, 5, 7] {
        let count = counts.get(&rule).copied().unwrap_or(0);
        assert!(count >= 15, "{count} statements against rule {rule}");
    }
}

/// Triggers without which every hostile statement is refused all the same, and by what. They stay for
/// their message, and for the day when the other guard changes.
const DOUBLED: &[(&str, &str)] = &[
    (
        "factor_steps_facts",
        "PRIMARY KEY and FOREIGN KEY: every factor has its row of steps already",
    ),
    ("policies_insert", "policies_version: the next version, by an event of its own"),
    ("factors_delete", "FOREIGN KEY from factor_steps: every factor has its row there"),
];

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[test]
fn every_trigger_is_there_because_something_passes_without_it() {
    let mut story = populated("earned");
    let all = every_statement();
    let triggers: Vec<Name> =
        diesel::sql_query("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
            .load(&mut story.connection)
            .unwrap();
    let mut idle = BTreeSet::new();
    for Name { name } in &triggers {
        story.connection.batch_execute(&format!("SAVEPOINT dropped; DROP TRIGGER {name}")).unwrap();
        let (mut near, far): (Vec<&Hostile>, Vec<&Hostile>) =
            all.iter().partition(|hostile| name.starts_with(hostile.says_of()));
        near.extend(far);
        let passes = [true, false].into_iter().any(|on| {
            recursive(&mut story, on);
            near.iter().any(|hostile| story.try_it(hostile).is_none())
        });
        story.connection.batch_execute("ROLLBACK TO dropped; RELEASE dropped").unwrap();
        if !passes {
            idle.insert(name.as_str());
        }
    }
    let doubled: BTreeSet<&str> = DOUBLED.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        idle, doubled,
        "triggers without which nothing passes, and those that are known to be"
    );
}
