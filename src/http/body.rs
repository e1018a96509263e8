//! A body, read in time.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use super::AppData;
use super::extract::LARGEST_BODY;
use super::problem::{Code, Problem};

/// The bytes of a body of at most so many, or why there are none.
pub(super) struct Raw<const LARGEST: usize = LARGEST_BODY>(pub(super) Result<web::Bytes, Problem>);

impl<const LARGEST: usize> FromRequest for Raw<LARGEST> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let within = request.app_data::<AppData>().map(|app| app.limits.body);
        let body = web::Payload::from_request(request, payload).into_inner();
        Box::pin(async move {
            let read = async { read(body.map_err(|_| unread())?, LARGEST).await };
            Ok(Self(in_time(read, within.unwrap_or_default()).await))
        })
    }
}

async fn in_time(
    read: impl Future<Output = Result<web::Bytes, Problem>>,
    within: Duration,
) -> Result<web::Bytes, Problem> {
    match tokio::time::timeout(within, read).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(Code::RequestTimeout)),
    }
}

/// Reads a body of at most so many bytes. A larger one is read up to there, whatever length it announces:
/// a caller that still writes when the connection closes gets a reset in place of the answer.
async fn read(body: web::Payload, largest: usize) -> Result<web::Bytes, Problem> {
    let too_large = || {
        let reason = format!("wants at most {} KiB", largest / 1024);
        Problem { reason: Some(reason), ..Problem::new(Code::PayloadTooLarge) }
    };
    match body.to_bytes_limited(largest).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(unread()),
        Err(_) => Err(too_large()),
    }
}

fn unread() -> Problem {
    Problem::invalid("body", "cannot be read")
}
