//! The people and things that hostile statements aim at.

use crate::database::story::{By, Right, Story};

/// Everything, in one open transaction.
pub fn populated(name: &str) -> Story {
    let mut story = Story::new(name);
    installation(&mut story);
    people(&mut story);
    overrides(&mut story);
    open_things(&mut story);
    another_tenant(&mut story);
    fresh_events(&mut story);
    story
}

fn installation(story: &mut Story) {
    let signs = story.event("signing_key.activated", By::Server, "", "key_1", "{}");
    let waits = story.event("signing_key.published", By::Server, "", "key_2", "{}");
    let event = story.event("tenant.created", By::Server, "", "", "{}");
    story.run(&format!(
        "INSERT INTO installation VALUES (1, 'ten_a', under(oldest), under(old), NOW, seq({event}));
         INSERT INTO signing_keys VALUES ('ten_a', 'key_1', 'ES256', '{{}}', under(old), 'active', NOW, \
         NOW, NULL, NULL, seq({signs}));
         INSERT INTO signing_keys VALUES ('ten_a', 'key_2', 'ES256', '{{}}', under(old), 'next', NOW, \
         NULL, NULL, NULL, seq({waits}));
         INSERT INTO tenants VALUES ('ten_a', 'A', NOW, NULL, seq({event}));
         INSERT INTO directories VALUES ('ten_a', 'dir_a', 'A', NOW, 3, 'hold', seq({event}))"
    ));
    for (id, name, scopes) in [("cli_a", "A", r#"["login:evaluate"]"#), ("cli_off", "Off", "[]")] {
        let event = story.event("client.created", By::Server, "", id, "{}");
        story.run(&format!(
            "INSERT INTO clients VALUES ('ten_a', '{id}', 'dir_a', '{name}', '{scopes}', \
             '[\"console\"]', 'server', NOW, NULL, 0, 0, 0, 0, 0, 0, seq({event}))"
        ));
    }
    for (kind, id) in [("created", "sec_a"), ("secret_created", "sec_off")] {
        let event = story.event(&format!("client.{kind}"), By::Server, "", "cli_a", "{}");
        story.run(&format!(
            "INSERT INTO client_secrets VALUES ('ten_a', '{id}', 'cli_a', h({id}), NOW, \
             NOW + 7776000000, NULL, seq({event}))"
        ));
    }
    for id in ["ckey_a", "ckey_gone"] {
        let data = format!(r#"{{"key":"{id}"}}"#);
        let event = story.event("client.key_added", By::Server, "", "cli_a", &data);
        story.run(&format!(
            "INSERT INTO client_keys VALUES ('ten_a', '{id}', 'cli_a', '{{}}', NULL, NOW, NULL, seq({event}))"
        ));
    }
    let event = story.event("client.key_removed", By::Server, "", "cli_a", "{}");
    story.run(&format!(
        "UPDATE client_keys SET removed_at = NOW, event_seq = seq({event}) WHERE id = 'ckey_gone'"
    ));
    let event = story.event("policy.replaced", By::Server, "", "1", "{}");
    story.run(&format!(
        "INSERT INTO policies VALUES ('ten_a', 1, '{{}}', 'server', NOW, NULL, seq({event}))"
    ));
    let event = story.event("client.disabled", By::Server, "", "cli_off", "{}");
    story.run(&format!(
        "UPDATE clients SET disabled_at = NOW, event_seq = seq({event}) WHERE id = 'cli_off';
         UPDATE client_secrets SET revoked_at = NOW, event_seq = seq({event}) WHERE id = 'sec_off'"
    ));
}

fn people(story: &mut Story) {
    for id in ["adm", "bea", "cyd", "bob", "gil", "cat", "dan", "eve", "fay", "hal", "ivy"] {
        story.user(id);
    }
    story.pend("adm", &Right::Bootstrap);
    story.bind("adm", true);
    let event = story.event("role.granted", By::Server, "adm", "", "{}");
    story.run(&format!(
        "INSERT INTO roles VALUES ('ten_a', 'adm', 'admin', NOW, NULL, NULL, seq({event}))"
    ));
    for id in ["bea", "cyd", "bob", "gil", "cat", "dan"] {
        story.pend(id, &Right::First);
        story.bind(id, false);
    }
    story.grant("bea", "admin");
    story.grant("cyd", "admin");
    story.grant("dan", "auditor");
    let event = story.event("loss.reported", By::Console, "cat", "fac_cat", "{}");
    story.run(&format!(
        "UPDATE factors SET state = 'suspended', event_seq = seq({event}) WHERE id = 'fac_cat'"
    ));
    let event = story.event("user.offboarded", By::Person("adm"), "dan", "", "{}");
    story.run(&format!(
        "UPDATE users SET offboarded_at = NOW, ticket_only = TRUE, epoch = epoch + 1, \
         event_seq = seq({event}) WHERE id = 'dan';
         UPDATE roles SET revoked_at = NOW, event_seq = seq({event}) WHERE user_id = 'dan';
         UPDATE factors SET state = 'ended', sealed = NULL, ended_at = NOW, \
         end_authority = 'offboarding', end_authority_id = 'dan', event_seq = seq({event}) \
         WHERE id = 'fac_dan'"
    ));
    let event = story.event("user.changed", By::Person("adm"), "eve", "", "{}");
    story.run(&format!(
        "UPDATE users SET ticket_only = TRUE, event_seq = seq({event}) WHERE id = 'eve'"
    ));
    story.pend("fay", &Right::First);
    story.pend("hal", &Right::First);
    story.bind("hal", false);
    recovering(story, "hal");
    recovered(story, "hal");
}

/// A recovery code of a user is used, and its challenge is open.
fn recovering(story: &mut Story, user: &str) {
    let event = story.event("recovery_codes.issued", By::Console, user, "", "{}");
    story.run(&format!(
        "INSERT INTO recovery_codes VALUES ('ten_a', 'rec_{user}', '{user}', h({user}), NOW, NULL, NULL, \
         seq({event}))"
    ));
    let event = story.event("recovery_code.used", By::Console, user, "", "{}");
    story.run(&format!(
        "UPDATE recovery_codes SET used_at = NOW, event_seq = seq({event}) WHERE id = 'rec_{user}';
         INSERT INTO challenges VALUES ('ten_a', 'chl_{user}', h(chl_{user}), '{user}', 'cli_a', 'recover', \
         '[\"console\"]', 'password', NOW, NULL, NULL, NULL, 'rec_{user}', NOW, NOW + 300000, 0, NULL, \
         seq({event}))"
    ));
}

/// The user enrolls with it: the active factor is `fac_USER_2`.
fn recovered(story: &mut Story, user: &str) {
    let event = story.event("enrollment.begun", By::Console, user, &format!("fac_{user}_2"), "{}");
    story.run(&format!(
        "INSERT INTO factors VALUES ('ten_a', 'fac_{user}_2', '{user}', 'totp', 'pending', 'SHA1', \
         6, under(old), NOW, NULL, NULL, FALSE, NULL, NULL, NULL, NULL, NULL, seq({event}));
         INSERT INTO factor_steps VALUES ('ten_a', 'fac_{user}_2', 0, seq({event}));
         INSERT INTO enrollments VALUES ('ten_a', 'enr_{user}_2', h(enr {user} 2), '{user}', 'cli_a', \
         'fac_{user}_2', 'recovery', 'rec_{user}', '[\"console\"]', 'password', NOW, NULL, 0, \
         NOW, NOW + 900000, NULL, seq({event}));
         UPDATE challenges SET closed_at = NOW, event_seq = seq({event}) WHERE id = 'chl_{user}'"
    ));
    story.later(30_000);
    let data = format!(r#"{{"factor":"fac_{user}_2"}}"#);
    let bound = format!("enr_{user}_2");
    let event = story.event("enrollment.confirmed", By::Console, user, &bound, &data);
    let ended = story.event("factor.ended", By::Console, user, &format!("fac_{user}"), "{}");
    story.run(&format!(
        "UPDATE factor_steps SET last_step = NOW / 30000, event_seq = seq({event}) \
         WHERE factor_id = 'fac_{user}_2';
         UPDATE enrollments SET attempts = 1, closed_at = NOW, event_seq = seq({event}) \
         WHERE id = 'enr_{user}_2';
         UPDATE factors SET state = 'ended', sealed = NULL, ended_at = NOW, end_authority = 'recovery', \
         end_authority_id = 'rec_{user}', event_seq = seq({ended}) WHERE id = 'fac_{user}';
         UPDATE factors SET state = 'active', activated_at = NOW, trust_since = NOW, \
         event_seq = seq({event}) WHERE id = 'fac_{user}_2'"
    ));
}

fn overrides(story: &mut Story) {
    for id in ["ovr_exempt", "ovr_revoked"] {
        story.request(id, "exempt", "bob", "{}", 0);
        story.approve(id);
    }
    story.end("ovr_revoked", "revoked");
    story.request("ovr_waiting", "reset", "bob", "{}", 1);
    story.request("ovr_half", "reset", "bob", "{}", 2);
    story.endorse("ovr_half", "bea");
    story.request("ovr_full", "reset", "bob", "{}", 1);
    story.endorse("ovr_full", "bea");
    story.request("ovr_reset_gil", "reset", "gil", "{}", 1);
    story.endorse("ovr_reset_gil", "bea");
    story.approve("ovr_reset_gil");
    story.request("ovr_resume_cat", "resume", "cat", "{}", 0);
    story.approve("ovr_resume_cat");
    story.request("ovr_grace_eve", "extend_grace", "eve", "{}", 0);
    story.approve("ovr_grace_eve");
    let event = story.event("user.changed", By::Person("adm"), "eve", "", "{}");
    story.run(&format!(
        "UPDATE users SET grace_until = NOW + 1000, event_seq = seq({event}) WHERE id = 'eve'"
    ));
    story.end("ovr_grace_eve", "used");
    let facts = r#"{"user_id":"bob","role":"helpdesk","grant":true}"#;
    story.request("ovr_role_bob", "role", "bob", facts, 0);
    story.approve("ovr_role_bob");
}

fn open_things(story: &mut Story) {
    story.challenge("chl_over", "bob", "login");
    let event = story.spend("bob", "code.verified", By::Console, "chl_over");
    story.run(&format!(
        "UPDATE challenges SET attempts = 1, closed_at = NOW, event_seq = seq({event}) \
         WHERE id = 'chl_over';
         INSERT INTO issued_tokens VALUES ('ten_a', 'tok_1', 'bob', 'cli_a', 'fac_bob', 'console', \
         2, NOW, NOW + 300000, seq({event}))"
    ));
    story.challenge("chl_open", "bob", "login");
    let event = story.event("code.rejected", By::Console, "bob", "chl_open", "{}");
    story.run(&format!(
        "UPDATE challenges SET attempts = 2, event_seq = seq({event}) WHERE id = 'chl_open';
         INSERT INTO throttles VALUES ('ten_a', 'bob', 'login', 7, NOW, 3, NOW + 30000, seq({event}));
         INSERT INTO user_groups VALUES ('ten_a', 'bob', 'cli_a', '[\"staff\"]', TRUE, TRUE, NULL, seq({event}))"
    ));
    let event = story.event("recovery_codes.issued", By::Console, "bob", "", "{}");
    story.run(&format!(
        "INSERT INTO recovery_codes VALUES ('ten_a', 'rec_open', 'bob', h(open), NOW, NULL, NULL, \
         seq({event}));
         INSERT INTO recovery_codes VALUES ('ten_a', 'rec_used', 'bob', h(used), NOW, NULL, NULL, \
         seq({event}))"
    ));
    let event = story.event("recovery_code.used", By::Console, "bob", "", "{}");
    story.run(&format!(
        "UPDATE recovery_codes SET used_at = NOW, event_seq = seq({event}) WHERE id = 'rec_used'"
    ));
    for (id, hash) in [("tkt_open", "open"), ("tkt_used", "used")] {
        let event = story.event("ticket.created", By::Person("adm"), "eve", id, "{}");
        story.run(&format!(
            "INSERT INTO tickets VALUES ('ten_a', '{id}', 'eve', 'with_claim_code', h({hash}), NULL, \
             2, 'adm', NULL, NOW, NOW + 86400000, NULL, NULL, seq({event}))"
        ));
    }
    let event = story.event("ticket.redeemed", By::Console, "eve", "tkt_used", "{}");
    story.run(&format!(
        "UPDATE tickets SET redeemed_at = NOW, event_seq = seq({event}) WHERE id = 'tkt_used'"
    ));
    story.pend("eve", &Right::Ticket("tkt_used"));
    for id in ["pet_open", "pet_over"] {
        let event = story.event("petition.filed", By::Console, "bob", id, "{}");
        story.run(&format!(
            "INSERT INTO petitions VALUES ('ten_a', '{id}', 'reset', 'bob', 'open', 'lost my phone', \
             '{{}}', 'client', 'cli_a', NOW, NULL, NULL, NULL, seq({event}))"
        ));
    }
    let event = story.event("petition.denied", By::Person("adm"), "bob", "pet_over", "{}");
    story.run(&format!(
        "UPDATE petitions SET state = 'denied', decided_at = NOW, decided_by = 'adm', \
         event_seq = seq({event}) WHERE id = 'pet_over'"
    ));
}

fn another_tenant(story: &mut Story) {
    story.run(
        "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, request_id, data) \
         VALUES ((SELECT 1 + coalesce(max(seq), 0) FROM events WHERE tenant_id = 'ten_b'), 'evt_b', 'ten_b', NOW, 'tenant.created', 'server', 'server', 'req', '{}');
         INSERT INTO tenants VALUES ('ten_b', 'B', NOW, NULL, seq(evt_b));
         INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, request_id, data) \
         VALUES ((SELECT 1 + coalesce(max(seq), 0) FROM events WHERE tenant_id = 'ten_bare'), 'evt_bare', 'ten_bare', NOW, 'tenant.created', 'server', 'server', 'req', '{}');
         INSERT INTO tenants VALUES ('ten_bare', 'Bare', NOW, NULL, seq(evt_bare));
         INSERT INTO directories VALUES ('ten_b', 'dir_b', 'B', NOW, 0, 'hold', seq(evt_b));
         INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, object_id, request_id, data) \
         VALUES ((SELECT 1 + max(seq) FROM events WHERE tenant_id = 'ten_b'), 'evt_cli_b', 'ten_b', NOW, 'client.created', 'server', 'server', 'cli_b', 'req', '{}');
         INSERT INTO clients VALUES ('ten_b', 'cli_b', 'dir_b', 'B', '[]', '[]', 'server', NOW, \
         NULL, 0, 0, 0, 0, 0, 0, seq(evt_cli_b));
         INSERT INTO directories VALUES ('ten_b', 'dir_bare', 'Bare', NOW, 0, 'hold', seq(evt_b))",
    );
}

/// Events that nothing names yet: what a hostile statement would have to invent, at the least.
fn fresh_events(story: &mut Story) {
    story.challenge("chl_act", "bea", "act");
    story.later(30_000);
    let event = story.event("client.token_issued", By::Console, "", "cto_1", "{}");
    story.run(&format!(
        "INSERT INTO client_tokens VALUES ('ten_a', 'cto_1', 'cli_a', 'ckey_a', h(jti), h(token), \
         '[]', (SELECT at FROM events WHERE id = '{event}'), \
         (SELECT at + 300000 FROM events WHERE id = '{event}'), seq({event}))"
    ));
    story.event_as("new_server", "user.changed", By::Server, "", "", "{}");
    for (id, kind, key) in [
        ("new_published", "published", "key_3"),
        ("new_activated", "activated", "key_2"),
        ("new_begun", "activated", "key_3"),
        ("new_retired", "retired", "key_1"),
        ("new_ended", "ended", "key_2"),
        ("new_revoked", "revoked", "key_1"),
    ] {
        story.event_as(id, &format!("signing_key.{kind}"), By::Server, "", key, "{}");
    }
    story.event_as("new_not_ours", "signing_key.published", By::Person("adm"), "", "key_3", "{}");
    story.event_as("new_client", "user.changed", By::Console, "", "", "{}");
    story.event_as("new_token", "client.token_issued", By::Console, "", "cto_c", "{}");
    story.event_as("new_person", "user.changed", By::Person("adm"), "", "", "{}");
    story.event_as("new_approver", "user.changed", By::Person("bea"), "", "", "{}");
    story.event_as("new_codes", "recovery_codes.issued", By::Console, "bob", "", "{}");
    let verified = "code.verified";
    let of = |id: &str| format!(r#"{{"factor":"fac_{id}"}}"#);
    story.event_as("new_bob", verified, By::Console, "bob", "chl_open", &of("bob"));
    story.event_as("new_bea", verified, By::Console, "bea", "chl_act", &of("bea"));
    story.event_as("new_adm", verified, By::Person("adm"), "adm", "chl_act", &of("adm"));
    story.event_as("new_loss", "loss.reported", By::Console, "bob", "fac_bob", "{}");
    story.event_as("new_wrong", "code.rejected", By::Console, "bob", "chl_open", &of("bob"));
    let confirmed = "enrollment.confirmed";
    story.event_as("new_fay", confirmed, By::Console, "fay", "enr_fay", &of("fay"));
    story.event_as("new_eve", confirmed, By::Console, "eve", "enr_eve", &of("eve"));
    story.event_as("new_fay_login", verified, By::Console, "fay", "enr_fay", &of("fay"));
    story.run(
        "INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, request_id, data) \
         VALUES ((SELECT 1 + coalesce(max(seq), 0) FROM events WHERE tenant_id = 'ten_b'), 'new_foreign', 'ten_b', NOW, 'user.changed', 'server', 'server', 'req', '{}')",
    );
    story.later(8 * 86_400_000);
    story.event_as("new_late", "user.changed", By::Person("adm"), "", "", "{}");
    story.later(-8 * 86_400_000);
    story.request("ovr_last", "reset", "gil", "{}", 1);
    story.endorse("ovr_last", "cyd");
    recovering(story, "gil");
    // The last event tells how late it is for housekeeping.
    story.event_as("new_last", "user.changed", By::Server, "", "", "{}");
}
