//! An example for each body of the document. Those of requests and answers are kept by the name of their
//! schema in `examples.json`, with the status behind it where an answer has an example of its own; a problem is
//! its own example.

use std::sync::LazyLock;

use serde_json::{Map, Value};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, RefOr};

use super::client_tokens::named;
use super::problem::{Code, JSON, Problem};

static KEPT: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());

const REQUEST: &str = "urn:pawl:request:req_00000000000000000000000000000001";

/// Gives each body of an operation its example.
pub fn give_examples(operation: &mut Operation) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.values_mut().for_each(|content| give(content, "", None));
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let codes = response.extensions.as_ref().and_then(|known| known.get("x-codes"));
        let first = codes.and_then(|codes| codes.get(0)).and_then(Value::as_str);
        let code = Code::ALL.iter().find(|code| Some(code.as_str()) == first);
        for (media, content) in &mut response.content {
            give(content, status, code.map(|code| problem(*code, media)));
        }
    }
}

/// The token endpoint's problems are plain JSON, with the members of RFC 6749.
fn problem(code: Code, media: &str) -> Value {
    let problem = Problem::new(code);
    let mut problem = if media == JSON { named(problem) } else { problem };
    REQUEST.clone_into(&mut problem.instance);
    serde_json::to_value(problem).unwrap_or_default()
}

fn give(content: &mut RefOr<Content>, status: &str, problem: Option<Value>) {
    let RefOr::T(content) = content else { return };
    let Some(RefOr::Ref(schema)) = &content.schema else { return };
    let name = schema.ref_location.rsplit('/').next().unwrap_or_default();
    content.example = problem
        .or_else(|| KEPT.get(&format!("{name} {status}")).or_else(|| KEPT.get(name)).cloned());
}
