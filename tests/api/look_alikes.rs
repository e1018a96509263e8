//! Users of one directory whose external ids fold alike: what an administrator may set, and what doctor finds.

use std::thread;

use pawl::app::entropy;
use pawl::mfa::words::LookAlikes;
use pawl::operations::examination::examine_installation;
use serde_json::{Value, json};

use crate::support::{Act, Console, Server, Tenant, User, done};

fn setting(console: &Console) -> Value {
    let tenant = console.call("getTenant").send().ok();
    let directories = tenant["directories"].as_array().unwrap();
    assert_eq!(directories.len(), 1);
    directories[0]["look_alikes"].clone()
}

fn events(console: &Console, kind: &str) -> Vec<Value> {
    let call = console.call("listEvents").query("kind", kind);
    call.send().ok()["items"].as_array().unwrap().clone()
}

fn decides(user: &User) -> Value {
    user.evaluate().ok()["decision"].clone()
}

fn set() -> (Server, Tenant, User) {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    (server, tenant, admin)
}

#[test]
fn an_administrator_lets_look_alikes_enroll_and_holds_them_again() {
    let (server, tenant, admin) = set();
    let console = &tenant.console;
    let older = console.user("jdoe");
    server.advance(1);
    let held = console.user("JDOE");
    assert_eq!((setting(console), decides(&held)), (json!("hold"), json!("ticket_required")));
    let directory = console.directory();
    let done = admin.act(&Act::look_alikes(&directory, "note")).ok();
    assert_eq!(done["look_alikes"], "note");
    assert_eq!((setting(console), decides(&held)), (json!("note"), json!("ticket_required")));
    let noted = console.user("Jdoe ");
    assert_eq!(decides(&noted), "enroll");
    let event = &events(console, "user.looks_alike")[1];
    assert_eq!((&event["user_id"], &event["object_id"]), (&json!(noted.id), &json!(older.id)));
    let data = json!({ "external_id": "Jdoe ", "older_external_id": "jdoe", "held": false });
    assert_eq!(event["data"], data);
    admin.act(&Act::look_alikes(&directory, "hold")).ok();
    assert_eq!(setting(console), "hold");
    assert_eq!(decides(&console.user("jdoE")), "ticket_required");
    // Who is there already stays as they are.
    assert_eq!(decides(&noted), "enroll");
    let changes = events(console, "directory.changed");
    let told: Vec<_> =
        changes.iter().map(|event| (&event["data"]["from"], &event["data"]["to"])).collect();
    let settings = (&json!("hold"), &json!("note"));
    assert_eq!(told, [settings, (settings.1, settings.0)]);
    assert!(changes[0]["data"]["override"].is_string() && changes[1]["data"]["override"].is_null());
}

#[test]
fn what_loosens_takes_the_approvals_of_the_policy_and_what_tightens_does_not() {
    let (_server, tenant, first) = set();
    let console = &tenant.console;
    let second = tenant.second_administrator(&first, "second");
    first.tighten(|policy| policy["base"]["approvals"] = json!(1));
    let directory = console.directory();
    let asked = first.act(&Act::look_alikes(&directory, "note")).ok();
    assert_eq!((&asked["override"]["kind"], setting(console)), (&json!("tenant"), json!("hold")));
    let approval = Act::approve(&asked["override"]);
    let words = second.words(&approval);
    assert!(words.contains("Let enroll with a password alone, in the directory \"console\", where administrators sign in, new users"), "{words}");
    second.act(&approval).ok();
    assert_eq!(setting(console), "note");
    first.act(&Act::look_alikes(&directory, "hold")).ok();
    assert_eq!(setting(console), "hold");
}

#[test]
fn what_a_directory_has_no_directory_and_no_proof_are_refused() {
    let (server, tenant, admin) = set();
    let directory = tenant.console.directory();
    let problem = admin.act(&Act::look_alikes(&directory, "hold")).refused("invalid-request");
    assert_eq!(problem["field"], "look_alikes");
    let other = server.tenant("other").console.directory();
    for absent in [other, format!("dir_{}", "0".repeat(32))] {
        admin.act(&Act::look_alikes(&absent, "note")).refused("not-found");
    }
    admin.try_act(&Act::look_alikes(&directory, "note")).refused("proof-required");
    admin.act(&Act::look_alikes(&directory, "note")).ok();
    admin.try_act(&Act::look_alikes(&directory, "hold")).refused("proof-required");
    assert_eq!(setting(&tenant.console), "note");
}

#[test]
fn of_two_administrators_who_set_it_at_once_one_finds_it_set() {
    let (_server, tenant, first) = set();
    let second = tenant.second_administrator(&first, "second");
    let directory = tenant.console.directory();
    let ready: Vec<_> = [&first, &second]
        .map(|admin| {
            let act = Act::look_alikes(&directory, "note");
            let _ = admin.token();
            let mut body = act.body.clone();
            body["proof"] = json!({ "challenge": admin.step_up(&act), "code": admin.code() });
            admin.call("setLookAlikes").at("directory_id", &directory).json(&body)
        })
        .into();
    let mut answers: Vec<u16> = thread::scope(|scope| {
        let calls: Vec<_> =
            ready.into_iter().map(|call| scope.spawn(move || call.send().status)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    answers.sort_unstable();
    assert_eq!(answers, [200, 400]);
    assert_eq!(events(&tenant.console, "directory.changed").len(), 1);
}

#[test]
fn doctor_counts_look_alikes_and_lists_the_first() {
    let (server, tenant, _admin) = set();
    let console = &tenant.console;
    let found = || {
        let pawl = &server.pawls()[0];
        let examined = done(examine_installation(pawl, server.now(), entropy().unwrap()));
        examined.tenants.into_iter().next().unwrap().look_alikes
    };
    console.user("ana");
    assert!(found().is_empty());
    for n in 0..7 {
        let id = format!("user{n}");
        for spelling in [id.clone(), id.to_uppercase()] {
            console.user(&spelling);
            server.advance(1);
        }
    }
    let gone = ["bo", "BO"].map(|id| console.user(id).id);
    console.call("offboardUser").at("user_id", &gone[1]).send().ok();
    let found = found();
    assert_eq!(found.len(), 1);
    let alike = &found[0];
    assert_eq!((alike.ids, alike.users, alike.setting), (7, 14, LookAlikes::Hold));
    assert_eq!(alike.directory.as_str(), console.directory());
    let first: Vec<_> = alike.first[0].iter().map(pawl::mfa::words::ExternalId::as_str).collect();
    assert_eq!((alike.first.len(), first), (5, vec!["user0", "USER0"]));
}
