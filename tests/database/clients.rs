//! Rules 2 and 5: no machine gives itself a way in, and an assertion works once.

use crate::hostile::{Hostile, copy, hostile, list};

/// Public keys of clients, and the tokens that they are given.
pub fn all() -> Vec<Hostile> {
    let public = |changes: &str| copy("client_keys", "id = 'ckey_a'", changes);
    let token = |changes: &str| {
        let at = "(SELECT at FROM events WHERE id = 'new_token')";
        let new = format!(
            "id = 'cto_c', hash = h(c), jti_hash = h(c), issued_at = {at}, expires_at = {at} + 300000"
        );
        let again = copy("client_tokens", "id = 'cto_1'", &new);
        again.replacen("; INSERT", &format!("; UPDATE copied SET {changes}; INSERT"), 1)
    };
    let mut all: Vec<Hostile> = [
        (
            "a public key by a client",
            public("id = 'ckey_c', event_id = 'new_client'"),
            "client_keys: a third",
        ),
        (
            "a public key that is born removed",
            public("id = 'ckey_c', removed_at = created_at, event_id = 'new_person'"),
            "client_keys: a third",
        ),
        (
            "a third public key",
            format!(
                "{}; DROP TABLE copied; {}",
                public("id = 'ckey_c', event_id = 'new_person'"),
                public("id = 'ckey_d', event_id = 'new_server'")
            ),
            "client_keys: a third",
        ),
        (
            "a client's token of a removed key",
            token("key_id = 'ckey_gone', event_id = 'new_token'"),
            "client_tokens: no live key",
        ),
        (
            "a client's token of another client's key",
            token("client_id = 'cli_off', event_id = 'new_token'"),
            "client_tokens: no live key",
        ),
        (
            "a client's token by another event",
            token("event_id = 'new_client'"),
            "client_tokens: no live key",
        ),
        (
            "a client's token of an hour",
            token("expires_at = issued_at + 3600000, event_id = 'new_token'"),
            "CHECK constraint failed",
        ),
        (
            "an assertion is used twice",
            token("jti_hash = h(jti), event_id = 'new_token'").replace("OR ABORT", "OR REPLACE"),
            "client_tokens: exists",
        ),
    ]
    .into_iter()
    .map(|(why, sql, says)| hostile(2, why, sql, says))
    .collect();
    all.extend(list(
        2,
        &[(
            "a removed public key is good again",
            "UPDATE client_keys SET removed_at = NULL, event_id = 'new_person' \
             WHERE id = 'ckey_gone'",
            "client_keys: removed for good",
        )],
    ));
    all
}
