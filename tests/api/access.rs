//! Who may call what: every operation of the document under every kind of credential, held to
//! `tests/golden/access.txt`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::document::{Callers, Operation, operations};
use crate::support::signer::Signer;
use crate::support::{Act, Console, Server, Tenant, User, code_of, sample};

/// Credentials by name, all as they are at one instant, and the user whom the requests are about.
struct Doors {
    server: Server,
    target: String,
    credentials: Vec<(&'static str, Option<String>)>,
}

/// Persons of a tenant, each with one role more than everybody.
fn person(tenant: &Tenant, admin: &User, role: &str) -> User {
    let user = tenant.console.user(role).enrolled();
    admin.act(&Act::grant(&user.id, role)).ok();
    user.forget();
    user
}

/// The keys of clients whose time or life is over, and of one client for each scope.
fn clients(tenant: &Tenant, admin: &User) -> Vec<(&'static str, Option<String>)> {
    let made = |name: &str, scopes: &[&str]| tenant.console.another(admin, name, scopes);
    let all = ["login", "users", "offboard", "petitions", "tenant:read"];
    let expired = Act::client("expired", &all).set("key_days", json!(1));
    let expired = admin.act(&expired).ok()["client_key"]["key"].as_str().unwrap().to_owned();
    tenant.console.server.advance(86_400);
    let disabled: Console = made("disabled", &all);
    admin.act(&Act::disable(&disabled.client_id)).ok();
    vec![
        ("client_with_all", Some(tenant.console.key.clone())),
        ("client_login", Some(made("login", &["login"]).key)),
        ("client_users", Some(made("users", &["users"]).key)),
        ("client_offboard", Some(made("leavers", &["offboard"]).key)),
        ("client_petitions", Some(made("petitions", &["petitions"]).key)),
        ("client_tenant_read", Some(made("reader", &["tenant:read"]).key)),
        ("client_disabled", Some(disabled.key)),
        ("client_key_expired", Some(expired)),
    ]
}

impl Doors {
    fn open() -> Self {
        let server = Server::start();
        let (tenant, other) = (server.tenant("acme"), server.tenant("other"));
        let (admin, foreign) = (tenant.administrator(), other.administrator());
        // Somebody with a role cannot be off-boarded: the target stays.
        let target = tenant.console.user("target");
        admin.act(&Act::grant(&target.id, "auditor")).ok();
        let helpdesk = person(&tenant, &admin, "helpdesk");
        let auditor = person(&tenant, &admin, "auditor");
        let user = tenant.console.user("user").enrolled();
        let stale = tenant.console.user("stale").enrolled();
        let mut credentials = vec![
            ("nobody", None),
            ("garbage", Some("pawl_garbage".to_owned())),
            ("client_of_another_tenant", Some(other.console.key.clone())),
        ];
        credentials.extend(clients(&tenant, &admin));
        let (signer, _) = Signer::added(&tenant.console, &admin);
        let gone = Signer::added(&tenant.console, &admin);
        let (ran_out, removed) = (signer.token("1"), gone.0.token("5"));
        let key = admin.call("removeClientKey").at("client_id", &tenant.console.client_id);
        key.at("key_id", &gone.1).send().ok();
        let expired = user.token();
        server.advance(300);
        let overtaken = stale.token();
        admin.act(&Act::request(&stale.id, "unlock")).ok();
        for (name, person) in [
            ("person_user", &user),
            ("person_helpdesk", &helpdesk),
            ("person_auditor", &auditor),
            ("person_admin", &admin),
            ("admin_of_another_tenant", &foreign),
        ] {
            person.forget();
            credentials.push((name, Some(person.token())));
        }
        let narrow = signer.ask(&signer.assertion("3"), "&scope=login").ok();
        let narrow = narrow["access_token"].as_str().unwrap().to_owned();
        for (name, token) in [
            ("token_of_client", signer.token("2")),
            ("token_for_login", narrow),
            ("token_that_ran_out", ran_out),
            ("token_of_a_removed_key", removed),
            ("assertion_as_bearer", signer.assertion("4")),
        ] {
            credentials.push((name, Some(token)));
        }
        credentials.push(("person_with_a_stale_epoch", Some(overtaken)));
        credentials.push(("person_whose_token_expired", Some(expired)));
        credentials.push(("challenge_as_bearer", Some(user.challenge())));
        Self { server, target: target.id, credentials }
    }

    fn ask(&self, operation: &Operation, credential: Option<&str>) -> String {
        let mut call = self.server.call(&operation.id).at("user_id", &self.target);
        for parameter in operation.value["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] == "path" {
                let value = sample::value(name, &parameter["schema"]);
                let value = if name == "role" { "helpdesk" } else { value.as_str().unwrap() };
                call = call.at(name, value);
            }
        }
        if let Some(mut body) = sample::body(operation) {
            if body.get("user_id").is_some() {
                body["user_id"] = json!(self.target);
            }
            call = call.json(&body);
        }
        if let Some(credential) = credential {
            call = call.bearer(credential);
        }
        let answer = call.send();
        if let (201, "createPetition", Some(credential)) =
            (answer.status, operation.id.as_str(), credential)
        {
            // The next caller would be refused a fourth that is open.
            let id = answer.body["id"].as_str().unwrap();
            let call = self.server.call("withdrawPetition").at("petition_id", id);
            call.bearer(credential).send().ok();
        }
        format!("{} {}", answer.status, code_of(&answer))
    }
}

#[test]
fn every_operation_under_every_credential_is_as_the_golden_file_says() {
    let doors = Doors::open();
    let mut matrix = String::new();
    for operation in operations().values() {
        for (name, credential) in &doors.credentials {
            let said = doors.ask(operation, credential.as_deref());
            writeln!(matrix, "{:<26}{name:<28}{said}", operation.id).unwrap();
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/access.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &matrix).unwrap();
    }
    let golden = fs::read_to_string(file).unwrap();
    let differing: Vec<(&str, &str)> =
        golden.lines().zip(matrix.lines()).filter(|(kept, found)| kept != found).collect();
    assert!(differing.is_empty(), "golden and found: {differing:#?}");
    assert_eq!(golden.lines().count(), matrix.lines().count(), "an operation is missing");
}

#[test]
fn the_golden_file_refuses_whatever_the_document_does_not_allow() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/access.txt");
    let golden = fs::read_to_string(file).unwrap();
    for line in golden.lines() {
        let mut words = line.split_whitespace();
        let (id, who) = (words.next().unwrap(), words.next().unwrap());
        let (status, code) = (words.next().unwrap(), words.next().unwrap());
        let operation = &operations()[id];
        let Some(Callers { scope, roles, own_account }) = operation.callers() else { continue };
        let takes = |wanted: &str| scope == Some(wanted);
        let holds =
            |role: &str| own_account || roles.as_ref().is_some_and(|all| all.contains(&role));
        let is_good = match who {
            "client_with_all" | "client_of_another_tenant" | "token_of_client" => scope.is_some(),
            "client_login" | "token_for_login" => takes("login"),
            "client_users" => takes("users"),
            "client_offboard" => takes("offboard"),
            "client_petitions" => takes("petitions"),
            "client_tenant_read" => takes("tenant:read"),
            "person_user" => own_account,
            "person_helpdesk" => holds("helpdesk"),
            "person_auditor" => holds("auditor"),
            "person_admin" | "admin_of_another_tenant" => holds("admin"),
            _ => {
                assert_eq!((status, code), ("401", "unauthenticated"), "{line}");
                continue;
            }
        };
        let is_refused = (status, code) == ("403", "forbidden");
        assert_eq!(is_refused, !is_good, "{line}");
        assert_ne!(status, "401", "{line}");
    }
}
