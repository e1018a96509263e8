//! A guard of several conditions needs each of them: taken away alone, it lets something pass.

use std::collections::BTreeSet;

use crate::database::every_statement;
use crate::database::hostile::Hostile;
use crate::database::population::populated;

/// Guards that are written a condition to a line.
const GUARDS: &[&str] = &[
    "clients_made",
    "client_secrets_made",
    "client_keys_made",
    "installation_resealed",
    "signing_keys_resealed",
    "factors_resealed",
];

/// Conditions without which every hostile statement is refused all the same, and by what.
const DOUBLED: &[(&str, &str)] = &[
    (
        "signing_keys_resealed: OR NEW.state IS DISTINCT FROM OLD.state",
        "signing_keys_life: an event of its own kind",
    ),
    (
        "signing_keys_resealed: OR NEW.active_from IS DISTINCT FROM OLD.active_from",
        "signing_keys_times: with its state",
    ),
    (
        "signing_keys_resealed: OR NEW.retiring_from IS DISTINCT FROM OLD.retiring_from",
        "signing_keys_times: with its state",
    ),
    (
        "signing_keys_resealed: OR NEW.ended_at IS DISTINCT FROM OLD.ended_at",
        "CHECK: what has a secret has not ended",
    ),
    (
        "factors_resealed: OR NEW.activated_at IS DISTINCT FROM OLD.activated_at",
        "factors_life, and CHECK while it is pending",
    ),
    (
        "factors_resealed: OR NEW.trust_since IS DISTINCT FROM OLD.trust_since",
        "factors_life, and CHECK while it is pending",
    ),
    (
        "factors_resealed: OR NEW.ended_at IS DISTINCT FROM OLD.ended_at",
        "CHECK: what has a secret has not ended",
    ),
    (
        "factors_resealed: OR NEW.end_authority IS DISTINCT FROM OLD.end_authority",
        "CHECK: what has a secret has not ended",
    ),
    (
        "factors_resealed: OR NEW.end_authority_id IS DISTINCT FROM OLD.end_authority_id",
        "CHECK: nor by whom",
    ),
];

/// A guard's text without one of its conditions, and that condition.
fn without_each(sql: &str) -> Vec<(String, String)> {
    let (mut all, mut at, mut opened) = (Vec::new(), 0, false);
    for line in sql.split_inclusive('\n') {
        let words = line.trim();
        let has = |word: &str| words.starts_with(word);
        // The first of several is not dropped but false.
        let first = ["WHEN ", "IF "].into_iter().find(|word| has(word));
        let (skipped, instead) = first.map_or((0, ""), |word| (word.len(), "FALSE"));
        let instead = if opened { "FALSE" } else { instead };
        // Deeper are the conditions of what must not be.
        let is_ours = line.len() - line.trim_start().len() <= 4;
        let is_condition =
            opened || is_ours && ["WHEN ", "IF ", "OR ", "AND "].into_iter().any(has);
        opened = words.ends_with('(');
        if is_condition && !opened {
            let start = at + line.len() - line.trim_start().len() + skipped;
            let end = start + end_of(&sql[start..]);
            let condition = sql[start..end].trim().to_owned();
            all.push((condition, format!("{}{instead}{}", &sql[..start], &sql[end..])));
        }
        at += line.len();
    }
    all
}

/// Where the condition at the beginning of a text ends: with its line, or before the parenthesis that
/// closes what it stands in.
fn end_of(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' | '\n' if depth == 0 => return at,
            ')' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn every_condition_is_there_because_something_passes_without_it() {
    let mut story = populated("clauses");
    let all = every_statement();
    let mut idle = BTreeSet::new();
    for guard in GUARDS {
        let text = story.place.guard(guard);
        let about = |hostile: &&Hostile| guard.starts_with(hostile.says_of());
        let near: Vec<&Hostile> = all.iter().filter(about).collect();
        let conditions = without_each(&text);
        assert!(conditions.len() > 2, "{guard}: {conditions:?}");
        for (condition, sql) in conditions {
            story.place.run("SAVEPOINT without").unwrap();
            story.place.replace(guard, &sql);
            if !near.iter().any(|hostile| story.try_it(hostile).is_none()) {
                idle.insert(format!("{guard}: {condition}"));
            }
            story.place.run("ROLLBACK TO without; RELEASE without").unwrap();
        }
    }
    let doubled = DOUBLED.iter().map(|(condition, _)| (*condition).to_owned()).collect();
    assert_eq!(
        idle, doubled,
        "conditions without which nothing passes, and those that are known to be"
    );
}
