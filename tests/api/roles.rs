//! Roles: given by the protocol, taken at once, and never the last administrator's.

use serde_json::json;

use crate::support::{Act, Answer, REASON, Server, User};

fn revoke(by: &User, user: &str, role: &str) -> Answer {
    let call = by.call("revokeRole").at("user_id", user).at("role", role);
    call.json(&json!({ "reason": REASON })).send()
}

#[test]
fn a_role_is_given_and_taken() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    ana.call("listEvents").send().refused("forbidden");
    admin.act(&Act::grant(&ana.id, "auditor")).ok();
    ana.call("listEvents").send().ok();
    admin.act(&Act::grant(&ana.id, "auditor")).refused("role-held");
    assert_eq!(revoke(&admin, &ana.id, "auditor").ok()["roles"], json!([]));
    revoke(&admin, &ana.id, "auditor").refused("role-not-held");
    ana.call("listEvents").send().refused("forbidden");
}

#[test]
fn roles_are_for_others_who_are_here() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, gone) = (tenant.administrator(), tenant.console.user("gone"));
    let bo = tenant.console.user("bo");
    tenant.console.call("offboardUser").at("user_id", &gone.id).send().ok();
    admin.act(&Act::grant(&admin.id, "auditor")).refused("own-account");
    admin.act(&Act::grant(&gone.id, "auditor")).refused("user-offboarded");
    admin.act(&Act::grant(&bo.id, "admin")).refused("not-enrolled");
    admin.act(&Act::grant(&bo.id, "user")).refused("invalid-request");
    revoke(&admin, &gone.id, "auditor").refused("user-offboarded");
    revoke(&admin, &admin.id, "admin").refused("last-administrator");
}

/// A stolen token without a code takes no administrator away, and no console.
#[test]
fn an_administrators_role_is_taken_with_a_code() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let second = tenant.second_administrator(&admin, "second");
    revoke(&admin, &second.id, "admin").refused("proof-required");
    admin.try_act(&Act::disable(&tenant.console.client_id)).refused("last-client");
    let other = tenant.console.another(&admin, "other", &["login"]);
    admin.try_act(&Act::disable(&other.client_id)).refused("proof-required");
    let done = admin.act(&Act::revoke(&second.id, "admin")).ok();
    assert_eq!(done["roles"], json!([]));
}

/// Taking the other administrator's role away does not make one's own eyes four.
#[test]
fn an_administrator_who_was_active_within_a_day_counts_for_a_grant() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, friend) = (tenant.administrator(), tenant.console.user("friend").enrolled());
    let second = tenant.second_administrator(&admin, "second");
    admin.act(&Act::revoke(&second.id, "admin")).ok();
    admin.act(&Act::grant(&friend.id, "admin")).refused("second-person-required");
    server.advance(24 * 3600);
    admin.act(&Act::grant(&friend.id, "admin")).ok();
}

/// Taking the role away first is no way around the second person that a reset of its holder takes.
#[test]
fn a_user_who_lost_a_role_within_a_day_is_not_reset_by_one_person() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, hank) = (tenant.administrator(), tenant.console.user("hank").enrolled());
    let newcomer = tenant.console.user("newcomer");
    for user in [&hank.id, &newcomer.id] {
        admin.act(&Act::grant(user, "helpdesk")).ok();
        revoke(&admin, user, "helpdesk").ok();
    }
    admin.act(&Act::request(&hank.id, "reset")).refused("second-person-required");
    admin.act(&Act::ticket(&newcomer.id)).refused("second-person-required");
    server.advance(24 * 3600);
    admin.act(&Act::request(&hank.id, "reset")).ok();
    admin.act(&Act::ticket(&newcomer.id)).ok();
}

#[test]
fn a_role_that_the_policy_names_is_taken_by_the_protocol() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let second = tenant.second_administrator(&admin, "second");
    admin.tighten(|policy| {
        let when = json!({ "roles_any": ["admin"] });
        policy["rules"] = json!([{ "id": "admins", "when": when, "set": { "digits": 8 } }]);
    });
    let problem = revoke(&admin, &second.id, "admin").refused("proof-required");
    assert_eq!(problem["rule"], "admins");
    admin.act(&Act::revoke(&admin.id, "admin")).refused("own-account");
    let done = admin.act(&Act::revoke(&second.id, "admin"));
    assert_eq!(done.status, 200);
    assert_eq!(done.ok()["roles"], json!([]));
}
