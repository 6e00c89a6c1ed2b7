//! From a span back to its evidence.

use std::fmt;
use std::str::FromStr;

use opentelemetry::trace::{SpanId, TraceId};

use super::derived_id;
use super::export::payload_ids;
use super::placement::Placement;
use crate::bundle::{self, Reader};
use crate::event::{PayloadRef, Seq};
use crate::graph::Graph;
use crate::reduce::{self, Options, reduce};

/// What is looked for: a trace, or one span of it. Written `<trace id>` or `<trace id>/<span id>`, in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    trace: TraceId,
    span: Option<SpanId>,
}

impl Wanted {
    /// Whether it is one span.
    pub fn is_span(&self) -> bool {
        self.span.is_some()
    }
}

impl FromStr for Wanted {
    type Err = SpanIdError;

    fn from_str(text: &str) -> Result<Self, SpanIdError> {
        let (trace, span) = match text.split_once('/') {
            Some((trace, span)) => (trace, Some(span)),
            None => (text, None),
        };
        let is_hex = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex(trace, 32) || span.is_some_and(|span| !is_hex(span, 16)) {
            return Err(SpanIdError);
        }
        let trace = TraceId::from_hex(trace).map_err(|_| SpanIdError)?;
        let span = span.map(SpanId::from_hex).transpose().map_err(|_| SpanIdError)?;
        Ok(Self { trace, span })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.span {
            Some(span) => write!(f, "{}/{span}", self.trace),
            None => self.trace.fmt(f),
        }
    }
}

/// It is no id of a trace or a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpanIdError;

impl fmt::Display for SpanIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a trace id has 32 hexadecimal digits, a span id behind a `/` 16")
    }
}

impl std::error::Error for SpanIdError {}

/// Whether a bundle holds something of the trace, without reducing it: it is the bundle's own trace, or an event
/// happened in it.
///
/// # Errors
/// [`bundle::BundleError`] where the log can't be read.
pub fn holds_trace(bundle: &Reader, wanted: &Wanted) -> Result<bool, bundle::BundleError> {
    if derived_id::trace_id(&bundle.manifest().trace_id) == wanted.trace {
        return Ok(true);
    }
    let trace = wanted.trace.to_string();
    // What is said of a trace in a text is not in it.
    let is_in_it = |line: bundle::Line| {
        let span = line.content.ok().and_then(|record| record.context.span);
        span.is_some_and(|span| span.trace_id.as_str().eq_ignore_ascii_case(&trace))
    };
    Ok(bundle.log_mentions(&trace)? && bundle.lines()?.flatten().any(is_in_it))
}

/// An object of a graph that is the span, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// As `otel_trace.kind` says it.
    pub kind: &'static str,
    /// Its id in the graph: `otel_trace.object_id`.
    pub id: String,
    /// The events it was made from, by their place in the log.
    pub events: Vec<Seq>,
    /// The bodies they named; not those that they name outside of the bundle.
    pub payloads: Vec<PayloadRef>,
}

/// The objects of a bundle that are the span: two where a thread and its turn were one. None where it has no such span,
/// or a trace is wanted.
///
/// # Errors
/// [`reduce::ReduceError`] where the bundle can't be reduced.
pub fn find(bundle: &Reader, wanted: &Wanted) -> Result<Vec<Found>, reduce::ReduceError> {
    let Some(span) = wanted.span else { return Ok(Vec::new()) };
    let graph = reduce(bundle, &Options::default())?.graph;
    let placement = Placement::of(&graph, &bundle.manifest().trace_id);
    let is_it = |place: &usize| placement.span(*place) == Some((wanted.trace, span));
    let places = (0..placement.objects.len()).filter(is_it);
    Ok(places.filter_map(|place| found(place, &placement, &graph, bundle)).collect())
}

fn found(place: usize, placement: &Placement<'_>, graph: &Graph, bundle: &Reader) -> Option<Found> {
    let object = *placement.objects.get(place)?;
    let payloads = payload_ids(object).into_iter().filter_map(|id| graph.raw_payloads.get(&id).cloned());
    Some(Found {
        kind: object.kind().name(),
        id: object.id().to_owned(),
        events: object.evidence().as_slice().iter().map(|(seq, _)| *seq).collect(),
        payloads: payloads.filter(|payload| bundle.keeps(payload)).collect(),
    })
}
