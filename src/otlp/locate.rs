//! Finds the evidence of a span: bundle, objects, events and payloads.

use std::fmt;
use std::str::FromStr;

use opentelemetry::trace::{SpanId, TraceId};

use super::derived_id;
use super::export::payload_ids;
use super::span_tree::SpanTree;
use crate::bundle::{self, Reader};
use crate::event::{PayloadRef, Seq};
use crate::graph::Graph;
use crate::reduce::{self, Options, reduce};

/// A trace or a span to find. Parsed from and formatted as `<trace id>`, `<span id>` or `<trace id>/<span id>`, with 32
/// hexadecimal digits for a trace id and 16 for a span id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceQuery {
    /// `None` if a span of any trace is to be found.
    trace: Option<TraceId>,
    /// `None` if a whole trace is to be found.
    span: Option<SpanId>,
}

impl TraceQuery {
    /// Returns `true` if this names one span, not a whole trace.
    pub fn is_span(&self) -> bool {
        self.span.is_some()
    }
}

impl FromStr for TraceQuery {
    type Err = SpanIdError;

    fn from_str(text: &str) -> Result<Self, SpanIdError> {
        /// Number of hexadecimal digits of a span id.
        const SPAN_DIGITS: usize = 16;
        let (trace, span) = match text.split_once('/') {
            Some((trace, span)) => (Some(trace), Some(span)),
            None if text.len() == SPAN_DIGITS => (None, Some(text)),
            None => (Some(text), None),
        };
        let is_hex = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if trace.is_some_and(|trace| !is_hex(trace, 32)) || span.is_some_and(|span| !is_hex(span, SPAN_DIGITS)) {
            return Err(SpanIdError);
        }
        let trace = trace.map(TraceId::from_hex).transpose().map_err(|_| SpanIdError)?;
        let span = span.map(SpanId::from_hex).transpose().map_err(|_| SpanIdError)?;
        Ok(Self { trace, span })
    }
}

impl fmt::Display for TraceQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.trace, self.span) {
            (Some(trace), Some(span)) => write!(f, "{trace}/{span}"),
            (Some(trace), None) => trace.fmt(f),
            (None, Some(span)) => span.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

/// The error of parsing a [`TraceQuery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpanIdError;

impl fmt::Display for SpanIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a trace id of 32 hexadecimal digits, a span id of 16, or `<trace id>/<span id>`")
    }
}

impl std::error::Error for SpanIdError {}

/// Returns `true` if the bundle can have what the query names, without reducing the bundle: the query's trace is the
/// bundle's own, or an event was recorded in that trace. A query with a span id alone always returns `true`, because
/// the ids of exported spans are only known after a reduction.
///
/// # Errors
/// [`bundle::BundleError`] if the log can't be read.
pub fn holds_trace(bundle: &Reader, query: &TraceQuery) -> Result<bool, bundle::BundleError> {
    let Some(trace) = query.trace else { return Ok(true) };
    if derived_id::trace_id(&bundle.manifest().trace_id) == trace {
        return Ok(true);
    }
    let trace = trace.to_string();
    // A line that merely contains the trace id in some text does not belong to the trace.
    let is_in_trace = |line: bundle::Line| {
        let span = line.content.ok().and_then(|record| record.context.span);
        span.is_some_and(|span| span.trace_id.as_str().eq_ignore_ascii_case(&trace))
    };
    Ok(bundle.log_contains(&trace)? && bundle.lines()?.flatten().any(is_in_trace))
}

/// An object of a bundle's graph, found by its span, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocatedObject {
    /// Kind of the object: the value of `otel_trace.kind`.
    pub kind: &'static str,
    /// Id of the object in the graph: the value of `otel_trace.object_id`.
    pub id: String,
    /// Seqs of the events that the object was built from.
    pub events: Vec<Seq>,
    /// Payloads that these events reference, except for those outside of the bundle.
    pub payloads: Vec<PayloadRef>,
}

/// Returns the objects of a bundle that the span represents: two if a thread and its turn share a span. Returns no
/// object if the bundle does not have the span, or if `query` names a whole trace.
///
/// # Errors
/// [`reduce::ReduceError`] if the bundle can't be reduced.
pub fn find(bundle: &Reader, query: &TraceQuery) -> Result<Vec<LocatedObject>, reduce::ReduceError> {
    let Some(span) = query.span else { return Ok(Vec::new()) };
    let graph = reduce(bundle, &Options::default())?.graph;
    let tree = SpanTree::new(&graph, &bundle.manifest().trace_id);
    let is_match = |index: &usize| {
        tree.span(*index).is_some_and(|(trace, id)| id == span && query.trace.is_none_or(|it| it == trace))
    };
    let indices = (0..tree.objects.len()).filter(is_match);
    Ok(indices.filter_map(|index| located_object(index, &tree, &graph, bundle)).collect())
}

/// Returns the object at an index of the tree, with its evidence.
fn located_object(index: usize, tree: &SpanTree<'_>, graph: &Graph, bundle: &Reader) -> Option<LocatedObject> {
    let object = *tree.objects.get(index)?;
    let payloads = payload_ids(object).into_iter().filter_map(|id| graph.raw_payloads.get(&id).cloned());
    Some(LocatedObject {
        kind: object.kind().name(),
        id: object.id().to_owned(),
        events: object.evidence().as_slice().iter().map(|(seq, _)| *seq).collect(),
        payloads: payloads.filter(|payload| bundle.contains_path(payload)).collect(),
    })
}
