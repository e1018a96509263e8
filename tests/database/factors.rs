//! Rules 1 and 2: a factor is bound by a code and ends by an authority, and there is no "disabled".

use crate::database::codes::recovers;
use crate::database::hostile::{Hostile, copy, event, hostile, list};

/// Factors, users, roles.
pub fn all() -> Vec<Hostile> {
    let mut all = bound();
    all.extend(lives());
    all.extend(ended());
    all.extend(users());
    all.extend(roles());
    all
}

fn confirm(event: &str, sets: &str) -> String {
    format!(
        "UPDATE factor_steps SET last_step = NOW / 30000, event_seq = seq({event}) \
         WHERE factor_id = 'fac_fay'; \
         UPDATE factors SET state = 'active', event_seq = seq({event}), {sets} WHERE id = 'fac_fay'"
    )
}

fn bound() -> Vec<Hostile> {
    let says = "factors: not confirmed by a code";
    let at = |event: &str| format!("(SELECT at FROM events WHERE id = '{event}')");
    let (fay, login) = (at("new_fay"), at("new_fay_login"));
    [
        (
            "a factor is bound without a code",
            "UPDATE factors SET state = 'active', activated_at = NOW, trust_since = NOW, \
             event_seq = seq(new_server) WHERE id = 'fac_fay'"
                .to_owned(),
        ),
        (
            "a factor is bound by a code that spent no step",
            format!(
                "UPDATE factors SET state = 'active', activated_at = {fay}, trust_since = {fay}, \
                 event_seq = seq(new_fay) WHERE id = 'fac_fay'"
            ),
        ),
        (
            "a factor is bound by a code for something else",
            confirm("new_fay_login", &format!("activated_at = {login}, trust_since = {login}")),
        ),
        (
            "a new factor is trusted since long ago",
            confirm("new_fay", &format!("activated_at = {fay}, trust_since = 1")),
        ),
        (
            "a factor was bound yesterday",
            confirm("new_fay", &format!("activated_at = {fay} - 1, trust_since = {fay} - 1")),
        ),
        (
            "a factor that need not cool down, by somebody's own enrollment",
            format!(
                "{}; INSERT INTO enrollments SELECT 'ten_a', 'enr_c', h(c), 'ivy', client_id, 'fac_c', \
                 'first', NULL, audiences, primary_method, primary_at, address, 0, created_at, expires_at, NULL, \
                 seq(new_server) FROM enrollments WHERE id = 'enr_fay'; \
                 INSERT INTO factor_steps VALUES ('ten_a', 'fac_c', 0, seq(new_server)); \
                 INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, client_id, user_id, \
                 object_id, evaluated, request_id, data) VALUES ((SELECT 1 + coalesce(max(seq), 0) FROM events WHERE tenant_id = 'ten_a'), 'new_ivy', 'ten_a', NOW, \
                 'enrollment.confirmed', 'client', 'cli_a', 'cli_a', 'ivy', 'enr_c', TRUE, 'req', \
                 '{{\"factor\":\"fac_c\"}}'); \
                 UPDATE factor_steps SET last_step = NOW / 30000, event_seq = seq(new_ivy) \
                 WHERE factor_id = 'fac_c'; \
                 UPDATE factors SET state = 'active', activated_at = NOW, trust_since = NOW, \
                 event_seq = seq(new_ivy) WHERE id = 'fac_c'",
                copy(
                    "factors",
                    "id = 'fac_fay'",
                    "id = 'fac_c', user_id = 'ivy', is_bootstrap = TRUE, event_seq = seq(new_server)"
                )
            ),
        ),
    ]
    .into_iter()
    .map(|(why, sql)| hostile(1, why, sql, says))
    .collect()
}

fn lives() -> Vec<Hostile> {
    let life = "factors: no such transition";
    let start = "factors: a factor starts pending";
    let born = "id = 'fac_c', user_id = 'ivy', event_seq = seq(new_server), ";
    let born = |changes: &str| copy("factors", "id = 'fac_bob'", &format!("{born}{changes}"));
    let mut all = vec![hostile(1, "a factor is born active", born("activated_at = NOW"), start)];
    all.push(hostile(
        1,
        "a second pending factor takes the first one's place",
        "INSERT OR REPLACE INTO factors SELECT tenant_id, 'fac_c', user_id, kind, state, algorithm, \
         digits, sealed, created_at, activated_at, trust_since, is_bootstrap, exposed_to, rotate_by, \
         ended_at, end_authority, end_authority_id, seq(new_server) FROM factors WHERE id = 'fac_fay'",
        "factors: exists",
    ));
    all.extend(list(2, &[
        (
            "a factor is disabled",
            "UPDATE factors SET state = 'disabled', event_seq = seq(new_server) WHERE id = 'fac_bob'",
            life,
        ),
        (
            "a bound factor is pending again",
            "UPDATE factors SET state = 'pending', activated_at = NULL, trust_since = NULL, \
             event_seq = seq(new_server) WHERE id = 'fac_bob'",
            life,
        ),
        (
            "a pending factor is bound already",
            "UPDATE factors SET activated_at = NOW, trust_since = NOW, event_seq = seq(new_server) \
             WHERE id = 'fac_fay'",
            "CHECK constraint failed",
        ),
        (
            "an ended factor comes back",
            "UPDATE factors SET state = 'active', sealed = x'01', ended_at = NULL, \
             end_authority = NULL, end_authority_id = NULL, event_seq = seq(new_server) \
             WHERE id = 'fac_dan'",
            life,
        ),
        (
            "an ended factor gets another authority",
            "UPDATE factors SET end_authority_id = 'bob', event_seq = seq(new_server) \
             WHERE id = 'fac_dan'",
            life,
        ),
        (
            "a bound factor is trusted since long ago",
            "UPDATE factors SET trust_since = 1, event_seq = seq(new_server) WHERE id = 'fac_bob'",
            life,
        ),
        (
            "a suspended factor resumes after the override's end",
            "UPDATE factors SET state = 'active', event_seq = seq(new_late) WHERE id = 'fac_cat'",
            life,
        ),
        (
            "a suspended factor resumes without an override",
            "UPDATE overrides SET state = 'used', ended_at = NOW, event_seq = seq(new_server) \
             WHERE id = 'ovr_resume_cat'; \
             UPDATE factors SET state = 'active', event_seq = seq(new_person) WHERE id = 'fac_cat'",
            life,
        ),
        (
            "a bound factor loses its secret",
            "UPDATE factors SET sealed = NULL, event_seq = seq(new_server) WHERE id = 'fac_bob'",
            life,
        ),
        (
            "the duty to rotate goes away",
            "UPDATE factors SET rotate_by = NOW, event_seq = seq(new_server) WHERE id = 'fac_bob'; \
             UPDATE factors SET rotate_by = NULL, event_seq = seq(new_person) WHERE id = 'fac_bob'",
            life,
        ),
        (
            "the duty to rotate is put off",
            "UPDATE factors SET rotate_by = NOW, event_seq = seq(new_server) WHERE id = 'fac_bob'; \
             UPDATE factors SET rotate_by = NOW + 1, event_seq = seq(new_person) WHERE id = 'fac_bob'",
            life,
        ),
    ]));
    all
}

fn ended() -> Vec<Hostile> {
    let end = |authority: &str, id: &str, factor: &str, event: &str| {
        format!(
            "UPDATE factors SET state = 'ended', sealed = NULL, ended_at = NOW, \
             end_authority = {authority}, end_authority_id = {id}, event_seq = seq({event}) \
             WHERE id = '{factor}'"
        )
    };
    let by = |authority: &str, id: &str| end(authority, id, "fac_bob", "new_server");
    let rotation = "UPDATE factor_steps SET last_step = NOW / 30000, event_seq = seq(new_fay) \
         WHERE factor_id = 'fac_fay'; ";
    // Gil enrolls again with a recovery code: legal up to the code that it takes.
    let confirms = |kind: &str, step: &str| {
        let spends = format!(
            "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, user_id, object_id, \
             evaluated, request_id, data) VALUES ((SELECT 1 + max(seq) FROM events \
             WHERE tenant_id = 'ten_a'), 'new_gil', 'ten_a', NOW, '{kind}', 'client', 'cli_a', 'gil', \
             'enr_c', TRUE, 'req', '{{\"factor\":\"fac_c\"}}'); "
        );
        let (begins, spent) = match step {
            "0" => ("new_gil", String::new()),
            _ => (
                "new_server",
                format!(
                    "UPDATE factor_steps SET last_step = {step}, event_seq = seq(new_gil) \
                     WHERE factor_id = 'fac_c'; "
                ),
            ),
        };
        let begun =
            format!("INSERT INTO factor_steps VALUES ('ten_a', 'fac_c', 0, seq({begins})); ");
        recovers("gil", "rec_gil") + "; " + &spends + &begun + &spent
    };
    let recovered = |at: &str, code: &str| {
        let end = end("'recovery'", &format!("'{code}'"), "fac_gil", "new_gil");
        end.replace("ended_at = NOW", &format!("ended_at = {at}"))
    };
    let says = "factors: no authority to end a factor";
    [
        ("a factor ends without an authority", by("NULL", "NULL")),
        ("a factor ends by a waiting reset", by("'override'", "'ovr_waiting'")),
        ("a factor ends by a reset with too few approvals", by("'override'", "'ovr_half'")),
        ("a factor ends by another user's reset", by("'override'", "'ovr_reset_gil'")),
        ("a factor ends by an exemption", by("'override'", "'ovr_exempt'")),
        ("a factor ends by nothing", by("'override'", "'nothing'")),
        (
            "a factor ends by a reset that is over",
            end("'override'", "'ovr_reset_gil'", "fac_gil", "new_late"),
        ),
        ("a factor ends by another user's factor", by("'replacement'", "'fac_gil'")),
        ("a factor replaces itself", by("'replacement'", "'fac_bob'")),
        (
            "a factor ends by a pending factor that is no rotation",
            format!("{rotation}{}", by("'replacement'", "'fac_fay'")),
        ),
        ("a factor ends by an unused recovery code", by("'recovery'", "'rec_open'")),
        ("a factor ends by a recovery that enrolled nothing", by("'recovery'", "'rec_used'")),
        (
            "a factor ends by the recovery that bound it",
            end("'recovery'", "'rec_hal'", "fac_hal_2", "new_server"),
        ),
        (
            "a factor ends before the code of its recovery",
            confirms("enrollment.confirmed", "NOW / 30000") + &recovered("NOW - 1", "rec_gil"),
        ),
        (
            "a factor ends by a recovery whose code was for something else",
            confirms("code.verified", "NOW / 30000") + &recovered("NOW", "rec_gil"),
        ),
        (
            "a factor ends by a recovery without a code",
            confirms("enrollment.confirmed", "0") + &recovered("NOW", "rec_gil"),
        ),
        (
            "a factor ends by another recovery code than was used",
            confirms("enrollment.confirmed", "NOW / 30000") + &recovered("NOW", "rec_hal"),
        ),
        ("a factor ends by an off-boarding that was none", by("'offboarding'", "'bob'")),
        ("a factor ends by another user's off-boarding", by("'offboarding'", "'dan'")),
        (
            "a suspended factor ends without an authority",
            end("'override'", "'ovr_resume_cat'", "fac_cat", "new_server"),
        ),
    ]
    .into_iter()
    .map(|(why, sql)| hostile(2, why, sql, says))
    .collect()
}

fn users() -> Vec<Hostile> {
    let says = "users: no authority for this change";
    let set = |what: &str, user: &str| {
        format!("UPDATE users SET {what}, event_seq = seq(new_server) WHERE id = '{user}'")
    };
    let born = |what: &str| {
        let changes = "id = 'zed', external_id = 'zed', event_seq = seq(new_server)";
        copy("users", "id = 'ivy'", &format!("{changes}, {what}"))
    };
    let start = "users: no authority for this start";
    [
        ("an epoch falls", set("epoch = epoch - 1", "bob"), says),
        ("a user was never enrolled", set("ever_enrolled = FALSE", "bob"), says),
        ("a user comes back", set("offboarded_at = NULL", "dan"), says),
        ("a user left at another time", set("offboarded_at = 1", "dan"), says),
        ("a user needs no ticket any more", set("ticket_only = FALSE", "eve"), says),
        ("a grace is longer", set("grace_until = grace_until + 1", "eve"), says),
        ("a grace has no end", set("grace_until = NULL", "eve"), says),
        ("a grace begins by nothing", set("grace_until = NOW + 1000", "bob"), says),
        ("a label appears", set("labels = '[\"exempt\"]'", "bob"), says),
        // SQLite puts the default in the place of NULL after the guards have seen it.
        (
            "labels disappear",
            set("labels = NULL", "bob").replace("UPDATE users", "UPDATE OR REPLACE users"),
            says,
        ),
        (
            "a user is born with a label",
            born("external_id_folded = '1:zed', labels = '[\"exempt\"]'"),
            start,
        ),
        ("a user is born in a later epoch", born("external_id_folded = '1:zed', epoch = 9"), start),
        (
            "a user is born with a grace",
            born("external_id_folded = '1:zed', epoch = 1, grace_until = NOW"),
            start,
        ),
        ("another spelling of a user is born free", born("ticket_only = FALSE, epoch = 1"), start),
        (
            "a directory is born that lets look-alikes enroll",
            copy("directories", "id = 'dir_bare'", "id = 'dir_c', look_alikes = 'note'"),
            "directories: a new one holds look-alikes",
        ),
        (
            "a directory lets look-alikes enroll by nothing",
            "UPDATE directories SET look_alikes = 'note', event_seq = seq(new_person) WHERE id = 'dir_a'"
                .to_owned(),
            "directories: no authority to let look-alikes enroll",
        ),
        (
            "a directory lets look-alikes enroll by an exemption",
            event("evt_dir", "directory.changed", "dir_a", r#"{"override":"ovr_exempt"}"#)
                + "UPDATE directories SET look_alikes = 'note', event_seq = seq(evt_dir) WHERE id = 'dir_a'",
            "directories: no authority to let look-alikes enroll",
        ),
        (
            "a user takes another one's place",
            "INSERT OR REPLACE INTO users SELECT tenant_id, 'zed', directory_id, external_id, \
             display_name, kind, labels, epoch, ever_enrolled, TRUE, grace_until, created_at, \
             offboarded_at, seq(new_server), external_id_folded FROM users WHERE id = 'ivy'"
                .to_owned(),
            "users: exists",
        ),
    ]
    .into_iter()
    .map(|(why, sql, says)| hostile(2, why, sql, says))
    .collect()
}

fn roles() -> Vec<Hostile> {
    let grant = |user: &str, role: &str, by: &str, event: &str| {
        format!(
            "INSERT INTO roles VALUES ('ten_a', '{user}', '{role}', NOW, {by}, NULL, seq({event}))"
        )
    };
    let says = "roles: no authority to grant";
    [
        ("a role without an override", grant("bob", "admin", "NULL", "new_person")),
        ("a role by a server that granted none", grant("bob", "admin", "NULL", "new_server")),
        ("a role by an exemption", grant("bob", "admin", "'ovr_exempt'", "new_person")),
        ("a role by an override for another role", grant("bob", "admin", "'ovr_role_bob'", "new_person")),
        ("a role by another user's override", grant("gil", "helpdesk", "'ovr_role_bob'", "new_person")),
        ("a role by a used override", grant("bea", "auditor", "'ovr_admin_bea'", "new_person")),
        (
            "a role comes back",
            "UPDATE roles SET revoked_at = NULL, event_seq = seq(new_person) WHERE user_id = 'dan'".into(),
        ),
        (
            "a role comes back by its old override",
            "UPDATE roles SET revoked_at = NULL, granted_at = NOW, override_id = 'ovr_auditor_dan', \
             event_seq = seq(new_person) WHERE user_id = 'dan'"
                .into(),
        ),
        (
            "a role was taken away at another time",
            "UPDATE roles SET revoked_at = 1, event_seq = seq(new_person) WHERE user_id = 'dan'".into(),
        ),
        (
            "a role has another override",
            "UPDATE roles SET override_id = 'ovr_exempt', event_seq = seq(new_person) WHERE user_id = 'bea'"
                .into(),
        ),
    ]
    .into_iter()
    .map(|(why, sql)| hostile(2, why, sql, says))
    .collect()
}
