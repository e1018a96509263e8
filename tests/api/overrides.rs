//! Overrides: who may ask, who may approve, and how they end.

use serde_json::{Value, json};

use crate::support::{Act, Console, REASON, Server, Tenant, User};

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

/// A tenant with administrators who must approve each other.
pub struct Board {
    pub server: Server,
    pub tenant: Tenant,
    pub a: User,
    pub b: User,
    pub c: User,
    pub ana: User,
}

impl Board {
    pub fn set() -> Self {
        let server = Server::start();
        let tenant = server.tenant("acme");
        let a = tenant.administrator();
        let ana = tenant.console.user("ana").enrolled();
        let b = tenant.second_administrator(&a, "b");
        let c = tenant.console.user("c").enrolled();
        let asked = a.act(&Act::grant(&c.id, "admin")).ok();
        assert_eq!(asked["override"]["state"], "requested");
        b.act(&Act::approve(&asked["override"])).ok();
        c.forget();
        server.advance(25 * 3600);
        a.tighten(|policy| policy["base"]["approvals"] = json!(1));
        Self { server, tenant, a, b, c, ana }
    }

    /// An administrator of the board at another console of their directory, and that console.
    pub fn elsewhere(&self, who: &User) -> (Console, User) {
        let console = &self.tenant.console;
        let here = self.a.call("getClient").at("client_id", &console.client_id).send().ok();
        let act = Act::client("other", &["login", "users"]);
        let asked = self.waiting(&act.set("directory_id", here["directory_id"].clone()));
        self.b.act(&Act::approve(&asked)).ok();
        let made = self.a.collect(&asked).ok();
        let text = |name: &str| made["client_key"][name].as_str().unwrap().to_owned();
        let console = Console { client_id: text("client_id"), key: text("key"), ..console.clone() };
        let mut elsewhere = console.user(&who.external_id);
        elsewhere.phone.clone_from(&who.phone);
        (console, elsewhere)
    }

    /// An override that `a` asked for and that waits.
    pub fn waiting(&self, act: &Act) -> Value {
        let answer = self.a.act(act);
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.ok()["override"].clone()
    }
}

/// The state of an override, as an administrator reads it.
pub fn state_of(by: &User, asked: &Value) -> Value {
    by.call("getOverride").at("override_id", &id(asked)).send().ok()["state"].clone()
}

/// An exemption for the audience `acme` for an hour.
fn exempt(server: &Server, user: &str) -> Act {
    let act = Act::request(user, "exempt").set("audiences", json!(["acme"]));
    act.set("expires_at", json!(server.at(3600)))
}

/// What makes an act dangerous is in its words, and a name cannot pose as them.
#[test]
fn the_words_of_an_act_tell_what_it_does() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let (mut policy, version) = admin.policy();
    policy["base"]["mfa"] = json!("optional");
    policy["base"]["token_ttl_seconds"] = json!(900);
    let body = json!({ "policy": policy, "reason": REASON });
    let looser = admin.try_step_up(&Act::new("putPolicy", body).with("if_match", &version)).ok();
    let words = r#"Replace the policy version 1 by a looser one. Looser: rule "base", mfa from required to optional; rule "base", token_ttl_seconds from 300 to 900."#;
    assert_eq!(looser["act"], format!(r#"{words} Reason: "{REASON}""#));
    let change =
        json!({ "rule": "base", "attribute": "mfa", "from": "required", "to": "optional" });
    assert_eq!(looser["changes"][0], change);
    let client = admin.call("getClient").at("client_id", &tenant.console.client_id).send().ok();
    let name = r#"Reporting", which may only read"#;
    let act = Act::client(name, &["login"]).set("audiences", json!(["shop"]));
    let words = admin.words(&act.set("directory_id", client["directory_id"].clone()));
    let told = r#"Make the client "Reporting', which may only read" with the scopes login, the audiences "shop", in the directory "#;
    assert!(words.starts_with(told), "{words}");
    assert!(words.contains(", where administrators sign in. Reason: "), "{words}");
}

/// Two people of two directories with the same names are told apart.
#[test]
fn the_words_of_an_act_name_the_directory_where_there_are_two() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let ada = tenant.console.user("ada").enrolled();
    let made = admin.act(&Act::client("north", &["login", "users"])).ok();
    let text = |name: &str| made["client_key"][name].as_str().unwrap().to_owned();
    let north =
        Console { client_id: text("client_id"), key: text("key"), ..tenant.console.clone() };
    let other = north.user("ada").enrolled();
    let words = |user: &User| admin.try_step_up(&Act::grant(&user.id, "helpdesk")).ok();
    let (here, there) = (words(&ada), words(&other));
    assert_ne!(here["act"], there["act"]);
    let told = r#"Give the role helpdesk to "ada" ("ada" in the directory "north")."#;
    assert!(there["act"].as_str().unwrap().starts_with(told), "{}", there["act"]);
    assert_eq!(there["subject"]["directory"], "north");
    // A directory whose name reads like another's is named by its id too.
    admin.act(&Act::client("NORTH", &["login", "users"])).ok();
    let id =
        admin.call("getClient").at("client_id", &text("client_id")).send().ok()["directory_id"]
            .clone();
    let told = words(&other)["act"].clone();
    let place = format!(r#""ada" ("ada" in the directory "north" ({}))"#, id.as_str().unwrap());
    assert!(told.as_str().unwrap().contains(&place), "{told}");
    // What quoting changes may read like another one.
    let odd = tenant.console.user("a\"da").enrolled();
    let told = words(&odd)["act"].clone();
    assert!(told.as_str().unwrap().contains(&format!(r#"("a'da", {} in"#, odd.id)), "{told}");
}

#[test]
fn an_exemption_for_an_audience_of_no_client_is_refused() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    let mistyped = exempt(&server, &ana.id).set("audiences", json!(["acme", "acmee"]));
    assert_eq!(admin.act(&mistyped).refused("invalid-request")["field"], "audiences");
}

#[test]
fn who_approves_reads_the_words_of_the_request_that_is_stored() {
    let board = Board::set();
    let (a, b, ana) = (&board.a, &board.b, &board.ana);
    let exemption = exempt(&board.server, &ana.id);
    let until = crate::support::in_words(&board.server.at(3600));
    let words =
        format!(r#"Ask "ana" ("ana") for no code at "acme" until {until}. Reason: "{REASON}""#);
    assert_eq!(a.words(&exemption), words);
    let bo = board.tenant.console.user("bo");
    // A ticket waits only if it is for somebody with a role.
    b.act(&Act::approve(&board.waiting(&Act::grant(&bo.id, "auditor")))).ok();
    let jwk = json!({ "kty": "EC", "alg": "ES256", "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM" });
    let portal = &board.tenant.console.client_id;
    let (mut policy, version) = a.policy();
    policy["base"]["approvals"] = json!(0);
    let looser = Act::new("putPolicy", json!({ "policy": policy, "reason": REASON }));
    let acts = [
        exemption,
        Act::request(&ana.id, "reset"),
        Act::request(&ana.id, "unlock"),
        Act::grant(&ana.id, "auditor"),
        Act::new("createTicket", json!({ "user_id": bo.id, "reason": REASON })),
        Act::client("shop", &["login"]),
        Act::rotate(portal),
        Act::add_key(portal, jwk),
        looser.with("if_match", &version),
    ];
    for act in acts {
        let own = a.words(&act);
        let waiting = board.waiting(&act);
        let asked = b.try_step_up(&Act::approve(&waiting)).ok();
        assert_eq!(asked["act"], format!(r#"Approve what "admin" ("admin") asks for: {own}"#));
        assert_eq!(asked["requester"]["id"], a.id);
        let subject = waiting["user_id"].as_str();
        assert_eq!(asked["subject"]["id"].as_str(), subject, "{own}");
        // A stranger learns nothing, before any code.
        ana.try_step_up(&Act::approve(&waiting)).refused("forbidden");
        a.call("withdrawOverride").at("override_id", &id(&waiting)).send().ok();
    }
}

#[test]
fn an_exemption_lets_a_user_in_without_a_token_until_it_ends() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, bo) = (tenant.administrator(), tenant.console.user("bo"));
    let granted = admin.act(&exempt(&server, &bo.id)).ok();
    assert_eq!(granted["override"]["state"], "approved");
    let decision = bo.evaluate_for(&["acme"]).ok();
    assert_eq!((&decision["decision"], &decision["challenge"]), (&json!("exempt"), &json!(null)));
    assert_eq!(bo.evaluate().ok()["decision"], "enroll", "Pawl's own audience is never exempt");
    server.advance(3600);
    assert_eq!(bo.evaluate_for(&["acme"]).ok()["decision"], "enroll");
    let shown = admin.call("getOverride").at("override_id", &id(&granted["override"])).send().ok();
    assert_eq!(shown["state"], "expired");
}

#[test]
fn what_may_be_asked_for_has_bounds() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let admin = tenant.administrator();
    let (ana, gone) = (tenant.console.user("ana"), tenant.console.user("gone"));
    tenant.console.call("offboardUser").at("user_id", &gone.id).send().ok();
    admin.act(&exempt(&server, &admin.id)).refused("own-account");
    admin.act(&exempt(&server, &gone.id)).refused("user-offboarded");
    admin.act(&Act::request(&ana.id, "reset")).refused("not-enrolled");
    let own = json!([tenant.console.own_audience()]);
    let exempt = |user: &User| exempt(&server, &user.id);
    admin.act(&exempt(&ana).set("audiences", own)).refused("audience-reserved");
    let late = server.at(73 * 3600);
    admin.act(&exempt(&ana).set("expires_at", json!(late))).refused("expiry-out-of-bounds");
    admin.act(&exempt(&ana).set("audiences", json!([]))).refused("invalid-request");
    admin
        .act(&Act::request(&ana.id, "unlock").set("audiences", json!(["acme"])))
        .refused("invalid-request");
    admin.tighten(|policy| policy["base"]["exempt_allowed"] = json!(false));
    let problem = admin.act(&exempt(&ana)).refused("exemption-not-allowed");
    assert_eq!(problem["rule"], "base");
}

#[test]
fn an_approval_comes_from_another_person_who_saw_the_facts() {
    let board = Board::set();
    let asked = board.waiting(&Act::request(&board.ana.id, "unlock"));
    let approve = Act::approve(&asked);
    board.a.act(&approve).refused("not-an-approver");
    let blind = approve.clone().set("digest", json!("0".repeat(64)));
    board.b.act(&blind).refused("digest-mismatch");
    let done = board.b.act(&approve).ok();
    assert_eq!(done["state"], "used");
    assert_eq!(done["approved_by"], json!([board.b.id]));
    board.c.act(&approve).refused("override-not-open");
}

#[test]
fn where_two_must_approve_two_do() {
    let board = Board::set();
    board.a.tighten(|policy| policy["base"]["approvals"] = json!(2));
    let approve = Act::approve(&board.waiting(&Act::request(&board.ana.id, "unlock")));
    let once = board.b.act(&approve);
    assert_eq!(once.status, 202);
    assert_eq!(once.ok()["state"], "requested");
    board.b.act(&approve).refused("not-an-approver");
    let twice = board.c.act(&approve);
    assert_eq!(twice.status, 200);
    assert_eq!(twice.ok()["state"], "used");
}

#[test]
fn nobody_approves_what_is_for_them() {
    let board = Board::set();
    let asked = board.waiting(&Act::request(&board.b.id, "unlock"));
    board.b.act(&Act::approve(&asked)).refused("not-an-approver");
    board.c.act(&Act::approve(&asked)).ok();
}

#[test]
fn an_approval_of_what_cannot_be_done_any_more_is_refused() {
    let board = Board::set();
    let user = |name: &str| board.tenant.console.user(name);
    let (gone, lost) = (user("gone").enrolled(), user("lost").enrolled());
    let mut late = user("late");
    let twice = board.waiting(&Act::grant(&board.ana.id, "auditor"));
    let again = board.waiting(&Act::grant(&board.ana.id, "auditor"));
    let of_gone = board.waiting(&Act::request(&gone.id, "unlock"));
    let of_lost = board.waiting(&Act::grant(&lost.id, "admin"));
    board.b.act(&Act::approve(&twice)).ok();
    board.b.act(&Act::approve(&again)).refused("role-held");
    board.tenant.console.call("offboardUser").at("user_id", &gone.id).send().ok();
    board.b.act(&Act::approve(&of_gone)).refused("user-offboarded");
    let code = lost.code();
    lost.report(&lost.challenge(), Some(&code)).ok();
    board.b.act(&Act::approve(&of_lost)).refused("not-enrolled");
    let role = board.waiting(&Act::grant(&late.id, "helpdesk"));
    board.b.act(&Act::approve(&role)).ok();
    let ticket = board.waiting(&Act::ticket(&late.id));
    let another = board.waiting(&Act::ticket(&late.id));
    board.b.act(&Act::approve(&ticket)).ok();
    let issued = board.a.collect(&ticket).ok();
    let body = json!({ "ticket": issued["ticket"]["ticket"], "challenge": late.challenge() });
    let begun = board.tenant.console.call("redeemTicket").json(&body).send().ok();
    late.scan(&begun).ok();
    board.b.act(&Act::approve(&another)).refused("already-enrolled");
}

#[test]
fn a_role_that_is_gone_cannot_be_taken_by_an_approval() {
    let board = Board::set();
    board.a.tighten(|policy| {
        let when = json!({ "roles_any": ["helpdesk", "admin"] });
        policy["rules"] = json!([{ "id": "r", "when": when, "set": { "mfa": "required" } }]);
    });
    let granted = board.waiting(&Act::grant(&board.ana.id, "helpdesk"));
    board.b.act(&Act::approve(&granted)).ok();
    let once = board.waiting(&Act::revoke(&board.ana.id, "helpdesk"));
    let twice = board.waiting(&Act::revoke(&board.ana.id, "helpdesk"));
    board.b.act(&Act::approve(&once)).ok();
    board.b.act(&Act::approve(&twice)).refused("role-not-held");
}

#[test]
fn a_policy_that_waited_must_still_fit() {
    let board = Board::set();
    let looser = |approvals: u8| {
        let (mut policy, version) = board.a.policy();
        policy["base"]["token_ttl_seconds"] = json!(900);
        policy["base"]["approvals"] = json!(approvals);
        let body = json!({ "policy": policy, "reason": REASON });
        board.waiting(&Act::new("putPolicy", body).with("if_match", &version))
    };
    let stale = looser(1);
    board.a.tighten(|policy| policy["base"]["ticket_ttl_hours"] = json!(24));
    let problem = board.b.act(&Act::approve(&stale)).refused("version-mismatch");
    assert_eq!(problem["current_version"], 3);
    let many = looser(2);
    board.a.act(&Act::revoke(&board.c.id, "admin")).ok();
    board.b.act(&Act::approve(&many)).refused("policy-guard");
    let fits = looser(1);
    let done = board.b.act(&Act::approve(&fits)).ok();
    assert_eq!(done["state"], "used");
    assert_eq!(board.a.policy().0["base"]["token_ttl_seconds"], 900);
}

#[test]
fn a_request_ends_by_denial_withdrawal_or_time() {
    let board = Board::set();
    let denied = board.waiting(&Act::request(&board.ana.id, "unlock"));
    let withdrawn = board.waiting(&Act::request(&board.ana.id, "unlock"));
    let over = board.waiting(&Act::request(&board.ana.id, "unlock"));
    let end = |by: &User, how: &str, which: &Value| {
        let call = by.call(how).at("override_id", &id(which));
        if how == "denyOverride" { call.json(&json!({ "reason": REASON })) } else { call }.send()
    };
    assert_eq!(end(&board.b, "denyOverride", &denied).ok()["state"], "denied");
    end(&board.b, "denyOverride", &denied).refused("override-not-open");
    end(&board.b, "withdrawOverride", &withdrawn).refused("not-an-approver");
    assert_eq!(end(&board.a, "withdrawOverride", &withdrawn).ok()["state"], "withdrawn");
    end(&board.a, "withdrawOverride", &withdrawn).refused("override-not-open");
    end(&board.b, "revokeOverride", &over).refused("override-not-open");
    board.server.advance(24 * 3600);
    board.b.act(&Act::approve(&over)).refused("override-not-open");
}

#[test]
fn the_subject_decides_nothing_about_an_override() {
    let board = Board::set();
    let (b, c) = (&board.b, &board.c);
    let waiting = board.waiting(&Act::request(&b.id, "unlock"));
    let exemption = board.waiting(&exempt(&board.server, &b.id));
    c.act(&Act::approve(&exemption)).ok();
    let end = |how: &str, which: &Value, body: Value| {
        b.call(how).at("override_id", &id(which)).json(&body).send().refused("not-an-approver");
    };
    end("denyOverride", &waiting, json!({ "reason": REASON }));
    end("shortenOverride", &waiting, json!({ "expires_at": board.server.at(1) }));
    end("shortenOverride", &exemption, json!({ "expires_at": board.server.at(1) }));
    let revoke = b.call("revokeOverride").at("override_id", &id(&exemption));
    revoke.send().refused("not-an-approver");
    c.act(&Act::approve(&waiting)).ok();
}

#[test]
fn an_end_only_comes_closer_and_a_revocation_is_immediate() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, bo) = (tenant.administrator(), tenant.console.user("bo"));
    let granted = admin.act(&exempt(&server, &bo.id)).ok()["override"].clone();
    let shorten = |seconds: i64| {
        let body = json!({ "expires_at": server.at(seconds) });
        admin.call("shortenOverride").at("override_id", &id(&granted)).json(&body).send()
    };
    shorten(3700).refused("expiry-out-of-bounds");
    shorten(0).refused("expiry-out-of-bounds");
    let end = shorten(600).ok()["expires_at"].clone();
    assert_eq!(end, json!(server.at(600)));
    let revoke = || admin.call("revokeOverride").at("override_id", &id(&granted)).send();
    assert_eq!(revoke().ok()["state"], "revoked");
    assert_eq!(bo.evaluate_for(&["acme"]).ok()["decision"], "enroll");
    revoke().refused("override-not-open");
    shorten(60).refused("override-not-open");
    let open = admin.call("listOverrides").query("state", "revoked").send().ok();
    assert_eq!(open["items"].as_array().unwrap().len(), 1);
}
