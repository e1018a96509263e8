//! Around every request: its id, its one log line, and the headers of every answer.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, ResponseError};

use super::AppData;
use super::calls::Standing;
use super::connection::Running;
use super::methods::{Unsent, allowed, as_get, options, without_body};
use super::problem::{Code, Problem};
use crate::clock;
use crate::mfa::source::Proxies;
use crate::telemetry::{RequestLog, Trace, TraceParent};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What no route takes has no operation.
const NONE: &str = "none";

/// Gives the request an id, runs it, and writes its line. What a caller sent (path, query, body,
/// headers) is no part of it, but for the id of a trace.
///
/// # Errors
/// Those of the service.
pub async fn log_request<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, Unsent>>, Error> {
    let begun = std::time::Instant::now();
    let _running = Running::begin(&request);
    let is_head = as_get(&mut request);
    let own = random_id();
    let id: Arc<str> = Arc::from(format!("req_{own:032x}"));
    let app = request.app_data::<AppData>();
    let draining = app.map(|app| app.draining.clone());
    let metrics = app.map(|app| Arc::clone(&app.pawl.metrics));
    let exporter = app.and_then(|app| app.traces.as_ref());
    let trace = Trace::begin(own, caller_of(&request), exporter, clock::since_epoch);
    let source = app.and_then(|app| source_of(&request, &app.proxies));
    let log = RequestLog::new(Arc::clone(&id), trace, source);
    let (response, log) = log.scope(next.call(request)).await;
    let mut response = response?;
    if draining.is_some_and(|draining| draining.has_begun()) {
        // Whoever keeps the connection would send the next request into its end.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    write_line(&log, status, took);
    if let Some(metrics) = metrics {
        metrics.request(log.operation.unwrap_or(NONE), status, took);
    }
    log.trace.end(log.operation, status, log.problem);
    let standing = response.request().extensions().get::<Standing>().copied();
    let headers = response.headers_mut();
    if let Some(standing) = standing {
        standing.write(headers);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    Ok(without_body(response, is_head))
}

/// A request's id, and that of its trace if the caller names none.
fn random_id() -> u128 {
    let mut bytes = [0; 16];
    // Without random bytes the id is zero; everything that needs them answers 503.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u128::from_be_bytes(bytes)
}

/// Where the caller says that the request belongs; two such headers say nothing.
fn caller_of(request: &ServiceRequest) -> Option<TraceParent> {
    let mut headers = request.headers().get_all(TRACEPARENT);
    let header = headers.next().filter(|_| headers.next().is_none())?;
    TraceParent::parse(header.to_str().ok()?)
}

/// Where it came from, as far as that is known.
fn source_of(request: &ServiceRequest, proxies: &Proxies) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    // Bytes that are no text are no address.
    let lines = request.headers().get_all(proxies.header.as_str());
    let lines: Vec<&str> = lines.map(|line| line.to_str().unwrap_or("?")).collect();
    proxies.source(peer, &lines)
}

fn write_line(log: &RequestLog, status: u16, took: std::time::Duration) {
    let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                request_id = %log.id,
                trace_id = log.trace.id.map(|id| format!("{id:032x}")),
                operation = log.operation.unwrap_or(NONE),
                status,
                problem = log.problem,
                claimed_client = log.claimed_client,
                client = log.client,
                person = log.person,
                reported = log.reported,
                source = log.source.map(|source| source.to_string()),
                duration_us,
                cause = log.cause,
                "request"
            )
        };
    }
    if status >= 500 { line!(error) } else { line!(info) }
}

/// Answers what no route takes: OPTIONS, 405 where another method would do, 404 otherwise.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    let methods = super::document::methods_at(request.path());
    if methods.is_empty() {
        return Problem::new(Code::NotFound).error_response();
    }
    if request.method() == Method::OPTIONS {
        return options(&methods);
    }
    let mut response = Problem::new(Code::MethodNotAllowed).error_response();
    if let Some(value) = allowed(&methods) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}
