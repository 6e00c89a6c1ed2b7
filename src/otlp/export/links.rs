//! Links between spans that are not one inside the other.

use std::collections::{HashMap, HashSet};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Link, SpanContext, TraceFlags, TraceState};
use opentelemetry_sdk::trace::SpanLinks;

use crate::event::{Seq, ThreadId};
use crate::graph::{AgentResult, Graph, Requester};
use crate::otlp::attribute;
use crate::otlp::kind::Kind;
use crate::otlp::object::{Object, spawning_tool};
use crate::otlp::placement::Placement;

/// The turns that reported a result, by the place of the inference call that links to them: the first call that starts
/// in the receiving thread after the result was observed.
#[derive(Debug)]
pub(super) struct AgentResults(HashMap<usize, Vec<usize>>);

impl AgentResults {
    pub(super) fn new(graph: &Graph, placement: &Placement<'_>) -> Self {
        let calls = calls_of_threads(placement);
        let mut reporters = HashMap::<_, Vec<_>>::new();
        let mut seen = HashSet::new();
        for result in &graph.agent_results {
            let (Some(reporter), Some(calls)) = (reporter(result, placement), calls.get(&result.parent_thread_id))
            else {
                continue;
            };
            let next = calls.partition_point(|(started, _)| *started < result.observed_seq);
            if let Some((_, call)) = calls.get(next)
                && seen.insert((*call, reporter))
            {
                reporters.entry(*call).or_default().push(reporter);
            }
        }
        Self(reporters)
    }

    /// Returns the links of the span of the object at `place`.
    pub(super) fn links(&self, place: usize, graph: &Graph, placement: &Placement<'_>) -> SpanLinks {
        let mut links = SpanLinks::default();
        let mut link = |target: Option<usize>, name: &'static str| {
            links.links.extend(target.and_then(|target| linked(place, target, name, placement)));
        };
        match placement.objects.get(place) {
            Some(Object::Thread(thread)) => {
                let tool = spawning_tool(thread, graph);
                link(tool.and_then(|tool| placement.place(Kind::Tool, tool.tool_call_id.as_str())), "spawned_by");
            }
            Some(Object::Inference(_)) => {
                for reporter in self.0.get(&place).into_iter().flatten() {
                    link(Some(*reporter), "agent_result");
                }
            }
            Some(Object::Tool(tool)) if tool.requester == Requester::Model => {
                let asked = tool.requested_by.as_ref();
                link(asked.and_then(|call| placement.place(Kind::Inference, call.as_str())), "requested_by");
            }
            Some(Object::Tool(_) | Object::Turn(_) | Object::CodeCell(_) | Object::Compaction(_)) | None => {}
        }
        links
    }
}

/// Returns the place of the span that reported a result: the turn's, or its thread's where the turn is no span.
fn reporter(result: &AgentResult, placement: &Placement<'_>) -> Option<usize> {
    let span = |kind, id| placement.owner(placement.place(kind, id)?);
    let turn = span(Kind::Turn, result.child_turn_id.as_str());
    turn.or_else(|| span(Kind::Thread, result.child_thread_id.as_str()))
}

/// Returns the inference calls of each thread, by start.
fn calls_of_threads<'g>(placement: &Placement<'g>) -> HashMap<&'g ThreadId, Vec<(Seq, usize)>> {
    let mut calls = HashMap::<_, Vec<_>>::new();
    for (object, place) in placement.objects.iter().zip(0..) {
        if let Object::Inference(call) = object {
            calls.entry(&call.thread_id).or_default().push((call.execution.started.seq, place));
        }
    }
    calls
}

fn linked(from: usize, to: usize, name: &'static str, placement: &Placement<'_>) -> Option<Link> {
    let (trace, span) = placement.span(to).filter(|_| placement.may_link(from, to))?;
    let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default());
    Some(Link::new(context, vec![KeyValue::new(attribute::LINK, name)], 0))
}
