//! `/metrics`: the numbers are right, their labels are closed sets, and nobody is named.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Act, Server};

/// The sum over the replicas; a series that is not there is nought, as for `rate()`.
fn sum(server: &Server, series: &str) -> i64 {
    let values = server.scrapes().into_iter().filter_map(|scrape| scrape.value(series));
    #[expect(clippy::cast_possible_truncation, reason = "counts of a test")]
    let sum = values.sum::<f64>() as i64;
    sum
}

fn code(server: &Server, kind: &str, outcome: &str) -> i64 {
    sum(server, &format!("pawl_code_attempts_total{{code=\"{kind}\",outcome=\"{outcome}\"}}"))
}

fn event(server: &Server, kind: &str) -> i64 {
    sum(server, &format!("pawl_events_total{{kind=\"{kind}\"}}"))
}

fn answered(server: &Server, operation: &str, status: u16) -> i64 {
    let labels = format!("operation=\"{operation}\",status=\"{status}\"");
    sum(server, &format!("pawl_http_requests_total{{{labels}}}"))
}

#[test]
fn what_becomes_of_each_code_is_counted_once() {
    let server = Server::start();
    let bob = server.tenant("acme").console.user("bob").enrolled();
    assert_eq!(code(&server, "totp", "verified"), 1, "the enrollment's");
    let right = bob.code();
    bob.verify(&bob.challenge(), &right).ok();
    bob.verify(&bob.challenge(), &right).refused("code-rejected");
    let challenge = bob.challenge();
    for _ in 0..2 {
        bob.verify(&challenge, &bob.wrong_code()).refused("code-rejected");
    }
    for _ in 0..4 {
        bob.verify(&challenge, &bob.wrong_code()).refused("too-many-attempts");
    }
    let outcomes = ["verified", "replayed", "wrong", "blocked", "no_factor", "aborted"];
    let counted = outcomes.map(|outcome| code(&server, "totp", outcome));
    assert_eq!(counted, [2, 1, 2, 4, 0, 0]);
    assert_eq!(event(&server, "code.verified"), 1);
    assert_eq!(event(&server, "enrollment.confirmed"), 1);
    assert_eq!(event(&server, "code.rejected"), 3);
    let statuses = [200, 422, 429, 503].map(|status| answered(&server, "verify_code", status));
    assert_eq!(statuses, [1, 3, 4, 0]);
    let took = "pawl_http_request_duration_seconds_count{operation=\"verify_code\"}";
    assert_eq!(sum(&server, took), 8);
}

#[test]
fn recovery_codes_are_counted_apart() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let bob = tenant.console.user("bob").enrolled();
    let eve = tenant.console.user("eve").enrolled();
    let try_code = |code: &str| {
        let body = json!({ "challenge": bob.challenge(), "recovery_code": code });
        tenant.console.call("useRecoveryCode").json(&body).send()
    };
    for code in &eve.recovery_codes[..4] {
        try_code(code).refused("code-rejected");
    }
    try_code(&bob.recovery_codes[0]).ok();
    let body = json!({ "challenge": bob.challenge(), "recovery_code": bob.recovery_codes[1] });
    tenant.console.call("useRecoveryCode").json(&body).send().refused("too-many-attempts");
    let outcomes = ["verified", "wrong", "blocked"];
    assert_eq!(outcomes.map(|outcome| code(&server, "recovery", outcome)), [1, 4, 1]);
    assert_eq!(outcomes.map(|outcome| code(&server, "totp", outcome)), [2, 0, 0]);
}

#[test]
fn a_transaction_that_was_lost_counts_its_charge_and_no_more() {
    let server = Server::start();
    let bob = server.tenant("acme").console.user("bob").enrolled();
    let (challenge, right) = (bob.challenge(), bob.code());
    let verified = code(&server, "totp", "verified");
    let outage = server.outage("factor_steps");
    bob.verify(&challenge, &right).refused("unavailable");
    drop(outage);
    assert_eq!(code(&server, "totp", "verified"), verified);
    assert_eq!(event(&server, "code.verified"), 0);
    assert_eq!(answered(&server, "verify_code", 503), 1);
    bob.verify(&challenge, &right).ok();
    assert_eq!(code(&server, "totp", "verified"), verified + 1);
}

#[test]
fn the_users_clock_shows_in_the_steps_of_right_codes() {
    let server = Server::start();
    let bob = server.tenant("acme").console.user("bob").enrolled();
    let offsets = || {
        ["-1", "0", "1"]
            .map(|steps| sum(&server, &format!("pawl_code_offsets_total{{steps=\"{steps}\"}}")))
    };
    let before = offsets();
    server.advance(60);
    let code = bob.code();
    server.advance(30);
    bob.verify(&bob.challenge(), &code).ok();
    let after = offsets();
    assert_eq!([after[0] - before[0], after[1], after[2]], [1, before[1], before[2]]);
    assert_eq!(before.iter().sum::<i64>(), 1);
}

#[test]
fn exemptions_and_overrides_are_counted_while_they_last() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, bo) = (tenant.administrator(), tenant.console.user("bo"));
    let open = |kind: &str, state: &str| {
        server.read_gauges();
        let series = format!("pawl_overrides_open{{kind=\"{kind}\",state=\"{state}\"}}");
        let told = server.scrapes().into_iter().map(|scrape| scrape.value(&series).unwrap());
        let told: BTreeSet<_> = told.map(|value| value.to_string()).collect();
        assert_eq!(told.len(), 1, "replicas read the same database");
        told.into_iter().next().unwrap()
    };
    assert_eq!(open("exempt", "approved"), "0");
    let act = Act::request(&bo.id, "exempt").set("audiences", json!(["acme"]));
    let granted = admin.act(&act.set("expires_at", json!(server.at(3600)))).ok();
    assert_eq!(open("exempt", "approved"), "1");
    assert_eq!(open("exempt", "requested"), "0");
    for _ in 0..3 {
        assert_eq!(bo.evaluate_for(&["acme"]).ok()["decision"], "exempt");
    }
    assert_eq!(event(&server, "login.exempt"), 3);
    let id = granted["override"]["id"].as_str().unwrap();
    admin.call("revokeOverride").at("override_id", id).send().ok();
    assert_eq!(open("exempt", "approved"), "0");
    let counted = ["requested", "approved", "revoked", "denied"];
    let counted = counted.map(|what| event(&server, &format!("override.{what}")));
    assert_eq!(counted, [1, 1, 1, 0]);
    let act = Act::request(&bo.id, "exempt").set("audiences", json!(["acme"]));
    admin.act(&act.set("expires_at", json!(server.at(3600)))).ok();
    server.advance(3600);
    assert_eq!(open("exempt", "approved"), "0", "expired, whatever the row says");
}

#[test]
fn what_was_read_is_told_with_its_time() {
    let server = Server::start();
    let bob = server.tenant("acme").console.user("bob").enrolled();
    for scrape in server.scrapes() {
        assert_eq!(scrape.value("pawl_users_blocked"), None, "unknown is not nought");
        assert_eq!(scrape.value("pawl_reading_timestamp_seconds"), None);
        assert_eq!(scrape.value("pawl_build_info{version=\"0.1.0\"}"), Some(1.0));
    }
    for _ in 0..3 {
        bob.verify(&bob.challenge(), &bob.wrong_code()).refused("code-rejected");
    }
    server.read_gauges();
    let at = format!("{}.0", server.now().seconds());
    for scrape in server.scrapes() {
        assert_eq!(scrape.value("pawl_users_blocked"), Some(1.0));
        assert_eq!(scrape.value("pawl_token_keys{state=\"active\"}"), Some(1.0));
        assert_eq!(scrape.value("pawl_token_keys{state=\"retiring\"}"), Some(0.0));
        assert!(scrape.text.contains(&format!("pawl_reading_timestamp_seconds {at}\n")));
        assert!(scrape.value("pawl_clock_difference_seconds").unwrap() >= 0.0);
        assert_eq!(scrape.value("pawl_queue_requests"), Some(0.0));
    }
    server.advance(30);
    server.read_gauges();
    let blocked = server.scrapes().into_iter().map(|scrape| scrape.value("pawl_users_blocked"));
    assert!(blocked.into_iter().all(|blocked| blocked == Some(0.0)));
}

/// Ten failures empty the bucket of the default policy: for six hours, while the delay is one.
#[test]
fn who_has_no_attempt_left_is_counted_as_blocked() {
    let server = Server::start();
    let bob = server.tenant("acme").console.user("bob").enrolled();
    loop {
        let answer = bob.verify(&bob.challenge(), &bob.wrong_code());
        if answer.status != 429 {
            continue;
        }
        let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
        if wait > 3600 {
            break;
        }
        server.advance(wait);
    }
    let blocked = || {
        server.read_gauges();
        server.scrapes()[0].value("pawl_users_blocked")
    };
    server.advance(3601);
    assert_eq!(blocked(), Some(1.0), "the delay is over, and there is no attempt");
    server.advance(6 * 3600);
    assert_eq!(blocked(), Some(0.0));
}

/// Labels come from closed sets: what they are does not grow with tenants, users and clients.
#[test]
fn neither_many_tenants_nor_their_names_add_a_series() {
    let server = Server::start();
    let play = |name: &str| {
        let tenant = server.tenant(name);
        let ana = tenant.console.user(&format!("{name}-ana")).enrolled();
        ana.sign_in().ok();
        ana.verify(&ana.challenge(), &ana.wrong_code()).refused("code-rejected");
        server
            .call("getTenant")
            .bearer(&format!("{name}-nobody"))
            .send()
            .refused("unauthenticated");
        tenant.console.call("getUser").at("user_id", &format!("usr_{name}")).send();
        server.agent().get(server.url(&format!("/{name}?{name}"))).call().unwrap();
        server.read_gauges();
        [tenant.console.tenant.clone(), tenant.console.client_id.clone(), ana.id.clone()]
    };
    let series = || {
        let scrapes = server.scrapes();
        let all = scrapes.iter().flat_map(|scrape| scrape.series().map(str::to_owned));
        // Which transactions were shared, and so are called a slice, is chance.
        all.filter(|series| !series.contains("slice")).collect::<BTreeSet<String>>()
    };
    // Twice: on PostgreSQL replicas take turns, and each is to have answered everything.
    let mut ids = Vec::from(["canary0", "canary1"].map(&play)).concat();
    let before = series();
    for number in 2..12 {
        ids.extend(play(&format!("canary{number}")));
    }
    assert_eq!(series(), before);
    assert!(before.len() < 1200, "{} series", before.len());
    for scrape in server.scrapes() {
        let named = ids.iter().find(|id| scrape.text.contains(id.as_str()));
        assert_eq!(named, None);
        assert!(!scrape.text.contains("canary"), "{}", scrape.text);
    }
}

#[test]
fn the_port_of_the_api_does_not_show_them() {
    let server = Server::start();
    let answer = server.agent().get(server.url("/metrics")).call().unwrap();
    assert_eq!(answer.status().as_u16(), 404);
    assert_eq!(server.probe("/metrics"), 200);
    assert_eq!(server.probe("/readyz"), 200);
    assert_eq!(sum(&server, "pawl_readiness_probes_total{outcome=\"ready\"}"), 1);
    let outage = server.outage("schema_versions");
    assert_eq!(server.probe("/readyz"), 503);
    assert_eq!(server.probe("/metrics"), 200, "a scrape does not ask the database");
    drop(outage);
    assert_eq!(sum(&server, "pawl_readiness_probes_total{outcome=\"not_ready\"}"), 1);
}
