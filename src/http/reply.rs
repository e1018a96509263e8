//! What a handler answers: JSON, never cached.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, LOCATION};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;

use super::problem::{Code, Problem};
use crate::operations::overrides::{Override, OverrideResult};

/// A handler's answer.
pub type Answer<T> = Result<Reply<T>, Problem>;

/// One of two bodies, each under its own status.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Either<L, R> {
    /// Done at once.
    Left(L),
    /// Waiting.
    Right(R),
}

/// A body with its status.
pub struct Reply<T> {
    status: StatusCode,
    body: T,
    etag: Option<String>,
    location: Option<String>,
}

impl<T> Reply<T> {
    fn new(status: StatusCode, body: T) -> Self {
        Self { status, body, etag: None, location: None }
    }

    /// The same, with an entity tag.
    #[must_use]
    pub fn with_etag(self, etag: String) -> Self {
        Self { etag: Some(etag), ..self }
    }

    /// The same, with the URL of what was made.
    #[must_use]
    pub fn at(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }
}

/// 200.
pub fn ok<T>(body: T) -> Reply<T> {
    Reply::new(StatusCode::OK, body)
}

/// 201.
pub fn created<T>(body: T) -> Reply<T> {
    Reply::new(StatusCode::CREATED, body)
}

/// 202.
pub fn accepted<T>(body: T) -> Reply<T> {
    Reply::new(StatusCode::ACCEPTED, body)
}

/// 204.
#[must_use]
pub fn no_content() -> Reply<()> {
    Reply::new(StatusCode::NO_CONTENT, ())
}

/// Where `getOverride` finds an override.
fn place(base: &str, of: &Override) -> String {
    format!("{base}/v1/overrides/{}", of.id)
}

/// The answer to a request: 201 if it was executed or is in force, 202 while approvals are open.
#[must_use]
pub fn requested(base: &str, result: OverrideResult) -> Reply<OverrideResult> {
    let place = place(base, &result.r#override);
    let status = if result.r#override.is_waiting() { accepted } else { created };
    status(result).at(place)
}

/// 202: the request waits for approvals.
#[must_use]
pub fn waiting<L>(base: &str, result: OverrideResult) -> Reply<Either<L, OverrideResult>> {
    let place = place(base, &result.r#override);
    accepted(Either::Right(result)).at(place)
}

/// The answer to an approval: 200 if it was the last one, 202 while others are open.
#[must_use]
pub fn approved(base: &str, shown: Override) -> Reply<Override> {
    let place = place(base, &shown);
    if shown.is_waiting() { accepted(shown).at(place) } else { ok(shown) }
}

impl<T: Serialize> Responder for Reply<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(etag) = self.etag {
            response.insert_header((ETAG, etag));
        }
        if let Some(location) = self.location {
            response.insert_header((LOCATION, location));
        }
        if self.status == StatusCode::NO_CONTENT {
            return response.finish();
        }
        match serde_json::to_vec(&self.body) {
            Ok(json) => response.content_type("application/json").body(json),
            // Our answers are structs of strings, numbers and lists, which cannot fail.
            Err(_) => actix_web::ResponseError::error_response(&Problem::new(Code::Unavailable)),
        }
    }
}
