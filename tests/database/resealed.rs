//! Rules 2 and 7: a secret is never another one. Re-sealing replaces a sealed value by one that another
//! key sealed, and changes nothing beside it.

use crate::database::hostile::{Hostile, event, hostile};
use crate::database::population::populated;
use crate::database::story::key_id;

/// An event that says that values moved to `new`, of the system tenant's how many.
fn moved(id: &str, from: &str, signing_keys: u8, installation: u8) -> String {
    moved_to(id, from, "new", signing_keys, installation)
}

fn moved_to(id: &str, from: &str, to: &str, signing_keys: u8, installation: u8) -> String {
    let from: Vec<_> = from.split(' ').map(|key| format!("\"{}\"", key_id(key))).collect();
    let data = format!(
        r#"{{"factors":1,"signing_keys":{signing_keys},"installation":{installation},"from":[{}],"to":"{}"}}"#,
        from.join(","),
        key_id(to)
    );
    event(id, "secrets.resealed", "", &data)
}

/// A table with sealed values: a row, its re-sealing, values under other keys or of another length, and
/// changes that do not go with it.
struct Table {
    name: &'static str,
    row: &'static str,
    /// How many values of the system tenant its event counts.
    counts: [u8; 2],
    from: &'static str,
    again: &'static str,
    same_key: &'static [&'static str],
    other_key: &'static [&'static str],
    longer: &'static [&'static str],
    beside: &'static [&'static str],
    says: &'static str,
}

const TABLES: &[Table] = &[
    Table {
        name: "installation",
        row: "id = 1",
        counts: [0, 2],
        from: "oldest old",
        again: "key_check = under(new), sealed_pepper = under(new)",
        same_key: &[],
        other_key: &[
            "key_check = under(third), sealed_pepper = under(new)",
            "key_check = under(new), sealed_pepper = under(third)",
        ],
        longer: &[
            "key_check = longer(new), sealed_pepper = under(new)",
            "key_check = under(new), sealed_pepper = longer(new)",
        ],
        beside: &["id = 2", "tenant_id = 'ten_b'", "created_at = created_at + 1"],
        says: "installation: another secret, and not resealed",
    },
    Table {
        name: "signing_keys",
        row: "id = 'key_1'",
        counts: [1, 0],
        from: "old",
        again: "sealed = under(new)",
        same_key: &["sealed = again(old)"],
        other_key: &["sealed = under(third)"],
        longer: &["sealed = longer(new)"],
        beside: &["state = 'retiring'", "ended_at = 1", "active_from = 1", "retiring_from = 1"],
        says: "signing_keys: another secret, and not resealed",
    },
    Table {
        name: "factors",
        row: "id = 'fac_bob'",
        counts: [0, 0],
        from: "old",
        again: "sealed = under(new)",
        same_key: &["sealed = again(old)"],
        other_key: &["sealed = under(third)"],
        longer: &["sealed = longer(new)"],
        beside: &[
            "state = 'suspended'",
            "rotate_by = 1",
            "activated_at = activated_at + 1",
            "trust_since = trust_since + 1",
            "ended_at = 1",
            "end_authority = 'reset'",
            "end_authority_id = 'x'",
        ],
        says: "factors: another secret, and not resealed",
    },
];

const BESIDE: &str = "more than a secret";

impl Table {
    /// What comes before it: the installation's own values come last.
    fn before(&self) -> String {
        if self.name == "installation" { token_keys("sealed IS NOT NULL") } else { String::new() }
    }

    /// The event of its legal re-sealing.
    fn event(&self) -> String {
        let [signing_keys, installation] = self.counts;
        moved("new_seal", self.from, signing_keys, installation)
    }

    fn update(&self, set: &str) -> String {
        let Self { name, row, .. } = self;
        format!("UPDATE {name} SET {set}, event_seq = seq(new_seal) WHERE {row}")
    }
}

/// The legal re-sealing of some token keys.
fn token_keys(which: &str) -> String {
    token_keys_to("new", which)
}

fn token_keys_to(key: &str, which: &str) -> String {
    let event = moved_to("new_keys", "old", key, 2, 0);
    format!(
        "{event}UPDATE signing_keys SET sealed = under({key}), event_seq = seq(new_keys) WHERE {which}; "
    )
}

/// Every statement that would put a secret in another one's place, or change more than that.
pub fn all() -> Vec<Hostile> {
    let mut all = Vec::new();
    for table in TABLES {
        let own = by_another_event(table).into_iter().chain(another_value(table));
        all.extend(own.map(|(why, sql)| {
            // PostgreSQL's guards speak in the order of their names.
            let says = if why == BESIDE { &*format!("{}: ", table.name) } else { table.says };
            hostile(2, format!("{}: {why}", table.name), table.before() + &sql, says)
        }));
        let foreign = table.event().replace("= 'ten_a')", "= 'ten_b')");
        let foreign = foreign.replace("'ten_a', NOW", "'ten_b', NOW");
        let sql = table.before() + &foreign + &table.update(table.again);
        let why = format!("{}: another tenant's re-sealing", table.name);
        all.push(hostile(7, why, sql, &format!("{}: ", table.name)));
    }
    all.extend(installation_out_of_order());
    all.push(more_than_counted());
    all
}

/// A legal value, by an event that does not say so.
fn by_another_event(table: &Table) -> Vec<(&'static str, String)> {
    let update = table.update(table.again);
    let [signing_keys, installation] = table.counts;
    let to = |to| moved_to("new_seal", table.from, to, signing_keys, installation);
    let from = |from| moved("new_seal", from, signing_keys, installation);
    let replaced = |old: &str, new: &str| table.event().replacen(old, new, 1) + &update;
    let by_new_server = update.replace("new_seal", "new_server");
    let mut all = vec![
        ("a secret by any event", by_new_server),
        ("a secret by a client", replaced("'server', 'server'", "'client', 'cli_a'")),
        ("a secret by a person", replaced("'server', 'server'", "'person', 'adm'")),
        ("a secret by housekeeping", replaced("secrets.resealed", "retention.purged")),
        (
            "a secret by an earlier re-sealing",
            table.event() + &event("new_c", "user.changed", "", "{}") + &update,
        ),
        ("a secret under a key that the event does not name", to("third") + &update),
        (
            "a secret by an event that says nothing",
            event("new_seal", "secrets.resealed", "", "{}") + &update,
        ),
    ];
    // The installation's two values have two keys, and an event may name one of them.
    for named in ["third", "oldest", "old"] {
        if named != table.from {
            all.push(("a secret from a key that the event does not name", from(named) + &update));
        }
    }
    all
}

/// Another value, by the event of a legal one.
fn another_value(table: &Table) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let [signing_keys, installation] = table.counts;
    let same = moved_to("new_seal", table.from, "old", signing_keys, installation);
    for set in table.same_key {
        all.push(("a secret of the same key", same.clone() + &table.update(set)));
    }
    for set in table.other_key {
        all.push(("a secret of a third key", table.event() + &table.update(set)));
    }
    for set in table.longer {
        all.push(("a secret of another length", table.event() + &table.update(set)));
    }
    for change in table.beside {
        let set = format!("{}, {change}", table.again);
        all.push((BESIDE, table.event() + &table.update(&set)));
    }
    all
}

/// The key check and the pepper before they are due, again, or back.
fn installation_out_of_order() -> Vec<Hostile> {
    let Some(table) = TABLES.first() else { return Vec::new() };
    let update = table.update(table.again);
    let own =
        |signing_keys, installation| moved("new_seal", table.from, signing_keys, installation);
    let back = moved_to("new_c", "new", "third", 0, 2);
    let again =
        |key: &str, set: &str| moved_to("new_seal", table.from, key, 0, 2) + &table.update(set);
    let checked = again("oldest", "key_check = again(oldest), sealed_pepper = under(oldest)");
    [
        (
            "a pepper of the same key",
            again("old", "key_check = under(old), sealed_pepper = again(old)"),
        ),
        ("a key check of the same key", token_keys_to("oldest", "sealed IS NOT NULL") + &checked),
        ("before a token key", token_keys("id = 'key_1'") + &own(0, 2) + &update),
        ("with a token key that did not move", table.before() + &own(1, 2) + &update),
        ("half of it", table.before() + &own(0, 1) + &update),
        (
            "back to a key that it was moved away from",
            back + &table.before() + &own(0, 2) + &update,
        ),
    ]
    .into_iter()
    .map(|(why, sql)| hostile(2, format!("installation: {why}"), sql, table.says))
    .collect()
}

fn more_than_counted() -> Hostile {
    let again =
        "UPDATE signing_keys SET sealed = under(new), event_seq = seq(new_seal) WHERE id = ";
    let sql = format!("{}{again}'key_1'; {again}'key_2'", moved("new_seal", "old", 1, 0));
    let says = "signing_keys: another secret, and not resealed";
    hostile(2, "signing_keys: one more than the event counts", sql, says)
}

#[test]
fn every_sealed_value_may_be_sealed_again() {
    let mut story = populated("resealed");
    for table in TABLES.iter().rev() {
        let event = table.event().replace("new_seal", table.name);
        let update = table.update(table.again).replace("new_seal", table.name);
        story.run(&(event + &update));
        // The token key that waits, and a factor that is pending or suspended.
        let (rows, counts) = match table.name {
            "signing_keys" => ("id = 'key_2'", [1, 0]),
            "factors" => ("id IN ('fac_fay', 'fac_cat')", [0, 0]),
            _ => continue,
        };
        let [signing_keys, installation] = counts;
        let event = moved("new_seal", "old", signing_keys, installation);
        let event = event.replace("new_seal", &format!("{}_more", table.name));
        let update = format!(
            "UPDATE {} SET sealed = under(new), event_seq = seq({0}_more) WHERE {rows}",
            table.name
        );
        story.run(&(event + &update));
    }
}
