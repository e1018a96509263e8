//! Where spans leave: OTLP over HTTP, in batches, from a thread of its own. Nobody waits for it: what
//! its queue cannot take is dropped.

use std::fmt;
use std::num::NonZeroU128;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use async_trait::async_trait;
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};

use super::outward::agent;
use super::traces::{Ended, Fact};

/// Traces a second of callers whose credential was good.
const KNOWN: u32 = 100;
/// Traces a second of anybody else, so that strangers can never crowd out the others.
const STRANGERS: u32 = 5;

/// Spans that wait for the collector.
const QUEUE: usize = 4096;
/// Spans of one request to the collector.
const BATCH: usize = 512;
/// How long a span may wait for others.
const DELAY: Duration = Duration::from_secs(2);
/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for what is left.
const FLUSH: Duration = Duration::from_secs(2);
/// The least time between two warnings.
const WARNING: Duration = Duration::from_mins(1);

/// Why spans cannot leave.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file with the certificates.
    #[error("PAWL_OTLP_CA_FILE cannot be read")]
    File(#[from] std::io::Error),
    /// What is in it.
    #[error("PAWL_OTLP_CA_FILE holds no certificate")]
    Authority,
    /// The library refused.
    #[error("traces cannot be sent")]
    Refused(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Sends spans to a collector.
pub struct Exporter {
    batches: BatchSpanProcessor,
    scope: InstrumentationScope,
    // Of 2^64.
    share: u64,
    known: Allowance,
    strangers: Allowance,
}

impl Exporter {
    /// Sends to `{endpoint}/v1/traces`, if there is one. `ratio` is the share of requests that are drawn where no caller
    /// says anything, `authority` the PEM file of who signs the collector's certificate.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn begin(
        endpoint: Option<&str>,
        authority: Option<&Path>,
        ratio: f64,
    ) -> Result<Option<Arc<Self>>, ExportError> {
        let Some(endpoint) = endpoint else { return Ok(None) };
        let authority = authority.map(std::fs::read).transpose()?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(authority.as_deref())?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_timeout(TIMEOUT)
            .build()?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let mut batches = BatchSpanProcessor::new(exporter, config);
        let version = env!("CARGO_PKG_VERSION");
        let names = [("service.name", "pawl"), ("service.version", version)];
        let names = names.map(|(name, value)| KeyValue::new(name, value));
        batches.set_resource(&Resource::builder_empty().with_attributes(names).build());
        Ok(Some(Arc::new(Self {
            batches,
            scope: InstrumentationScope::builder("pawl").with_version(version).build(),
            share: share(ratio),
            known: Allowance::new(KNOWN),
            strangers: Allowance::new(STRANGERS),
        })))
    }

    /// Whether the lot falls on a trace: by its id, so that all who see it agree.
    pub(super) fn draws(&self, trace: NonZeroU128) -> bool {
        let low = trace.get() & u128::from(u64::MAX);
        self.share == u64::MAX || low < u128::from(self.share)
    }

    /// Whether one more trace may leave in this second.
    pub(super) fn admits(&self, is_known: bool) -> bool {
        if is_known { self.known.take() } else { self.strangers.take() }
    }

    /// Hands spans to the thread that sends them; never waits.
    pub(super) fn send(&self, spans: impl IntoIterator<Item = Ended>) {
        for span in spans {
            self.batches.on_end(self.data(span));
        }
    }

    /// Sends what is left, for two seconds at the most; waits for it.
    pub fn end(&self) {
        if let Err(error) = self.batches.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "not all traces were sent");
        }
    }

    fn data(&self, span: Ended) -> SpanData {
        let mut links = SpanLinks::default();
        let link = |(trace, id)| Link::new(context(trace, id), Vec::new(), 0);
        links.links = span.links.into_iter().map(link).collect();
        let attribute = |(name, fact)| match fact {
            Fact::Word(word) => KeyValue::new(name, word),
            Fact::Count(count) => KeyValue::new(name, count),
        };
        SpanData {
            span_context: context(span.trace, span.id),
            parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: span.is_entry && span.parent.is_some(),
            span_kind: if span.is_entry { SpanKind::Server } else { SpanKind::Internal },
            name: span.name.into(),
            start_time: UNIX_EPOCH + span.begin,
            end_time: UNIX_EPOCH + span.end,
            attributes: span.facts.into_iter().map(attribute).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: if span.has_failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        }
    }
}

fn context(trace: NonZeroU128, span: u64) -> SpanContext {
    let (trace, span) = (TraceId::from(trace.get()), SpanId::from(span));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default())
}

/// A share between 0 and 1 as one of 2^64.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a cast of a float saturates, and a share need not be exact"
)]
fn share(ratio: f64) -> u64 {
    (ratio * u64::MAX as f64) as u64
}

/// So many in a second, and no more.
struct Allowance {
    each_second: u32,
    present: Mutex<(Instant, u32)>,
}

impl Allowance {
    fn new(each_second: u32) -> Self {
        Self { each_second, present: Mutex::new((Instant::now(), 0)) }
    }

    fn take(&self) -> bool {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if present.0.elapsed() >= Duration::from_secs(1) {
            *present = (Instant::now(), 0);
        }
        present.1 = present.1.saturating_add(1);
        present.1 <= self.each_second
    }
}

/// The collector, over ureq: what is in the tree already, with the one provider of cryptography.
struct Collector {
    agent: ureq::Agent,
    warned: Mutex<Option<Instant>>,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

impl Collector {
    fn new(authority: Option<&[u8]>) -> Result<Self, ExportError> {
        let agent = agent(authority, TIMEOUT).map_err(|_| ExportError::Authority)?;
        Ok(Self { agent, warned: Mutex::default() })
    }

    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.agent.run(request.map(|body| body.to_vec()))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(64 * 1024).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }

    /// Says now and then that the collector does not take what it is sent.
    fn warn(&self, why: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|warned| warned.elapsed() >= WARNING) {
            *warned = Some(Instant::now());
            tracing::warn!(why, "the collector takes no traces");
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    // Nothing in it waits for a runtime: the thread of the batches has none.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.post(request);
        match &answer {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => self.warn(answer.status().as_str()),
            Err(error) => self.warn(&super::chain(error.as_ref())),
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_lasts_for_its_second() {
        let allowance = Allowance::new(3);
        let taken: Vec<bool> = (0..5).map(|_| allowance.take()).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        let before = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        allowance.present.lock().unwrap().0 = before;
        assert!(allowance.take());
    }

    #[test]
    fn a_share_draws_none_all_or_some() {
        let draws = |ratio: f64, trace: u128| {
            let exporter = Exporter::begin(Some("http://127.0.0.1:9"), None, ratio).unwrap();
            exporter.unwrap().draws(NonZeroU128::new(trace).unwrap())
        };
        let (low, high) = (1 << 64, u128::MAX);
        assert!(!draws(0.0, low) && !draws(0.0, high));
        assert!(draws(0.5, low) && !draws(0.5, high));
        assert!(draws(1.0, low) && draws(1.0, high));
    }

    #[test]
    fn what_is_no_certificate_is_no_authority() {
        for text in ["", "certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"]
        {
            let made = Collector::new(Some(text.as_bytes()));
            assert!(matches!(made, Err(ExportError::Authority)), "{text}");
        }
    }
}
