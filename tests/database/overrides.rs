//! Rules 2 and 3: what weakens is a dated, reasoned, approved override, and no machine makes one.

use crate::database::hostile::{Hostile, copy, event, hostile, list};

/// Overrides, approvals, policies, petitions, tickets, clients and keys.
pub fn all() -> Vec<Hostile> {
    let mut all = requests();
    all.extend(lives());
    all.extend(approvals());
    all.extend(things());
    all
}

fn requests() -> Vec<Hostile> {
    let request =
        |changes: &str| copy("overrides", "id = 'ovr_last'", &format!("id = 'ovr_c', {changes}"));
    let says = "overrides: starts requested, by a person or by break-glass";
    [
        ("an override without a code", request("event_seq = seq(new_person)"), says),
        ("an override by a client", request("event_seq = seq(new_client)"), says),
        ("a second override for one code", request("reason = 'quite another reason'"), says),
        (
            "an override by somebody who is no administrator",
            request("requested_by = 'bob', event_seq = seq(new_bob)"),
            says,
        ),
        (
            "an override in another person's name",
            request("requested_by = 'cyd', event_seq = seq(new_person)"),
            says,
        ),
        ("an override for oneself", request("requested_by = user_id"), says),
        (
            "an override is born approved",
            request("state = 'approved', approved_at = NOW, event_seq = seq(new_server)"),
            says,
        ),
        (
            "the glass is broken by a person",
            request(
                "is_break_glass = TRUE, requested_by = 'server', required_approvals = 0, \
                 expires_at = requested_at + 1000, event_seq = seq(new_person)",
            ),
            says,
        ),
        (
            "the glass is broken by another event",
            broken("expires_at = requested_at + 1000")
                .replace("override.requested", "user.changed"),
            says,
        ),
        (
            "the glass is broken by the event of another override",
            broken("expires_at = requested_at + 1000")
                .replace("nullif('ovr_c'", "nullif('ovr_last'"),
            says,
        ),
        (
            "the glass is broken at another time",
            broken("expires_at = NOW, requested_at = NOW - 1"),
            says,
        ),
        (
            "the glass is broken for a day",
            broken("expires_at = requested_at + 86400000"),
            "CHECK constraint failed",
        ),
    ]
    .into_iter()
    .map(|(why, sql, says)| hostile(2, why, sql, says))
    .collect()
}

/// A request by the server's break-glass, for what the columns alone refuse.
fn broken(changes: &str) -> String {
    let set = format!(
        "id = 'ovr_c', is_break_glass = TRUE, requested_by = 'server', required_approvals = 0, \
         event_seq = seq(new_glass), {changes}"
    );
    let set = if changes.contains("requested_at = ") {
        set
    } else {
        format!("{set}, requested_at = NOW")
    };
    let set = set.replace("= requested_at", "= NOW");
    event("new_glass", "override.requested", "ovr_c", "{}")
        + &copy("overrides", "id = 'ovr_last'", &set)
}

fn lives() -> Vec<Hostile> {
    let says = "overrides: no such transition, or not enough approvals";
    let set = |what: &str, id: &str, event: &str| {
        format!("UPDATE overrides SET {what}, event_seq = seq({event}) WHERE id = '{id}'")
    };
    let approved =
        "state = 'approved', approved_at = (SELECT at FROM events WHERE id = 'new_person')";
    let back = "state = 'approved', ended_at = NULL";
    let stale = |person: &str| {
        format!(
            "UPDATE users SET epoch = epoch + 1, event_seq = seq(new_server) WHERE id = '{person}'"
        )
    };
    let disabled =
        "UPDATE clients SET disabled_at = NOW, event_seq = seq(new_server) WHERE id = 'cli_a'";
    let late = "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, request_id, data) \
         VALUES ((SELECT 1 + coalesce(max(seq), 0) FROM events WHERE tenant_id = 'ten_a'), 'too_late', 'ten_a', NOW + 864000000, 'override.approved', 'person', 'adm', 'req', \
         '{}'); ";
    let mut all: Vec<Hostile> = [
        ("approved without any approval", set(approved, "ovr_waiting", "new_person")),
        ("approved with too few approvals", set(approved, "ovr_half", "new_person")),
        (
            "approved with the approval of a person who reported a loss since",
            format!("{}; {}", stale("bea"), set(approved, "ovr_full", "new_person")),
        ),
        (
            "approved for a requester who reported a loss since",
            format!("{}; {}", stale("adm"), set(approved, "ovr_full", "new_person")),
        ),
        (
            "approved through a client that is disabled",
            format!("{disabled}; {}", set(approved, "ovr_full", "new_person")),
        ),
        (
            "approved after its end, as if it had been before",
            format!(
                "{late}{}",
                set("state = 'approved', approved_at = requested_at", "ovr_last", "too_late")
            ),
        ),
        (
            "approved after its end",
            set("state = 'approved', approved_at = expires_at", "ovr_waiting", "new_late"),
        ),
        ("its end is later", set("expires_at = expires_at + 1", "ovr_exempt", "new_person")),
        ("back from revoked", set(back, "ovr_revoked", "new_person")),
        ("back from used", set(back, "ovr_admin_bea", "new_person")),
        (
            "back to waiting",
            set("state = 'requested', approved_at = NULL", "ovr_exempt", "new_person"),
        ),
        ("approved at another time", set("approved_at = 1", "ovr_exempt", "new_person")),
        (
            "a waiting one has an approval's time",
            set("approved_at = 1", "ovr_waiting", "new_person"),
        ),
        (
            "used without an approval",
            set("state = 'used', approved_at = NOW, ended_at = NOW", "ovr_waiting", "new_person"),
        ),
        ("revoked is denied", set("state = 'denied'", "ovr_revoked", "new_person")),
    ]
    .into_iter()
    .map(|(why, sql)| hostile(2, why, sql, says))
    .collect();
    let soon = "expires_at = requested_at + 1000";
    all.extend(
        [
            ("without a reason", broken(&format!("{soon}, reason = 'short'"))),
            ("for ever", broken("expires_at = 9000000000000")),
            ("ended before it began", broken("expires_at = requested_at")),
            ("approved and ended", set("ended_at = NOW", "ovr_exempt", "new_person")),
            ("a reset for nobody", broken(&format!("{soon}, user_id = NULL"))),
        ]
        .into_iter()
        .map(|(why, sql)| hostile(2, why, sql, "CHECK constraint failed")),
    );
    all
}

fn approvals() -> Vec<Hostile> {
    let says = "approvals: by another person, of what they saw";
    let approve = |id: &str, person: &str, digest: &str, event: &str| {
        format!(
            "INSERT INTO approvals VALUES ('ten_a', '{id}', '{person}', {digest}, 'cli_a', \
             (SELECT epoch FROM users WHERE id = '{person}'), (SELECT at FROM events WHERE id = '{event}'), seq({event}))"
        )
    };
    // A good proof of Bea's, and the event that would name it.
    let proven = |person: &str, id: &str, digest: &str| {
        format!(
            "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, client_id, user_id, \
             object_id, evaluated, request_id, data) SELECT (SELECT 1 + max(seq) FROM events WHERE tenant_id = 'ten_a'), 'new_proof', 'ten_a', at, 'code.verified', \
             'person', '{person}', 'cli_a', '{person}', 'chl_act', TRUE, 'req', \
             '{{\"factor\":\"fac_{person}\"}}' FROM events WHERE id = 'new_bea'; \
             UPDATE factor_steps SET last_step = CASE WHEN last_step < NOW / 30000 THEN NOW / 30000 ELSE last_step + 1 END, event_seq = seq(new_proof) \
             WHERE factor_id = 'fac_{person}'; \
             INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, client_id, object_id, \
             request_id, data) SELECT (SELECT 1 + max(seq) FROM events WHERE tenant_id = 'ten_a'), 'new_yes', 'ten_a', at, 'override.endorsed', 'person', \
             '{person}', 'cli_a', '{id}', 'req', '{{\"proof\":\"new_proof\"}}' FROM events \
             WHERE id = 'new_bea'; {}",
            approve(id, person, digest, "new_yes")
        )
    };
    [
        (
            "an approval without a code",
            approve("ovr_waiting", "bea", "h(digest ovr_waiting)", "new_person"),
        ),
        (
            "an approval by a client",
            approve("ovr_waiting", "bea", "h(digest ovr_waiting)", "new_client"),
        ),
        ("an approval by the requester", proven("adm", "ovr_waiting", "h(digest ovr_waiting)")),
        ("an approval by the subject", proven("bob", "ovr_waiting", "h(digest ovr_waiting)")),
        (
            "an approval by somebody who is no administrator",
            proven("gil", "ovr_waiting", "h(digest ovr_waiting)"),
        ),
        ("an approval of something else", proven("bea", "ovr_waiting", "h(digest ovr_half)")),
        ("an approval of what was approved", proven("bea", "ovr_exempt", "h(digest ovr_exempt)")),
        ("an approval of what is over", proven("bea", "ovr_revoked", "h(digest ovr_revoked)")),
    ]
    .into_iter()
    .map(|(why, sql)| hostile(2, why, sql, says))
    .chain([hostile(
        2,
        "a second approval by one person",
        proven("bea", "ovr_half", "h(digest ovr_half)"),
        "approvals: exists",
    )])
    .collect()
}

fn things() -> Vec<Hostile> {
    let policy = |version: &str, by: &str, event: &str| {
        format!(
            "INSERT INTO policies VALUES ('ten_a', {version}, '{{}}', 'adm', NOW, {by}, seq({event}))"
        )
    };
    let next = "policies: not the next version, or no authority";
    let ticket = |changes: &str| {
        copy("tickets", "id = 'tkt_open'", &format!("id = 'tkt_c', hash = h(c), {changes}"))
    };
    let tickets = "tickets: no authority to make one";
    let mut all: Vec<Hostile> = [
        ("a policy version is left out", policy("3", "NULL", "new_person"), next),
        ("a policy by an event of another kind", policy("2", "NULL", "new_person"), next),
        ("a policy by a client", policy("2", "NULL", "new_client"), next),
        ("a policy by an exemption", policy("2", "'ovr_exempt'", "new_person"), next),
        ("a policy by nothing", policy("2", "'nothing'", "new_person"), next),
        ("a ticket by a client", ticket("event_seq = seq(new_client)"), tickets),
        (
            "a ticket for an administrator",
            ticket("user_id = 'bea', event_seq = seq(new_person)"),
            tickets,
        ),
        (
            "a ticket by another user's reset",
            ticket("override_id = 'ovr_reset_gil', event_seq = seq(new_person)"),
            tickets,
        ),
        (
            "a ticket by a waiting reset",
            ticket("user_id = 'bob', override_id = 'ovr_waiting', event_seq = seq(new_person)"),
            tickets,
        ),
        (
            "a ticket by an approver of the reset",
            ticket("user_id = 'gil', override_id = 'ovr_reset_gil', event_seq = seq(new_approver)"),
            tickets,
        ),
        (
            "a ticket for a year",
            ticket("expires_at = created_at + 31536000000, event_seq = seq(new_person)"),
            "CHECK constraint failed",
        ),
        (
            "a client gets a scope by an exemption",
            event("evt_cli", "client.updated", "cli_a", r#"{"override":"ovr_exempt"}"#)
                + "UPDATE clients SET scopes = '[\"offboard\"]', event_seq = seq(evt_cli) WHERE id = 'cli_a'",
            "clients: disabled for good, or no authority",
        ),
    ]
    .into_iter()
    .map(|(why, sql, says)| hostile(2, why, sql, says))
    .collect();
    all.extend(list(2, &[
        (
            "a disabled client is live again",
            "UPDATE clients SET disabled_at = NULL, event_seq = seq(new_person) WHERE id = 'cli_off'",
            "clients: disabled for good, or no authority",
        ),
        (
            "a client gets a scope by nothing",
            "UPDATE clients SET scopes = '[\"offboard\"]', event_seq = seq(new_person) WHERE id = 'cli_a'",
            "clients: disabled for good, or no authority",
        ),
        (
            "a client's key lives longer",
            "UPDATE client_secrets SET expires_at = expires_at + 1, event_seq = seq(new_person) \
             WHERE id = 'sec_a'",
            "client_secrets: a secret only ends sooner",
        ),
        (
            "a revoked key is good again",
            "UPDATE client_secrets SET revoked_at = NULL, event_seq = seq(new_person) \
             WHERE id = 'sec_off'",
            "client_secrets: a secret only ends sooner",
        ),
        (
            "a denied petition is open again",
            "UPDATE petitions SET state = 'open', decided_at = NULL, event_seq = seq(new_person) \
             WHERE id = 'pet_over'",
            "petitions: decided",
        ),
    ]));
    all
}
