//! An answer leaves out what is not there: nothing in it is ever `null`, and the document says so, or a
//! generated client would have two kinds of absence to tell apart. Bodies keep `null`, for a client may
//! write it: there it means the same as nothing.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr};

/// Takes `null` out of every component that no body reaches.
pub fn without_null(api: &mut OpenApi) {
    let taken = taken(api);
    let Some(components) = api.components.as_mut() else { return };
    for (name, schema) in &mut components.schemas {
        let RefOr::T(Schema::Object(object)) = schema else { continue };
        if !taken.contains(name) {
            object.properties.values_mut().for_each(settle);
        }
    }
}

/// The names of the components that some body reaches.
fn taken(api: &OpenApi) -> BTreeSet<String> {
    let document = serde_json::to_value(api).unwrap_or_default();
    let mut found = BTreeSet::new();
    let paths = document.get("paths").and_then(Value::as_object);
    let items = paths.into_iter().flat_map(|paths| paths.values()).filter_map(Value::as_object);
    for operation in items.flat_map(|item| item.values()) {
        reach(operation.get("requestBody").unwrap_or(&Value::Null), &document, &mut found);
    }
    found
}

fn reach(schema: &Value, document: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            let place = members.get("$ref").and_then(Value::as_str).unwrap_or_default();
            if let Some(name) = place.strip_prefix("#/components/schemas/")
                && found.insert(name.to_owned())
                && let Some(named) = document.pointer(&format!("/components/schemas/{name}"))
            {
                reach(named, document, found);
            }
            members.values().for_each(|member| reach(member, document, found));
        }
        Value::Array(items) => items.iter().for_each(|item| reach(item, document, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// "This or null" becomes "this".
fn settle(property: &mut RefOr<Schema>) {
    match property {
        RefOr::T(Schema::OneOf(choice)) => {
            choice.items.retain(|item| !is_null(item));
            if choice.items.len() == 1
                && let Some(only) = choice.items.pop()
            {
                *property = only;
            }
        }
        RefOr::T(Schema::Object(object)) => drop_null(&mut object.schema_type),
        RefOr::T(Schema::Array(array)) => drop_null(&mut array.schema_type),
        RefOr::T(_) | RefOr::Ref(_) => {}
    }
}

fn is_null(item: &RefOr<Schema>) -> bool {
    let null = SchemaType::Type(Type::Null);
    matches!(item, RefOr::T(Schema::Object(object)) if object.schema_type == null)
}

fn drop_null(schema_type: &mut SchemaType) {
    if let SchemaType::Array(types) = schema_type {
        types.retain(|one| *one != Type::Null);
        if let [only] = types.as_slice() {
            *schema_type = SchemaType::Type(only.clone());
        }
    }
}
