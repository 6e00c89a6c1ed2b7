//! Where every object stands in its trace: which span it is, below which, in which trace.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use opentelemetry::trace::{SpanId, TraceId};

use super::derived_id;
use super::kind::Kind;
use super::object::Object;
use crate::event::{self, Seq};
use crate::graph::Graph;

/// The span that an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    /// One of its own.
    Itself(SpanId),
    /// That of another object, by place: one live span was both.
    Other(usize),
    /// None: live, it was supplied around spans that had no such thing.
    Supplied,
}

/// The objects of a graph in order of their start, as spans.
#[derive(Debug)]
pub(crate) struct Placement<'g> {
    pub(crate) objects: Vec<Object<'g>>,
    places: HashMap<(&'static str, &'g str), usize>,
    containers: Vec<Option<usize>>,
    traces: Vec<TraceId>,
    spans: Vec<Is>,
    /// The span above each object's span.
    parents: Vec<Option<SpanId>>,
    /// The lowest start among an object and what is below it: when its span must have existed.
    existed: Vec<Seq>,
}

impl<'g> Placement<'g> {
    /// Every id follows from the graph and the bundle's own id.
    pub(crate) fn of(graph: &'g Graph, bundle: &event::TraceId) -> Self {
        let objects = Object::all(graph);
        let places: HashMap<_, _> =
            objects.iter().zip(0..).map(|(it, place)| ((it.kind().name(), it.id()), place)).collect();
        let place = |object: Object<'g>| places.get(&(object.kind().name(), object.id())).copied();
        let mut containers: Vec<_> = objects.iter().map(|it| it.container(graph).and_then(place)).collect();
        cut_loops(&mut containers);
        let traces = traces(&objects, &containers, derived_id::trace_id(bundle));
        let spans = spans(&objects, &containers, bundle);
        let (parents, existed) = (Vec::new(), Vec::new());
        let mut placement = Self { objects, places, containers, traces, spans, parents, existed };
        placement.set_parents();
        placement
    }

    /// Sets the parent of each span, and the order that links have to keep.
    fn set_parents(&mut self) {
        let mut parents: Vec<_> = (0..self.objects.len()).map(|place| self.find_parent(place)).collect();
        let owners = (0..self.objects.len()).filter(|place| self.owner(*place) == Some(*place));
        let by_span: HashMap<_, _> = owners.filter_map(|place| Some((self.span(place)?, place))).collect();
        let above = |(parent, trace): (&Option<SpanId>, &TraceId)| by_span.get(&(*trace, (*parent)?)).copied();
        let found: Vec<_> = parents.iter().zip(&self.traces).map(above).collect();
        let mut parent_places = found.clone();
        cut_loops(&mut parent_places);
        for (place, parent) in parents.iter_mut().enumerate() {
            if parent_places[place] != found[place] {
                *parent = None;
            }
        }
        self.parents = parents;
        self.existed = self.objects.iter().map(|object| object.execution().started.seq).collect();
        for start in 0..self.objects.len() {
            let seq = self.existed[start];
            let mut above = vec![start];
            while let Some(place) = above.pop() {
                let owner = self.owner(place).filter(|owner| *owner != place);
                for higher in [parent_places[place], self.containers[place], owner].into_iter().flatten() {
                    if self.existed[higher] > seq {
                        self.existed[higher] = seq;
                        above.push(higher);
                    }
                }
            }
        }
    }

    /// Returns whether the span of the object at `from` may link to that of the object at `to`: never to its parent, and
    /// only to a span that started before it, so that no chain of parents and links closes a circle. A viewer draws
    /// nothing of a circle.
    pub(crate) fn may_link(&self, from: usize, to: usize) -> bool {
        let (Some(from), Some(to)) = (self.owner(from), self.owner(to)) else { return false };
        let started = |place: usize| self.objects[place].execution().started.seq;
        let is_parent = self.span(to).is_some_and(|(_, span)| self.parent(from) == Some(span));
        started(to) < started(from) && self.existed[to] < self.existed[from] && !is_parent
    }

    pub(crate) fn place(&self, kind: Kind, id: &str) -> Option<usize> {
        self.places.get(&(kind.name(), id)).copied()
    }

    /// The trace and the span that the object there is, or is part of.
    pub(crate) fn span(&self, place: usize) -> Option<(TraceId, SpanId)> {
        let place = self.owner(place)?;
        match self.spans.get(place)? {
            Is::Itself(span) => Some((*self.traces.get(place)?, *span)),
            Is::Other(_) | Is::Supplied => None,
        }
    }

    /// Where the object stands whose span it is.
    pub(crate) fn owner(&self, place: usize) -> Option<usize> {
        match self.spans.get(place)? {
            Is::Itself(_) => Some(place),
            Is::Other(owner) => Some(*owner),
            Is::Supplied => None,
        }
    }

    /// Returns the span above that of the object at `place`.
    pub(crate) fn parent(&self, place: usize) -> Option<SpanId> {
        *self.parents.get(place)?
    }

    /// The span above: as it was live, else that of the nearest container in the same trace that has one.
    fn find_parent(&self, place: usize) -> Option<SpanId> {
        let object = self.objects.get(place)?;
        if object.live().is_some_and(|live| self.span(place) == Some(live))
            && let Some(parent) = object.live_parent()
        {
            return Some(parent);
        }
        let trace = self.traces.get(place)?;
        let mut above = *self.containers.get(place)?;
        while let Some(container) = above {
            if self.owner(container).is_some_and(|owner| owner != place) {
                return self.span(container).filter(|(of, _)| of == trace).map(|(_, span)| span);
            }
            above = self.containers.get(container).copied().flatten();
        }
        None
    }

    /// The turn that this thread's span opened too.
    pub(crate) fn joined_turn(&self, thread: usize) -> Option<usize> {
        let is_joined = |place: &usize| self.spans.get(*place) == Some(&Is::Other(thread));
        let Object::Thread(row) = self.objects.get(thread)? else { return None };
        row.turn_ids.iter().filter_map(|turn| self.place(Kind::Turn, turn.as_str())).find(is_joined)
    }
}

/// Evidence may say that agents made each other. The first one met is then taken to stand on its own.
fn cut_loops(containers: &mut [Option<usize>]) {
    let mut walked = vec![0; containers.len()];
    for (start, walk) in (0..containers.len()).zip(1..) {
        let mut at = start;
        while walked[at] == 0 {
            walked[at] = walk;
            match containers[at] {
                Some(above) if walked[above] == walk => containers[at] = None,
                Some(above) => at = above,
                None => {}
            }
        }
    }
}

/// Its live trace, else that of the nearest container which has one, else the bundle's.
fn traces(objects: &[Object<'_>], containers: &[Option<usize>], of_bundle: TraceId) -> Vec<TraceId> {
    let mut traces = vec![TraceId::INVALID; objects.len()];
    for start in 0..objects.len() {
        let mut path = Vec::new();
        let mut at = Some(start);
        let mut trace = of_bundle;
        while let Some(place) = at {
            if traces[place] != TraceId::INVALID {
                trace = traces[place];
                break;
            }
            path.push(place);
            if let Some((live, _)) = objects[place].live() {
                trace = live;
                break;
            }
            at = containers[place];
        }
        path.into_iter().for_each(|place| traces[place] = trace);
    }
    traces
}

fn spans(objects: &[Object<'_>], containers: &[Option<usize>], bundle: &event::TraceId) -> Vec<Is> {
    let around_live = around_live(objects, containers);
    let derived = |object: &Object<'_>| Is::Itself(derived_id::span_id(bundle, object.kind(), object.id()));
    let mut spans: Vec<_> = objects.iter().map(derived).collect();
    let mut owners: HashMap<(TraceId, SpanId), usize> = HashMap::new();
    let mut by_claim: Vec<_> = (0..objects.len()).collect();
    by_claim.sort_by_key(|place| claim(objects[*place].kind()));
    for place in by_claim {
        let kind = objects[place].kind();
        let can_be_supplied = matches!(kind, Kind::Thread | Kind::Turn);
        let Some(live) = objects[place].live() else {
            if can_be_supplied && around_live[place] {
                spans[place] = Is::Supplied;
            }
            continue;
        };
        match owners.entry(live) {
            Entry::Vacant(free) => {
                free.insert(place);
                spans[place] = Is::Itself(live.1);
            }
            Entry::Occupied(owner) if objects[*owner.get()].kind() != kind && can_be_supplied => {
                spans[place] = Is::Other(*owner.get());
            }
            // Two of one kind can't be one span, whatever the log says.
            Entry::Occupied(_) => {}
        }
    }
    spans
}

/// Whose a span is that several objects name: what was done, else the thread, else its turn.
fn claim(kind: Kind) -> u8 {
    match kind {
        Kind::Inference | Kind::Tool | Kind::CodeCell | Kind::Compaction => 0,
        Kind::Thread => 1,
        Kind::Turn => 2,
    }
}

/// Which objects have a live span somewhere below them.
fn around_live(objects: &[Object<'_>], containers: &[Option<usize>]) -> Vec<bool> {
    let mut around = vec![false; objects.len()];
    for (start, object) in objects.iter().enumerate() {
        let mut above = object.live().and(containers[start]);
        while let Some(place) = above.filter(|place| !around[*place]) {
            around[place] = true;
            above = containers[place];
        }
    }
    around
}
