//! Rules 2 and 5: no machine gives itself a way in, and an assertion works once.

use crate::database::hostile::{Hostile, copy, event, hostile, list};

/// Clients, their secrets and public keys, and the tokens that they are given.
pub fn all() -> Vec<Hostile> {
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
            "a client's token of a removed key",
            token("key_id = 'ckey_gone', event_seq = seq(new_token)"),
            "client_tokens: no live key",
        ),
        (
            "a client's token of another client's key",
            token("client_id = 'cli_off', event_seq = seq(new_token)"),
            "client_tokens: no live key",
        ),
        (
            "a client's token by another event",
            token("event_seq = seq(new_client)"),
            "client_tokens: no live key",
        ),
        (
            "a client's token of an hour",
            token("expires_at = issued_at + 3600000, event_seq = seq(new_token)"),
            "CHECK constraint failed",
        ),
        (
            "an assertion is used twice",
            token("jti_hash = h(jti), event_seq = seq(new_token)")
                .replace("OR ABORT", "OR REPLACE"),
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
            "UPDATE client_keys SET removed_at = NULL, event_seq = seq(new_person) \
             WHERE id = 'ckey_gone'",
            "client_keys: removed for good",
        )],
    ));
    all.extend(clients());
    all.extend(born(&SECRET));
    all.extend(born(&KEY));
    let legal = KEY.event(KEY.kind, "cli_a");
    for (why, changes) in [
        ("a public key that is a service account too", "service_account = 'a'"),
        ("a way in that is nothing", "jwk = NULL"),
    ] {
        let sql = legal.clone() + &KEY.made(KEY.id, changes);
        all.push(hostile(2, why, sql, "CHECK constraint failed"));
    }
    all
}

/// Clients that their event does not make.
fn clients() -> Vec<Hostile> {
    let legal = event("new_way", "client.created", "cli_c", "{}");
    let made = |changes: &str| {
        let set = format!("id = 'cli_c', created_at = NOW, event_seq = seq(new_way){changes}");
        copy("clients", "id = 'cli_a'", &set)
    };
    let by = |event: String| event + &made("");
    let replaced = |old: &str, new: &str| by(legal.replacen(old, new, 1));
    let later = event("new_c", "user.changed", "", "{}");
    let own = [
        ("by a client", replaced("'server', 'server'", "'client', 'cli_a'")),
        ("by an event of another kind", replaced("client.created", "client.secret_created")),
        ("by another client's event", replaced("'cli_c'", "'cli_a'")),
        ("by an event of another time", replaced("NOW", "NOW - 1")),
        ("by an event that is not the newest", by(legal.clone() + &later)),
        ("that is born disabled", legal.clone() + &made(", disabled_at = NOW")),
    ];
    let own = own.map(|(why, sql)| {
        hostile(2, format!("a client {why}"), sql, "clients: not made by its event")
    });
    let foreign = replaced("'ten_a', NOW", "'ten_b', NOW").replace("= 'ten_a')", "= 'ten_b')");
    let taken = event("new_way", "client.created", "cli_b", "{}")
        + "INSERT OR REPLACE INTO clients SELECT 'ten_a', id, 'dir_a', name, scopes, audiences, \
           created_by, NOW, disabled_at, 0, 0, 0, 0, 0, 0, seq(new_way) FROM clients WHERE id = 'cli_b'";
    let says = "clients: exists";
    let others = [
        hostile(7, "a client by another tenant's event", foreign, "clients: not made by its event"),
        hostile(2, "a client takes another tenant's id", taken, says),
    ];
    own.into_iter().chain(others).collect()
}

/// A way in for a client: a row that is one, what makes a copy of it a new one by its event, and what a
/// row may not be born with.
struct WayIn {
    table: &'static str,
    row: &'static str,
    id: &'static str,
    kind: &'static str,
    another_kind: &'static str,
    born: &'static [(&'static str, &'static str)],
}

const SECRET: WayIn = WayIn {
    table: "client_secrets",
    row: "sec_a",
    id: "sec_c",
    kind: "client.secret_created",
    another_kind: "client.key_added",
    born: &[
        ("that is born revoked", "revoked_at = NOW"),
        ("of ninety days and a moment", "expires_at = NOW + 7776000001"),
    ],
};

const KEY: WayIn = WayIn {
    table: "client_keys",
    row: "ckey_a",
    id: "ckey_c",
    kind: "client.key_added",
    another_kind: "client.secret_created",
    born: &[("that is born removed", "removed_at = NOW")],
};

impl WayIn {
    /// The row by an event `new_way` that was written before.
    fn made(&self, id: &str, changes: &str) -> String {
        let ends =
            if self.table == "client_secrets" { ", expires_at = NOW + 7776000000" } else { "" };
        let set = format!("id = '{id}', created_at = NOW{ends}, event_seq = seq(new_way)");
        let copied = copy(self.table, &format!("id = '{}'", self.row), &set);
        let update = format!("; UPDATE copied SET {changes}; INSERT");
        if changes.is_empty() { copied } else { copied.replacen("; INSERT", &update, 1) }
    }

    fn event(&self, kind: &str, client: &str) -> String {
        event("new_way", kind, client, &format!(r#"{{"key":"{}"}}"#, self.id))
    }
}

/// Each way in that its event does not make, and a third one.
fn born(way: &WayIn) -> Vec<Hostile> {
    let legal = way.event(way.kind, "cli_a");
    let by = |event: String| event + &way.made(way.id, "");
    let replaced = |old: &str, new: &str| by(legal.replacen(old, new, 1));
    let later = event("new_c", "user.changed", "", "{}");
    let mut all = vec![
        ("by a client", replaced("'server', 'server'", "'client', 'cli_a'")),
        ("by an event of another kind", by(way.event(way.another_kind, "cli_a"))),
        ("by another client's event", by(way.event(way.kind, "cli_off"))),
        ("by an event of another time", replaced("NOW", "NOW - 1")),
        ("by an event that is not the newest", by(legal.clone() + &later)),
        (
            "that is the third",
            format!(
                "{}; DROP TABLE copied; {}",
                by(legal.clone()),
                by(legal.replace("new_way", "new_more").replace(way.id, "third"))
                    .replace("new_way", "new_more")
                    .replace(way.id, "third")
            ),
        ),
    ];
    for (why, changes) in way.born {
        all.push((why, legal.clone() + &way.made(way.id, changes)));
    }
    let of_another = if way.table == "client_secrets" {
        let twice = way.made("third", "revoked_at = NULL");
        // The one that lived before is gone, so that it is no third.
        let revoked = event("new_c", "client.secret_revoked", "cli_a", "{}")
            + "UPDATE client_secrets SET revoked_at = NOW, event_seq = seq(new_c) WHERE id = 'sec_a'; ";
        let once = legal.clone() + &way.made(way.id, "revoked_at = NULL");
        ("that shares its event", format!("{revoked}{once}; DROP TABLE copied; {twice}"))
    } else {
        ("that its event does not name", legal.clone() + &way.made("third", ""))
    };
    all.push(of_another);
    let says = format!("{}: a third", way.table);
    let own = all
        .into_iter()
        .map(|(why, sql)| hostile(2, format!("{}: one {why}", way.table), sql, &says));
    let foreign = replaced("'ten_a', NOW", "'ten_b', NOW").replace("= 'ten_a')", "= 'ten_b')");
    let why = format!("{}: one by another tenant's event", way.table);
    own.chain([hostile(7, why, foreign, &says)]).collect()
}
