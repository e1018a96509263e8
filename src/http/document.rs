//! The OpenAPI document, made from the routes that the server registers.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder, ServerBuilder};
use utoipa_actix_web::AppExt as _;

use super::absence::without_null;
use super::callers::{BEARER, bearer, say_callers};
use super::components::{declare_headers, share};
use super::contract::refuses;
use super::examples::give_examples;
use super::problem::{Code, JSON, PROBLEM_JSON, Problem};
use super::public::{BY_ISSUER, OPENID, OPENID_BY_ISSUER};
use super::routes;
use crate::operations::access::{ALL, Access, camel};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Pawl",
        description = "Owns multi-factor authentication for management consoles: enrollment, policy, \
            overrides, and tokens that only a verified code can yield. Every error is a problem \
            (RFC 9457) with a stable `code`; `detail` says what to do next.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "http://127.0.0.1:8080", description = "The quick start.")),
    components(schemas(Problem)),
    tags(
        (name = "logins", description = "Evaluations, codes, acts."),
        (name = "enrollments", description = "Making, confirming and replacing a factor."),
        (name = "users", description = "The directory, and each user's MFA."),
        (name = "petitions", description = "Wishes for overrides."),
        (name = "overrides", description = "Everything that weakens: dated, reasoned, recorded."),
        (name = "policy", description = "What is demanded of whom."),
        (name = "roles", description = "Who may do what."),
        (name = "tickets", description = "Rights to enroll."),
        (name = "clients", description = "The consoles' machine identities."),
        (name = "tenant", description = "The credential's tenant."),
        (name = "events", description = "The record."),
        (name = "public", description = "What needs no credential.")
    )
)]
struct Base;

/// The document, which a process makes once.
#[must_use]
pub fn document() -> &'static OpenApi {
    static DOCUMENT: OnceLock<OpenApi> = OnceLock::new();
    DOCUMENT.get_or_init(made)
}

fn made() -> OpenApi {
    let mut api = routed();
    for operation in api.paths.paths.values_mut().flat_map(operations_mut) {
        complete(operation);
    }
    share(&mut api);
    api
}

/// The routes, with the schemas of their bodies as the document has them.
pub(super) fn routed() -> OpenApi {
    let (_, mut api) = actix_web::App::new()
        .into_utoipa_app()
        .openapi(Base::openapi())
        .configure(routes)
        .split_for_parts();
    if let Some(components) = api.components.as_mut() {
        components.security_schemes.insert(BEARER.to_owned(), RefOr::T(bearer()));
    }
    without_null(&mut api);
    api
}

/// The document as the file `openapi/openapi.json` has it.
///
/// # Errors
/// If it cannot be written, which a test would find.
pub fn json() -> Result<String, serde_json::Error> {
    let mut text = document().to_pretty_json()?;
    text.push('\n');
    Ok(text)
}

/// The document as a server sends it: with the address by which callers reach it.
///
/// # Errors
/// If it cannot be written, which a test would find.
pub fn served(base_url: &str) -> Result<String, serde_json::Error> {
    let mut api = document().clone();
    let server = ServerBuilder::new().url(base_url).description(Some("This server.")).build();
    api.servers = Some(vec![server]);
    api.to_json()
}

/// The operations of a path.
pub(super) fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch]
        .into_iter()
        .filter_map(Option::as_mut)
}

/// Adds what follows from the access table, the operation's shape and its refusals.
fn complete(operation: &mut Operation) {
    let name = operation.operation_id.clone().unwrap_or_default();
    let access = ALL.iter().find(|access| camel(access.name) == name);
    say_callers(operation, access.copied());
    for (status, codes) in by_status(codes_of(&name, operation, access.copied())) {
        operation.responses.responses.insert(status, problem_response(&name, &codes));
    }
    declare_headers(operation);
    give_examples(operation);
}

/// Every code that an operation documents.
fn codes_of(name: &str, operation: &Operation, access: Option<&Access>) -> BTreeSet<Code> {
    let mut codes: BTreeSet<Code> = refuses(name).iter().copied().collect();
    codes.insert(Code::HeadTooLarge);
    if access.is_some() {
        codes.extend([Code::Unauthenticated, Code::Forbidden, Code::Unavailable]);
        codes.insert(Code::TooManyCalls);
    }
    if matches!(name, "getServerMetadata" | "getJwks" | "issueClientToken") {
        codes.insert(Code::Unavailable);
    }
    if matches!(name, "getServerMetadata" | "issueClientToken") {
        codes.insert(Code::TooManyCalls);
    }
    if operation.request_body.is_some() {
        codes.extend([Code::InvalidRequest, Code::PayloadTooLarge, Code::UnsupportedMediaType]);
        codes.insert(Code::RequestTimeout);
    }
    let has_query = operation.parameters.iter().flatten().any(|parameter| {
        let query = utoipa::openapi::path::ParameterIn::Query;
        matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == query)
    });
    if has_query {
        codes.insert(Code::InvalidRequest);
    }
    codes
}

fn by_status(codes: BTreeSet<Code>) -> std::collections::BTreeMap<String, Vec<Code>> {
    let mut grouped = std::collections::BTreeMap::<String, Vec<Code>>::new();
    for code in codes {
        grouped.entry(code.status().as_u16().to_string()).or_default().push(code);
    }
    grouped
}

fn problem_response(operation: &str, codes: &[Code]) -> RefOr<utoipa::openapi::Response> {
    let is_everywhere =
        |code: &Code| matches!(code, Code::Unavailable | Code::HeadTooLarge | Code::TooManyCalls);
    let is_oauth = operation == "issueClientToken" && !codes.iter().any(is_everywhere);
    let lines: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}.", code.as_str(), code.title())).collect();
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let extensions =
        utoipa::openapi::extensions::ExtensionsBuilder::new().add("x-codes", names).build();
    ResponseBuilder::new()
        .description(lines.join(" "))
        .content(if is_oauth { JSON } else { PROBLEM_JSON }, content)
        .extensions(Some(extensions))
        .build()
        .into()
}

/// The methods that some route takes at a path.
#[must_use]
pub fn methods_at(path: &str) -> Vec<&'static str> {
    static PATHS: OnceLock<Vec<(String, Vec<&'static str>)>> = OnceLock::new();
    let paths = PATHS.get_or_init(|| {
        let documented = document().paths.paths.iter();
        let documented = documented.map(|(path, item)| (path.clone(), methods(item)));
        let elsewhere = [BY_ISSUER, OPENID_BY_ISSUER, OPENID].map(|path| (path, vec!["GET"]));
        documented.chain(elsewhere.map(|(path, methods)| (path.to_owned(), methods))).collect()
    });
    paths.iter().find(|(pattern, _)| fits(pattern, path)).map_or(Vec::new(), |(_, m)| m.clone())
}

fn methods(item: &PathItem) -> Vec<&'static str> {
    let all = [
        ("GET", item.get.is_some()),
        ("POST", item.post.is_some()),
        ("PUT", item.put.is_some()),
        ("PATCH", item.patch.is_some()),
        ("DELETE", item.delete.is_some()),
    ];
    all.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(want), Some(have)) if want == have => {}
            (Some(want), Some(have)) if want.starts_with('{') && !have.is_empty() => {}
            (Some(_), Some(_) | None) | (None, Some(_)) => return false,
        }
    }
}
