//! What the operator sees: JSON logs, one line for each request, with the cause of a refusal that the
//! caller is not told; and traces.

mod otlp;
mod outward;
mod traceparent;
mod traces;

pub mod metrics;

use std::cell::RefCell;
use std::error::Error;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

pub use otlp::{ExportError, Exporter};
pub use outward::agent;
pub use traceparent::TraceParent;
pub use traces::{Fact, Span, Stages, Trace};

tokio::task_local! {
    static REQUEST: Rc<RefCell<RequestLog>>;
}

/// What is known about a request when it ends.
#[derive(Clone)]
pub struct RequestLog {
    /// The request's id.
    pub id: Arc<str>,
    /// Its place in a trace.
    pub trace: Trace,
    /// The operation, once the router has found it.
    pub operation: Option<&'static str>,
    /// The client that the credential names; anybody can name one.
    pub claimed_client: Option<String>,
    /// The client, once its credential was found to be good.
    pub client: Option<String>,
    /// The person, as the token says.
    pub person: Option<String>,
    /// What was done to the console's reports about a person, so that they could be taken.
    pub reported: Option<String>,
    /// Where it came from; `None` is unknown.
    pub source: Option<IpAddr>,
    /// The problem's code.
    pub problem: Option<&'static str>,
    /// The whole cause, for operators only.
    pub cause: Option<String>,
}

impl RequestLog {
    /// A request that begins.
    #[must_use]
    pub fn new(id: Arc<str>, trace: Trace, source: Option<IpAddr>) -> Self {
        let (client, person, reported, cause) = (None, None, None, None);
        let (operation, problem) = (None, None);
        Self {
            id,
            trace,
            operation,
            claimed_client: None,
            client,
            person,
            reported,
            source,
            problem,
            cause,
        }
    }

    /// Runs a request under this log and gives it back with what was noted meanwhile.
    pub async fn scope<F: Future>(self, request: F) -> (F::Output, Self) {
        let log = Rc::new(RefCell::new(self));
        let output = REQUEST.scope(Rc::clone(&log), request).await;
        let noted = log.borrow().clone();
        (output, noted)
    }
}

/// Notes something about the present request; outside of one, nothing.
pub fn note(change: impl FnOnce(&mut RequestLog)) {
    // An error here only says that there is no request.
    let _ = REQUEST.try_with(|log| change(&mut log.borrow_mut()));
}

/// The present request's id.
#[must_use]
pub fn request_id() -> Option<Arc<str>> {
    REQUEST.try_with(|log| Arc::clone(&log.borrow().id)).ok()
}

/// Where the present request came from.
#[must_use]
pub fn source() -> Option<IpAddr> {
    REQUEST.try_with(|log| log.borrow().source).ok().flatten()
}

/// A span of the present request, a part of what it does; outside of one, nothing.
#[must_use]
pub fn span(name: &'static str) -> Span {
    REQUEST.try_with(|log| log.borrow().trace.span(name)).unwrap_or_default()
}

/// Runs a part of the present request under a span: the spans that begin in it are its parts.
pub async fn traced<F: Future>(name: &'static str, part: F) -> F::Output {
    let span = span(name);
    let within = |id| REQUEST.try_with(|log| log.borrow_mut().trace.within(id)).ok().flatten();
    let outer = within(span.id());
    let output = part.await;
    within(outer);
    output
}

/// An error with its whole chain of sources.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Sends logs as JSON lines to a writer. `filter` is in the form of `RUST_LOG`.
///
/// # Errors
/// If the filter cannot be read, or logging was begun before.
pub fn begin<W>(filter: &str, writer: W) -> Result<(), Box<dyn Error + Send + Sync>>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(writer)
        .try_init()
}
