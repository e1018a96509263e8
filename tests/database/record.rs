//! Rule 7: no change without its event, and the record only grows. These are written once and aimed at
//! every table.

use crate::database::hostile::{Hostile, copy, hostile, list};

/// A state table: a row of it, a change that would be legal with an event, and columns that are facts.
struct Table {
    name: &'static str,
    row: &'static str,
    change: &'static str,
    facts: &'static [&'static str],
    /// What makes a copy of the row another row, if there can be one.
    other: &'static str,
}

const fn table(
    name: &'static str,
    row: &'static str,
    change: &'static str,
    facts: &'static [&'static str],
    other: &'static str,
) -> Table {
    Table { name, row, change, facts, other }
}

const TABLES: &[Table] = &[
    table(
        "installation",
        "id = 1",
        "sealed_pepper = under(new)",
        &["id = 2", "tenant_id", "created_at"],
        "",
    ),
    table(
        "signing_keys",
        "id = 'key_1'",
        "sealed = x'02'",
        &["tenant_id", "id", "algorithm = 'RS256'", "public_jwk = '[]'", "created_at"],
        "id = 'key_3', state = 'next', active_from = NULL",
    ),
    table(
        "tenants",
        "tenant_id = 'ten_a'",
        "suspended_at = 1",
        &["tenant_id", "created_at"],
        "tenant_id = 'ten_c'",
    ),
    table(
        "directories",
        "id = 'dir_a'",
        "name = 'other'",
        &["tenant_id", "id", "created_at"],
        "id = 'dir_c'",
    ),
    table(
        "clients",
        "id = 'cli_a'",
        "disabled_at = 1",
        &[
            "tenant_id",
            "id",
            "directory_id",
            "scopes = '[\"tenant:write\"]'",
            "audiences = '[\"everything\"]'",
            "created_by",
            "created_at",
        ],
        "id = 'cli_c'",
    ),
    table(
        "client_secrets",
        "id = 'sec_a'",
        "revoked_at = 1",
        &["tenant_id", "id", "client_id", "hash = zeroblob(32)", "created_at"],
        "id = 'sec_c'",
    ),
    table(
        "client_keys",
        "id = 'ckey_a'",
        "removed_at = 1",
        &[
            "tenant_id",
            "id",
            "client_id = 'cli_off'",
            "jwk = '[]'",
            "service_account = 'a'",
            "created_at",
        ],
        "id = 'ckey_c'",
    ),
    table(
        "users",
        "id = 'bob'",
        "display_name = 'Other'",
        &[
            "tenant_id",
            "id",
            "directory_id",
            "external_id",
            "external_id_folded",
            "kind = 'service'",
            "created_at",
        ],
        "id = 'zed', external_id = 'zed', external_id_folded = '1:zed', epoch = 1",
    ),
    table(
        "user_groups",
        "user_id = 'bob'",
        "groups = '[]'",
        &["tenant_id", "user_id = 'gil'", "client_id = 'cli_off'"],
        "user_id = 'gil'",
    ),
    table(
        "roles",
        "user_id = 'bea'",
        "revoked_at = 1",
        &["tenant_id", "user_id = 'gil', revoked_at = 1", "role = 'auditor', revoked_at = 1"],
        "user_id = 'gil'",
    ),
    table(
        "factors",
        "id = 'fac_bob'",
        "state = 'suspended'",
        &[
            "tenant_id",
            "id",
            "user_id = 'gil'",
            "kind = 'webauthn'",
            "algorithm = 'SHA256'",
            "digits = 8",
            "created_at",
            "is_bootstrap = TRUE",
            "exposed_to = 'adm'",
        ],
        "id = 'fac_c', user_id = 'ivy', state = 'pending', activated_at = NULL, trust_since = NULL",
    ),
    table(
        "factor_steps",
        "factor_id = 'fac_bob'",
        "last_step = last_step + 1",
        &["tenant_id", "factor_id = 'fac_gil'"],
        "",
    ),
    table(
        "throttles",
        "user_id = 'bob'",
        "level = 1",
        &["tenant_id", "user_id = 'gil'", "lane = 'other'"],
        "lane = 'other'",
    ),
    table(
        "challenges",
        "id = 'chl_open'",
        "closed_at = 1",
        &[
            "tenant_id",
            "id",
            "hash = zeroblob(32)",
            "user_id = 'gil'",
            "client_id = 'cli_off'",
            "purpose = 'enroll'",
            "audiences = '[\"everything\"]'",
            "primary_method",
            "primary_at",
            "address = '::1'",
            "act_operation = 'x'",
            "act_digest = zeroblob(32)",
            "recovery_code_id = 'x'",
            "created_at",
            "expires_at",
        ],
        "id = 'chl_c', hash = h(c)",
    ),
    table(
        "enrollments",
        "id = 'enr_fay'",
        "closed_at = 1",
        &[
            "tenant_id",
            "id",
            "hash = zeroblob(32)",
            "user_id = 'gil'",
            "client_id",
            "factor_id = 'fac_bob'",
            "authority = 'bootstrap'",
            "authority_id = 'x'",
            "audiences = '[\"everything\"]'",
            "primary_method",
            "primary_at",
            "created_at",
            "expires_at",
        ],
        "id = 'enr_c', hash = h(c)",
    ),
    table(
        "recovery_codes",
        "id = 'rec_open'",
        "replaced_at = 1",
        &["tenant_id", "id", "user_id = 'gil'", "hash = zeroblob(32)", "created_at"],
        "id = 'rec_c', hash = h(c)",
    ),
    table(
        "tickets",
        "id = 'tkt_open'",
        "revoked_at = 1",
        &[
            "tenant_id",
            "id",
            "user_id = 'gil'",
            "mode = 'bearer'",
            "hash = zeroblob(32)",
            "claim_code_hash = x'01'",
            "created_by",
            "override_id = 'x'",
            "created_at",
            "expires_at",
        ],
        "id = 'tkt_c', hash = h(c)",
    ),
    table(
        "petitions",
        "id = 'pet_open'",
        "state = 'withdrawn', decided_at = 1",
        &[
            "tenant_id",
            "id",
            "kind = 'exempt'",
            "user_id = 'gil'",
            "reason",
            "facts = '[]'",
            "requested_by_kind = 'person'",
            "requested_by",
            "created_at",
        ],
        "id = 'pet_c'",
    ),
    table(
        "overrides",
        "id = 'ovr_exempt'",
        "expires_at = expires_at - 1",
        &[
            "tenant_id",
            "id",
            "kind = 'reset'",
            "user_id = 'gil'",
            "facts = '[]'",
            "audiences = '[\"everything\"]'",
            "digest = zeroblob(32)",
            "reason = 'another long reason'",
            "ticket_reference = 'x'",
            "requested_by",
            "requested_client_id",
            "requested_at",
            "required_approvals = 3",
            "policy_version = 9",
            "petition_id = 'x'",
            "is_break_glass = TRUE",
        ],
        "id = 'ovr_c', state = 'requested', approved_at = NULL",
    ),
];

/// Rows that nothing refers to, so that no foreign key keeps them from being replaced or deleted.
const SPARE: &[(&str, &str)] = &[
    ("tenants", "tenant_id = 'ten_bare'"),
    ("directories", "id = 'dir_bare'"),
    ("clients", "id = 'cli_b'"),
    ("client_keys", "id = 'ckey_gone'"),
    ("users", "id = 'ivy'"),
    ("roles", "user_id = 'adm'"),
    ("factors", "id = 'fac_fay'"),
    ("factor_steps", "factor_id = 'fac_fay'"),
    ("overrides", "id = 'ovr_last'"),
];

/// Tables of which no row changes: a row, and what makes a copy another row.
const APPEND_ONLY: &[(&str, &str, &str)] = &[
    ("policies", "version = 1", "version = 2"),
    ("approvals", "override_id = 'ovr_last'", "person_id = 'cyd'"),
    ("issued_tokens", "id = 'tok_1'", "id = 'tok_c', audience = 'other'"),
    ("client_tokens", "id = 'cto_1'", "id = 'cto_c', hash = h(c), jti_hash = h(c)"),
];

/// Every statement that would change a table without a new event of its tenant.
pub fn without_an_event() -> Vec<Hostile> {
    let mut all = Vec::new();
    for Table { name, row, change, .. } in TABLES {
        let says = format!("{name}: ");
        for (event, why) in [
            ("event_seq", "a change keeps its event"),
            ("seq(evt_001)", "a change names an older event"),
            ("seq(nothing)", "a change names no event"),
        ] {
            let sql = format!("UPDATE {name} SET {change}, event_seq = {event} WHERE {row}");
            all.push(hostile(7, format!("{name}: {why}"), sql, &says));
        }
    }
    let kept = TABLES.iter().map(|table| (table.name, table.row, table.other));
    for (name, row, other) in kept.chain(APPEND_ONLY.iter().copied()) {
        let says = format!("{name}: ");
        if !other.is_empty() {
            let sql = copy(name, row, &format!("{other}, event_seq = seq(nothing)"));
            all.push(hostile(7, format!("{name}: a row names no event"), sql, &says));
        }
        let spare = SPARE.iter().find(|(spare, _)| *spare == name).map(|(_, row)| *row);
        for row in spare.into_iter().chain([row]) {
            let sql = format!("INSERT OR REPLACE INTO {name} SELECT * FROM {name} WHERE {row}");
            all.push(hostile(7, format!("{name}: {row} is replaced"), sql, &says));
            let sql = format!("DELETE FROM {name} WHERE {row}");
            all.push(hostile(7, format!("{name}: {row} is deleted"), sql, &says));
        }
    }
    all
}

/// Every fact of every table, changed with a new event.
pub fn of_a_fact() -> Vec<Hostile> {
    let mut all = Vec::new();
    for Table { name, row, facts, .. } in TABLES {
        for fact in *facts {
            let (column, change) = match fact.split_once(" = ") {
                Some((column, _)) => (column, (*fact).to_owned()),
                None if fact.ends_with("_at") => (*fact, format!("{fact} = {fact} + 1")),
                None => (*fact, format!("{fact} = 'other'")),
            };
            // A tenant's own event must not be what refuses it.
            let event = if column == "tenant_id" { "new_c" } else { "new_server" };
            let sql = format!(
                "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, request_id, data) \
                 VALUES ((SELECT 1 + coalesce(max(seq), 0) FROM events WHERE tenant_id = 'other'), 'new_c', 'other', NOW, 'user.changed', 'server', 'server', 'req', '{{}}'); \
                 UPDATE {name} SET {change}, event_seq = seq({event}) WHERE {row}"
            );
            let why = format!("{name}: {column} is a fact");
            all.push(hostile(7, why, sql, &format!("{name}: ")));
        }
    }
    for (name, row, _) in APPEND_ONLY {
        let sql = format!("UPDATE {name} SET event_seq = seq(new_server) WHERE {row}");
        all.push(hostile(
            7,
            format!("{name}: a row changes"),
            sql,
            &format!("{name}: append only"),
        ));
    }
    all
}

/// What would rewrite, thin out or reorder the record itself.
pub fn of_the_record() -> Vec<Hostile> {
    let numbered = |seq: &str| {
        format!(
            "INSERT OR REPLACE INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, \
             request_id, data) VALUES ({seq}, 'new_c', 'ten_a', NOW, 'user.changed', 'server', \
             'server', 'req', '{{}}')"
        )
    };
    let mut all = list(
        7,
        &[
            (
                "an event is edited",
                "UPDATE events SET actor_id = 'x' WHERE seq = 1 AND tenant_id = 'ten_a'",
                "events: append only",
            ),
            (
                "an event is deleted",
                "DELETE FROM events WHERE id = 'new_last'",
                "events: never deleted",
            ),
            (
                "an event is replaced by its id",
                "INSERT OR REPLACE INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, request_id, \
             data) VALUES ((SELECT 1 + coalesce(max(seq), 0) FROM events WHERE tenant_id = 'ten_a'), 'new_last', 'ten_a', NOW, 'x', 'server', 'server', 'req', '{}')",
                "events: exists",
            ),
            (
                "an event by nobody",
                "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, request_id, data) \
             VALUES ((SELECT 1 + coalesce(max(seq), 0) FROM events WHERE tenant_id = 'ten_a'), 'new_c', 'ten_a', NOW, 'x', 'somebody', 'x', 'req', '{}')",
                "CHECK constraint failed",
            ),
        ],
    );
    for (number, why, says) in [
        ("1", "an event is replaced by its number", "events: only at the end"),
        (
            "(SELECT max(seq) FROM events WHERE tenant_id = 'ten_a')",
            "the last event is replaced by its number",
            "events: only at the end",
        ),
        ("-5", "an event is slipped in before the first", "events: only at the end"),
        (
            "100000",
            "a number is left out, as if events had been deleted",
            "events: only at the end",
        ),
    ] {
        all.push(hostile(7, why.to_owned(), numbered(number), says));
    }
    all
}

/// What would empty a table, of whichever database can.
pub fn emptied() -> Vec<Hostile> {
    let tables = TABLES.iter().map(|table| table.name);
    let names = tables
        .chain(APPEND_ONLY.iter().map(|(name, ..)| *name))
        .chain(["events", "schema_versions"]);
    let empty = |name| {
        let sql = format!("TRUNCATE {name} CASCADE");
        hostile(7, format!("{name} is emptied"), sql, &format!("{name}: never emptied"))
    };
    names.map(empty).collect()
}
