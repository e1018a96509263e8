//! Rules 1 and 5: no token without a code, and a code works once.

use crate::database::hostile::{Hostile, copy, copy_or, event, hostile, list};

/// Steps that were spent, tokens, challenges, enrollments and codes.
pub fn all() -> Vec<Hostile> {
    let mut all = steps();
    all.extend(tokens());
    all.extend(single_use());
    all.extend(throttles());
    all.extend(starts());
    all.extend(recoveries());
    all.extend(places());
    all.extend(deletions());
    all
}

fn steps() -> Vec<Hostile> {
    let spend = |step: &str, event: &str, factor: &str| {
        format!(
            "UPDATE factor_steps SET last_step = {step}, event_seq = seq({event}) \
             WHERE factor_id = '{factor}'"
        )
    };
    let says = "factor_steps: already spent, or not by a verification";
    [
        ("a step is lowered", spend("last_step - 1", "new_bob", "fac_bob")),
        ("a step is spent twice", spend("last_step", "new_bob", "fac_bob")),
        ("a step of tomorrow is spent", spend("NOW / 30000 + 2880", "new_bob", "fac_bob")),
        ("a step is spent by no verification", spend("NOW / 30000", "new_server", "fac_bob")),
        ("a step is spent by a wrong code", spend("NOW / 30000", "new_wrong", "fac_bob")),
        ("a step is spent by another user's code", spend("NOW / 30000", "new_bea", "fac_bob")),
        ("a pending factor's step is spent by another's", spend("NOW / 30000", "new_bob", "fac_fay")),
    ]
    .into_iter()
    .map(|(why, sql)| hostile(5, why, sql, says))
    .chain(list(5, &[
        (
            "a step begins anew",
            "INSERT OR REPLACE INTO factor_steps VALUES ('ten_a', 'fac_bob', 0, seq(new_server))",
            // PostgreSQL's replacement is an update of the row.
            "factor_steps: exists, or names no event|factor_steps: already spent",
        ),
        (
            "a step begins ahead",
            "INSERT INTO factors SELECT 'ten_a', 'fac_c', 'ivy', kind, state, algorithm, digits, sealed, \
             NOW, NULL, NULL, FALSE, NULL, NULL, NULL, NULL, NULL, seq(new_server) FROM factors \
             WHERE id = 'fac_fay'; \
             INSERT INTO factor_steps VALUES ('ten_a', 'fac_c', 60000000, seq(new_server))",
            "factor_steps: starts at zero",
        ),
    ]))
    .collect()
}

/// What legally spends Bob's present code, for the statements that want more than that gives.
const SPEND: &str = "UPDATE factor_steps SET last_step = NOW / 30000, event_seq = seq(new_bob) \
    WHERE factor_id = 'fac_bob'; ";

fn token(values: &str) -> String {
    format!("INSERT INTO issued_tokens VALUES ('ten_a', 'tok_c', {values})")
}

fn tokens() -> Vec<Hostile> {
    let says = "issued_tokens: no verified code";
    let at = "(SELECT at FROM events WHERE id = 'new_bob')";
    let spent = |values: &str| format!("{SPEND}{}", token(&values.replace("AT", at)));
    let mut all: Vec<Hostile> = [
        (
            "a token without a code",
            token("'bob', 'cli_a', 'fac_bob', 'console', 2, NOW, NOW + 1000, seq(new_server)"),
        ),
        (
            "a token of a code that spent no step",
            token("'bob', 'cli_a', 'fac_bob', 'console', 2, NOW, NOW + 1000, seq(new_bob)"),
        ),
        (
            "a token of a wrong code",
            token("'bob', 'cli_a', 'fac_bob', 'console', 2, NOW, NOW + 1000, seq(new_wrong)"),
        ),
        (
            "a token for an audience that nobody asked for",
            spent("'bob', 'cli_a', 'fac_bob', 'payroll', 2, AT, AT + 1000, seq(new_bob)"),
        ),
        (
            "a token for another client",
            spent("'bob', 'cli_off', 'fac_bob', 'console', 2, AT, AT + 1000, seq(new_bob)"),
        ),
        (
            "a token for another user",
            spent("'gil', 'cli_a', 'fac_gil', 'console', 2, AT, AT + 1000, seq(new_bob)"),
        ),
        (
            "a token of another factor",
            spent("'bob', 'cli_a', 'fac_gil', 'console', 2, AT, AT + 1000, seq(new_bob)"),
        ),
        (
            "a token of a later epoch",
            spent("'bob', 'cli_a', 'fac_bob', 'console', 3, AT, AT + 1000, seq(new_bob)"),
        ),
        (
            "a token that begins later than its code",
            spent("'bob', 'cli_a', 'fac_bob', 'console', 2, AT + 1, AT + 1000, seq(new_bob)"),
        ),
        (
            "a token of a code that was spent on an act",
            format!(
                "UPDATE factor_steps SET last_step = NOW / 30000, event_seq = seq(new_bea) \
                 WHERE factor_id = 'fac_bea'; {}",
                token(
                    "'bea', 'cli_a', 'fac_bea', 'console', 2, (SELECT at FROM events \
                     WHERE id = 'new_bea'), NOW + 1000, seq(new_bea)"
                )
            ),
        ),
        (
            "a token of a factor that is not bound",
            format!(
                "UPDATE factor_steps SET last_step = NOW / 30000, event_seq = seq(new_fay) \
                 WHERE factor_id = 'fac_fay'; {}",
                token(
                    "'fay', 'cli_a', 'fac_fay', 'console', 1, (SELECT at FROM events \
                     WHERE id = 'new_fay'), NOW + 1000, seq(new_fay)"
                )
            ),
        ),
    ]
    .into_iter()
    .map(|(why, sql)| hostile(1, why, sql, says))
    .collect();
    let lives = "'bob', 'cli_a', 'fac_bob', 'console', 2, AT, AT + 900001, seq(new_bob)";
    all.push(hostile(1, "a token of a day", spent(lives), "CHECK constraint failed"));
    let again = copy_or("issued_tokens", "id = 'tok_1'", "id = 'tok_c'", "REPLACE");
    all.push(hostile(
        1,
        "a second token for one audience",
        again,
        "issued_tokens: exists|issued_tokens: append only",
    ));
    all
}

fn single_use() -> Vec<Hostile> {
    list(
        5,
        &[
            (
                "a challenge is opened again",
                "UPDATE challenges SET closed_at = NULL, event_seq = seq(new_server) WHERE id = 'chl_over'",
                "challenges: over",
            ),
            (
                "a challenge's attempts fall",
                "UPDATE challenges SET attempts = 0, event_seq = seq(new_server) WHERE id = 'chl_open'",
                "challenges: over",
            ),
            (
                "a challenge has a sixth attempt",
                "UPDATE challenges SET attempts = 6, event_seq = seq(new_server) WHERE id = 'chl_open'",
                "CHECK constraint failed",
            ),
            (
                "an enrollment is opened again",
                "UPDATE enrollments SET closed_at = NULL, event_seq = seq(new_server) WHERE id = 'enr_bob'",
                "enrollments: over",
            ),
            (
                "an enrollment's attempts fall",
                "UPDATE enrollments SET attempts = -1, event_seq = seq(new_server) WHERE id = 'enr_fay'",
                "enrollments: over",
            ),
            (
                "a used recovery code is good again",
                "UPDATE recovery_codes SET used_at = NULL, event_seq = seq(new_server) WHERE id = 'rec_used'",
                "recovery_codes: used",
            ),
            (
                "a used recovery code was used later",
                "UPDATE recovery_codes SET used_at = NOW, event_seq = seq(new_server) WHERE id = 'rec_used'",
                "recovery_codes: used",
            ),
            (
                "a redeemed ticket is good again",
                "UPDATE tickets SET redeemed_at = NULL, event_seq = seq(new_server) WHERE id = 'tkt_used'",
                "tickets: over",
            ),
            (
                "a redeemed ticket is redeemed again",
                "UPDATE tickets SET redeemed_at = NOW, event_seq = seq(new_server) WHERE id = 'tkt_used'",
                "tickets: over",
            ),
            (
                "a ticket's attempts fall",
                "UPDATE tickets SET attempts = 0, event_seq = seq(new_server) WHERE id = 'tkt_open'",
                "tickets: over",
            ),
            (
                "a ticket is redeemed after its end",
                "UPDATE tickets SET redeemed_at = expires_at, event_seq = seq(new_late) WHERE id = 'tkt_open'",
                "tickets: over",
            ),
        ],
    )
}

/// Attempts and blocks: they change by time, or by what is said to lift them.
fn throttles() -> Vec<Hostile> {
    [
        (
            "a count of failures is forgotten",
            "UPDATE throttles SET consecutive = 0, event_seq = seq(new_server) WHERE user_id = 'bob'",
        ),
        (
            "a block is lifted by another user's code",
            "UPDATE throttles SET blocked_until = 0, event_seq = seq(new_bea) WHERE user_id = 'bob'",
        ),
        (
            "attempts come back at once",
            "UPDATE throttles SET level = 8, event_seq = seq(new_server) WHERE user_id = 'bob'",
        ),
        (
            "attempts come back faster than any policy allows",
            "UPDATE throttles SET level = 9, updated_at = updated_at + 10800000, event_seq = seq(new_late) \
             WHERE user_id = 'bob'",
        ),
        (
            "attempts come back by a time that has not come",
            "UPDATE throttles SET level = 8, updated_at = updated_at + 10800000, event_seq = seq(new_server) \
             WHERE user_id = 'bob'",
        ),
        (
            "a right code gives earlier attempts back",
            "UPDATE throttles SET level = 10, consecutive = 0, blocked_until = 0, event_seq = seq(new_bob) \
             WHERE user_id = 'bob'",
        ),
        (
            "a used recovery code gives attempts at recovery codes back",
            "INSERT INTO throttles VALUES ('ten_a', 'gil', 'recovery_day', 7, NOW, 0, 0, seq(new_server)); \
             UPDATE throttles SET level = 8, event_seq = (SELECT event_seq FROM recovery_codes \
             WHERE id = 'rec_gil') WHERE user_id = 'gil'",
        ),
        (
            "attempts of a day come back in an hour",
            "INSERT INTO throttles VALUES ('ten_a', 'gil', 'recovery_day', 7, NOW, 0, 0, seq(new_server)); \
             UPDATE throttles SET level = 8, updated_at = updated_at + 3600000, event_seq = seq(new_late) \
             WHERE user_id = 'gil'",
        ),
        (
            "a count of failures is forgotten by a loss that no code reported",
            "UPDATE throttles SET consecutive = 0, event_seq = seq(new_loss) WHERE user_id = 'bob'",
        ),
        (
            "attempts grow since an earlier time",
            "UPDATE throttles SET updated_at = updated_at - 1, event_seq = seq(new_server) \
             WHERE user_id = 'bob'",
        ),
    ]
    .into_iter()
    .map(|(why, sql)| hostile(5, why, sql, "throttles: nothing lifts this block"))
    .collect()
}

/// A second factor of a user, `fac_c`, in the making.
pub fn pending(user: &str) -> String {
    format!(
        "INSERT INTO factors SELECT 'ten_a', 'fac_c', '{user}', kind, state, algorithm, digits, sealed, \
         NOW, NULL, NULL, FALSE, NULL, NULL, NULL, NULL, NULL, seq(new_server) FROM factors \
         WHERE id = 'fac_fay'; "
    )
}

/// An enrollment of a user by a used recovery code, with the event that begins it: as it should be, but for
/// what the caller has changed before.
pub fn recovers(user: &str, code: &str) -> String {
    let begun = event("new_begins", "enrollment.begun", "fac_c", "{}");
    let enrollment = copy(
        "enrollments",
        "id = 'enr_fay'",
        &format!(
            "id = 'enr_c', hash = h(c), user_id = '{user}', factor_id = 'fac_c', authority = 'recovery', \
             authority_id = '{code}', created_at = NOW, expires_at = NOW + 1, event_seq = seq(new_begins)"
        ),
    );
    begun + &pending(user) + &enrollment
}

/// What a used recovery code gives: one challenge, and with it one enrollment.
fn recoveries() -> Vec<Hostile> {
    let says = "enrollments: no authority to enroll";
    let gil = |old: &str, new: &str| recovers("gil", "rec_gil").replace(old, new);
    let first = event("new_over", "enrollment.canceled", "", "{}")
        + "UPDATE factors SET state = 'ended', sealed = NULL, ended_at = NOW, event_seq = seq(new_over) \
           WHERE id = 'fac_c'; DROP TABLE copied; ";
    let twice = format!(
        "{}; {first}{}",
        recovers("gil", "rec_gil"),
        gil("enr_c", "enr_d")
            .replace("fac_c", "fac_d")
            .replace("h(c)", "h(d)")
            .replace("new_begins", "new_again")
    );
    let old = "UPDATE copied SET id = 'chl_c', hash = h(c), closed_at = NULL, event_seq = (SELECT event_seq \
        FROM recovery_codes WHERE id = 'rec_hal')";
    let reopened = copy("challenges", "id = 'chl_hal'", "id = 'chl_hal'")
        .replace("UPDATE copied SET id = 'chl_hal'", old);
    let again = "challenges: no recovery code was used";
    [
        (
            "an enrollment by a recovery code that was used for another one",
            recovers("hal", "rec_hal"),
            says,
        ),
        ("an enrollment by another user's open recovery", recovers("bea", "rec_gil"), says),
        ("a second enrollment by one recovery", twice, says),
        (
            "a second enrollment by one ticket",
            copy(
                "enrollments",
                "id = 'enr_eve'",
                "id = 'enr_c', hash = h(c), event_seq = seq(new_server)",
            ),
            says,
        ),
        (
            "an enrollment that can be confirmed for longer than any other",
            gil("expires_at = NOW + 1", "expires_at = NOW + 900001"),
            "CHECK constraint failed",
        ),
        ("an enrollment by a recovery whose challenge is over", gil("NOW", "(NOW + 300000)"), says),
        (
            "an enrollment by an earlier event than its own",
            gil("event_seq = seq(new_begins)", "event_seq = seq(new_server)"),
            says,
        ),
        (
            "an enrollment that begins at another time",
            gil("created_at = NOW", "created_at = NOW - 1"),
            says,
        ),
        (
            "an enrollment by the beginning of another one",
            gil("nullif('fac_c', '')", "nullif('fac_d', '')"),
            says,
        ),
        (
            "a second recovery by one use",
            copy(
                "challenges",
                "id = 'chl_hal'",
                "id = 'chl_c', hash = h(c), closed_at = NULL, event_seq = seq(new_server)",
            ),
            again,
        ),
        ("a second recovery by the event of the first", reopened, again),
    ]
    .into_iter()
    .map(|(why, sql, says)| hostile(5, why, sql, says))
    .collect()
}

fn starts() -> Vec<Hostile> {
    let enrollment = |changes: &str| {
        copy("enrollments", "id = 'enr_fay'", &format!("id = 'enr_c', hash = h(c), {changes}"))
    };
    let challenge = "id = 'chl_c', hash = h(c), purpose = 'recover', event_seq = seq(new_server), \
         created_at = created_at + 1, ";
    let recover = |code: &str| {
        copy("challenges", "id = 'chl_open'", &format!("{challenge}recovery_code_id = '{code}'"))
    };
    let says = "enrollments: no authority to enroll";
    [
        (
            "an enrollment by somebody else's open factor",
            enrollment("user_id = 'bob', event_seq = seq(new_server)"),
            says,
        ),
        (
            "an enrollment of a bound factor",
            enrollment("user_id = 'bob', factor_id = 'fac_bob', event_seq = seq(new_server)"),
            says,
        ),
        (
            "a rotation without a code of the old factor",
            enrollment(
                "authority = 'rotation', authority_id = 'fac_bob', event_seq = seq(new_server)",
            ),
            says,
        ),
        (
            "a recovery without a recovery code",
            enrollment(
                "authority = 'recovery', authority_id = 'rec_open', event_seq = seq(new_server)",
            ),
            says,
        ),
        (
            "an enrollment by an open ticket",
            enrollment(
                "authority = 'ticket', authority_id = 'tkt_open', event_seq = seq(new_server)",
            ),
            says,
        ),
        (
            "a first start by a client",
            enrollment("authority = 'bootstrap', event_seq = seq(new_client)"),
            says,
        ),
        (
            "an enrollment without the ticket that the user needs",
            copy(
                "enrollments",
                "id = 'enr_eve'",
                "id = 'enr_c', hash = h(c), authority = 'first', authority_id = NULL, \
                 event_seq = seq(new_server)",
            ),
            says,
        ),
        (
            "a recovery by an unused code",
            recover("rec_open"),
            "challenges: no recovery code was used",
        ),
        (
            "a recovery by an earlier use",
            recover("rec_used"),
            "challenges: no recovery code was used",
        ),
        (
            "recovery codes out of nothing",
            copy(
                "recovery_codes",
                "id = 'rec_open'",
                "id = 'rec_c', hash = h(c), event_seq = seq(new_server)",
            ),
            "recovery_codes: not issued to this user",
        ),
        (
            "recovery codes for another user",
            copy(
                "recovery_codes",
                "id = 'rec_open'",
                "id = 'rec_c', hash = h(c), user_id = 'gil', event_seq = seq(new_codes)",
            ),
            "recovery_codes: not issued to this user",
        ),
    ]
    .into_iter()
    .map(|(why, sql, says)| hostile(5, why, sql, says))
    .collect()
}

/// Rows that would take another row's place through a second key.
fn places() -> Vec<Hostile> {
    [
        (
            "a handle that takes another challenge's place",
            copy_or("challenges", "id = 'chl_open'", "id = 'chl_c'", "REPLACE"),
            "challenges: exists",
        ),
        (
            "a handle that takes another enrollment's place",
            copy_or("enrollments", "id = 'enr_fay'", "id = 'enr_c'", "REPLACE"),
            "enrollments: exists",
        ),
        (
            "a ticket that takes another one's place",
            copy_or("tickets", "id = 'tkt_open'", "id = 'tkt_c'", "REPLACE"),
            "tickets: exists",
        ),
        (
            "a recovery code that takes another one's place",
            copy_or("recovery_codes", "id = 'rec_open'", "id = 'rec_c'", "REPLACE"),
            "recovery_codes: exists",
        ),
    ]
    .into_iter()
    .map(|(why, sql, says)| hostile(5, why, sql, says))
    .collect()
}

/// Rows that have an end, deleted too early or behind the record's back.
fn deletions() -> Vec<Hostile> {
    let rows = [
        ("challenges", "chl_open"),
        ("enrollments", "enr_fay"),
        ("tickets", "tkt_open"),
        ("issued_tokens", "tok_1"),
        ("client_tokens", "cto_1"),
    ];
    let event = |id: &str, kind: &str, actor: &str, at: &str| {
        format!(
            "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, request_id, data) \
             SELECT 1 + max(seq), '{id}', 'ten_a', {at}, '{kind}', '{actor}', 'x', 'req', '{{}}' \
             FROM events WHERE tenant_id = 'ten_a'; "
        )
    };
    let later = "NOW + 2592000000";
    let cases = [
        ("before its end", event("purge", "retention.purged", "server", "NOW")),
        ("without a purge on record", event("purge", "user.changed", "server", later)),
        ("by a client", event("purge", "retention.purged", "client", later)),
        (
            "after another change than the purge",
            event("purge", "retention.purged", "server", later)
                + &event("more", "user.changed", "server", later),
        ),
    ];
    let ahead = event("purge", "retention.purged", "server", "CLOCK + 70000");
    let mut all = Vec::new();
    for (table, id) in rows {
        all.push(hostile(
            7,
            format!("{table}: {id} is deleted by a purge of the future"),
            format!("{ahead}DELETE FROM {table} WHERE id = '{id}'"),
            "events: ahead of the clock",
        ));
        for (why, before) in &cases {
            let sql = format!("{before}DELETE FROM {table} WHERE id = '{id}'");
            let says = format!("{table}: not expired, or not purged");
            all.push(hostile(7, format!("{table}: {id} is deleted {why}"), sql, &says));
        }
    }
    all
}
