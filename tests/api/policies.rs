//! Policy versions: tightening applies at once, weakening takes the protocol.

use serde_json::{Value, json};

use crate::support::{Act, Answer, REASON, Server, User};

fn put(by: &User, if_match: Option<&str>, policy: &Value) -> Answer {
    let call = by.call("putPolicy").json(&json!({ "policy": policy }));
    match if_match {
        Some(version) => call.header("if-match", version),
        None => call,
    }
    .send()
}

#[test]
fn a_policy_replaces_the_version_that_its_author_read() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let (mut policy, version) = admin.policy();
    put(&admin, None, &policy).refused("precondition-required");
    for stale in ["\"2\"", "1", "*", "W/\"1\""] {
        let problem = put(&admin, Some(stale), &policy).refused("version-mismatch");
        assert_eq!(problem["current_version"], 1);
    }
    policy["base"]["digits"] = json!(8);
    let answer = put(&admin, Some(&version), &policy);
    assert_eq!(answer.header("etag"), Some("\"2\""));
    assert_eq!(answer.ok()["version"], 2);
    put(&admin, Some(&version), &policy).refused("version-mismatch");
    let versions = admin.call("listPolicyVersions").query("limit", "1").send().ok();
    assert_eq!(
        (&versions["items"][0]["version"], &versions["next_cursor"]),
        (&json!(2), &json!("2"))
    );
    let older = admin.call("listPolicyVersions").query("cursor", "2").send().ok();
    assert_eq!(older["items"][0]["version"], 1);
    admin.call("listPolicyVersions").query("cursor", "x").send().refused("invalid-request");
}

#[test]
fn a_policy_that_breaks_a_rule_says_where() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let (mut policy, version) = admin.policy();
    let when = json!({ "audiences": ["acme"] });
    policy["rules"] = json!([{ "id": "r", "when": when, "set": { "digits": 8 } }]);
    let problem = put(&admin, Some(&version), &policy).refused("invalid-policy");
    assert_eq!(problem["field"], "rules[0].set.digits");
}

#[test]
fn a_policy_that_its_administrators_could_not_live_with_is_refused() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let (mut policy, version) = admin.policy();
    policy["base"]["approvals"] = json!(1);
    put(&admin, Some(&version), &policy).refused("policy-guard");
}

#[test]
fn weakening_says_what_it_weakens_and_takes_a_reason() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let (mut policy, version) = admin.policy();
    policy["base"]["mfa"] = json!("optional");
    let act = Act::new("putPolicy", json!({ "policy": policy })).with("if_match", &version);
    let problem = admin.act(&act).refused("invalid-request");
    assert_eq!(problem["field"], "reason");
    let act = act.set("reason", json!(REASON));
    let problem = admin.try_act(&act).refused("proof-required");
    assert_eq!((&problem["rule"], &problem["attribute"]), (&json!("base"), &json!("mfa")));
    let done = admin.act(&act).ok();
    assert!(done["override_id"].is_string());
    assert_eq!(tenant.console.user("bo").evaluate().ok()["decision"], "not_required");
}

/// With a stolen token alone, a thief does not keep the other administrators from undoing what the thief did.
#[test]
fn what_hardens_who_may_help_a_user_takes_a_proof() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let (policy, version) = admin.policy();
    let governing = [
        ("exempt_allowed", json!(false)),
        ("override_max_hours", json!(1)),
        ("factor_cooldown_hours", json!(48)),
    ];
    for (attribute, value) in governing {
        let mut harder = policy.clone();
        harder["base"][attribute] = value;
        let problem = put(&admin, Some(&version), &harder).refused("proof-required");
        assert_eq!((&problem["rule"], &problem["attribute"]), (&json!("base"), &json!(attribute)));
        let act = Act::new("putPolicy", json!({ "policy": harder })).with("if_match", &version);
        admin.act_with(&act, &admin.step_up(&act), "000000").refused("code-rejected");
        let mut other = harder.clone();
        other["base"]["digits"] = json!(8);
        let other = Act::new("putPolicy", json!({ "policy": other })).with("if_match", &version);
        let code = admin.code();
        admin.act_with(&other, &admin.step_up(&act), &code).refused("proof-mismatch");
        assert_eq!(admin.policy().1, version);
    }
    let mut harder = policy.clone();
    harder["base"]["exempt_allowed"] = json!(false);
    let act = Act::new("putPolicy", json!({ "policy": harder })).with("if_match", &version);
    let begun = admin.try_step_up(&act).ok();
    let words = r#"Replace the policy version 1 by one that is nowhere looser. Harder for who helps a user: rule "base", exempt_allowed from true to false"#;
    assert_eq!(begun["act"], words);
    assert_eq!(begun["changes"].as_array().unwrap().len(), 1);
    let done = admin.act(&act).ok();
    assert_eq!((&done["version"], done.get("override_id")), (&json!(2), None));
}

/// A thief who got one code for a rotation does not lock the others out with the new factor.
#[test]
fn a_factor_that_is_too_new_hardens_nothing() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let late = tenant.console.user("late").enrolled();
    admin.act(&Act::grant(&late.id, "admin")).ok();
    late.forget();
    let (mut policy, version) = late.policy();
    policy["base"]["approvals"] = json!(1);
    let act = Act::new("putPolicy", json!({ "policy": policy })).with("if_match", &version);
    late.act(&act).refused("factor-too-new");
    server.advance(25 * 3600);
    late.act(&act).ok();
}

/// Every user holds the role `user`, and a word that the API accepts can hold: a rule on it applies.
#[test]
fn a_rule_on_the_role_user_applies_to_every_user() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let rule = json!([{ "id": "everybody", "when": { "roles_any": ["user"] },
        "set": { "self_enrollment": "ticket_only" } }]);
    admin.tighten(|policy| policy["rules"] = rule.clone());
    let ana = tenant.console.user("ana");
    assert_eq!(ana.evaluate().ok()["decision"], "ticket_required");
}

/// What can never hold is warned of: no operation sets labels, and no client knows the audience.
#[test]
fn a_rule_that_can_never_hold_is_warned_of() {
    let server = Server::start();
    let admin = server.tenant("acme").administrator();
    let warnings = |when: serde_json::Value| {
        let rule = json!([{ "id": "never", "when": when, "set": { "mfa": "required" } }]);
        admin.tighten(|policy| policy["rules"] = rule.clone());
        admin.call("getPolicy").send().ok()["warnings"].to_string()
    };
    assert!(warnings(json!({ "labels_any": ["vip"] })).contains("labels_never_set"));
    assert!(warnings(json!({ "audiences": ["nowhere"] })).contains("audiences_unknown"));
    let known = warnings(json!({ "audiences": ["acme"] }));
    assert!(!known.contains("never") && !known.contains("unknown"), "{known}");
}
