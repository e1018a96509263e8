//! Bodies made from the document: the smallest that a schema takes.

use regex::Regex;
use serde_json::{Map, Value, json};

use super::actors::REASON;
use super::document::{Operation, document};

/// The smallest body that an operation's schema takes; its ids name nothing.
pub fn body(operation: &Operation) -> Option<Value> {
    operation.request_schema().map(|schema| value("", schema))
}

/// The schema that a `$ref` names, or the schema itself.
pub fn resolve(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(place) => resolve(document().pointer(place.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}

/// The smallest value of a schema.
pub fn value(name: &str, schema: &Value) -> Value {
    if schema["$ref"].as_str().is_some_and(|place| place.ends_with("/Reason")) {
        return json!(REASON);
    }
    let schema = resolve(schema);
    if let Some(variants) = schema["oneOf"].as_array() {
        // The last of the acts is one that any person may do.
        let is_act = schema["discriminator"]["propertyName"] == "operation";
        let variant = if is_act { variants.last() } else { variants.first() };
        return value(name, variant.unwrap());
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind.unwrap_or_default() {
        "object" => object(schema),
        "array" => array(schema),
        "integer" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(false),
        "string" => json!(text(name, schema)),
        other => panic!("{name}: no sample of {other:?}"),
    }
}

fn object(schema: &Value) -> Value {
    let mut map = Map::new();
    for name in required(schema) {
        map.insert(name.to_owned(), value(name, &schema["properties"][name]));
    }
    Value::Object(map)
}

/// The names of the properties that an object must have.
pub fn required(schema: &Value) -> Vec<&str> {
    let names = resolve(schema)["required"].as_array();
    names.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn array(schema: &Value) -> Value {
    match schema["minItems"].as_u64() {
        None | Some(0) => json!([]),
        Some(_) => json!([value("", &schema["items"])]),
    }
}

fn text(name: &str, schema: &Value) -> String {
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    match (pattern, schema["format"].as_str()) {
        (_, Some("date-time")) => "2026-01-01T00:00:00.000Z".to_owned(),
        ("^[0-9a-f]{64}$", _) => "0".repeat(64),
        (id, _) if id.ends_with("_[0-9a-f]{32}$") => unknown_id(pattern),
        _ => {
            let shortest = schema["minLength"].as_u64().unwrap_or(1);
            let sample = match name {
                "code" => "000000".to_owned(),
                "recovery_code" => "A".repeat(25),
                "if_match" => "\"1\"".to_owned(),
                "service_account" => "system:serviceaccount:acme:console".to_owned(),
                _ => "x".repeat(usize::try_from(shortest).unwrap()),
            };
            let is_one = Regex::new(pattern).unwrap().is_match(&sample);
            assert!(is_one, "{name}: no sample of {pattern}");
            sample
        }
    }
}

/// An id of the pattern's kind that names nothing.
pub fn unknown_id(pattern: &str) -> String {
    let prefix = pattern.trim_start_matches('^').split('_').next().unwrap();
    format!("{prefix}_{}", "0f".repeat(16))
}
