//! Assigns a span, a parent and a trace to every object of a graph.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use opentelemetry::trace::{SpanId, TraceId};

use super::derived_id;
use super::span_object::SpanObject;
use crate::event::{self, Seq, Timestamp};
use crate::graph::Graph;
use crate::otlp::span::kind::Kind;

/// The span that represents an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanIdentity {
    /// A span of its own.
    Own(SpanId),
    /// The span of another object, by index: one live span opened both.
    SharedWith(usize),
    /// No span: in the live trace, the thread or turn was implicit and had none.
    Implicit,
}

/// The objects of a graph in order of their start, with their spans. Objects are addressed by their index.
#[derive(Debug)]
pub(crate) struct SpanTree<'g> {
    pub(crate) objects: Vec<SpanObject<'g>>,
    indices: HashMap<(&'static str, &'g str), usize>,
    containers: Vec<Option<usize>>,
    traces: Vec<TraceId>,
    spans: Vec<SpanIdentity>,
    /// Start of each object's span: its own, or that of the first attempt of its call of a model.
    starts: Vec<Timestamp>,
    /// Parent of each object's span.
    parents: Vec<Option<SpanId>>,
    /// Lowest start seq among each object and its descendants: its span must have existed by then.
    earliest_starts: Vec<Seq>,
}

impl<'g> SpanTree<'g> {
    /// Assigns a span, a parent and a trace to each object of `graph`. Ids that no live span provides are derived from
    /// `bundle`, the trace id of the bundle.
    pub(crate) fn new(graph: &'g Graph, bundle: &event::TraceId) -> Self {
        let objects = SpanObject::all(graph);
        let indices: HashMap<_, _> =
            objects.iter().zip(0..).map(|(it, index)| ((it.kind().name(), it.id()), index)).collect();
        let index = |object: SpanObject<'g>| indices.get(&(object.kind().name(), object.id())).copied();
        let mut containers: Vec<_> = objects.iter().map(|it| it.container(graph).and_then(index)).collect();
        cut_cycles(&mut containers);
        let traces = traces(&objects, &containers, derived_id::trace_id(bundle));
        let spans = spans(&objects, &containers, bundle);
        let starts = starts(&objects, &spans);
        let (parents, earliest_starts) = (Vec::new(), Vec::new());
        let mut tree = Self { objects, indices, containers, traces, spans, starts, parents, earliest_starts };
        tree.set_parents();
        tree
    }

    /// Sets the parent of each span, and the order that links have to respect.
    fn set_parents(&mut self) {
        let nearest = self.nearest_with_span();
        let mut parents: Vec<_> = (0..self.objects.len()).map(|index| self.find_parent(index, &nearest)).collect();
        let owners = (0..self.objects.len()).filter(|index| self.owner(*index) == Some(*index));
        let by_span: HashMap<_, _> = owners.filter_map(|index| Some((self.span(index)?, index))).collect();
        let above = |(parent, trace): (&Option<SpanId>, &TraceId)| by_span.get(&(*trace, (*parent)?)).copied();
        let found: Vec<_> = parents.iter().zip(&self.traces).map(above).collect();
        let mut parent_indices = found.clone();
        cut_cycles(&mut parent_indices);
        for (index, parent) in parents.iter_mut().enumerate() {
            if parent_indices[index] != found[index] {
                *parent = None;
            }
        }
        self.parents = parents;
        self.earliest_starts = self.objects.iter().map(|object| object.execution().started.seq).collect();
        for start in 0..self.objects.len() {
            let seq = self.earliest_starts[start];
            let mut above = vec![start];
            while let Some(index) = above.pop() {
                let owner = self.owner(index).filter(|owner| *owner != index);
                for higher in [parent_indices[index], self.containers[index], owner].into_iter().flatten() {
                    if self.earliest_starts[higher] > seq {
                        self.earliest_starts[higher] = seq;
                        above.push(higher);
                    }
                }
            }
        }
    }

    /// Returns `true` if the span of the object at `from` may link to that of the object at `to`: never to its parent,
    /// and only to a span that started before it, so that no chain of parents and links closes a cycle. Viewers render
    /// nothing of a cycle.
    pub(crate) fn may_link(&self, from: usize, to: usize) -> bool {
        let (Some(from), Some(to)) = (self.owner(from), self.owner(to)) else { return false };
        let started = |index: usize| self.objects[index].execution().started.seq;
        let is_parent = self.span(to).is_some_and(|(_, span)| self.parent(from) == Some(span));
        started(to) < started(from) && self.earliest_starts[to] < self.earliest_starts[from] && !is_parent
    }

    /// Returns the index of an object. Returns `None` if the graph does not have it.
    pub(crate) fn index_of(&self, kind: Kind, id: &str) -> Option<usize> {
        self.indices.get(&(kind.name(), id)).copied()
    }

    /// Returns the trace and span id of the span that represents the object. Returns `None` if it has no span.
    pub(crate) fn span(&self, index: usize) -> Option<(TraceId, SpanId)> {
        let index = self.owner(index)?;
        match self.spans.get(index)? {
            SpanIdentity::Own(span) => Some((*self.traces.get(index)?, *span)),
            SpanIdentity::SharedWith(_) | SpanIdentity::Implicit => None,
        }
    }

    /// Returns the index of the object that owns the span representing this one. Returns `None` if it has no span.
    pub(crate) fn owner(&self, index: usize) -> Option<usize> {
        match self.spans.get(index)? {
            SpanIdentity::Own(_) => Some(index),
            SpanIdentity::SharedWith(owner) => Some(*owner),
            SpanIdentity::Implicit => None,
        }
    }

    /// Returns the start of the span that represents the object. A span of several attempts of a call of a model starts with
    /// the first one.
    pub(crate) fn started_at(&self, index: usize) -> Option<Timestamp> {
        self.starts.get(index).copied()
    }

    /// Returns the parent of the span that represents the object.
    pub(crate) fn parent(&self, index: usize) -> Option<SpanId> {
        *self.parents.get(index)?
    }

    /// Returns the nearest object with a span for each object: the object itself, otherwise the nearest of its
    /// containers. Linear, however deep the containers are nested.
    fn nearest_with_span(&self) -> Vec<Option<usize>> {
        let mut nearest: Vec<Option<Option<usize>>> = vec![None; self.objects.len()];
        for start in 0..self.objects.len() {
            let mut path = Vec::new();
            let mut at = Some(start);
            let found = loop {
                let Some(index) = at else { break None };
                if let Some(known) = nearest[index] {
                    break known;
                }
                path.push(index);
                if self.owner(index).is_some() {
                    break Some(index);
                }
                at = self.containers[index];
            };
            path.into_iter().for_each(|index| nearest[index] = Some(found));
        }
        nearest.into_iter().map(Option::flatten).collect()
    }

    /// Returns the parent of the object's span: that of its live span, otherwise the span of the nearest container that
    /// has another span. Returns `None` if the object has no span of its own, or that container is in another trace.
    fn find_parent(&self, index: usize, nearest: &[Option<usize>]) -> Option<SpanId> {
        if self.owner(index) != Some(index) {
            return None;
        }
        let object = self.objects.get(index)?;
        let trace = self.traces.get(index)?;
        match object.live_ids() {
            Some(live) if self.span(index) == Some(live) => {
                if let Some(parent) = object.live_parent() {
                    return Some(parent);
                }
            }
            // An attempt of a call of a model, whose live span is that of another attempt.
            Some((of, span)) if is_model_call(object.kind()) && of == *trace => return Some(span),
            Some(_) | None => {}
        }
        let mut above = *self.containers.get(index)?;
        while let Some(container) = above.and_then(|above| nearest[above]) {
            if self.owner(container).is_some_and(|owner| owner != index) {
                return self.span(container).filter(|(of, _)| of == trace).map(|(_, span)| span);
            }
            above = self.containers.get(container).copied().flatten();
        }
        None
    }

    /// Returns the turn that shares the span of this thread.
    pub(crate) fn shared_turn(&self, thread: usize) -> Option<usize> {
        let is_shared = |index: &usize| self.spans.get(*index) == Some(&SpanIdentity::SharedWith(thread));
        let SpanObject::Thread(row) = self.objects.get(thread)? else { return None };
        row.turn_ids.iter().filter_map(|turn| self.index_of(Kind::Turn, turn.as_str())).find(is_shared)
    }
}

/// Cuts cycles of containers, in which a broken log may have agents spawn each other: an object whose container the
/// walk has visited already becomes a root.
fn cut_cycles(containers: &mut [Option<usize>]) {
    let mut visited = vec![0; containers.len()];
    for (start, visit) in (0..containers.len()).zip(1..) {
        let mut at = start;
        while visited[at] == 0 {
            visited[at] = visit;
            match containers[at] {
                Some(above) if visited[above] == visit => containers[at] = None,
                Some(above) => at = above,
                None => {}
            }
        }
    }
}

/// Returns the trace of each object: that of its live span, otherwise that of the nearest container with a live span,
/// otherwise the bundle's.
fn traces(objects: &[SpanObject<'_>], containers: &[Option<usize>], bundle_trace: TraceId) -> Vec<TraceId> {
    let mut traces = vec![TraceId::INVALID; objects.len()];
    for start in 0..objects.len() {
        let mut path = Vec::new();
        let mut at = Some(start);
        let mut trace = bundle_trace;
        while let Some(index) = at {
            if traces[index] != TraceId::INVALID {
                trace = traces[index];
                break;
            }
            path.push(index);
            if let Some((live, _)) = objects[index].live_ids() {
                trace = live;
                break;
            }
            at = containers[index];
        }
        path.into_iter().for_each(|index| traces[index] = trace);
    }
    traces
}

/// Returns the span that represents each object.
fn spans(objects: &[SpanObject<'_>], containers: &[Option<usize>], bundle: &event::TraceId) -> Vec<SpanIdentity> {
    let has_live_descendant = has_live_descendant(objects, containers);
    let derived = |object: &SpanObject<'_>| SpanIdentity::Own(derived_id::span_id(bundle, object.kind(), object.id()));
    let mut spans: Vec<_> = objects.iter().map(derived).collect();
    let mut owners: HashMap<(TraceId, SpanId), usize> = HashMap::new();
    let mut by_claim_priority: Vec<_> = (0..objects.len()).collect();
    by_claim_priority.sort_by_key(|index| claim_priority(&objects[*index]));
    for index in by_claim_priority {
        let kind = objects[index].kind();
        let can_be_implicit = matches!(kind, Kind::Thread | Kind::Turn);
        let Some(live) = objects[index].live_ids() else {
            if can_be_implicit && has_live_descendant[index] {
                spans[index] = SpanIdentity::Implicit;
            }
            continue;
        };
        match owners.entry(live) {
            Entry::Vacant(free) => {
                free.insert(index);
                spans[index] = SpanIdentity::Own(live.1);
            }
            Entry::Occupied(owner) if objects[*owner.get()].kind() != kind && can_be_implicit => {
                spans[index] = SpanIdentity::SharedWith(*owner.get());
            }
            // Two objects of one kind cannot share a span, whatever the log contains.
            Entry::Occupied(_) => {}
        }
    }
    spans
}

/// Returns the start of the span that each object owns.
fn starts(objects: &[SpanObject<'_>], spans: &[SpanIdentity]) -> Vec<Timestamp> {
    let mut starts: Vec<_> = objects.iter().map(|object| object.execution().started.at).collect();
    let mut first_attempts: HashMap<(TraceId, SpanId), Timestamp> = HashMap::new();
    let attempts = || objects.iter().enumerate().filter(|(_, object)| is_model_call(object.kind()));
    for (index, object) in attempts() {
        if let Some(live) = object.live_ids() {
            let first = first_attempts.entry(live).or_insert(starts[index]);
            *first = starts[index].min(*first);
        }
    }
    for (index, object) in attempts() {
        if let Some(live) = object.live_ids().filter(|live| spans[index] == SpanIdentity::Own(live.1))
            && let Some(first) = first_attempts.get(&live)
        {
            starts[index] = *first;
        }
    }
    starts
}

/// Returns the priority of an object for owning a span that several objects name, lowest first: operations inside a turn,
/// then threads, then turns. Of the attempts of a call of a model, the one that started or ended last comes first.
fn claim_priority(object: &SpanObject<'_>) -> (u8, Reverse<Seq>) {
    let last = match object.kind() {
        Kind::Inference | Kind::Compaction => {
            let execution = object.execution();
            execution.ended.map_or(execution.started.seq, |ended| ended.seq.max(execution.started.seq))
        }
        Kind::Thread | Kind::Turn | Kind::Tool | Kind::CodeCell => Seq(0),
    };
    (kind_priority(object.kind()), Reverse(last))
}

/// Returns `true` if several objects of this kind may be attempts of one call of a model, in one live span.
fn is_model_call(kind: Kind) -> bool {
    matches!(kind, Kind::Inference | Kind::Compaction)
}

fn kind_priority(kind: Kind) -> u8 {
    match kind {
        Kind::Inference | Kind::Tool | Kind::CodeCell | Kind::Compaction => 0,
        Kind::Thread => 1,
        Kind::Turn => 2,
    }
}

/// Returns for each object `true` if some object below it has a live span.
fn has_live_descendant(objects: &[SpanObject<'_>], containers: &[Option<usize>]) -> Vec<bool> {
    let mut has_live_descendant = vec![false; objects.len()];
    for (start, object) in objects.iter().enumerate() {
        let mut above = object.live_ids().and(containers[start]);
        while let Some(index) = above.filter(|index| !has_live_descendant[*index]) {
            has_live_descendant[index] = true;
            above = containers[index];
        }
    }
    has_live_descendant
}
