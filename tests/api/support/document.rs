//! `openapi/openapi.json`: what an answer may be, and the record of what was provoked.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use super::http::{Answer, code_of};

/// One operation of the document.
pub struct Operation {
    /// Its operationId.
    pub id: String,
    /// Its HTTP method, upper case.
    pub method: &'static str,
    /// Its path template.
    pub path: String,
    /// All that the document says of it.
    pub value: Value,
}

/// Where the document is.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.json")
}

/// The document.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap());
    &DOCUMENT
}

/// Every operation, by operationId.
pub fn operations() -> &'static BTreeMap<String, Operation> {
    static OPERATIONS: OnceLock<BTreeMap<String, Operation>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let mut operations = BTreeMap::new();
        for (path, item) in document()["paths"].as_object().unwrap() {
            for method in ["GET", "PUT", "POST", "PATCH", "DELETE"] {
                let value = &item[method.to_lowercase()];
                if let Some(id) = value["operationId"].as_str() {
                    let (id, path, value) = (id.to_owned(), path.clone(), whole(value));
                    operations.insert(id.clone(), Operation { id, method, path, value });
                }
            }
        }
        operations
    })
}

/// An operation with its shared responses and parameters in their places.
fn whole(operation: &Value) -> Value {
    let mut operation = operation.clone();
    let named = |part: &Value| {
        let place = part["$ref"].as_str().map(|place| place.trim_start_matches('#'));
        place.map(|place| document().pointer(place).expect(place).clone())
    };
    let responses = operation["responses"].as_object_mut().unwrap().values_mut();
    for response in responses {
        *response = named(response).unwrap_or_else(|| response.take());
    }
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
        *parameter = named(parameter).unwrap_or_else(|| parameter.take());
    }
    operation
}

/// One operation; a test that names another fails.
pub fn operation(id: &str) -> &'static Operation {
    operations().get(id).unwrap_or_else(|| panic!("the document has no {id}"))
}

/// Who may call an operation, as its `x-callers` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Callers<'a> {
    /// The scope that lets a client call it.
    pub scope: Option<&'a str>,
    /// The roles that let a person call it for anybody's account, if a person may call it.
    pub roles: Option<Vec<&'a str>>,
    /// Whether any person may call it for their own account.
    pub own_account: bool,
}

impl Operation {
    /// Who may call it; nothing if it asks for no credential.
    pub fn callers(&self) -> Option<Callers<'_>> {
        let callers = self.value.get("x-callers")?;
        let roles = callers["person"]["roles"].as_array();
        let roles = roles.map(|roles| roles.iter().map(|role| role.as_str().unwrap()).collect());
        Some(Callers {
            scope: callers["client"]["scope"].as_str(),
            roles,
            own_account: callers["person"]["own_account"] == true,
        })
    }

    /// What the document says of a status.
    pub fn response(&self, status: u16) -> &Value {
        &self.value["responses"][status.to_string()]
    }

    /// The problem codes of a status.
    pub fn codes(&self, status: u16) -> Vec<&str> {
        let codes = self.response(status)["x-codes"].as_array();
        codes.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Whether it takes a body.
    pub fn takes_a_body(&self) -> bool {
        self.value["requestBody"].is_object()
    }

    /// The request body's schema, if it has one.
    pub fn request_schema(&self) -> Option<&Value> {
        self.value["requestBody"]["content"]["application/json"].get("schema")
    }

    /// The names of its parameters in `path` or `query`.
    pub fn parameters(&self, place: &str) -> Vec<&str> {
        let all = self.value["parameters"].as_array().into_iter().flatten();
        let here = all.filter(|parameter| parameter["in"] == place);
        here.filter_map(|parameter| parameter["name"].as_str()).collect()
    }
}

/// Holds an answer to the document, and writes down what was provoked.
#[track_caller]
pub fn check(operation: &Operation, answer: &Answer) {
    let (id, status) = (&operation.id, answer.status);
    let response = operation.response(status);
    assert!(response.is_object(), "{id}: {status} is not documented: {}", answer.body);
    let problem = "application/problem+json";
    // RFC 6749 section 5.2 wants plain JSON of the token endpoint.
    let is_problem = status >= 400 && response["content"].get(problem).is_some();
    assert!(is_problem || status < 400 || id == "issueClientToken", "{id} {status}: no problem");
    let media = if is_problem { problem } else { "application/json" };
    match response["content"][media].get("schema") {
        Some(schema) => {
            assert_eq!(answer.header("content-type"), Some(media), "{id} {status}");
            let faults = faults(schema, &answer.body);
            assert!(faults.is_empty(), "{id} {status}: {faults:#?} in {}", answer.body);
        }
        None => assert!(answer.body.is_null(), "{id} {status}: a body that is not documented"),
    }
    let code = code_of(answer);
    if status >= 400 {
        let listed = operation.codes(status);
        assert!(listed.contains(&code), "{id} {status}: {code} is not documented");
        assert_eq!(answer.body["status"], status, "{id}");
        let waits = [429, 503].contains(&status);
        assert_eq!(answer.header("retry-after").is_some(), waits, "{id} {status}: Retry-After");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{id} {status}");
    }
    for name in ["ETag", "Location", "Retry-After", "WWW-Authenticate", "X-Request-Id"] {
        let is_told = response["headers"].get(name).is_some();
        assert_eq!(answer.header(&name.to_lowercase()).is_some(), is_told, "{id} {status}: {name}");
    }
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{id} {status}");
    record(id, status, code);
}

/// Holds a body that the server took to the document.
#[track_caller]
pub fn check_taken(operation: &Operation, body: &[u8]) {
    let schema = operation.request_schema().expect("an operation that takes a body");
    let body: Value = serde_json::from_slice(body).unwrap();
    let faults = faults(schema, &body);
    assert!(faults.is_empty(), "{} took {body}: {faults:#?}", operation.id);
}

/// Where a value is not what a schema of the document says.
pub fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let validator = validator(schema);
    let faults = validator.iter_errors(value);
    faults.map(|fault| format!("{}: {fault}", fault.instance_path())).collect()
}

/// Where compiled schemas find the components.
const PLACE: &str = "pawl:document";

/// The compiled form of a schema, in which no property may be undocumented.
fn validator(schema: &Value) -> Arc<Validator> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> =
        LazyLock::new(Mutex::default);
    static CLOSED: LazyLock<Registry> = LazyLock::new(|| {
        let mut components = document()["components"].clone();
        close(&mut components);
        let all = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": components,
        });
        Registry::new().add(PLACE, all).unwrap().prepare().unwrap()
    });
    let mut compiled = COMPILED.lock().unwrap();
    let entry = compiled.entry(schema.to_string()).or_insert_with(|| {
        let mut schema = schema.clone();
        point(&mut schema);
        let options = jsonschema::draft202012::options().with_registry(&CLOSED);
        Arc::new(options.should_validate_formats(true).build(&schema).unwrap())
    });
    Arc::clone(entry)
}

/// Makes each reference of a schema point into the document.
fn point(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(point);
            if let Some(Value::String(place)) = map.get_mut("$ref") {
                place.insert_str(0, PLACE);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(point),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Shuts every object schema that lists properties.
fn close(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(close);
            if map.contains_key("properties") && map.get("type") == Some(&json!("object")) {
                map.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Appends one line to `provoked-<pid>.txt` in the directory that `CONTRACT_DIR` names, if it
/// names one.
fn record(id: &str, status: u16, code: &str) {
    static WRITTEN: LazyLock<Mutex<std::collections::BTreeSet<String>>> =
        LazyLock::new(Mutex::default);
    let Some(directory) = std::env::var_os("CONTRACT_DIR") else { return };
    let line = format!("{id} {status} {code}\n");
    let mut written = WRITTEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if written.insert(line.clone()) {
        fs::create_dir_all(&directory).unwrap();
        let name = format!("provoked-{}.txt", std::process::id());
        let path = Path::new(&directory).join(name);
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}
