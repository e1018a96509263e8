//! What every operation refuses because of its shape, whatever it does. The operations are read from
//! the document, so a new one is tested as soon as it is documented.

use serde_json::{Value, json};

use crate::support::document::{Callers, Operation, operations};
use crate::support::sample::{self, resolve};
use crate::support::signer::Signer;
use crate::support::{Act, Answer, Call, Console, REASON, Server, Tenant, User, code_of};

/// A tenant with somebody for every door.
pub struct Stage {
    pub server: Server,
    tenant: Tenant,
    admin: User,
    pub ana: User,
}

impl Stage {
    /// Sets the stage.
    pub fn set() -> Self {
        Self::on(Server::start())
    }

    /// Sets the stage on a server.
    pub fn on(server: Server) -> Self {
        let tenant = server.tenant("acme");
        let admin = tenant.administrator();
        let ana = tenant.console.user("ana").enrolled();
        // Both tokens live through the test: the clock stands still from here on.
        let _ = (ana.token(), admin.token());
        Self { server, tenant, admin, ana }
    }

    /// The credential that an operation's security asks for: a client's key where one will do.
    fn credential(&self, operation: &Operation) -> Option<String> {
        match operation.callers()?.scope {
            Some(_) => Some(self.tenant.console.key.clone()),
            None => Some(self.admin.token()),
        }
    }

    /// A call that is well formed, with ids that name nothing and without a credential.
    fn bare(&self, operation: &Operation) -> Call {
        let mut call = self.server.call(&operation.id);
        for name in operation.parameters("path") {
            call = call.at(name, &unknown(operation, name));
        }
        call
    }

    /// A call that is well formed, with a credential that the operation takes.
    pub fn fitting(&self, operation: &Operation) -> Call {
        match self.credential(operation) {
            Some(credential) => self.bare(operation).bearer(&credential),
            None => self.bare(operation),
        }
    }
}

fn secured() -> impl Iterator<Item = (&'static Operation, Callers<'static>)> {
    operations().values().filter_map(|operation| Some((operation, operation.callers()?)))
}

fn with_body() -> impl Iterator<Item = (&'static Operation, Value)> {
    operations().values().filter_map(|operation| Some((operation, sample::body(operation)?)))
}

fn unknown(operation: &Operation, name: &str) -> String {
    let all = operation.value["parameters"].as_array().unwrap();
    let parameter = all.iter().find(|parameter| parameter["name"] == name).unwrap();
    sample::value(name, &parameter["schema"]).as_str().unwrap().to_owned()
}

/// With the smallest body, if the operation takes one.
pub fn filled(call: Call, operation: &Operation) -> Call {
    match sample::body(operation) {
        Some(body) => call.json(&body),
        None => call,
    }
}

#[test]
fn without_a_credential_nothing_is_answered_but_401() {
    let stage = Stage::set();
    for (operation, _) in secured() {
        filled(stage.bare(operation), operation).send().refused("unauthenticated");
        // Before anything is said about a body.
        let odd = stage.bare(operation).header("content-type", "text/plain");
        odd.bytes(b"?".to_vec()).send().refused("unauthenticated");
    }
}

#[test]
fn a_credential_that_is_none_is_a_401() {
    let stage = Stage::set();
    let key = &stage.tenant.console.key;
    let longer = format!("{key}x");
    let token = stage.ana.token();
    let unsigned = &token[..=token.rfind('.').unwrap()];
    let headers = [
        format!("Basic {key}"),
        format!("Bearer {longer}"),
        format!("Bearer {unsigned}"),
        "Bearer pawl_".to_owned(),
        "Bearer x.y.z".to_owned(),
        "Bearer".to_owned(),
        String::new(),
    ];
    for (operation, _) in secured() {
        for header in &headers {
            let call = stage.bare(operation).header("authorization", header);
            filled(call, operation).send().refused("unauthenticated");
        }
        let twice = stage.fitting(operation).bearer(key);
        filled(twice, operation).send().refused("unauthenticated");
    }
}

#[test]
fn a_credential_of_the_wrong_kind_scope_or_role_is_a_403() {
    let stage = Stage::set();
    let readers = client(&stage, "reader", &["tenant:read"]);
    let others = client(&stage, "login", &["login"]);
    for (operation, callers) in secured() {
        let client = match callers.scope {
            Some("tenant:read") => &others,
            Some(_) => &readers,
            None => &stage.tenant.console,
        };
        let call = stage.bare(operation).bearer(&client.key);
        filled(call, operation).send().refused("forbidden");
        // Everybody may ask about their own account; everything else takes a role.
        if !callers.own_account {
            let call = stage.bare(operation).bearer(&stage.ana.token());
            filled(call, operation).send().refused("forbidden");
        }
        assert!(callers.scope.is_some() || callers.roles.is_some(), "{}", operation.id);
    }
}

fn client(stage: &Stage, name: &str, scopes: &[&str]) -> Console {
    stage.tenant.console.another(&stage.admin, name, scopes)
}

#[test]
fn a_body_that_is_no_json_of_its_schema_is_a_400_that_names_the_field() {
    let stage = Stage::set();
    for (operation, body) in with_body() {
        let schema = operation.request_schema().unwrap();
        let send = |text: String| {
            let call = stage.fitting(operation).header("content-type", "application/json");
            let problem = call.bytes(text.into_bytes()).send().refused("invalid-request");
            problem["field"].as_str().expect("a field").to_owned()
        };
        assert_eq!(send("{".to_owned()), "body", "{}", operation.id);
        assert_eq!(send(format!("{body} {body}")), "body", "{}", operation.id);
        assert_eq!(send("[]".to_owned()), "body", "{}", operation.id);
        let mut unknown = body.clone();
        unknown["surprise"] = json!(1);
        assert_eq!(send(unknown.to_string()), "surprise", "{}", operation.id);
        let is_union = resolve(schema)["oneOf"].is_array();
        for name in sample::required(schema) {
            let mut missing = body.clone();
            missing.as_object_mut().unwrap().remove(name);
            assert_eq!(send(missing.to_string()), name, "{}", operation.id);
            let mut wrong = body.clone();
            wrong[name] = json!(7);
            assert_eq!(send(wrong.to_string()), name, "{}", operation.id);
        }
        if !is_union {
            let name = resolve(schema)["properties"].as_object().unwrap().keys().next().unwrap();
            let value = sample::value(name, &resolve(schema)["properties"][name]);
            let twice = format!("{{\"{name}\":{value},\"{name}\":{value}}}");
            assert_eq!(send(twice), *name, "{}", operation.id);
        }
    }
}

#[test]
fn a_list_for_an_object_is_a_400_that_names_the_field() {
    let stage = Stage::set();
    let refuse = |id: &str, place: &str, value: Value, field: &str| {
        let operation = &operations()[id];
        let mut body = sample::body(operation).unwrap();
        if place.starts_with("/body/policy") {
            body = json!({ "operation": "putPolicy", "if_match": "\"1\"", "body": {} });
            body["body"]["policy"] = json!({ "base": {}, "rules": [] });
        }
        let (above, name) = place.rsplit_once('/').unwrap();
        body.pointer_mut(above).unwrap()[name] = value;
        let call = stage.fitting(operation).header("if-match", "\"1\"").json(&body);
        assert_eq!(call.send().refused("invalid-request")["field"], field, "{id} {place}");
    };
    let at = stage.server.at(0);
    // Each is complete, in the order in which serde's derived code would take it.
    let proof = json!(["mch_nothing", "000000"]);
    let ask = json!([stage.ana.id, "unlock", REASON, null, [], null, null]);
    let rules = json!([["r", {}, { "digits": 8 }]]);
    refuse("evaluateLogin", "/primary_login", json!(["password", at]), "primary_login");
    refuse("requestOverride", "/proof", proof.clone(), "proof");
    refuse("putPolicy", "/policy", json!([{}, []]), "policy");
    refuse("putPolicy", "/policy/rules", rules.clone(), "policy.rules[0]");
    refuse("beginStepUp", "/body", ask, "body");
    refuse("beginStepUp", "/body/proof", proof, "body.proof");
    refuse("beginStepUp", "/body/policy/rules", rules, "body.policy.rules[0]");
    // Nor is an object a word.
    let kind = json!({ "unlock": null });
    refuse("requestOverride", "/kind", kind.clone(), "kind");
    refuse("beginStepUp", "/body/kind", kind, "body.kind");
}

#[test]
fn a_refused_field_says_what_it_wants_and_what_it_got() {
    let stage = Stage::set();
    let refuse = |operation: &str, body: Value, field: &str, reason: &str| {
        let call = stage.fitting(&operations()[operation]).json(&body);
        let problem = call.send().refused("invalid-request");
        let said = (&problem["field"], &problem["reason"]);
        assert_eq!(said, (&json!(field), &json!(reason)), "{operation} {body}");
    };
    let act = |reason: &str| {
        let body = json!({ "user_id": stage.ana.id, "kind": "unlock", "reason": reason });
        json!({ "operation": "requestOverride", "body": body })
    };
    let petition =
        |reason: &str| json!({ "user_id": stage.ana.id, "kind": "reset", "reason": reason });
    let eleven = "电话丢在火车上了请帮忙";
    let wants = "wants 15 to 500 characters, has 11";
    refuse("createPetition", petition(eleven), "reason", wants);
    refuse("beginStepUp", act(eleven), "body.reason", wants);
    refuse("beginStepUp", act("a  b  c  d  e  f"), "body.reason", {
        "wants 15 to 500 characters, has 6 without spaces"
    });
    let mut login = stage.tenant.console.login("ana", &["acme"]);
    login["primary_login"]["at"] = json!("2026-11-24T06:08:53.123456");
    let wants =
        "wants an RFC 3339 instant such as 2026-11-24T06:08:53Z, has no offset (Z or +01:00)";
    refuse("evaluateLogin", login, "primary_login.at", wants);
    let user = json!({ "external_id": "x".repeat(257), "display_name": "x" });
    refuse("upsertUser", user, "external_id", "wants 1 to 256 characters, has 257");
    // Lengths are in characters: twice as many bytes are taken.
    stage.tenant.console.call("createPetition").json(&petition(&"п".repeat(300))).send().ok();
    let step_up = stage.admin.call("beginStepUp").json(&act(&"п".repeat(500)));
    step_up.send().ok();
}

#[test]
fn a_body_of_another_type_is_a_415() {
    let stage = Stage::set();
    for (operation, body) in with_body() {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; a=b"] {
            let call = stage.fitting(operation).header("content-type", kind);
            let sent = call.bytes(body.to_string().into_bytes()).send();
            sent.refused("unsupported-media-type");
        }
    }
}

/// What an operation's body may have at most, in KiB.
fn largest(operation: &str) -> usize {
    match operation {
        "evaluateLogin" | "upsertUser" => 256,
        // A step-up for `putPolicy` carries its body.
        "putPolicy" | "beginStepUp" => 1024,
        _ => 16,
    }
}

#[test]
fn a_body_over_its_limit_is_a_413() {
    let stage = Stage::set();
    for (operation, body) in with_body() {
        let most = largest(&operation.id);
        let room = most * 1024 - body.to_string().len();
        for (padding, refused) in [(room, false), (room + 1, true)] {
            let text = format!("{}{body}", " ".repeat(padding)).into_bytes();
            let call = stage.fitting(operation).header("content-type", "application/json");
            let answer = call.bytes(text).send();
            let is_too_large = code_of(&answer) == "payload-too-large";
            assert_eq!(is_too_large, refused, "{}", operation.id);
            if refused {
                assert_eq!(answer.body["reason"], format!("wants at most {most} KiB"));
            }
        }
    }
}

#[test]
fn a_query_that_is_not_documented_is_a_400() {
    let stage = Stage::set();
    for operation in operations().values() {
        let names = operation.parameters("query");
        if names.is_empty() {
            continue;
        }
        let send = |name: &str, value: &str| stage.fitting(operation).query(name, value).send();
        send("surprise", "1").refused("invalid-request");
        stage
            .fitting(operation)
            .query("limit", "1")
            .query("limit", "2")
            .send()
            .refused("invalid-request");
        for limit in ["0", "101", "-1", "x"] {
            send("limit", limit).refused("invalid-request");
        }
        send("cursor", &"x".repeat(101)).refused("invalid-request");
        if names.contains(&"limit") {
            for limit in ["1", "100"] {
                send("limit", limit).ok();
            }
        } else {
            send("explain", "yes").refused("invalid-request");
        }
    }
}

#[test]
fn without_the_database_everything_is_a_503() {
    let stage = Stage::set();
    let (signer, _) = Signer::added(&stage.tenant.console, &stage.admin);
    let _ = (stage.ana.token(), stage.admin.token());
    let send = |operation: &Operation| {
        let mut call = filled(stage.fitting(operation), operation);
        if operation.id == "issueClientToken" {
            return signer.ask(&signer.assertion("once"), "");
        }
        if operation.id == "putPolicy" {
            call = call.header("if-match", "\"1\"");
        }
        call.send()
    };
    let down = |answer: Answer| {
        assert_eq!(answer.header("retry-after"), Some("1"));
        answer.refused("unavailable");
    };
    let outage = stage.server.outage("tenants");
    for operation in operations().values() {
        // The key set was read a moment ago.
        if operation.codes(503).is_empty() || operation.id == "getJwks" {
            assert!(send(operation).status < 400, "{} needs no database", operation.id);
        } else {
            down(send(operation));
        }
    }
    drop(outage);
    for operation in operations().values() {
        assert_ne!(code_of(&send(operation)), "unavailable", "{}", operation.id);
    }
}

/// Things of a tenant, by the name of the path parameter that takes their id.
fn things(tenant: &Tenant, admin: &User) -> Vec<(&'static str, String)> {
    let user = tenant.console.user("bob").enrolled();
    let body = json!({ "user_id": user.id, "kind": "reset", "reason": REASON });
    let petition = tenant.console.call("createPetition").json(&body).send().ok();
    let reset = admin.act(&Act::request(&user.id, "reset")).ok();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (_, key) = Signer::added(&tenant.console, admin);
    let client = tenant.console.call("getClient").at("client_id", &tenant.console.client_id);
    let client = client.send().ok();
    vec![
        ("secret_id", text(&client["secrets"][0]["id"])),
        ("key_id", key),
        ("tenant_id", "ten_00000000000000000000000000000000".to_owned()),
        ("user_id", user.id.clone()),
        ("client_id", tenant.console.client_id.clone()),
        ("directory_id", text(&client["directory_id"])),
        ("petition_id", text(&petition["id"])),
        ("override_id", text(&reset["override"]["id"])),
        ("ticket_id", text(&reset["ticket"]["id"])),
    ]
}

#[test]
fn an_id_that_names_nothing_here_is_a_404() {
    let stage = Stage::set();
    let other = stage.server.tenant("other");
    let foreign = things(&other, &other.administrator());
    let _ = stage.admin.token();
    for operation in operations().values() {
        for name in operation.parameters("path") {
            if name == "role" {
                let call = stage.admin.call(&operation.id).at("user_id", &stage.ana.id);
                filled(call.at("role", "king"), operation).send().refused("not-found");
                continue;
            }
            let id = &foreign.iter().find(|(kind, _)| *kind == name).expect(name).1;
            let unknown = unknown(operation, name);
            for id in [id, &unknown, &unknown.to_uppercase(), &"x".to_owned()] {
                let mut call = stage.server.call(&operation.id).at("role", "auditor");
                for other in operation.parameters("path") {
                    let own = match other {
                        _ if other == name => id.clone(),
                        "client_id" => stage.tenant.console.client_id.clone(),
                        _ => self::unknown(operation, other),
                    };
                    call = call.at(other, &own);
                }
                if let Some(credential) = stage.credential(operation) {
                    call = call.bearer(&credential);
                }
                filled(call, operation).send().refused("not-found");
            }
        }
    }
}

#[test]
fn a_user_of_another_tenant_in_a_body_is_a_404() {
    let stage = Stage::set();
    let foreign = stage.server.tenant("other").console.user("eve").id;
    let mut met = 0;
    for (operation, mut body) in with_body() {
        if body.get("user_id").is_some() {
            body["user_id"] = json!(foreign);
            stage.fitting(operation).json(&body).send().refused("not-found");
            met += 1;
        }
    }
    assert!(met >= 3, "{met} operations take a user_id");
}

#[test]
fn a_path_or_method_that_is_none_says_so() {
    let server = Server::start();
    let get = |path: &str| server.agent().get(server.url(path)).call().unwrap();
    let nothing = ["/", "/v1", "/v1/users/"].map(|path| (path, 404));
    let another = ["/v1/evaluations", "/v1/users/lookup"].map(|path| (path, 405));
    for (path, status) in nothing.into_iter().chain(another) {
        let mut response = get(path);
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        assert_eq!(response.headers().contains_key("allow"), status == 405, "{path}");
        let problem: Value = response.body_mut().read_json().unwrap();
        assert_eq!(problem["status"], status, "{path}");
    }
}
