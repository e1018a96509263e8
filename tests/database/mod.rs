//! Design rule 10: the database says no too. Hostile statements, run over a second connection as a
//! wrong query of ours would be, against a populated database: every one is refused, and every trigger
//! is there because something passes without it. On SQLite with and without `recursive_triggers`; on
//! PostgreSQL, where `TEST_POSTGRES` names a server, as the role that serves, as it is installed and
//! with every right to the tables.

mod clauses;
mod clients;
mod codes;
mod factors;
mod foreign;
mod hostile;
mod overrides;
mod place;
mod population;
mod record;
mod resealed;
mod rewritten;
mod story;
mod token_keys;
mod versions;

use std::collections::{BTreeMap, BTreeSet};

use hostile::Hostile;
use place::Place;
use population::populated;
use story::Story;

fn every_statement() -> Vec<Hostile> {
    [
        record::of_the_record(),
        record::without_an_event(),
        record::of_a_fact(),
        clients::all(),
        codes::all(),
        factors::all(),
        overrides::all(),
        token_keys::all(),
        foreign::all(),
        resealed::all(),
        versions::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Those, and what only one of the databases can do.
fn every_statement_of(story: &Story) -> Vec<Hostile> {
    let mut all = every_statement();
    if let Place::Postgres(_) = story.place {
        all.extend(record::emptied());
    }
    all
}

#[test]
fn every_hostile_statement_is_refused_by_the_guard_that_is_there_for_it() {
    let mut story = populated("refused");
    let all = every_statement_of(&story);
    assert!(all.len() >= 60, "{} statements", all.len());
    let mut faults = Vec::new();
    for way in story.place.ways() {
        story.place.run_as_owner(&way.begin);
        for hostile in &all {
            let about = format!("rule {}, {}: {}", hostile.rule, hostile.why, hostile.sql);
            match story.try_it(hostile) {
                None => faults.push(format!("passes ({}): {about}", way.begin)),
                Some(said) if way.before.is_some_and(|before| said.starts_with(before)) => {}
                Some(said) if !hostile.is_said_by(&said) => {
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

#[test]
fn an_event_may_be_a_little_ahead_of_the_databases_clock() {
    let mut story = populated("ahead");
    story.run(
        "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, request_id, data) \
         SELECT 1 + max(seq), 'ahead', 'ten_a', CLOCK + 50000, 'user.changed', 'server', 'server', \
         'req', '{}' FROM events WHERE tenant_id = 'ten_a'",
    );
}

/// Triggers without which every hostile statement is refused all the same, and by what. They stay for
/// their message, and for the day when the other guard changes.
const DOUBLED: &[(&str, &str)] = &[
    (
        "signing_keys_update",
        "signing_keys_life, signing_keys_times and signing_keys_resealed ask for an event of their own kind",
    ),
    (
        "factor_steps_facts",
        "PRIMARY KEY and FOREIGN KEY: every factor has its row of steps already",
    ),
    ("installation_update", "installation_resealed asks for the newest event, of its own kind"),
    ("factors_delete", "FOREIGN KEY from factor_steps: every factor has its row there"),
];

/// SQLite's INSERT OR REPLACE meets the next check too.
const DOUBLED_ON_SQLITE: &[(&str, &str)] = &[
    ("schema_versions_insert", "schema_versions_next: after the newest"),
    ("policies_insert", "policies_version: the next version, by an event of its own"),
    ("client_keys_insert", "client_keys_made: by the newest event, which names it"),
    ("client_secrets_insert", "client_secrets_made: by the newest event, once"),
    ("signing_keys_insert", "signing_keys_made: by an event of its own"),
];

/// PostgreSQL replaces no row but by changing it, and what empties a table empties those that refer
/// to it.
const DOUBLED_ON_POSTGRES: &[(&str, &str)] = &[
    ("client_keys_truncate", "client_tokens_truncate"),
    ("clients_truncate", "client_secrets_truncate and others"),
    ("directories_truncate", "clients_truncate and users_truncate"),
    ("events_truncate", "the triggers of all tables"),
    ("factors_truncate", "factor_steps_truncate and enrollments_truncate"),
    ("overrides_truncate", "approvals_truncate"),
    ("tenants_truncate", "directories_truncate and policies_truncate"),
    ("users_truncate", "user_groups_truncate and others"),
];

#[test]
fn every_trigger_is_there_because_something_passes_without_it() {
    let mut story = populated("earned");
    let all = every_statement_of(&story);
    let mut idle = BTreeSet::new();
    for trigger in story.place.triggers() {
        story.place.run("SAVEPOINT dropped").unwrap();
        story.place.drop(&trigger);
        // A statement that another guard refuses is refused without this one too.
        let near: Vec<&Hostile> =
            all.iter().filter(|hostile| trigger.name.starts_with(hostile.says_of())).collect();
        let passes = story.place.ways().iter().any(|way| {
            story.place.run_as_owner(&way.begin);
            near.iter().any(|hostile| story.try_it(hostile).is_none())
        });
        story.place.run("ROLLBACK TO dropped; RELEASE dropped").unwrap();
        if !passes {
            idle.insert(trigger.name);
        }
    }
    let mut doubled: BTreeSet<_> = DOUBLED.iter().map(|(name, _)| (*name).to_owned()).collect();
    doubled.extend(
        match story.place {
            Place::Postgres(_) => DOUBLED_ON_POSTGRES,
            Place::Sqlite(_) => DOUBLED_ON_SQLITE,
        }
        .iter()
        .map(|(name, _)| (*name).to_owned()),
    );
    assert_eq!(
        idle, doubled,
        "triggers without which nothing passes, and those that are known to be"
    );
}
