//! Token keys: one signs, a life goes forward only, and nobody but the server moves one.

use crate::hostile::{Hostile, copy, hostile};

const MADE: &str = "signing_keys: not made by the server, or not new";
const LIFE: &str = "signing_keys: no such transition";
const TIMES: &str = "signing_keys: its times go forward with its state";

pub fn all() -> Vec<Hostile> {
    let made = made().into_iter().map(|(why, sql, says)| hostile(2, why, sql, says));
    made.chain(moved().into_iter().map(|(why, sql, says)| hostile(2, why, sql, says))).collect()
}

type Statement = (&'static str, String, &'static str);

/// Keys that may not be made.
fn made() -> Vec<Statement> {
    let next =
        |changes: &str| copy("signing_keys", "id = 'key_2'", &format!("id = 'key_3', {changes}"));
    let active =
        |changes: &str| copy("signing_keys", "id = 'key_1'", &format!("id = 'key_3', {changes}"));
    vec![
        ("a token key by a person", next("event_id = 'new_not_ours'"), MADE),
        ("a token key by another's event", next("event_id = 'new_activated'"), MADE),
        ("a token key by an event of another kind", next("event_id = 'new_begun'"), MADE),
        (
            "a token key that signs unseen",
            retired_first(&active("event_id = 'new_published'")),
            MADE,
        ),
        ("a second key signs", active("event_id = 'new_begun'"), "signing_keys: exists"),
        (
            "a key begins before it is made",
            retired_first(&active("active_from = 1, event_id = 'new_begun'")),
            MADE,
        ),
        (
            "a key that never signed retires",
            active("state = 'retiring', retiring_from = NOW, event_id = 'new_begun'"),
            MADE,
        ),
        (
            "a key by another tenant's event",
            format!(
                "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, object_id, \
                 request_id, data) VALUES ((SELECT 1 + max(seq) FROM events WHERE tenant_id = 'ten_b'), \
                 'new_far', 'ten_b', NOW, 'signing_key.published', 'server', 'server', 'key_3', 'req', \
                 '{{}}'); {}",
                next("event_id = 'new_far'")
            ),
            "signing_keys: exists, or names no event",
        ),
    ]
}

/// A legal retirement of the key that signs, and what comes after it.
fn retired_first(sql: &str) -> String {
    format!(
        "UPDATE signing_keys SET state = 'retiring', retiring_from = NOW, event_id = 'new_retired' \
         WHERE id = 'key_1'; {sql}"
    )
}

/// Changes that a key's life does not have.
fn moved() -> Vec<Statement> {
    let set = |key: &str, changes: &str, event: &str| {
        format!(
            "UPDATE OR REPLACE signing_keys SET {changes}, event_id = '{event}' WHERE id = '{key}'"
        )
    };
    let (signs, ends) =
        ("state = 'active', active_from = NOW", "state = 'gone', sealed = NULL, ended_at = NOW");
    let revoked = "state = 'revoked', sealed = NULL, ended_at = NOW";
    vec![
        ("a key replaces the one that signs", set("key_2", signs, "new_activated"), LIFE),
        ("a key signs by another's event", retired_first(&set("key_2", signs, "new_begun")), LIFE),
        ("a token key goes back", set("key_1", "state = 'next'", "new_server"), LIFE),
        (
            "a key retires by an event of another kind",
            set("key_1", "state = 'retiring', retiring_from = NOW", "new_revoked"),
            LIFE,
        ),
        ("a key ends that never signed", set("key_2", ends, "new_ended"), LIFE),
        ("a key is revoked by another's event", set("key_2", revoked, "new_revoked"), LIFE),
        ("the key that signs ends", set("key_1", ends, "new_retired"), LIFE),
        (
            "a revoked key is published again",
            format!(
                "{}; {}",
                set("key_1", revoked, "new_revoked").replace("OR REPLACE ", ""),
                set("key_1", "state = 'retiring', sealed = x'01', ended_at = NULL", "new_last")
            ),
            "signing_keys: ",
        ),
        ("a key signed before it was made", set("key_1", "active_from = 1", "new_server"), TIMES),
        (
            "a key that signs says when it retires",
            set("key_1", "retiring_from = NOW", "new_server"),
            TIMES,
        ),
        (
            "a key retires before it signed",
            set("key_1", "state = 'retiring', retiring_from = 1", "new_retired"),
            TIMES,
        ),
        ("a key retires at no time", set("key_1", "state = 'retiring'", "new_retired"), TIMES),
        (
            "a key is revoked before it was made",
            set("key_1", "state = 'revoked', sealed = NULL, ended_at = 1", "new_revoked"),
            TIMES,
        ),
        (
            "a revoked key keeps its secret",
            set("key_1", "state = 'revoked', ended_at = NOW", "new_revoked"),
            "CHECK constraint failed",
        ),
    ]
}
