//! The document: it is what the server's routes make, and it keeps its own rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pawl::http::problem::Code;
use pawl::operations::access::camel;
use serde_json::{Value, json};

use crate::support::document::{Operation, document, faults, file, operations};
use crate::support::sample::resolve;

#[test]
fn the_document_on_disk_is_what_the_routes_make() {
    let made = pawl::http::document::json().unwrap();
    if std::env::var_os("BLESS").is_some() {
        fs::write(file(), &made).unwrap();
    }
    let kept = fs::read_to_string(file()).unwrap();
    assert!(made == kept, "openapi/openapi.json is stale: run this test with BLESS=1 and look");
}

#[test]
fn every_operation_has_a_summary_and_one_declared_tag() {
    let tags = document()["tags"].as_array().unwrap();
    for operation in operations().values() {
        let (id, value) = (&operation.id, &operation.value);
        assert!(value["summary"].as_str().is_some_and(|text| !text.trim().is_empty()), "{id}");
        let own = value["tags"].as_array().unwrap();
        assert_eq!(own.len(), 1, "{id}");
        assert!(tags.iter().any(|tag| tag["name"] == own[0]), "{id}: {} is not declared", own[0]);
    }
}

/// `verifyCode` as `verify_code`.
fn snake(camel: &str) -> String {
    let mut text = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

fn sources(directory: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let rust = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_operation_is_one_word_all_the_way() {
    let (acts, handlers) = (sources("src/operations"), sources("src/http"));
    for operation in operations().values() {
        let id = &operation.id;
        let name = snake(id);
        assert_eq!(camel(&name), *id, "lower camel");
        let function = format!("pub async fn {name}(");
        assert!(handlers.contains(&function), "{id}: no handler");
        let is_public = operation.value["tags"][0] == "public";
        assert!(is_public || acts.contains(&function), "{id}: no operation");
    }
}

/// What any person may do for their own account, and the roles that may do it for anybody's. Everything
/// else is held to `tests/golden/access.txt`, which is what a server answers.
const FOR_ONES_OWN_ACCOUNT: &[(&str, &[&str])] = &[
    ("beginRotation", &[]),
    ("beginStepUp", &[]),
    ("createPetition", &["helpdesk", "admin"]),
    ("getMfaStatus", &["helpdesk", "auditor", "admin"]),
    ("getPetition", &["helpdesk", "auditor", "admin"]),
    ("regenerateRecoveryCodes", &[]),
    ("requestDisable", &[]),
    ("withdrawPetition", &[]),
];

#[test]
fn the_document_names_the_callers_of_each_operation() {
    let mut own = BTreeMap::new();
    for operation in operations().values() {
        let (id, security) = (&operation.id, &operation.value["security"]);
        let Some(callers) = operation.callers() else {
            assert_eq!(operation.value["tags"][0], "public", "{id}");
            assert_eq!(*security, json!([]), "{id}");
            continue;
        };
        assert_eq!(*security, json!([{ "bearerAuth": [] }]), "{id}");
        let description = operation.value["description"].as_str().unwrap();
        let (_, words) = description.rsplit_once("Callers: ").expect(id);
        let named = callers.scope.iter().chain(callers.roles.iter().flatten());
        for word in named {
            assert!(words.contains(&format!("`{word}`")), "{id}: {words}");
        }
        assert_eq!(words.contains("own account"), callers.own_account, "{id}: {words}");
        if callers.own_account {
            own.insert(id.as_str(), callers.roles.unwrap());
        }
    }
    let wanted = FOR_ONES_OWN_ACCOUNT.iter().map(|(id, roles)| (*id, roles.to_vec()));
    assert_eq!(own, wanted.collect());
    let schemes = &document()["components"]["securitySchemes"];
    assert_eq!(schemes.as_object().unwrap().len(), 1, "{schemes}");
}

fn bodies(operation: &Operation) -> Vec<&Value> {
    media(operation).into_iter().map(|media| &media["schema"]).collect()
}

fn media(operation: &Operation) -> Vec<&Value> {
    let responses = operation.value["responses"].as_object().unwrap().values();
    let contents = responses.map(|response| &response["content"]);
    let all = contents.chain([&operation.value["requestBody"]["content"]]);
    all.filter_map(Value::as_object).flat_map(|content| content.values()).collect()
}

#[test]
fn every_body_is_a_named_schema() {
    for operation in operations().values().filter(|operation| operation.id != "getOpenapi") {
        for schema in bodies(operation) {
            assert!(schema["$ref"].is_string(), "{}: {schema}", operation.id);
        }
    }
    for (name, schema) in document()["components"]["schemas"].as_object().unwrap() {
        for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
            let free = ["facts", "data"].contains(&property.as_str());
            assert!(free || !has_inline_object(schema), "{name}.{property}: {schema}");
        }
    }
}

fn has_inline_object(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            map.get("type") == Some(&json!("object")) || map.values().any(has_inline_object)
        }
        Value::Array(items) => items.iter().any(has_inline_object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A generated client then has one kind of absence, and a body may still say `null`.
#[test]
fn what_only_answers_carry_is_never_null() {
    for name in ["Problem", "User", "UserPage", "MfaOverride", "OverrideResult", "EnrollDecision"] {
        let schema = document()["components"]["schemas"][name].to_string();
        assert!(!schema.contains("null"), "{name}: {schema}");
    }
    for name in ["RequestOverride", "PutPolicy", "PolicyDocument", "EvaluateLogin", "Proof"] {
        let schema = &document()["components"]["schemas"][name];
        let nullable = schema.to_string().contains("null");
        let properties = schema["properties"].as_object().unwrap().len();
        let required = schema["required"].as_array().unwrap().len();
        assert_eq!(nullable, name != "PolicyDocument" && required < properties, "{name}: {schema}");
    }
}

#[test]
fn every_union_has_a_mapping_and_every_variant_its_tag() {
    let mut met = 0;
    for (name, schema) in document()["components"]["schemas"].as_object().unwrap() {
        let Some(variants) = schema["oneOf"].as_array() else { continue };
        met += 1;
        let tag = schema["discriminator"]["propertyName"].as_str().expect(name);
        let mapping = schema["discriminator"]["mapping"].as_object().expect(name);
        let places: BTreeSet<&str> =
            variants.iter().map(|variant| variant["$ref"].as_str().expect(name)).collect();
        let mapped: BTreeSet<&str> =
            mapping.values().map(|place| place.as_str().unwrap()).collect();
        assert_eq!(places, mapped, "{name}");
        for (value, place) in mapping {
            let variant = resolve(&json!({ "$ref": place })).clone();
            assert_eq!(variant["properties"][tag]["enum"], json!([value]), "{name}.{value}");
            let required = variant["required"].as_array().unwrap();
            assert!(required.contains(&json!(tag)), "{name}.{value}");
        }
    }
    assert!(met >= 3, "{met} unions");
}

#[test]
fn nothing_secret_is_in_a_url() {
    let secret =
        ["token", "secret", "code", "key", "handle", "challenge", "password", "enrollment"];
    for operation in operations().values() {
        for name in [operation.parameters("path"), operation.parameters("query")].concat() {
            // An id is no secret, whatever it is an id of.
            let of_secret = secret.iter().any(|word| name.contains(word)) || name == "ticket";
            let odd = of_secret && !["secret_id", "key_id"].contains(&name);
            assert!(!odd, "{}: {name}", operation.id);
            let personal = ["external_id", "display_name", "email"].contains(&name);
            assert!(!personal, "{}: {name}", operation.id);
        }
    }
}

#[test]
fn every_operation_documents_a_yes_and_its_problems_by_status() {
    let mut used = BTreeSet::new();
    for operation in operations().values() {
        let responses = operation.value["responses"].as_object().unwrap();
        let says_yes = responses.keys().any(|status| status.starts_with('2'));
        assert_eq!(says_yes, operation.id != "requestDisable", "{}", operation.id);
        for (status, response) in responses {
            let text = response["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{} {status}", operation.id);
            let status: u16 = status.parse().unwrap();
            assert_eq!(
                operation.codes(status).is_empty(),
                status < 400,
                "{} {status}",
                operation.id
            );
            for code in operation.codes(status) {
                let known = Code::ALL.iter().find(|known| known.as_str() == code).expect(code);
                assert_eq!(known.status().as_u16(), status, "{}: {code}", operation.id);
                used.insert(code);
            }
        }
    }
    // What is answered where no operation is.
    used.extend(["method-not-allowed", "head-too-large"]);
    let all: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(used, all);
}

/// The parts of the document that stand where they are used.
fn inline<'a>(section: &str) -> impl Iterator<Item = &'a Value> {
    let items = document()["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let parts: Vec<&Value> = operations
        .flat_map(|operation| match &operation[section] {
            Value::Object(parts) => parts.values().collect(),
            Value::Array(parts) => parts.iter().collect::<Vec<_>>(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        })
        .collect();
    parts.into_iter().filter(|part| part.get("$ref").is_none())
}

#[test]
fn no_response_and_no_parameter_is_written_twice() {
    for section in ["responses", "parameters"] {
        let shared = document()["components"][section].as_object().unwrap();
        let mut written = BTreeSet::new();
        for part in inline(section).chain(shared.values()) {
            assert!(written.insert(part.to_string()), "{section}: {part}");
        }
        assert!(!shared.is_empty(), "{section}");
    }
}

#[test]
fn every_body_has_an_example_of_its_schema() {
    let mut met = 0;
    for operation in operations().values().filter(|operation| operation.id != "getOpenapi") {
        for media in media(operation) {
            let (id, example) = (&operation.id, &media["example"]);
            assert!(example.is_object(), "{id}: no example of {}", media["schema"]);
            let faults = faults(&media["schema"], example);
            assert!(faults.is_empty(), "{id}: {faults:#?} in {example}");
            met += 1;
        }
    }
    assert!(met > 400, "{met} bodies");
}

#[test]
fn every_list_has_a_longest_length() {
    fn look(schema: &Value, place: &str) {
        if schema["type"] == "array" || schema["type"][0] == "array" {
            assert!(schema["maxItems"].is_u64(), "{place}: {schema}");
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            look(property, &format!("{place}.{name}"));
        }
    }
    for (name, schema) in document()["components"]["schemas"].as_object().unwrap() {
        look(schema, name);
    }
}
