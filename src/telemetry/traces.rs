//! Spans: what a request did, and for how long, one for each of its stops.
//!
//! A request keeps its spans until it ends, because only then is it known whether they may leave: a
//! caller's wish counts only from a caller whose credential was good. Whatever a span says is a word of
//! this program or a number, by its type: no id, name, code or text of a request can get into one.

use std::num::NonZeroU128;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};

use super::otlp::Exporter;
use super::traceparent::TraceParent;

/// Spans of one request; what is more is left out.
const SPANS: usize = 64;

/// What a span may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// A word of this program.
    Word(&'static str),
    /// A number.
    Count(i64),
}

/// A span that has ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) trace: NonZeroU128,
    pub(super) id: u64,
    pub(super) parent: Option<u64>,
    /// The parent is the caller's span.
    pub(super) is_entry: bool,
    pub(super) name: &'static str,
    /// Since the epoch.
    pub(super) begin: Duration,
    pub(super) end: Duration,
    pub(super) facts: Vec<(&'static str, Fact)>,
    pub(super) links: Vec<(NonZeroU128, u64)>,
    pub(super) has_failed: bool,
}

/// The spans of one trace in this process, until somebody decides about them.
struct Recording {
    trace: NonZeroU128,
    // The wall clock at `begun`; all else is measured from there.
    wall: Duration,
    begun: Instant,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    spans: Vec<Ended>,
    // Traces that these spans link to: they leave with them.
    linked: Vec<Arc<Recording>>,
    fate: Fate,
}

#[derive(Default)]
enum Fate {
    #[default]
    Open,
    Leaves(Arc<Exporter>),
    Stays,
}

impl Recording {
    fn new(trace: NonZeroU128, wall: Duration) -> Arc<Self> {
        Arc::new(Self { trace, wall, begun: Instant::now(), kept: Mutex::default() })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, instant: Instant) -> Duration {
        self.wall + instant.saturating_duration_since(self.begun)
    }

    /// Keeps a span. One that ends after its request did, because the caller stopped waiting, follows
    /// the others.
    fn keep(&self, span: Ended) {
        let mut kept = self.kept();
        match &kept.fate {
            Fate::Open if kept.spans.len() < SPANS => kept.spans.push(span),
            Fate::Leaves(exporter) => exporter.send([span]),
            Fate::Open | Fate::Stays => {}
        }
    }

    fn link(&self, other: &Arc<Self>) {
        let mut kept = self.kept();
        if let Fate::Leaves(exporter) = &kept.fate {
            other.leave(exporter);
        } else if kept.linked.len() < SPANS {
            kept.linked.push(Arc::clone(other));
        }
    }

    fn leave(&self, exporter: &Arc<Exporter>) {
        let linked = {
            let mut kept = self.kept();
            kept.fate = Fate::Leaves(Arc::clone(exporter));
            exporter.send(kept.spans.drain(..));
            std::mem::take(&mut kept.linked)
        };
        for other in linked {
            other.leave(exporter);
        }
    }

    fn stay(&self) {
        *self.kept() = Kept { fate: Fate::Stays, ..Kept::default() };
    }
}

/// A span that lasts until it is dropped; nothing at all in a request that is not recorded.
#[derive(Default)]
pub struct Span(Option<Box<Open>>);

struct Open {
    recording: Arc<Recording>,
    id: u64,
    parent: Option<u64>,
    is_entry: bool,
    name: &'static str,
    begun: Instant,
    facts: Vec<(&'static str, Fact)>,
    links: Vec<(NonZeroU128, u64)>,
    has_failed: bool,
}

impl Span {
    fn of(recording: &Arc<Recording>, parent: Option<u64>, name: &'static str) -> Self {
        Self(Some(Box::new(Open {
            recording: Arc::clone(recording),
            id: new_id(),
            parent,
            is_entry: false,
            name,
            begun: Instant::now(),
            facts: Vec::new(),
            links: Vec::new(),
            has_failed: false,
        })))
    }

    /// A part of this span.
    #[must_use]
    pub fn child(&self, name: &'static str) -> Self {
        let open = self.0.as_ref();
        open.map(|open| Self::of(&open.recording, Some(open.id), name)).unwrap_or_default()
    }

    /// What several requests do together: a trace of its own, to which each of them links. It leaves
    /// if one of them does.
    #[must_use]
    pub fn shared<'s>(name: &'static str, by: impl Iterator<Item = &'s mut Self>) -> Self {
        let mut shared = Self::default();
        for open in by.filter_map(|span| span.0.as_mut()) {
            if shared.0.is_none() {
                let random = RandomIdGenerator::default().new_trace_id().to_bytes();
                let Some(trace) = NonZeroU128::new(u128::from_be_bytes(random)) else { break };
                let wall = open.recording.wall + open.recording.begun.elapsed();
                shared = Self::of(&Recording::new(trace, wall), None, name);
            }
            if let Some(of_all) = &shared.0 {
                open.links.push((of_all.recording.trace, of_all.id));
                open.recording.link(&of_all.recording);
            }
        }
        shared
    }

    /// Says something about it.
    pub fn fact(&mut self, name: &'static str, fact: Fact) {
        if let Some(open) = &mut self.0 {
            open.facts.push((name, fact));
        }
    }

    /// Says that it failed.
    pub fn fail(&mut self) {
        if let Some(open) = &mut self.0 {
            open.has_failed = true;
        }
    }

    pub(super) fn id(&self) -> Option<u64> {
        self.0.as_ref().map(|open| open.id)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Open { recording, id, parent, is_entry, name, begun, facts, links, has_failed } = *open;
        let (begin, end) = (recording.at(begun), recording.at(Instant::now()));
        let trace = recording.trace;
        let span =
            Ended { trace, id, parent, is_entry, name, begin, end, facts, links, has_failed };
        recording.keep(span);
    }
}

/// A span and the stage that it is at: one after the other, each a part of it.
#[derive(Default)]
pub struct Stages {
    // Before the whole, so that it ends first.
    stage: Span,
    /// The whole.
    pub whole: Span,
}

impl Stages {
    /// Begins with the first.
    #[must_use]
    pub fn begin(whole: Span, stage: &'static str) -> Self {
        Self { stage: whole.child(stage), whole }
    }

    /// Ends the stage and begins the next.
    pub fn enter(&mut self, stage: &'static str) {
        self.stage = Span::default();
        self.stage = self.whole.child(stage);
    }
}

fn new_id() -> u64 {
    u64::from_be_bytes(RandomIdGenerator::default().new_span_id().to_bytes())
}

/// The present request's place in its trace.
#[derive(Clone)]
pub struct Trace {
    /// The trace's id: the caller's, or that of the request.
    pub id: Option<NonZeroU128>,
    recorded: Option<Recorded>,
}

#[derive(Clone)]
struct Recorded {
    recording: Arc<Recording>,
    exporter: Arc<Exporter>,
    root: Arc<Mutex<Span>>,
    // Whose part the next span is.
    current: u64,
    // Drawn by lot; otherwise the caller wishes it.
    is_drawn: bool,
    is_known: bool,
}

impl Trace {
    /// A request begins: in the trace of its caller, or in a new one with an id of its own.
    #[must_use]
    pub fn begin(
        own: u128,
        caller: Option<TraceParent>,
        exporter: Option<&Arc<Exporter>>,
        wall: impl FnOnce() -> Duration,
    ) -> Self {
        let id = caller.map_or(NonZeroU128::new(own), |caller| Some(caller.trace));
        let recorded = exporter.zip(id).and_then(|(exporter, id)| {
            let is_drawn = caller.is_none() && exporter.draws(id);
            let is_wished = caller.is_some_and(|caller| caller.is_sampled);
            (is_drawn || is_wished).then(|| {
                let recording = Recording::new(id, wall());
                let mut root = Span::of(&recording, caller.map(|c| c.span.get()), "request");
                let current = root.id().unwrap_or_default();
                if let Some(open) = &mut root.0 {
                    open.is_entry = true;
                }
                let (root, exporter) = (Arc::new(Mutex::new(root)), Arc::clone(exporter));
                Recorded { recording, exporter, root, current, is_drawn, is_known: false }
            })
        });
        Self { id, recorded }
    }

    /// A part of what the request does at present.
    pub(super) fn span(&self, name: &'static str) -> Span {
        let span = |r: &Recorded| Span::of(&r.recording, Some(r.current), name);
        self.recorded.as_ref().map(span).unwrap_or_default()
    }

    /// What follows is a part of `span`; answers of what it was before.
    pub(super) fn within(&mut self, span: Option<u64>) -> Option<u64> {
        let recorded = self.recorded.as_mut()?;
        span.map(|span| std::mem::replace(&mut recorded.current, span))
    }

    /// Its caller's credential was good.
    pub fn know_caller(&mut self) {
        if let Some(recorded) = &mut self.recorded {
            recorded.is_known = true;
        }
    }

    /// The request has ended: its spans leave or are forgotten.
    pub fn end(self, name: Option<&'static str>, status: u16, problem: Option<&'static str>) {
        let Some(recorded) = self.recorded else { return };
        let mut root =
            std::mem::take(&mut *recorded.root.lock().unwrap_or_else(PoisonError::into_inner));
        root.fact("http.response.status_code", Fact::Count(i64::from(status)));
        if let Some(problem) = problem {
            root.fact("pawl.problem", Fact::Word(problem));
        }
        if status >= 500 {
            root.fail();
        }
        if let (Some(name), Some(open)) = (name, &mut root.0) {
            open.name = name;
            open.facts.push(("pawl.operation", Fact::Word(name)));
        }
        drop(root);
        let is_heard = recorded.is_known || recorded.is_drawn;
        if is_heard && recorded.exporter.admits(recorded.is_known) {
            recorded.recording.leave(&recorded.exporter);
        } else {
            recorded.recording.stay();
        }
    }
}
