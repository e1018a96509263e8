//! Petitions: a wish is refused, filed, decided; only an administrator makes more of it.

use serde_json::{Value, json};

use crate::support::{Act, REASON, Server, User, in_words};

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

fn take_up(petition: &Value) -> Act {
    Act::new("takeUpPetition", json!({ "reason": REASON })).with("petition_id", &id(petition))
}

#[test]
fn a_wish_to_disable_is_always_refused_and_on_record() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let console = &tenant.console;
    let admin = tenant.administrator();
    let ana = console.user("ana").enrolled();
    let ask =
        |body: &Value| console.call("requestDisable").at("user_id", &ana.id).json(body).send();
    let problem = ask(&json!({})).refused("mfa-disable-refused");
    assert_eq!((&problem["rule"], &problem["policy_version"]), (&json!("base"), &json!(1)));
    assert_eq!(problem["petition_id"], json!(null));
    ask(&json!({ "petition": true })).refused("invalid-request");
    let filed = ask(&json!({ "petition": true, "reason": REASON })).refused("mfa-disable-refused");
    let open = admin.call("listPetitions").query("state", "open").send().ok();
    assert_eq!(open["items"][0]["id"], filed["petition_id"]);
    let own = ana.call("requestDisable").at("user_id", &ana.id).json(&json!({})).send();
    own.refused("mfa-disable-refused");
    let others = ana.call("requestDisable").at("user_id", &admin.id).json(&json!({})).send();
    others.refused("not-found");
    assert_eq!(ana.evaluate().ok()["decision"], "challenge");
}

#[test]
fn nothing_is_wished_for_somebody_who_left() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let console = &tenant.console;
    let (admin, ana) = (tenant.administrator(), console.user("ana").enrolled());
    let petition = console.petition(&ana.id, "reset").ok();
    console.call("offboardUser").at("user_id", &ana.id).send().ok();
    let call = console.call("requestDisable").at("user_id", &ana.id);
    call.json(&json!({})).send().refused("user-offboarded");
    console.petition(&ana.id, "reset").refused("user-offboarded");
    admin.act(&take_up(&petition)).refused("user-offboarded");
}

#[test]
fn a_petition_is_found_at_its_location_by_who_may_file_it() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let console = &tenant.console;
    let (admin, ana, bo) =
        (tenant.administrator(), console.user("ana").enrolled(), console.user("bo").enrolled());
    let answer = console.petition(&ana.id, "unlock");
    let location = answer.header("location").unwrap().to_owned();
    let petition = answer.ok();
    assert_eq!(location, format!("https://pawl.test/v1/petitions/{}", id(&petition)));
    let of = |by: &User| by.call("getPetition").at("petition_id", &id(&petition)).send();
    assert_eq!(console.call("getPetition").at("petition_id", &id(&petition)).send().ok(), petition);
    assert_eq!((of(&ana).ok(), of(&admin).ok()), (petition.clone(), petition.clone()));
    of(&bo).refused("not-found");
    let other = server.tenant("other").administrator();
    of(&other).refused("not-found");
    // Off-boarding hides nothing.
    console.call("offboardUser").at("user_id", &ana.id).send().ok();
    assert_eq!(of(&admin).ok()["id"], petition["id"]);
}

#[test]
fn a_petition_is_decided_once() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let console = &tenant.console;
    let (admin, ana) = (tenant.administrator(), console.user("ana").enrolled());
    let file = || console.petition(&ana.id, "unlock").ok();
    let deny = |petition: &Value| {
        let call = admin.call("denyPetition").at("petition_id", &id(petition));
        call.json(&json!({ "reason": REASON })).send()
    };
    let withdraw =
        |petition: &Value| console.call("withdrawPetition").at("petition_id", &id(petition)).send();
    let (denied, withdrawn, taken) = (file(), file(), file());
    assert_eq!(deny(&denied).ok()["state"], "denied");
    assert_eq!(withdraw(&withdrawn).ok()["state"], "withdrawn");
    let done = admin.act(&take_up(&taken)).ok();
    assert_eq!(done["override"]["petition_id"], taken["id"]);
    for petition in [&denied, &withdrawn, &taken] {
        deny(petition).refused("petition-decided");
        withdraw(petition).refused("petition-decided");
        admin.act(&take_up(petition)).refused("petition-decided");
    }
    let list = admin.call("listPetitions").query("user_id", &ana.id).send().ok();
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
}

const ANA: &str = r#""ana" ("ana")"#;

#[test]
fn who_takes_a_petition_up_reads_what_it_asks_for() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    let until = server.at(3600);
    for (kind, asks) in [
        ("exempt", format!(r#"Ask {ANA} for no code at "acme" until {}"#, in_words(&until))),
        ("reset", format!("End the factor of {ANA}, who then enrolls with a ticket")),
        ("unlock", format!("Lift the block of {ANA} after wrong codes")),
    ] {
        let petition = tenant.console.petition(&ana.id, kind).ok();
        let mut act = take_up(&petition);
        if kind == "exempt" {
            act = act.set("audiences", json!(["acme"])).set("expires_at", json!(until));
        }
        ana.try_step_up(&act).refused("forbidden");
        let words =
            format!(r#"Take up a petition, which says "{REASON}": {asks}. Reason: "{REASON}""#);
        assert_eq!(admin.words(&act), words);
    }
}

#[test]
fn only_whoever_filed_a_petition_withdraws_it() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let ana = tenant.console.user("ana").enrolled();
    let petition = tenant.console.petition(&ana.id, "unlock").ok();
    let call = ana.call("withdrawPetition").at("petition_id", &id(&petition));
    call.send().refused("not-found");
}

#[test]
fn a_petition_is_taken_up_within_the_bounds_of_an_override() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let console = &tenant.console;
    let (admin, bo) = (tenant.administrator(), console.user("bo"));
    let own = console.petition(&admin.id, "unlock").ok();
    admin.act(&take_up(&own)).refused("own-account");
    let reset = console.petition(&bo.id, "reset").ok();
    admin.act(&take_up(&reset)).refused("not-enrolled");
    let exempt = console.petition(&bo.id, "exempt").ok();
    let until = |audience: &str, seconds: i64| {
        let act = take_up(&exempt).set("audiences", json!([audience]));
        act.set("expires_at", json!(server.at(seconds)))
    };
    admin.act(&until(&console.own_audience(), 3600)).refused("audience-reserved");
    admin.act(&until("acme", 80 * 3600)).refused("expiry-out-of-bounds");
    admin.tighten(|policy| policy["base"]["exempt_allowed"] = json!(false));
    admin.act(&until("acme", 3600)).refused("exemption-not-allowed");
}
