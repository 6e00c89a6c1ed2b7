//! Iterates over the spans of a bundle; the payloads of each are read when it is requested.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceState};
use opentelemetry_sdk::trace::{SpanData, SpanEvents};

use super::facts::FactsReader;
use super::links::AgentResults;
use super::span_object::SpanObject;
use super::span_tree::SpanTree;
use crate::bundle::Reader;
use crate::event::Timestamp;
use crate::graph::Graph;
use crate::otlp::span::describe::{SpanDescription, describe};
use crate::otlp::span::map::map;
use crate::otlp::span::mapping::Mapping;
use crate::otlp::span::system_time::system_time;

/// Instrumentation scope of every span that this crate creates.
const SCOPE: &str = "otel-trace";

/// Returns the spans of a bundle in order of their start: each thread, turn, inference call, tool call, code cell and
/// compaction request is one, with its own times, status, links and parent. Spans of live operations keep their ids;
/// other ids are derived from the bundle, so that a bundle always gives equal spans.
///
/// Payloads are read one span at a time, when the iterator reaches it: memory is bounded by the graph and the payloads
/// of one span.
///
/// A span without an end ends at the last time in the graph.
pub fn spans<'a>(bundle: &'a Reader, graph: &'a Graph, mapping: &Mapping) -> impl Iterator<Item = SpanData> + use<'a> {
    let mapping = *mapping;
    let mut spans = SpanIter::new(bundle, graph);
    std::iter::from_fn(move || spans.next(mapping))
}

/// An iterator over the spans of a bundle.
pub(super) struct SpanIter<'a> {
    pub(super) tree: SpanTree<'a>,
    bundle: &'a Reader,
    graph: &'a Graph,
    results: AgentResults,
    scope: InstrumentationScope,
    name: Option<Arc<str>>,
    last_at: Timestamp,
    next: usize,
}

impl<'a> SpanIter<'a> {
    pub(super) fn new(bundle: &'a Reader, graph: &'a Graph) -> Self {
        let tree = SpanTree::new(graph, &bundle.manifest().trace_id);
        let results = AgentResults::new(graph, &tree);
        let scope = InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION")).build();
        let last_at = last_at(graph, &tree.objects);
        Self { tree, bundle, graph, results, scope, name: name(bundle.path()), last_at, next: 0 }
    }

    /// Returns the indices of the objects that own a span, which excludes objects that share another object's span or
    /// have none.
    pub(super) fn indices(&self) -> impl Iterator<Item = usize> {
        (0..self.tree.objects.len()).filter(|index| self.tree.owner(*index) == Some(*index))
    }

    fn next(&mut self, mapping: Mapping) -> Option<SpanData> {
        while let Some(object) = self.tree.objects.get(self.next).copied() {
            let index = self.next;
            self.next += 1;
            if self.tree.owner(index) == Some(index) {
                return self.span(index, object, mapping);
            }
        }
        None
    }

    fn span(&self, index: usize, object: SpanObject<'_>, mapping: Mapping) -> Option<SpanData> {
        let (trace_id, span_id) = self.tree.span(index)?;
        let reader = FactsReader { bundle: self.bundle, graph: self.graph, content: mapping.content };
        let mut facts = reader.facts(object, self.name.as_ref());
        if let Some(SpanObject::Turn(turn)) = self.tree.shared_turn(index).and_then(|it| self.tree.objects.get(it)) {
            facts.turn_id = Some(turn.turn_id.clone());
        }
        let SpanDescription { name, kind, status, attributes } = describe(&facts, mapping);
        let execution = object.execution();
        let ended = execution.ended.map_or(self.last_at, |ended| ended.at).max(execution.started.at);
        let span = SpanData {
            span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: self.tree.parent(index).unwrap_or(SpanId::INVALID),
            parent_span_is_remote: false,
            span_kind: kind,
            name: name.into(),
            start_time: system_time(self.tree.started_at(index)?),
            end_time: system_time(ended),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: self.results.links(index, self.graph, &self.tree),
            status,
            instrumentation_scope: self.scope.clone(),
        };
        Some(map(span, &mapping))
    }
}

/// Returns the name of a bundle's directory. Returns `None` if the path has no name, as `/`.
fn name(bundle: &Path) -> Option<Arc<str>> {
    let file_name = |path: &Path| path.file_name().map(|name| Arc::from(&*name.to_string_lossy()));
    // `.` and `..` are no names: the canonical path has one.
    file_name(bundle).or_else(|| file_name(&bundle.canonicalize().ok()?))
}

/// Returns the last time in the graph.
fn last_at(graph: &Graph, objects: &[SpanObject<'_>]) -> Timestamp {
    let wall = Duration::from_millis(graph.totals.wall_ms);
    let rollout = [graph.started_at, graph.started_at.after(wall)].map(Timestamp::from);
    let executions = objects.iter().map(|object| object.execution());
    let object_times = executions
        .map(|execution| execution.ended.map_or(execution.started.at, |ended| ended.at.max(execution.started.at)));
    rollout.into_iter().chain(object_times).max().unwrap_or_else(|| graph.started_at.into())
}
