//! What an enemy tried, and what must hold against it for good.

use serde_json::{Value, json};

use crate::support::{Act, Console, REASON, Server, User};

fn begin(console: &Console, challenge: &str) -> crate::support::Answer {
    console.call("beginEnrollment").json(&json!({ "challenge": challenge })).send()
}

/// Once the printed enrollment has run out, the first administrator's password is worth nothing.
#[test]
fn nobody_becomes_the_first_administrator_by_a_password() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    server.advance(31 * 60);
    let admin = tenant.console.user("admin");
    assert_eq!(admin.evaluate().ok()["decision"], "ticket_required");
    begin(&tenant.console, &admin.challenge()).refused("ticket-required");
}

/// A challenge that the password opened while no enrollment waited is worth nothing once `pawl bootstrap`
/// printed another one: neither it nor a new one shows a secret to the console.
#[test]
fn a_printed_enrollment_is_not_replaced_by_a_console() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    server.advance(31 * 60);
    let admin = tenant.console.user("admin");
    let before = admin.challenge();
    tenant.bootstrap_again();
    begin(&tenant.console, &before).refused("challenge-over");
    let decision = admin.evaluate().ok();
    assert_eq!(decision["decision"], "enroll");
    assert_eq!(decision["challenge"], Value::Null);
    tenant.administrator().sign_in().ok();
}

/// A challenge carries its decision: a policy that is looser now does not make it worth more.
#[test]
fn a_challenge_of_a_stricter_time_stays_as_strict() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let (policy, _) = admin.policy();
    admin.tighten(|policy| policy["base"]["self_enrollment"] = json!("ticket_only"));
    let ana = tenant.console.user("ana");
    assert_eq!(ana.evaluate().ok()["decision"], "ticket_required");
    let strict = ana.challenge();
    let (_, version) = admin.policy();
    admin
        .act(
            &Act::new("putPolicy", json!({ "policy": policy, "reason": REASON }))
                .with("if_match", &version),
        )
        .ok();
    begin(&tenant.console, &strict).refused("ticket-required");
    begin(&tenant.console, &ana.challenge()).ok();
}

/// What a password alone began is not finished once the policy asks for a ticket.
#[test]
fn an_enrollment_that_a_tightening_forbids_is_not_confirmed() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let mut ana = tenant.console.user("ana");
    let begun = begin(&tenant.console, &ana.challenge()).ok();
    admin.tighten(|policy| policy["base"]["self_enrollment"] = json!("ticket_only"));
    ana.scan(&begun).refused("enrollment-over");
}

/// Revoking a ticket ends what it began, until a factor is bound.
#[test]
fn a_ticket_that_is_revoked_after_it_was_redeemed_binds_no_factor() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let mut ana = tenant.console.user("ana");
    let redeem = |user: &User, ticket: &Value| {
        let body = json!({ "ticket": ticket["ticket"], "challenge": user.challenge() });
        tenant.console.call("redeemTicket").json(&body).send().ok()
    };
    let revoke = |ticket: &Value| {
        let id = ticket["id"].as_str().unwrap();
        admin.call("revokeTicket").at("ticket_id", id).send()
    };
    let stolen = admin.act(&Act::ticket(&ana.id)).ok();
    let begun = redeem(&ana, &stolen);
    revoke(&stolen).ok();
    ana.scan(&begun).refused("enrollment-over");
    revoke(&stolen).refused("ticket-over");
    let ticket = admin.act(&Act::ticket(&ana.id)).ok();
    let begun = redeem(&ana, &ticket);
    ana.scan(&begun).ok();
    revoke(&ticket).refused("ticket-over");
}

/// A role that was given before a factor was bound does not let a password bind one.
#[test]
fn a_role_without_a_factor_is_not_enrolled_by_a_password() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (first, ana) = (tenant.administrator(), tenant.console.user("ana"));
    let opened_before = ana.challenge();
    let mut begun = tenant.console.user("ana");
    let secret = begin(&tenant.console, &ana.challenge()).ok();
    let ticket = first.act(&Act::ticket(&ana.id)).ok();
    first.act(&Act::grant(&ana.id, "helpdesk")).ok();
    begun.scan(&secret).refused("enrollment-over");
    let body = json!({ "ticket": ticket["ticket"], "challenge": ana.challenge() });
    tenant.console.call("redeemTicket").json(&body).send().refused("ticket-over");
    assert_eq!(ana.evaluate().ok()["decision"], "ticket_required");
    begin(&tenant.console, &opened_before).refused("ticket-required");
}

/// Whoever can enroll an administrator can become them: one person alone cannot.
#[test]
fn one_administrator_does_not_reset_another_alone() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let first = tenant.administrator();
    let second = tenant.second_administrator(&first, "bea");
    first.act(&Act::request(&second.id, "reset")).refused("second-person-required");
}

/// A console that relayed one code could begin a rotation with it: what it binds cannot weaken at once.
#[test]
fn a_rotated_factor_of_somebody_with_a_role_cools_down() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let mut first = tenant.administrator();
    let ana = tenant.console.user("ana").enrolled();
    let begun = first.act(&Act::new("beginRotation", json!({}))).ok();
    first.scan(&begun).ok();
    first.act(&Act::request(&ana.id, "unlock")).refused("factor-too-new");
    server.advance(25 * 3600);
    first.forget();
    first.act(&Act::request(&ana.id, "unlock")).ok();
}

/// A thief who used a recovery code is out once the owner rotated.
#[test]
fn a_used_recovery_code_does_not_outlive_a_rotation() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let mut ana = tenant.console.user("ana").enrolled();
    let body = json!({ "challenge": ana.challenge(), "recovery_code": ana.recovery_codes[0] });
    let used = tenant.console.call("useRecoveryCode").json(&body).send().ok();
    let stolen = used["challenge"]["handle"].as_str().unwrap().to_owned();
    let begun = ana.act(&Act::new("beginRotation", json!({}))).ok();
    ana.scan(&begun).ok();
    begin(&tenant.console, &stolen).refused("challenge-over");
}

fn told(user: &User, groups: &Value) -> Value {
    let mut body = user.console.login(&user.external_id, &[&user.console.own_audience()]);
    body["groups"] = groups.clone();
    user.console.call("evaluateLogin").json(&body).send().ok()
}

/// Neither taking a group back nor telling "none" for the first time loosens anything.
#[test]
fn a_console_cannot_loosen_by_groups() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let rule = json!([{ "id": "staff", "when": { "groups_any": ["staff"] },
        "set": { "self_enrollment": "ticket_only" } }]);
    admin.tighten(|policy| policy["rules"] = rule.clone());
    let (known, unknown) = (tenant.console.user("ana"), tenant.console.user("bob"));
    assert_eq!(told(&unknown, &json!([]))["decision"], "ticket_required", "unknown stays unknown");
    assert_eq!(known.evaluate().ok()["decision"], "ticket_required", "unknown matches every rule");
    let body = json!({ "external_id": "cyd", "display_name": "cyd", "groups": ["staff"] });
    tenant.console.call("upsertUser").json(&body).send().ok();
    let cyd = tenant.console.user("cyd");
    assert_eq!(told(&cyd, &json!([]))["decision"], "ticket_required", "the removal is held");
    let other = tenant.console.another(&admin, "other", &["login", "users"]);
    assert_eq!(told(&other.user("cyd"), &json!([]))["decision"], "ticket_required");
}

/// A request that waited is executed under the rules that hold when it is approved.
#[test]
fn a_waiting_request_must_fit_the_rules_of_its_approval() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let first = tenant.administrator();
    let (second, ana) =
        (tenant.second_administrator(&first, "bea"), tenant.console.user("ana").enrolled());
    first.forget();
    first.tighten(|policy| policy["base"]["approvals"] = json!(1));
    let until = server.at(70 * 3600);
    let act = Act::request(&ana.id, "exempt")
        .set("audiences", json!(["acme"]))
        .set("expires_at", json!(until));
    let asked = first.act(&act).ok();
    assert_eq!(asked["override"]["state"], "requested");
    first.tighten(|policy| policy["base"]["override_max_hours"] = json!(1));
    second.act(&Act::approve(&asked["override"])).refused("override-not-open");
    assert_eq!(ana.evaluate().ok()["decision"], "challenge");
}

/// A rule that demands approvals for a person is met by every kind of override about that person, and it is
/// not deleted with fewer.
#[test]
fn approvals_for_a_subject_count_for_every_kind() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let first = tenant.administrator();
    let hank = tenant.console.user("hank");
    first.act(&Act::grant(&hank.id, "helpdesk")).ok();
    tenant.second_administrator(&first, "bea");
    first.forget();
    let rule = json!([{ "id": "staff", "when": { "roles_any": ["helpdesk"] },
        "set": { "approvals": 1 } }]);
    let (mut policy, version) = first.tighten(|policy| policy["rules"] = rule.clone());
    for act in [Act::ticket(&hank.id), Act::grant(&hank.id, "auditor")] {
        let asked = first.act(&act).ok();
        assert_eq!(asked["override"]["state"], "requested", "{}", act.operation());
        assert_eq!(asked["override"]["required_approvals"], 1, "{}", act.operation());
    }
    let revoked = first.act(&Act::revoke(&hank.id, "helpdesk"));
    assert_eq!(revoked.status, 202, "a role that the rule names");
    policy["rules"] = json!([]);
    let body = json!({ "policy": policy, "reason": REASON });
    let put = first.act(&Act::new("putPolicy", body).with("if_match", &version));
    assert_eq!(put.status, 202, "the rule is not deleted by one administrator");
}

/// In another directory an administrator is somebody else: its clients do not count.
#[test]
fn the_last_client_of_the_administrators_directory_stays() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    admin.act(&Act::client("elsewhere", &["login"])).ok();
    let id = tenant.console.client_id.clone();
    admin.act(&Act::disable(&id)).refused("last-client");
}

/// Whoever can make a transaction fail does not guess for nothing: the comparison is charged alone.
#[test]
fn an_abort_behind_a_comparison_is_charged() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let ana = tenant.console.user("ana").enrolled();
    let (challenge, code) = (ana.challenge(), ana.code());
    {
        let _broken = server.outage("issued_tokens");
        ana.verify(&challenge, &code).refused("unavailable");
    }
    let page = tenant.console.call("listEvents").query("kind", "code.rejected").send().ok();
    let events = page["items"].as_array().unwrap();
    assert_eq!(events.len(), 1, "{page}");
    assert_eq!(events[0]["evaluated"], true);
    assert_eq!(events[0]["data"]["aborted"], true);
    ana.verify(&challenge, &code).ok();
}

/// Two consoles whose user 1001 are different people never share a factor; two that share a directory do.
#[test]
fn directories_decide_who_is_the_same_person() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let one = tenant.console.user("1001").enrolled();
    let shared = tenant.console.another(&admin, "shared", &["login", "users"]);
    assert_eq!(shared.user("1001").id, one.id);
    let made = admin.act(&Act::client("apart", &["login", "users"])).ok();
    let key = made["client_key"]["key"].as_str().unwrap();
    let login = tenant.console.login("1001", &[&tenant.console.own_audience()]);
    let apart = server.call("evaluateLogin").bearer(key).json(&login).send().ok();
    assert_eq!(apart["decision"], "enroll");
    assert_ne!(apart["user_id"], json!(one.id));
    let body = json!({ "challenge": apart["challenge"]["handle"], "code": one.code() });
    server.call("verifyCode").bearer(key).json(&body).send().refused("challenge-over");
}

/// A proof belongs to the console that began it: another one of the same directory cannot use it.
#[test]
fn a_proof_is_bound_to_its_console() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let ana = tenant.console.user("ana").enrolled();
    let mut elsewhere = tenant.console.another(&admin, "other", &["login", "users"]).user("admin");
    elsewhere.phone.clone_from(&admin.phone);
    let _ = elsewhere.token();
    server.advance(60);
    let act = Act::request(&ana.id, "unlock");
    let challenge = admin.step_up(&act);
    elsewhere.act_with(&act, &challenge, &admin.code()).refused("challenge-over");
    admin.act_with(&act, &challenge, &admin.code()).ok();
}
