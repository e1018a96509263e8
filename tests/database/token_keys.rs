//! Token keys: one signs, a life goes forward only, and nobody but the server moves one.

use crate::database::hostile::{Hostile, copy, event, hostile};
use crate::database::population::populated;

const MADE: &str = "signing_keys: not made by the server, or not new";
const LIFE: &str = "signing_keys: no such transition";
const TIMES: &str = "signing_keys: its times go forward with its state";
const SCHEDULE: &str = "signing_keys: too soon, or not when its event says";

pub fn all() -> Vec<Hostile> {
    let all = made().into_iter().chain(moved()).chain(timed());
    let mut all: Vec<_> = all.map(|(why, sql, says)| hostile(2, why, sql, says)).collect();
    let foreign = event("new_key", "signing_key.published", "key_3", "{}")
        .replace("= 'ten_a')", "= 'ten_b')")
        .replace("'ten_a', NOW", "'ten_b', NOW");
    all.push(hostile(
        2,
        "a key by another tenant's event",
        none_waits() + &foreign + &next(""),
        "signing_keys: not made by the server, or not new",
    ));
    all
}

type Statement = (&'static str, String, &'static str);

/// An event of a key's life, which the statement after it names.
fn by(kind: &str, key: &str) -> String {
    event("new_key", &format!("signing_key.{kind}"), key, "{}")
}

/// A key that waits, made now.
fn next(changes: &str) -> String {
    let set = "id = 'key_3', state = 'next', sealed = x'01', created_at = NOW, ended_at = NULL, \
         event_seq = seq(new_key)";
    let copied = copy("signing_keys", "id = 'key_2'", set);
    let update = format!("; UPDATE copied SET {changes}; INSERT");
    if changes.is_empty() { copied } else { copied.replacen("; INSERT", &update, 1) }
}

/// A key that signs, made now.
fn active() -> String {
    next(SIGNS)
}

/// A legal change of a key's state.
fn legal(id: &str, kind: &str, key: &str, set: &str) -> String {
    format!(
        "{}UPDATE signing_keys SET {set}, event_seq = seq({id}) WHERE id = '{key}'; ",
        event(id, &format!("signing_key.{kind}"), key, "{}")
    )
}

const SIGNS: &str = "state = 'active', active_from = NOW";
const RETIRES: &str = "state = 'retiring', retiring_from = NOW";
const ENDS: &str = "state = 'gone', sealed = NULL, ended_at = NOW";
const REVOKED: &str = "state = 'revoked', sealed = NULL, ended_at = NOW";

fn retired() -> String {
    legal("new_rest", "retired", "key_1", RETIRES)
}

/// The key that waits is taken out.
fn none_waits() -> String {
    legal("new_none", "revoked", "key_2", REVOKED)
}

/// Keys that may not be made.
fn made() -> Vec<Statement> {
    let waits = |event: String| none_waits() + &event + &next("");
    let begins = |event: String, changes: &str| retired() + &event + &next(changes);
    let hasty = |key: &str| {
        let data = r#"{"in_haste":true}"#;
        event("new_key", "signing_key.activated", key, data)
    };
    let person = by("published", "key_3").replacen("'server', 'server'", "'person', 'adm'", 1);
    vec![
        ("a token key by a person", waits(person), MADE),
        ("a token key by another's event", waits(by("published", "key_2")), MADE),
        ("a token key by an event of another kind", waits(by("activated", "key_3")), MADE),
        (
            "a token key of another time",
            waits(by("published", "key_3").replacen("NOW", "NOW - 1", 1)),
            MADE,
        ),
        (
            "a token key that signs unseen",
            begins(hasty("key_3").replace("activated", "published"), SIGNS),
            MADE,
        ),
        ("a second key signs", hasty("key_3") + &active(), "signing_keys: exists"),
        ("a second key waits", by("published", "key_3") + &next(""), "signing_keys: exists"),
        (
            "a key begins before it is made",
            begins(hasty("key_3"), "state = 'active', active_from = 1"),
            MADE,
        ),
        ("a key begins after the first", begins(by("activated", "key_3"), SIGNS), MADE),
        (
            "a key begins because one that waited was revoked",
            retired() + &none_waits() + &by("activated", "key_3") + &active(),
            MADE,
        ),
        (
            "a key begins long after the one that signed was revoked",
            legal("new_gone", "revoked", "key_1", REVOKED)
                + &event("new_c", "user.changed", "", "{}")
                + &by("activated", "key_3")
                + &active(),
            MADE,
        ),
        (
            "a key that never signed retires",
            begins(hasty("key_3"), "state = 'retiring', active_from = NOW, retiring_from = NOW"),
            MADE,
        ),
    ]
}

fn moves(key: &str, changes: &str, event: &str) -> String {
    format!(
        "UPDATE OR REPLACE signing_keys SET {changes}, event_seq = seq({event}) WHERE id = '{key}'"
    )
}

/// Changes that a key's life does not have.
fn moved() -> Vec<Statement> {
    let set = |key, changes, kind, of| by(kind, of) + &moves(key, changes, "new_key");
    let hasty = |sql: String| sql.replacen("'{}')", "'{\"in_haste\":true}')", 1);
    vec![
        (
            "a key replaces the one that signs",
            hasty(set("key_2", SIGNS, "activated", "key_2")),
            LIFE,
        ),
        (
            "a key signs by another's event",
            retired() + &hasty(set("key_2", SIGNS, "activated", "key_3")),
            LIFE,
        ),
        (
            "a token key goes back",
            set("key_1", "state = 'next'", "published", "key_1"),
            "signing_keys: ",
        ),
        (
            "a key retires by an event of another kind",
            set("key_1", RETIRES, "revoked", "key_1"),
            LIFE,
        ),
        ("a key ends that never signed", set("key_2", ENDS, "ended", "key_2"), LIFE),
        ("a key is revoked by another's event", set("key_2", REVOKED, "revoked", "key_1"), LIFE),
        ("the key that signs ends", set("key_1", ENDS, "retired", "key_1"), LIFE),
        (
            "a revoked key is published again",
            legal("new_gone", "revoked", "key_1", REVOKED)
                + &set(
                    "key_1",
                    "state = 'retiring', sealed = x'01', ended_at = NULL",
                    "retired",
                    "key_1",
                ),
            "signing_keys: ",
        ),
        (
            "a revoked key keeps its secret",
            set("key_1", "state = 'revoked', ended_at = NOW", "revoked", "key_1"),
            "CHECK constraint failed",
        ),
    ]
}

/// Times that are not those of the event, and changes before their time.
fn timed() -> Vec<Statement> {
    let set = |key, changes, kind, of| by(kind, of) + &moves(key, changes, "new_key");
    let published = none_waits() + &by("published", "key_3") + &next("") + "; DROP TABLE copied; ";
    let signs = |key: &str| legal("new_sign", "activated", key, SIGNS);
    let later = |set: String, millis: &str| set.replace("NOW", &format!("NOW + {millis}"));
    vec![
        ("a key signed before it was made", moves("key_1", "active_from = 1", "new_last"), TIMES),
        (
            "a key that signs says when it retires",
            moves("key_1", "retiring_from = NOW", "new_last"),
            TIMES,
        ),
        (
            "a key retires before it signed",
            set("key_1", "state = 'retiring', retiring_from = 1", "retired", "key_1"),
            "signing_keys: ",
        ),
        (
            "a key retires at no time",
            set("key_1", "state = 'retiring'", "retired", "key_1"),
            "signing_keys: ",
        ),
        (
            "a key is revoked before it was made",
            set("key_1", "state = 'revoked', sealed = NULL, ended_at = 1", "revoked", "key_1"),
            "signing_keys: ",
        ),
        (
            "a key retires at another time than its event's",
            set("key_1", "state = 'retiring', retiring_from = NOW + 1", "retired", "key_1"),
            SCHEDULE,
        ),
        (
            "a key is revoked at another time than its event's",
            set(
                "key_1",
                "state = 'revoked', sealed = NULL, ended_at = NOW + 1",
                "revoked",
                "key_1",
            ),
            SCHEDULE,
        ),
        (
            "a key signs 22 minutes after it was published, but for a moment",
            published.clone() + &retired() + &later(signs("key_3"), "1319999"),
            SCHEDULE,
        ),
        (
            "a key ends 18 minutes after it signed last, but for a moment",
            retired() + &later(legal("new_end", "ended", "key_1", ENDS), "1079999"),
            SCHEDULE,
        ),
    ]
}

#[test]
fn a_key_lives_as_long_as_it_must_or_ends_at_once() {
    let published = none_waits() + &by("published", "key_3") + &next("") + "; DROP TABLE copied; ";
    let signs = legal("new_sign", "activated", "key_3", SIGNS);
    let revoked = legal("new_gone", "revoked", "key_1", REVOKED);
    let hasty = signs.replace("'{}')", "'{\"in_haste\":true}')");
    let begins = by("activated", "key_3") + &active();
    for life in [
        published.clone() + &retired() + &signs.replace("NOW", "NOW + 1320000"),
        published.clone() + &retired() + &hasty,
        published + &revoked + &signs,
        none_waits() + &revoked + &begins,
        retired() + &begins.replace("'{}')", "'{\"in_haste\":true}')"),
        retired() + &legal("new_end", "ended", "key_1", ENDS).replace("NOW", "NOW + 1080000"),
    ] {
        let mut story = populated("lives");
        story.run(&life);
    }
}
