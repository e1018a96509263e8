//! The tenant's settings, which its administrators change.

use std::thread;

use pawl::mfa::refusal::Refusal;
use pawl::operations::Failure;
use serde_json::{Value, json};

use crate::support::{Act, Server, Tenant, User};

fn name(tenant: &Tenant) -> Value {
    tenant.console.call("getTenant").send().ok()["name"].clone()
}

/// The renamings on record, oldest first: from and to.
fn renamed(tenant: &Tenant) -> Vec<(Value, Value)> {
    let call = tenant.console.call("listEvents").query("kind", "tenant.renamed");
    let mut items = call.send().ok()["items"].as_array().unwrap().clone();
    items.sort_by_key(|item| item["at"].as_str().unwrap().to_owned());
    items
        .iter()
        .map(|item| {
            assert_eq!(item["object_id"], json!(tenant.console.tenant));
            (item["data"]["from"].clone(), item["data"]["to"].clone())
        })
        .collect()
}

/// The URI of a new enrollment, and its first confirmation.
fn enrolls(tenant: &Tenant, external_id: &str) -> (User, String) {
    let mut user = tenant.console.user(external_id);
    let begun = tenant
        .console
        .call("beginEnrollment")
        .json(&json!({ "challenge": user.challenge() }))
        .send()
        .ok();
    let uri = begun["otpauth_uri"].as_str().unwrap().to_owned();
    user.scan(&begun).ok();
    (user, uri)
}

#[test]
fn a_renamed_tenant_shows_its_new_name_to_those_who_enroll_from_then_on() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let (ana, uri) = enrolls(&tenant, "ana");
    assert!(uri.contains("issuer=acme&") || uri.ends_with("issuer=acme"), "{uri}");
    let done = admin.act(&Act::rename("Acme Europe")).ok();
    assert_eq!(done["override"]["kind"], "tenant");
    assert_eq!(done["override"]["state"], "used");
    assert_eq!(name(&tenant), "Acme Europe");
    assert_eq!(renamed(&tenant), [(json!("acme"), json!("Acme Europe"))]);
    let (_, uri) = enrolls(&tenant, "bo");
    assert!(uri.starts_with("otpauth://totp/Acme%20Europe:"), "{uri}");
    assert!(uri.contains("issuer=Acme%20Europe"), "{uri}");
    // The old entry has the old label, and its codes are as good as before.
    ana.sign_in().ok();
    let issuer = tenant.console.call("getTenant").send().ok()["issuer"].clone();
    assert_eq!(issuer, json!(tenant.console.own_audience()), "`iss` stays");
}

#[test]
fn a_name_that_no_tenant_could_be_founded_with_is_refused() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let long = "a".repeat(1000);
    for bad in ["", " ", "a\u{7}b", long.as_str()] {
        let problem = admin.try_act(&Act::rename(bad)).refused("invalid-request");
        assert_eq!(problem["field"], "name", "{bad:?}: {problem}");
    }
    let problem = admin.act(&Act::rename("acme")).refused("invalid-request");
    assert_eq!(problem["field"], "name", "{problem}");
    assert_eq!((name(&tenant), renamed(&tenant)), (json!("acme"), vec![]));
}

#[test]
fn a_tenant_is_renamed_with_the_approvals_that_the_policy_demands() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let first = tenant.administrator();
    let second = tenant.second_administrator(&first, "second");
    first.tighten(|policy| policy["base"]["approvals"] = json!(1));
    let asked = first.act(&Act::rename("Acme Europe")).ok();
    assert_eq!(asked["override"]["state"], "requested");
    assert_eq!(name(&tenant), "acme");
    let words = second.words(&Act::approve(&asked["override"]));
    assert!(words.contains("Rename the tenant from \"acme\" to \"Acme Europe\""), "{words}");
    // The same, asked for once more: the second approval finds nothing left to do.
    let again = first.act(&Act::rename("Acme Europe")).ok();
    second.act(&Act::approve(&asked["override"])).ok();
    assert_eq!(name(&tenant), "Acme Europe");
    second.act(&Act::approve(&again["override"])).refused("override-not-open");
    assert_eq!(renamed(&tenant), [(json!("acme"), json!("Acme Europe"))]);
}

#[test]
fn two_administrators_who_rename_at_once_do_it_one_after_the_other() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let first = tenant.administrator();
    let second = tenant.second_administrator(&first, "second");
    let ready: Vec<_> = [(&first, "One"), (&second, "Two")]
        .map(|(admin, name)| {
            let act = Act::rename(name);
            let _ = admin.token();
            let challenge = admin.step_up(&act);
            let proof = json!({ "challenge": challenge, "code": admin.code() });
            let mut body = act.body;
            body["proof"] = proof;
            admin.call("renameTenant").json(&body)
        })
        .into();
    let answers: Vec<u16> = thread::scope(|scope| {
        let calls: Vec<_> =
            ready.into_iter().map(|call| scope.spawn(move || call.send().status)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(answers, [201, 201]);
    let record = renamed(&tenant);
    assert_eq!(record.len(), 2, "{record:?}");
    let begun = record.iter().find(|(from, _)| from == "acme").unwrap();
    let ended = record.iter().find(|(from, _)| *from == begun.1).unwrap();
    assert_eq!(ended.1, name(&tenant), "{record:?}");
}

/// `pawl bootstrap` finds a tenant by its name, which a tenant chooses: it does not meet another one's enrollment.
#[test]
fn a_name_that_two_tenants_have_is_refused_at_the_command_line() {
    let server = Server::start();
    let (older, newer) = (server.tenant("older"), server.tenant("corp"));
    older.administrator().act(&Act::rename("corp")).ok();
    let refused = server.try_bootstrap("corp").err();
    let Some(Failure::Refused(Refusal::InvalidInput { field, .. })) = refused else {
        panic!("not refused as it should be");
    };
    assert_eq!((field, name(&newer)), ("tenant-name", json!("corp")));
}
