//! Writes each response, parameter and header of the document once: what stands twice becomes a component
//! that the operations refer to.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{Components, OpenApi, Ref, RefOr, Response};

use super::document::operations_mut;
use super::problem::Code;

/// The headers that more than one operation answers, by name.
const HEADERS: &[(&str, &str)] = &[
    ("Location", "The URL of what was made, or of the override that waits."),
    (
        "RateLimit",
        "For too-many-calls: calls that are left (r) and the seconds until the bucket is full (t).",
    ),
    (
        "RateLimit-Policy",
        "For too-many-calls: what a full bucket holds (q) and the seconds in which it fills (w).",
    ),
    ("Retry-After", "Whole seconds to wait before the next try."),
    ("WWW-Authenticate", "Always `Bearer` (RFC 6750)."),
    ("X-Request-Id", "The id of the request, which the server's log line has too."),
];

/// The bodies whose 201 has a `Location`: what the others make has no address of its own.
const LOCATED: &[&str] = &["OverrideResult", "Petition"];

/// Declares the headers that an answer has because of its status and body.
pub fn declare_headers(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let refused = Code::HeadTooLarge.status();
        // What never became a request has no id.
        if *status == refused.as_str() {
            continue;
        }
        let by_status: &[&str] = match status.as_str() {
            "201" if LOCATED.contains(&schema_of(response)) => &["Location"],
            "202" => &["Location"],
            "401" => &["WWW-Authenticate"],
            "429" => &["RateLimit", "RateLimit-Policy", "Retry-After"],
            "503" => &["Retry-After"],
            _ => &[],
        };
        for name in by_status.iter().chain(&["X-Request-Id"]) {
            let place = Ref::new(format!("#/components/headers/{name}"));
            response.headers.insert((*name).to_owned(), RefOr::Ref(place));
        }
    }
}

/// The name of the body's schema; empty if it has none.
fn schema_of(response: &Response) -> &str {
    let body = response.content.get("application/json");
    let Some(RefOr::T(body)) = body else { return "" };
    let Some(RefOr::Ref(schema)) = &body.schema else { return "" };
    schema.ref_location.rsplit('/').next().unwrap_or_default()
}

/// Moves what stands more than once into the components.
pub fn share(api: &mut OpenApi) {
    let (mut responses, mut parameters) = (Repeated::default(), Repeated::default());
    for operation in api.paths.paths.values_mut().flat_map(operations_mut) {
        for (status, response) in &operation.responses.responses {
            responses.count(response, |response| response_name(status, response));
        }
        for parameter in operation.parameters.iter().flatten() {
            parameters.count(parameter, parameter_name);
        }
    }
    let mut components = Shared::default();
    for operation in api.paths.paths.values_mut().flat_map(operations_mut) {
        for response in operation.responses.responses.values_mut() {
            responses.refer("responses", response, &mut components.responses);
        }
        for parameter in operation.parameters.iter_mut().flatten() {
            parameters.refer("parameters", parameter, &mut components.parameters);
        }
    }
    components.fill(api.components.get_or_insert_default());
}

#[derive(Default)]
struct Shared {
    responses: BTreeMap<String, RefOr<Response>>,
    parameters: BTreeMap<String, RefOr<Parameter>>,
}

impl Shared {
    fn fill(self, components: &mut Components) {
        components.responses = self.responses;
        components.parameters = self.parameters;
        components.headers = HEADERS
            .iter()
            .map(|(name, about)| {
                let mut header = Header::default();
                header.description = Some((*about).to_owned());
                ((*name).to_owned(), RefOr::T(header))
            })
            .collect();
    }
}

/// The parts of the document, each once, with its name and how often it stands there.
struct Repeated<T>(Vec<(RefOr<T>, String, u32)>);

impl<T> Default for Repeated<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone + PartialEq> Repeated<T> {
    fn count(&mut self, part: &RefOr<T>, name: impl Fn(&T) -> String) {
        let RefOr::T(own) = part else { return };
        match self.0.iter_mut().find(|(known, ..)| known == part) {
            Some((.., times)) => *times += 1,
            None => self.0.push((part.clone(), name(own), 1)),
        }
    }

    /// Puts a reference where a repeated part stands. Two parts that differ never share a name: the second
    /// one stays where it is.
    fn refer(&self, section: &str, part: &mut RefOr<T>, shared: &mut BTreeMap<String, RefOr<T>>) {
        if let Some((_, name, 2..)) = self.0.iter().find(|(known, ..)| known == part) {
            let kept = shared.entry(name.clone()).or_insert_with(|| part.clone());
            if kept == part {
                *part = RefOr::Ref(Ref::new(format!("#/components/{section}/{name}")));
            }
        }
    }
}

/// A problem is named by its codes, another answer by its schema and status.
fn response_name(status: &str, response: &Response) -> String {
    let codes = response.extensions.as_ref().and_then(|all| all.get("x-codes")?.as_array());
    if let Some(codes) = codes {
        let codes: Vec<String> = codes.iter().filter_map(Value::as_str).map(pascal).collect();
        return codes.join("Or");
    }
    let schema = schema_of(response);
    match status {
        "201" => format!("{schema}Created"),
        "202" => format!("{schema}Waiting"),
        "204" => "NoContent".to_owned(),
        "304" => "NotModified".to_owned(),
        _ => schema.to_owned(),
    }
}

fn parameter_name(parameter: &Parameter) -> String {
    let place = match parameter.parameter_in {
        ParameterIn::Query | ParameterIn::QueryString => "Query",
        ParameterIn::Header => "Header",
        ParameterIn::Cookie => "Cookie",
        ParameterIn::Path => "",
    };
    format!("{}{place}", pascal(&parameter.name))
}

/// `challenge-over` as `ChallengeOver`.
fn pascal(name: &str) -> String {
    let words = name.split(['-', '_']);
    words.fold(String::new(), |mut text, word| {
        let mut letters = word.chars();
        text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        text.push_str(letters.as_str());
        text
    })
}
