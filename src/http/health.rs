//! The second port: whether the process lives, whether it can answer, and what it counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, get, web};

use super::App;
use super::connection::Running;
use super::methods::{Unsent, allowed, as_get, emptied, without_body};
use crate::operations::readiness::{self, Obstacle};
use crate::telemetry::metrics::CONTENT_TYPE;

/// The paths of this port.
pub const PATHS: &[&str] = &["/livez", "/readyz", "/metrics"];

/// Whether the process is about to end.
#[derive(Debug, Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on it is.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Around every request of this port: HEAD is answered as GET, and so is OPTIONS, by which some load
/// balancers check (it is not ready while draining either).
///
/// # Errors
/// Those of the service.
pub async fn as_probe<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, Unsent>>, Error> {
    let _running = Running::begin(&request);
    let is_options = request.method() == Method::OPTIONS;
    if is_options {
        request.head_mut().method = Method::GET;
    }
    let is_head = as_get(&mut request);
    let mut response = next.call(request).await?;
    if !is_options {
        return Ok(without_body(response, is_head));
    }
    if let Some(value) = allowed(&["GET"]) {
        response.headers_mut().insert(ALLOW, value);
    }
    Ok(emptied(response))
}

/// The process lives. It does not ask the database.
#[get("/livez")]
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// The process can answer: it is not about to end, the database can be read, lets programs of this
/// version serve and is opened by their keys, and the token keys are at hand. Otherwise the body says what keeps it from it.
#[get("/readyz")]
pub async fn readyz(app: web::Data<App>) -> HttpResponse {
    let obstacle = obstacle(&app).await;
    app.pawl.metrics.probe(obstacle.is_none());
    match obstacle {
        None => HttpResponse::Ok().content_type("text/plain").body("ok\n"),
        Some(reason) => {
            let body = format!("{reason}\n");
            HttpResponse::ServiceUnavailable().content_type("text/plain").body(body)
        }
    }
}

async fn obstacle(app: &App) -> Option<&'static str> {
    if app.draining.has_begun() {
        return Some("draining");
    }
    match readiness::obstacle(&app.pawl).await {
        Ok(None) if app.keys.fresh(app.clock.now()).await.is_err() => Some("tokens"),
        Ok(None) => None,
        Ok(Some(Obstacle::Schema)) => Some("schema"),
        Ok(Some(Obstacle::Seal)) => Some("seal"),
        Ok(Some(Obstacle::Writer)) => Some("writer"),
        Err(_) => Some("database"),
    }
}

/// What the process counted, and what it read last: a scrape itself reads nothing.
#[get("/metrics")]
pub async fn metrics(app: web::Data<App>) -> HttpResponse {
    match app.pawl.metrics.text() {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
