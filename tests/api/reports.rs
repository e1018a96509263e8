//! What a console merely reports about a person never ends a login, and loosens nothing.

use serde_json::{Value, json};

use crate::support::{Act, Console, Server, Tenant, User};

/// A tenant whose rule `ops` asks more of everybody in one group, and its administrator.
fn with_rule(server: &Server, group: &str) -> (Tenant, User) {
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    admin.tighten(|policy| {
        let when = json!({ "groups_any": [group] });
        policy["rules"] = json!([{ "id": "ops", "when": when, "set": { "digits": 8 } }]);
    });
    (tenant, admin)
}

fn evaluate(console: &Console, who: &str, name: &str, value: Value) -> Value {
    let mut body = console.login(who, &["acme"]);
    body[name] = value;
    body["explain"] = json!(true);
    console.call("evaluateLogin").json(&body).send().ok()
}

/// Whether the rule decided about a login with these groups.
fn is_held_to(console: &Console, who: &str, groups: &Value) -> bool {
    let decision = evaluate(console, who, "groups", groups.clone());
    let because = decision["because"].as_array().unwrap();
    because.iter().any(|because| because["rule"] == "ops")
}

fn events(admin: &User, kind: &str) -> Vec<Value> {
    let page = admin.call("listEvents").query("kind", kind).query("limit", "100").send().ok();
    page["items"].as_array().unwrap().clone()
}

/// Groups as Active Directory and Entra name them.
const NAMES: [&str; 6] = [
    "Domain Admins",
    "Geschäftsführung",
    r"CORP\VPN",
    "R&D",
    "CN=Ops,OU=Groups,DC=corp,DC=example",
    "Группа \"безопасность\"",
];

#[test]
fn names_as_people_have_them_are_taken_and_what_cannot_be_seen_is_not_kept() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let thai = "ก".repeat(67);
    for (sent, kept) in [
        ("علی\u{200c}رضا", "علی\u{200c}رضا"),
        ("अक\u{94d}\u{200d}ष", "अक\u{94d}\u{200d}ष"),
        (&thai, &thai),
        ("Ann\u{ad}a", "Anna"),
        ("辻\u{e0100}", "辻"),
        ("\u{202e}nimda\u{2066}", "nimda"),
        ("Ana\nB.", "Ana B."),
        // Nothing is left: the name stays.
        ("\u{200b}", "Ana B."),
        ("", "Ana B."),
    ] {
        let decision = evaluate(&console, "ana", "display_name", json!(sent));
        assert_eq!(decision["decision"], "enroll", "{sent:?}");
        let id = decision["user_id"].as_str().unwrap();
        let user = console.call("getUser").at("user_id", id).send().ok();
        assert_eq!(user["display_name"], kept, "{sent:?}");
    }
    let long = evaluate(&console, "bo", "display_name", json!("п".repeat(100_000)));
    let id = long["user_id"].as_str().unwrap().to_owned();
    let user = console.call("getUser").at("user_id", &id).send().ok();
    assert_eq!(user["display_name"], "п".repeat(200));
    let new = json!({ "external_id": "cy\u{200b}", "display_name": "\u{3164}" });
    assert_eq!(console.call("upsertUser").json(&new).send().ok()["display_name"], "cy");
    let new = json!({ "external_id": "\u{200b}", "display_name": " " });
    assert_eq!(console.call("upsertUser").json(&new).send().ok()["display_name"], "?");
}

#[test]
fn a_rule_can_name_each_group_that_a_directory_has() {
    for name in NAMES {
        let server = Server::start();
        let (tenant, _admin) = with_rule(&server, name);
        let console = &tenant.console;
        assert!(is_held_to(console, "ana", &json!(["staff", name, name])), "{name}");
        assert!(!is_held_to(console, "bo", &json!(["staff"])), "{name}");
    }
}

#[test]
fn a_thousand_groups_are_kept_and_more_hold_every_rule() {
    let server = Server::start();
    let (tenant, admin) = with_rule(&server, "Domain Admins");
    let console = &tenant.console;
    let names = |count: usize| -> Vec<String> {
        (0..count)
            .map(|n| format!("CN=Group {n:05},OU=Some Department,DC=corp,DC=example"))
            .collect()
    };
    for count in [51, 1000, 1024] {
        assert!(!is_held_to(console, &format!("u{count}"), &json!(names(count))), "{count}");
    }
    assert!(is_held_to(console, "u1025", &json!(names(1025))));
    let opened = events(&admin, "login.evaluated");
    let last = opened.iter().rfind(|event| event["data"]["reported"].is_object()).unwrap();
    assert_eq!(last["data"]["reported"], json!({ "groups": "1 not kept" }));
    let changed = events(&admin, "user.changed");
    assert_eq!(changed.last().unwrap()["data"]["is_complete"], false);
}

#[test]
fn a_console_loosens_nothing_by_groups_that_cannot_be_kept() {
    let server = Server::start();
    let (tenant, _admin) = with_rule(&server, "ops");
    let console = &tenant.console;
    let many: Vec<String> = (0..1100).map(|n| format!("g{n}")).collect();
    let odd = [json!([""]), json!(["a\u{0}b"]), json!(["x".repeat(257)]), json!(many)];
    for (at, odd) in odd.iter().enumerate() {
        let (member, other) = (format!("member{at}"), format!("other{at}"));
        assert!(is_held_to(console, &member, &json!(["ops"])));
        // Of a set that is not complete, `ops` may be the group that was not kept.
        for groups in [odd, &json!([]), odd, &json!(["staff"]), &json!([]), &json!(["ops", ""])] {
            assert!(is_held_to(console, &member, groups), "{at} {groups}");
        }
        // And a complete set after it would loosen.
        assert!(is_held_to(console, &other, odd));
        for groups in [json!([]), json!(["staff", "staff"]), json!([])] {
            assert!(is_held_to(console, &other, &groups), "{at} {groups}");
        }
    }
    // Without anything odd, the user was never held to the rule.
    assert!(!is_held_to(console, "plain", &json!(["staff", "staff"])));
    assert!(!is_held_to(console, "plain", &json!([])));
}

#[test]
fn what_one_console_could_not_say_counts_for_every_console() {
    let server = Server::start();
    let (tenant, admin) = with_rule(&server, "ops");
    let desk = tenant.console.another(&admin, "desk", &["login"]);
    let of_desk = |groups: Value| {
        let mut body = desk.login("ana", &["desk"]);
        body["explain"] = json!(true);
        body["groups"] = groups;
        let decision = desk.call("evaluateLogin").json(&body).send().ok();
        decision["because"].as_array().unwrap().iter().any(|because| because["rule"] == "ops")
    };
    assert!(!of_desk(json!([])));
    assert!(is_held_to(&tenant.console, "ana", &json!([""])));
    assert!(of_desk(json!([])));
}

#[test]
fn an_address_is_taken_without_its_port_and_what_is_none_is_outside_every_network() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    admin.tighten(|policy| {
        let when = json!({ "networks_not_in": ["203.0.113.0/24", "2001:db8::/32"] });
        let set = json!({ "token_ttl_seconds": 60 });
        policy["rules"] = json!([{ "id": "outside", "when": when, "set": set }]);
    });
    let is_inside = |address: Value| {
        let decision = evaluate(&tenant.console, "ana", "address", address);
        let because = decision["because"].as_array().unwrap();
        !because.iter().any(|because| because["rule"] == "outside")
    };
    let inside = [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:51008", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1%eth0]:443", "2001:db8::1"),
    ];
    for (address, recorded) in inside {
        assert!(is_inside(json!(address)), "{address}");
        let evaluated = events(&admin, "login.evaluated");
        assert_eq!(evaluated.last().unwrap()["data"]["address"], recorded, "{address}");
    }
    for address in ["", "unknown", "203.0.113.7, 198.51.100.1", "203.0.113.7,203.0.113.8", "x"] {
        assert!(!is_inside(json!(address)), "{address}");
        let evaluated = events(&admin, "login.evaluated");
        let data = &evaluated.last().unwrap()["data"];
        let said = (&data["reported"], &data["address"]);
        assert_eq!(said, (&json!({ "address": "unknown" }), &json!(null)), "{address}");
    }
    assert!(!is_inside(json!(null)));
    let mut number = tenant.console.login("ana", &["acme"]);
    number["address"] = json!(7);
    let refused = tenant.console.call("evaluateLogin").json(&number).send();
    assert_eq!(refused.refused("invalid-request")["field"], "address");
}

#[test]
fn another_spelling_of_a_users_id_is_held_until_a_ticket() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, console) = (tenant.administrator(), &tenant.console);
    let jdoe = console.user("jdoe").enrolled();
    server.advance(1);
    for spelled in ["JDOE", "jdoe ", "ｊｄｏｅ", "j\u{200b}doe"] {
        let other = console.user(spelled);
        assert_ne!(other.id, jdoe.id, "external ids stay exact bytes");
        let decision = other.evaluate().ok();
        assert_eq!(decision["decision"], "ticket_required", "{spelled:?}");
        let challenge = json!({ "challenge": decision["challenge"]["handle"] });
        console.call("beginEnrollment").json(&challenge).send().refused("ticket-required");
        let held = events(&admin, "user.looks_alike");
        let (user, older) = (&held.last().unwrap()["user_id"], &held.last().unwrap()["object_id"]);
        assert_eq!((user, older), (&json!(other.id), &json!(jdoe.id)), "{spelled:?}");
        let data = json!({ "external_id": spelled, "older_external_id": "jdoe", "held": true });
        assert_eq!(held.last().unwrap()["data"], data);
    }
    // The first one is as before, and so is a third person.
    assert_eq!(jdoe.evaluate().ok()["decision"], "challenge");
    assert_eq!(console.user("jdo").evaluate().ok()["decision"], "enroll");
    let mut held = console.user("JDOE");
    let made = admin.act(&Act::ticket(&held.id)).ok();
    let redeem = json!({ "challenge": held.challenge(), "ticket": made["ticket"] });
    let begun = console.call("redeemTicket").json(&redeem).send().ok();
    held.scan(&begun).ok();
    assert_eq!(held.evaluate().ok()["decision"], "challenge");
}

#[test]
fn another_spelling_is_held_where_mfa_is_optional() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, console) = (tenant.administrator(), &tenant.console);
    let (mut policy, version) = admin.policy();
    policy["base"]["mfa"] = json!("optional");
    let body = json!({ "policy": policy, "reason": "this test needs optional MFA" });
    admin.act(&Act::new("putPolicy", body).with("if_match", &version)).ok();
    let _jdoe = console.user("jdoe").enrolled();
    assert_eq!(console.user("ana").evaluate().ok()["decision"], "not_required");
    assert_eq!(console.user("JDoe").evaluate().ok()["decision"], "ticket_required");
}

#[test]
fn of_two_spellings_at_once_the_later_is_held() {
    let server = Server::start();
    let console = server.tenant("acme").console;
    let calls: Vec<_> = ["jdoe", "JDOE", "Jdoe", "jdoE"]
        .map(|name| console.call("evaluateLogin").json(&console.login(name, &["acme"])))
        .into();
    let decisions: Vec<Value> = std::thread::scope(|scope| {
        let sent: Vec<_> = calls.into_iter().map(|call| scope.spawn(|| call.send().ok())).collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect()
    });
    let of = |kind: &str| decisions.iter().filter(|one| one["decision"] == kind).count();
    assert_eq!((of("enroll"), of("ticket_required")), (1, 3));
}

#[test]
fn the_events_of_codes_have_the_address_of_their_challenge() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    let challenge = |address: &str| {
        let decision = evaluate(&tenant.console, "ana", "address", json!(address));
        decision["challenge"]["handle"].as_str().unwrap().to_owned()
    };
    let wrong = ana.phone.as_ref().unwrap().wrong_code(&server);
    ana.verify(&challenge("203.0.113.7:51008"), &wrong).refused("code-rejected");
    let code = ana.code();
    ana.verify(&challenge("2001:db8::1"), &code).ok();
    let recover = json!({
        "challenge": challenge("198.51.100.9"), "recovery_code": "00000-00000-00000-00000-00000",
    });
    tenant.console.call("useRecoveryCode").json(&recover).send().refused("code-rejected");
    for (kind, address) in [
        ("code.rejected", "203.0.113.7"),
        ("code.verified", "2001:db8::1"),
        ("recovery_code.rejected", "198.51.100.9"),
    ] {
        let of_ana = |event: &&Value| event["user_id"] == json!(ana.id);
        let events = events(&admin, kind);
        let event = events.iter().rfind(of_ana).unwrap();
        assert_eq!(event["data"]["address"], address, "{kind}");
    }
    ana.verify(&challenge("unknown"), &wrong).refused("code-rejected");
    assert!(events(&admin, "code.rejected").last().unwrap()["data"]["address"].is_null());
}

#[test]
fn a_removal_that_is_held_is_recorded_once_for_each_report() {
    let server = Server::start();
    let (tenant, admin) = with_rule(&server, "ops");
    let console = &tenant.console;
    let held = |who: &str| {
        let id = console.user(who).id;
        let all = events(&admin, "user.group_removal_held");
        all.iter().filter(|event| event["user_id"] == json!(id)).count()
    };
    // One whose groups are known, and one about whom nothing was told before.
    assert!(is_held_to(console, "ana", &json!(["ops"])));
    console.user("bo");
    for who in ["ana", "bo"] {
        for _ in 0..3 {
            assert!(is_held_to(console, who, &json!([])), "{who}");
        }
        assert_eq!(held(who), 1, "{who}");
        for _ in 0..2 {
            assert!(is_held_to(console, who, &json!(["staff"])), "{who}");
        }
        assert_eq!(held(who), 2, "{who}");
    }
    // What is added is not held, and what was held counts for no other console.
    assert!(is_held_to(console, "bo", &json!(["ops", "staff"])));
    assert_eq!(held("bo"), 2);
    let desk = console.another(&admin, "desk", &["login"]);
    let mut login = desk.login("cy", &["desk"]);
    login["groups"] = json!([]);
    login["explain"] = json!(true);
    desk.call("evaluateLogin").json(&login).send().ok();
    assert!(is_held_to(console, "cy", &json!([])));
    let decision = desk.call("evaluateLogin").json(&login).send().ok();
    let mut because = decision["because"].as_array().unwrap().iter();
    assert!(!because.any(|because| because["rule"] == "ops"));
}
