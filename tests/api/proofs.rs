//! The one protocol of everything that takes a proof, tried on every act that the document names.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::document::document;
use crate::support::signer::Signer;
use crate::support::{Act, REASON, Server, Tenant, User};

/// A tenant with one administrator of long standing, one that is new, and something for every act.
struct Stage {
    server: Server,
    tenant: Tenant,
    first: User,
    second: User,
    ana: User,
    /// An auditor, by a role that the policy names, who never enrolled.
    bo: User,
    /// A client that nobody needs.
    spare: String,
    policy: Value,
    version: String,
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

impl Stage {
    fn set() -> Self {
        let server = Server::start();
        let tenant = server.tenant("acme");
        let first = tenant.administrator();
        let (ana, bo) = (tenant.console.user("ana").enrolled(), tenant.console.user("bo"));
        first.act(&Act::grant(&bo.id, "auditor")).ok();
        let second = tenant.console.user("second").enrolled();
        first.act(&Act::grant(&second.id, "admin")).ok();
        second.forget();
        let spare = tenant.console.another(&first, "spare", &["login"]).client_id;
        let rule = json!({
            "id": "auditors", "when": { "roles_any": ["auditor"] }, "set": { "mfa": "required" },
        });
        let (policy, version) = first.tighten(|policy| {
            policy["base"]["approvals"] = json!(1);
            policy["rules"] = json!([rule]);
        });
        Self { server, tenant, first, second, ana, bo, spare, policy, version }
    }

    /// An act of `first` or `second` that nothing but its proof keeps from being done.
    fn act(&self, operation: &str, other: &User) -> Act {
        match operation {
            "requestOverride" => Act::request(&self.ana.id, "unlock"),
            "approveOverride" => {
                let asked = other.act(&Act::request(&self.ana.id, "unlock")).ok();
                Act::approve(&asked["override"])
            }
            "takeUpPetition" => {
                let petition = self.tenant.console.petition(&self.ana.id, "unlock").ok();
                let act = Act::new("takeUpPetition", json!({ "reason": REASON }));
                act.with("petition_id", &id(&petition))
            }
            "putPolicy" => {
                let mut looser = self.policy.clone();
                looser["base"]["approvals"] = json!(0);
                let body = json!({ "policy": looser, "reason": REASON });
                Act::new("putPolicy", body).with("if_match", &self.version)
            }
            "grantRole" => Act::grant(&self.ana.id, "helpdesk"),
            "revokeRole" => Act::revoke(&self.bo.id, "auditor"),
            "createTicket" => Act::ticket(&self.bo.id),
            "createClient" => Act::client("portal", &["login"]),
            "addClientKey" => {
                let console = &self.tenant.console;
                Act::add_key(&console.client_id, Signer::new(console).jwk())
            }
            "disableClient" => Act::disable(&self.spare),
            "updateClient" => {
                let client = &self.tenant.console.client_id;
                let shown = self.first.call("getClient").at("client_id", client).send().ok();
                Act::update(client, shown["scopes"].clone(), json!(["acme", "shop"]))
            }
            "rotateClientSecret" => Act::rotate(&self.tenant.console.client_id),
            "renameTenant" => Act::rename("Acme Europe"),
            "setLookAlikes" => Act::look_alikes(&self.tenant.console.directory(), "note"),
            "beginRotation" => Act::new("beginRotation", json!({})),
            "regenerateRecoveryCodes" => Act::new("regenerateRecoveryCodes", json!({})),
            other => panic!("{other}: a new act needs a way to be tried"),
        }
    }
}

fn acts() -> BTreeSet<&'static str> {
    let mapping = &document()["components"]["schemas"]["Act"]["discriminator"]["mapping"];
    mapping.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The acts that weaken: all but those on one's own account, and the end of a client.
fn weakening() -> impl Iterator<Item = &'static str> {
    let others = ["beginRotation", "regenerateRecoveryCodes", "disableClient"];
    acts().into_iter().filter(move |act| !others.contains(act))
}

/// The acts that ask for something new, which another may have to approve.
fn requests() -> impl Iterator<Item = &'static str> {
    weakening().filter(|act| *act != "approveOverride")
}

#[test]
fn an_act_takes_a_proof_of_its_own_and_a_code_that_is_right() {
    let stage = Stage::set();
    stage.server.advance(25 * 3600);
    for operation in acts() {
        // Enough for the budget of wrong codes to grow back.
        stage.server.advance(25 * 3600);
        let act = stage.act(operation, &stage.second);
        climb(&stage, &act);
    }
}

/// Tries one act in every wrong way, then in the right one.
fn climb(stage: &Stage, act: &Act) {
    let admin = &stage.first;
    admin.try_act(act).refused("proof-required");
    let code = admin.code();
    admin.act_with(act, "mch_nothing", &code).refused("challenge-over");
    let login = admin.challenge();
    admin.act_with(act, &login, &code).refused("challenge-over");
    let other = admin.step_up(&Act::request(&stage.ana.id, "reset"));
    admin.act_with(act, &other, &code).refused("proof-mismatch");
    let challenge = admin.step_up(act);
    for _ in 0..3 {
        admin.act_with(act, &challenge, &admin.wrong_code()).refused("code-rejected");
    }
    let problem = admin.act_with(act, &challenge, &code).refused("too-many-attempts");
    assert_eq!(problem["retry_after_seconds"], 30);
    stage.server.advance(30);
    let code = admin.code();
    admin.act_with(act, &challenge, &code).ok();
    // The challenge is spent with the code.
    let _ = admin.token();
    let again = admin.act_with(act, &challenge, &admin.code());
    assert!(again.status >= 400, "{}: done twice", act.operation());
}

#[test]
fn an_act_cannot_be_swapped_after_the_step_up() {
    let stage = Stage::set();
    let asked = Act::request(&stage.ana.id, "unlock");
    let challenge = stage.first.step_up(&asked);
    let code = stage.first.code();
    for swapped in [
        Act::request(&stage.bo.id, "unlock"),
        Act::request(&stage.ana.id, "reset"),
        asked.clone().set("reason", json!("another reason, long enough to pass")),
    ] {
        stage.first.act_with(&swapped, &challenge, &code).refused("proof-mismatch");
    }
    stage.first.act_with(&asked, &challenge, &code).ok();
}

#[test]
fn a_proof_belongs_to_one_person() {
    let stage = Stage::set();
    stage.server.advance(25 * 3600);
    let act = Act::request(&stage.ana.id, "unlock");
    let challenge = stage.first.step_up(&act);
    stage.second.act_with(&act, &challenge, &stage.first.code()).refused("challenge-over");
}

#[test]
fn a_challenge_for_an_act_ends_after_five_minutes() {
    let stage = Stage::set();
    let act = Act::request(&stage.ana.id, "unlock");
    let challenge = stage.first.step_up(&act);
    stage.server.advance(300);
    let _ = stage.first.token();
    stage.first.act_with(&act, &challenge, &stage.first.code()).refused("challenge-over");
}

#[test]
fn a_factor_that_is_too_new_weakens_nothing() {
    let stage = Stage::set();
    for operation in weakening() {
        let act = stage.act(operation, &stage.first);
        let problem = stage.second.act(&act).refused("factor-too-new");
        assert!(problem["usable_from"].as_str() > Some(&stage.server.at(0)), "{operation}");
    }
    stage.server.advance(25 * 3600);
    let asked = stage.act("requestOverride", &stage.first);
    stage.second.act(&asked).ok();
}

#[test]
fn an_administrator_has_at_most_ten_overrides_open() {
    let stage = Stage::set();
    for _ in 0..10 {
        stage.first.act(&Act::request(&stage.ana.id, "unlock")).ok();
    }
    for operation in requests() {
        let act = stage.act(operation, &stage.second);
        stage.first.act(&act).refused("too-many-overrides");
    }
}

#[test]
fn what_nobody_could_approve_is_not_asked_for() {
    let stage = Stage::set();
    stage.server.advance(25 * 3600);
    let acts: Vec<Act> = requests().map(|each| stage.act(each, &stage.second)).collect();
    // The only other administrator loses the phone.
    let report = json!({
        "challenge": stage.second.challenge(), "reason": REASON, "code": stage.second.code(),
    });
    let lost = stage.tenant.console.call("reportLoss").json(&report).send().ok();
    assert_eq!(lost["outcome"], "suspended");
    for act in acts {
        stage.first.act(&act).refused("second-person-required");
    }
}

/// What the act's own operation refuses is refused before a code is asked for.
#[test]
fn what_can_be_foreseen_is_refused_before_a_code() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let (admin, ana) = (tenant.administrator(), tenant.console.user("ana").enrolled());
    let refuses = |act: &Act, code: &str| admin.try_step_up(act).refused(code);
    let nobody = format!("usr_{}", "0".repeat(32));
    refuses(&Act::request(&nobody, "unlock"), "not-found");
    refuses(&Act::revoke(&admin.id, "admin"), "last-administrator");
    let console = &tenant.console;
    for _ in 0..2 {
        let _ = Signer::added(console, &admin);
    }
    refuses(&Act::add_key(&console.client_id, Signer::new(console).jwk()), "too-many-keys");
    let (mut policy, version) = admin.policy();
    policy["rules"] =
        json!([{ "id": "r", "when": { "audiences": ["acme"] }, "set": { "digits": 8 } }]);
    let body = json!({ "policy": policy, "reason": REASON });
    refuses(&Act::new("putPolicy", body).with("if_match", &version), "invalid-policy");
    // A person who may not do the act learns nothing of it.
    ana.try_step_up(&Act::request(&nobody, "unlock")).refused("forbidden");
}
