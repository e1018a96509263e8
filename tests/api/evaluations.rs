//! `evaluateLogin`: the first decision that holds.

use serde_json::{Value, json};

use crate::support::held::Held;
use crate::support::{Act, Server};

#[test]
fn a_new_user_enrolls_and_an_enrolled_one_is_challenged() {
    let server = Server::start();
    let ana = server.tenant("acme").console.user("ana");
    let decision = ana.evaluate().ok();
    assert_eq!((&decision["decision"], &decision["user_id"]), (&json!("enroll"), &json!(ana.id)));
    assert!(decision["challenge"]["handle"].as_str().unwrap().starts_with("mch_"));
    let ana = ana.enrolled();
    let decision = ana.evaluate().ok();
    assert_eq!(
        (&decision["decision"], &decision["obligations"]),
        (&json!("challenge"), &json!([]))
    );
}

#[test]
fn an_unknown_user_is_made_known_by_the_login() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let lookup = |id: &str| console.call("lookupUser").json(&json!({ "external_id": id })).send();
    lookup("zoe").refused("not-found");
    let decision = console.call("evaluateLogin").json(&console.login("zoe", &["acme"])).send().ok();
    assert_eq!(lookup("zoe").ok()["id"], decision["user_id"]);
    lookup("Zoe").refused("not-found");
}

#[test]
fn a_login_must_be_fresh() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let send = |seconds: i64| {
        let mut body = console.login("ana", &["acme"]);
        body["primary_login"]["at"] = json!(server.at(seconds));
        console.call("evaluateLogin").json(&body).send()
    };
    for seconds in [-301, 31] {
        send(seconds).refused("stale-primary-login");
    }
    for seconds in [-300, 30] {
        send(seconds).ok();
    }
}

#[test]
fn a_client_asks_for_its_own_audiences_only() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let send = |audiences: &[&str]| {
        console.call("evaluateLogin").json(&console.login("ana", audiences)).send()
    };
    send(&["other"]).refused("audience-not-registered");
    send(&["acme", "https://pawl.test/t/ten_0"]).refused("audience-not-registered");
    for wrong in [&[][..], &["acme", "acme"], &["acme", "b", "c", "d"]] {
        assert_eq!(send(wrong).refused("invalid-request")["field"], "audiences");
    }
    send(&["acme", &console.own_audience()]).ok();
}

#[test]
fn who_left_and_who_is_a_service_is_denied() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let gone = console.user("gone");
    console.call("offboardUser").at("user_id", &gone.id).send().ok();
    let service = json!({ "external_id": "bot", "display_name": "bot", "kind": "service" });
    console.call("upsertUser").json(&service).send().ok();
    for (who, reason) in [("gone", "offboarded"), ("bot", "service_account")] {
        let body = console.login(who, &["acme"]);
        let decision = console.call("evaluateLogin").json(&body).send().ok();
        let said = (&decision["decision"], &decision["reason"]);
        assert_eq!(said, (&json!("denied"), &json!(reason)));
    }
}

#[test]
fn after_a_reset_only_a_ticket_lets_a_user_enroll() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    admin.act(&Act::request(&ana.id, "reset")).ok();
    assert_eq!(ana.evaluate().ok()["decision"], "ticket_required");
}

#[test]
fn groups_only_tighten_and_their_removal_is_held() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (console, admin) = (&tenant.console, tenant.administrator());
    admin.tighten(|policy| {
        let when = json!({ "groups_any": ["ops"] });
        policy["rules"] = json!([{ "id": "ops", "when": when, "set": { "digits": 8 } }]);
    });
    let login = |groups: Value| {
        let mut body = console.login("ana", &["acme"]);
        body["groups"] = groups;
        body["explain"] = json!(true);
        let decision = console.call("evaluateLogin").json(&body).send().ok();
        let all = decision["because"].as_array().unwrap().clone();
        all.iter().any(|because| because["attribute"] == "digits" && because["rule"] == "ops")
    };
    assert!(login(json!(null)), "unknown groups match every rule");
    assert!(login(json!(["ops"])));
    assert!(login(json!([])), "a console's removal loosens nothing");
    assert!(!login_of_other(&tenant.console, "bea"));
}

/// A user whose first groups are none.
fn login_of_other(console: &crate::support::Console, name: &str) -> bool {
    let mut body = console.login(name, &["acme"]);
    body["groups"] = json!([]);
    body["explain"] = json!(true);
    let decision = console.call("evaluateLogin").json(&body).send().ok();
    let all = decision["because"].as_array().unwrap().clone();
    all.iter().any(|because| because["rule"] == "ops")
}

#[test]
fn only_who_asks_is_told_which_rule_gave_what() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    let explained = |explain: serde_json::Value| {
        let mut body = tenant.console.login("ana", &["acme"]);
        body["explain"] = explain;
        tenant.console.call("evaluateLogin").json(&body).send()
    };
    assert_eq!(explained(json!(true)).ok()["because"].as_array().unwrap().len(), 12);
    assert!(explained(json!(false)).ok().get("because").is_none());
    assert!(ana.evaluate().ok().get("because").is_none());
    explained(json!(null)).refused("invalid-request");
    let status = || admin.call("getMfaStatus").at("user_id", &ana.id);
    let told = status().query("explain", "true").send().ok();
    assert_eq!(told["requirement"]["because"].as_array().unwrap().len(), 12);
    assert!(status().send().ok()["requirement"].get("because").is_none());
}

/// A call that waited for the tenant's lock is decided by the time at which it has it.
#[test]
fn an_exemption_that_ended_while_the_login_waited_is_over() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    let act = Act::request(&ana.id, "exempt").set("audiences", json!(["acme"]));
    admin.act(&act.set("expires_at", json!(server.at(60)))).ok();
    let console = &tenant.console;
    let ask = || {
        let login = console.login("ana", &["acme"]);
        console.call("evaluateLogin").json(&login).send().ok()["decision"].clone()
    };
    assert_eq!(ask(), "exempt");
    // A writer has taken the call.
    let taken = || -> f64 {
        let scrapes = server.scrapes();
        scrapes.iter().filter_map(|scrape| scrape.value("pawl_queue_wait_seconds_count")).sum()
    };
    let before = taken();
    let held = Held::tenant(&server, &console.tenant);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(ask);
        while taken() < before + 1.0 {
            std::thread::yield_now();
        }
        server.advance(61);
        held.commit();
        assert_eq!(waiting.join().unwrap(), "challenge");
    });
}
