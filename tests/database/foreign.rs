//! Rule 7 again: rows that only the tenant of their event is wrong with.

use crate::database::hostile::{Hostile, copy, hostile};

/// A server's event of another tenant, as the row's own guard would want it of this one.
fn fitting(kind: &str, user: &str) -> String {
    format!(
        "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, user_id, request_id, data) \
         VALUES ((SELECT 1 + max(seq) FROM events WHERE tenant_id = 'ten_b'), 'new_c', 'ten_b', NOW, \
         '{kind}', 'server', 'server', '{user}', 'req', '{{}}'); "
    )
}

/// Rows of each table whose own guard asks for no tenant.
pub fn all() -> Vec<Hostile> {
    let factor = "id = 'fac_c', user_id = 'ivy', event_seq = seq(new_server)";
    let broken = "id = 'ovr_c', is_break_glass = TRUE, requested_by = 'server', \
         required_approvals = 0, expires_at = requested_at + 1000, event_seq = seq(new_foreign)";
    [
        (
            "the glass is broken in another tenant's record",
            copy("overrides", "id = 'ovr_last'", broken),
            "overrides: starts requested",
        ),
        (
            "a role by another tenant's grant",
            fitting("role.granted", "gil")
                + "INSERT INTO roles VALUES ('ten_a', 'gil', 'admin', NOW, NULL, NULL, seq(new_c))",
            "roles: no authority",
        ),
        (
            "recovery codes that another tenant issued",
            fitting("recovery_codes.issued", "gil")
                + "INSERT INTO recovery_codes VALUES ('ten_a', 'rec_c', 'gil', h(c), NOW, NULL, NULL, \
                   seq(new_c))",
            "recovery_codes: not issued",
        ),
        (
            "a factor's steps begin by no event",
            copy("factors", "id = 'fac_fay'", factor)
                + "; INSERT INTO factor_steps VALUES ('ten_a', 'fac_c', 0, seq(nothing))",
            "factor_steps: exists, or names no event",
        ),
    ]
    .into_iter()
    .map(|(why, sql, says)| hostile(7, why, sql, says))
    .collect()
}
