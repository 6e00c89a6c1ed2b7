//! Spans one after the other, each with its bodies read when it is asked for.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceState};
use opentelemetry_sdk::trace::{SpanData, SpanEvents};

use super::facts::Bodies;
use super::links::AgentResults;
use crate::bundle::Reader;
use crate::event::Timestamp;
use crate::graph::Graph;
use crate::otlp::describe::{Described, describe};
use crate::otlp::map::map;
use crate::otlp::mapping::Mapping;
use crate::otlp::object::Object;
use crate::otlp::placement::Placement;

/// The scope of every span that this crate makes.
const SCOPE: &str = "otel-trace";

/// What happened in a bundle, as spans in order of their start: each thread, turn, inference call, tool call, code cell
/// and request to compact is one, with its own times, status, links and parent. Live spans keep their ids; the others
/// have ids that follow from the bundle, so that the same bundle always gives the same spans.
///
/// Bodies are read one span at a time, when its turn comes: memory is bounded by the graph and one span's bodies.
///
/// What has not ended ends at the last time that the graph knows.
pub fn spans<'a>(bundle: &'a Reader, graph: &'a Graph, mapping: &Mapping) -> impl Iterator<Item = SpanData> + use<'a> {
    let mapping = *mapping;
    let mut spans = Spans::of(bundle, graph);
    std::iter::from_fn(move || spans.next(mapping))
}

/// A bundle on its way to be spans.
pub(super) struct Spans<'a> {
    pub(super) placement: Placement<'a>,
    bundle: &'a Reader,
    graph: &'a Graph,
    results: AgentResults,
    scope: InstrumentationScope,
    name: Option<Arc<str>>,
    last_at: Timestamp,
    next: usize,
}

impl<'a> Spans<'a> {
    pub(super) fn of(bundle: &'a Reader, graph: &'a Graph) -> Self {
        let placement = Placement::of(graph, &bundle.manifest().trace_id);
        let results = AgentResults::new(graph, &placement);
        let scope = InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION")).build();
        let last_at = last_at(graph, &placement.objects);
        Self { placement, bundle, graph, results, scope, name: name(bundle.path()), last_at, next: 0 }
    }

    /// The places of those objects that have a span of their own.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        (0..self.placement.objects.len()).filter(|place| self.placement.owner(*place) == Some(*place))
    }

    fn next(&mut self, mapping: Mapping) -> Option<SpanData> {
        while let Some(object) = self.placement.objects.get(self.next).copied() {
            let place = self.next;
            self.next += 1;
            if self.placement.owner(place) == Some(place) {
                return self.span(place, object, mapping);
            }
        }
        None
    }

    fn span(&self, place: usize, object: Object<'_>, mapping: Mapping) -> Option<SpanData> {
        let (trace_id, span_id) = self.placement.span(place)?;
        let bodies = Bodies { bundle: self.bundle, graph: self.graph, content: mapping.content };
        let mut facts = bodies.facts(object, self.name.as_ref());
        if let Some(Object::Turn(turn)) =
            self.placement.joined_turn(place).and_then(|it| self.placement.objects.get(it))
        {
            facts.turn_id = Some(turn.turn_id.clone());
        }
        let Described { name, kind, status, attributes } = describe(&facts, mapping);
        let execution = object.execution();
        let ended = execution.ended.map_or(self.last_at, |ended| ended.at).max(execution.started.at);
        let span = SpanData {
            span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: self.placement.parent(place).unwrap_or(SpanId::INVALID),
            parent_span_is_remote: false,
            span_kind: kind,
            name: name.into(),
            start_time: time(execution.started.at),
            end_time: time(ended),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: self.results.links(place, self.graph, &self.placement),
            status,
            instrumentation_scope: self.scope.clone(),
        };
        Some(map(span, &mapping))
    }
}

/// The name of a bundle's directory.
fn name(bundle: &Path) -> Option<Arc<str>> {
    let named = |path: &Path| path.file_name().map(|name| Arc::from(&*name.to_string_lossy()));
    // `.` and `..` have no name themselves.
    named(bundle).or_else(|| named(&bundle.canonicalize().ok()?))
}

/// The last time that anything of the graph happened.
fn last_at(graph: &Graph, objects: &[Object<'_>]) -> Timestamp {
    let wall = Duration::from_millis(graph.totals.wall_ms);
    let rollout = [graph.started_at, graph.started_at.after(wall)].map(Timestamp::from);
    let moments = objects.iter().map(|object| object.execution());
    let of_objects = moments
        .map(|execution| execution.ended.map_or(execution.started.at, |ended| ended.at.max(execution.started.at)));
    rollout.into_iter().chain(of_objects).max().unwrap_or_else(|| graph.started_at.into())
}

/// A time as OTLP can say it: nanoseconds from 1970 to 2554.
fn time(at: Timestamp) -> SystemTime {
    const LAST_MILLIS: u64 = u64::MAX / 1_000_000;
    let (millis, nanos) = match u64::try_from(at.unix_ms().0) {
        Ok(millis) if millis < LAST_MILLIS => (millis, at.sub_ms_ns()),
        Ok(_) => (LAST_MILLIS, 0),
        Err(_before_1970) => (0, 0),
    };
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis) + Duration::from_nanos(nanos.into())
}
