//! A body, read in time.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpRequest, web};

use super::AppData;
use super::problem::{Code, Problem};

/// The bytes of a body, or why there are none.
pub(super) struct Raw(pub(super) Result<web::Bytes, Problem>);

impl FromRequest for Raw {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let within = request.app_data::<AppData>().map(|app| app.limits.body);
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move { Ok(Self(in_time(bytes, within.unwrap_or_default()).await)) })
    }
}

async fn in_time(
    bytes: impl Future<Output = Result<web::Bytes, actix_web::Error>>,
    within: Duration,
) -> Result<web::Bytes, Problem> {
    match tokio::time::timeout(within, bytes).await {
        Ok(read) => read.map_err(|error| unread(&error)),
        Err(_) => Err(Problem::new(Code::RequestTimeout)),
    }
}

fn unread(error: &actix_web::Error) -> Problem {
    match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => Problem::new(Code::PayloadTooLarge),
        Some(_) | None => Problem::invalid("body", "cannot be read"),
    }
}
