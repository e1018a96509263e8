//! Rules 2 and 7: a secret is never another one. Re-sealing replaces a sealed value by one that another
//! key sealed, and changes nothing beside it.

use crate::hostile::{Hostile, hostile};
use crate::population::populated;

/// The event of a re-sealing, of this tenant, kind and actor.
fn event(id: &str, tenant: &str, kind: &str, actor: &str) -> String {
    format!(
        "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, request_id, data) \
         VALUES ((SELECT 1 + coalesce(max(seq), 0) FROM events WHERE tenant_id = '{tenant}'), '{id}', \
         '{tenant}', NOW, '{kind}', '{actor}', 'server', 'req', '{{}}'); "
    )
}

/// Ours, and newest in its tenant.
fn resealed() -> String {
    event("new_seal", "ten_a", "secrets.resealed", "server")
}

/// A table with sealed values: a row, its re-sealing, one of the same key, one that is longer, and
/// changes that do not go with it.
struct Table {
    name: &'static str,
    row: &'static str,
    again: &'static str,
    same_key: &'static [&'static str],
    longer: &'static [&'static str],
    beside: &'static [&'static str],
    says: &'static str,
}

const TABLES: &[Table] = &[
    Table {
        name: "installation",
        row: "id = 1",
        again: "key_check = x'11', sealed_pepper = x'12'",
        same_key: &["key_check = x'11'", "sealed_pepper = x'12'", "id = 1"],
        longer: &[
            "key_check = x'1111', sealed_pepper = x'12'",
            "key_check = x'11', sealed_pepper = x'1212'",
        ],
        beside: &["tenant_id = 'ten_b'", "created_at = created_at + 1"],
        says: "installation: append only, and not resealed",
    },
    Table {
        name: "signing_keys",
        row: "id = 'key_1'",
        again: "sealed = x'11'",
        same_key: &[],
        longer: &["sealed = x'1111'"],
        beside: &["ended_at = 1", "active_from = 1", "retiring_from = 1"],
        says: "signing_keys: another secret, and not resealed",
    },
    Table {
        name: "factors",
        row: "id = 'fac_bob'",
        again: "sealed = x'11'",
        same_key: &[],
        longer: &["sealed = x'1111'"],
        beside: &["state = 'suspended'", "rotate_by = 1"],
        says: "factors: another secret, and not resealed",
    },
];

/// Every statement that would put a secret in another one's place, or change more than that.
pub fn all() -> Vec<Hostile> {
    let mut all = Vec::new();
    for Table { name, row, again, same_key, longer, beside, says } in TABLES {
        let mut add = |why: &str, before: String, set: &str, event: &str| {
            let sql = format!("{before}UPDATE {name} SET {set}, event_id = '{event}' WHERE {row}");
            all.push(hostile(2, format!("{name}: {why}"), sql, says));
        };
        add("a secret by any event", String::new(), again, "new_server");
        let of = |kind: &str, actor: &str| event("new_seal", "ten_a", kind, actor);
        add("a secret by a client", of("secrets.resealed", "client"), again, "new_seal");
        add("a secret by a person", of("secrets.resealed", "person"), again, "new_seal");
        add("a secret by housekeeping", of("retention.purged", "server"), again, "new_seal");
        let older = format!("{}{}", resealed(), event("new_c", "ten_a", "user.changed", "server"));
        add("a secret by an earlier re-sealing", older, again, "new_seal");
        for set in *same_key {
            add("a secret of the same key", resealed(), set, "new_seal");
        }
        for set in *longer {
            add("a secret of another length", resealed(), set, "new_seal");
        }
        for change in *beside {
            add("more than a secret", resealed(), &format!("{again}, {change}"), "new_seal");
        }
    }
    all.extend(foreign_and_swapped());
    all
}

fn foreign_and_swapped() -> Vec<Hostile> {
    let foreign = event("new_seal", "ten_b", "secrets.resealed", "server");
    let says = "factors: another secret, and not resealed";
    let mut all = vec![hostile(
        2,
        "factors: a seed under the same key",
        format!(
            "INSERT INTO factors SELECT tenant_id, 'fac_c', 'ivy', kind, 'pending', algorithm, digits, \
             x'010101010101010101AA', created_at, NULL, NULL, is_bootstrap, exposed_to, rotate_by, \
             ended_at, end_authority, end_authority_id, 'new_server' FROM factors WHERE id = 'fac_bob'; \
             {}UPDATE factors SET sealed = x'010101010101010101BB', event_id = 'new_seal' \
             WHERE id = 'fac_c'",
            resealed()
        ),
        says,
    )];
    for (table, row, set) in [
        ("installation", "id = 1", "key_check = x'11', sealed_pepper = x'12'"),
        ("signing_keys", "id = 'key_1'", "sealed = x'11'"),
        ("factors", "id = 'fac_bob'", "sealed = x'11'"),
    ] {
        let sql = format!("{foreign}UPDATE {table} SET {set}, event_id = 'new_seal' WHERE {row}");
        let why = format!("{table}: another tenant's re-sealing");
        all.push(hostile(7, why, sql, &format!("{table}: ")));
    }
    all
}

#[test]
fn every_sealed_value_may_be_sealed_again() {
    let mut story = populated("resealed");
    story.run(&resealed());
    for Table { name, row, again, .. } in TABLES {
        story.run(&format!("UPDATE {name} SET {again}, event_id = 'new_seal' WHERE {row}"));
    }
    // A pending factor and a suspended one too.
    story.run(
        "UPDATE factors SET sealed = x'11', event_id = 'new_seal' WHERE id IN ('fac_fay', 'fac_cat')",
    );
}
