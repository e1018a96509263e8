//! Swagger UI: the document, to be read and tried in a browser. Its files are compiled in.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::{HttpRequest, HttpResponse, get, web};
use utoipa_swagger_ui::{Config, serve};

use super::problem::{Code, Problem};
use super::shared::ServedDocument;

/// Only what this server serves is loaded, and no page of another has it in a frame. The pictures of
/// its style sheet are in it, as `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where they are. They are no part of the API, so the document does not have them.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(entrance).service(document).service(file);
}

/// The files name each other from inside a folder.
#[get("/docs")]
async fn entrance() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "docs/")).finish()
}

/// The document with the address that the page was loaded from: its policy lets it call no other.
#[get("/docs/openapi.json")]
async fn document(request: HttpRequest) -> Result<HttpResponse, Problem> {
    static DOCUMENT: LazyLock<ServedDocument> = LazyLock::new(|| ServedDocument::new(".."));
    DOCUMENT.answer(&request)
}

#[get("/docs/{file:[^/]*}")]
async fn file(name: web::Path<String>) -> Result<HttpResponse, Problem> {
    // A validator would be somebody else's server, and the bar at the top asks for other documents.
    let config = Config::from("openapi.json").validator_url("none").use_base_layout();
    let found = serve(&name, Arc::new(config)).map_err(|_| Problem::new(Code::Unavailable))?;
    let file = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_SECURITY_POLICY, POLICY)).content_type(file.content_type);
    Ok(response.body(file.bytes.into_owned()))
}
