//! What `getMfaStatus` says can be done, held against what is done: every action of the list, in every
//! state that a user can be in.

use serde_json::{Value, json};

use crate::support::{Act, Answer, Server, Tenant, User, code_of};

/// A user in some state, with a challenge that was opened while an enrollment could still begin.
struct Case {
    state: &'static str,
    user: User,
    opened: String,
}

fn cases(tenant: &Tenant) -> Vec<Case> {
    let case = |state: &'static str| {
        let user = tenant.console.user(state);
        let opened = user.challenge();
        Case { state, user, opened }
    };
    let mut cases = ["fresh", "enrolled", "suspended", "offboarded"].map(case).into_iter();
    let fresh = cases.next().unwrap();
    let bound = cases.map(|case| Case { user: case.user.enrolled(), ..case });
    let all: Vec<Case> = std::iter::once(fresh).chain(bound).collect();
    for case in &all {
        match case.state {
            "suspended" => {
                let _ = case.user.token();
                let code = case.user.code();
                case.user.report(&case.user.challenge(), Some(&code)).ok();
            }
            "offboarded" => {
                let id = &case.user.id;
                tenant.console.call("offboardUser").at("user_id", id).send().ok();
            }
            _ => {}
        }
    }
    all
}

/// Does for real what an action names, with what the user has at hand.
fn attempt(operation: &str, case: &Case) -> Answer {
    let (user, console) = (&case.user, &case.user.console);
    let handed = || {
        let decision = user.evaluate().ok();
        decision["challenge"]["handle"].as_str().unwrap().to_owned()
    };
    let act = |operation: &'static str| match &user.phone {
        Some(_) if case.state == "enrolled" => user.act(&Act::new(operation, json!({}))),
        Some(_) => {
            user.call("beginStepUp").json(&json!({ "operation": operation, "body": {} })).send()
        }
        None => console.server.call(operation).json(&json!({})).send(),
    };
    match operation {
        "requestDisable" => console.call(operation).at("user_id", &user.id).json(&json!({})).send(),
        "createPetition" => console.petition(&user.id, "unlock"),
        "beginEnrollment" => {
            console.call(operation).json(&json!({ "challenge": case.opened })).send()
        }
        "beginRotation" => act("beginRotation"),
        "regenerateRecoveryCodes" => act("regenerateRecoveryCodes"),
        "reportLoss" => user.report(&handed(), None),
        "useRecoveryCode" => {
            let code = user.recovery_codes.first().cloned().unwrap_or("0".repeat(25));
            let body = json!({ "challenge": handed(), "recovery_code": code });
            console.call(operation).json(&body).send()
        }
        other => panic!("nobody tried {other}"),
    }
}

#[test]
fn every_action_of_the_status_is_what_really_happens() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let mut tried = 0;
    for case in cases(&tenant) {
        let read = || tenant.console.call("getMfaStatus").at("user_id", &case.user.id).send().ok();
        let count = read()["actions"].as_array().unwrap().len();
        // Backwards, since new recovery codes void those that the user still has to use.
        for at in (0..count).rev() {
            // Read again: what was done before may have changed what can be done.
            let action: Value = read()["actions"][at].clone();
            let name = action["operation"].as_str().unwrap();
            let answer = attempt(name, &case);
            let said =
                if action["allowed"] == true { "" } else { action["obstacle"].as_str().unwrap() };
            let done = if answer.status < 300 { "" } else { code_of(&answer) };
            assert_eq!(done, said, "{name} of a user who is {}", case.state);
            tried += 1;
        }
    }
    assert!(tried >= 20, "{tried} actions were tried");
}
