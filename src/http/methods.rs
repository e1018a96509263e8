//! HEAD wherever GET is (RFC 9110 9.1), and OPTIONS.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::web::Bytes;

/// The size of a body that is not sent.
pub struct Unsent(BodySize);

impl MessageBody for Unsent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

/// Lets a HEAD find what a GET finds; whether it was one.
pub fn as_get(request: &mut ServiceRequest) -> bool {
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
    }
    is_head
}

/// The answer, to a HEAD without its body.
pub fn without_body<B: MessageBody>(
    response: ServiceResponse<B>,
    is_head: bool,
) -> ServiceResponse<EitherBody<B, Unsent>> {
    response.map_body(|_, body| {
        if is_head { EitherBody::right(Unsent(body.size())) } else { EitherBody::left(body) }
    })
}

/// The answer without anything of its body.
pub fn emptied<B: MessageBody>(
    response: ServiceResponse<B>,
) -> ServiceResponse<EitherBody<B, Unsent>> {
    response.map_body(|_, _| EitherBody::right(Unsent(BodySize::Sized(0))))
}

/// The value of `Allow` where these methods are.
#[must_use]
pub fn allowed(methods: &[&str]) -> Option<HeaderValue> {
    let mut all = methods.to_vec();
    if all.contains(&"GET") {
        all.push("HEAD");
    }
    all.push("OPTIONS");
    HeaderValue::from_str(&all.join(", ")).ok()
}

/// What may be asked of a path.
#[must_use]
pub fn options(methods: &[&str]) -> HttpResponse {
    let mut response = HttpResponse::NoContent().finish();
    if let Some(value) = allowed(methods) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}
