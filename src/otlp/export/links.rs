//! Links between spans that are not parent and child.

use std::collections::{HashMap, HashSet};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Link, SpanContext, TraceFlags, TraceState};
use opentelemetry_sdk::trace::SpanLinks;

use super::span_object::{SpanObject, spawning_tool};
use super::span_tree::SpanTree;
use crate::event::{Seq, ThreadId};
use crate::graph::{AgentResult, Graph, Requester};
use crate::otlp::span::attribute;
use crate::otlp::span::kind::Kind;

/// Turns that reported a result, by index of the inference call that links to them: the first one that starts in the
/// receiving thread after the result was observed.
#[derive(Debug)]
pub(super) struct AgentResults(HashMap<usize, Vec<usize>>);

impl AgentResults {
    /// Collects the results of a graph.
    pub(super) fn new(graph: &Graph, tree: &SpanTree<'_>) -> Self {
        let calls = calls_of_threads(tree);
        let mut reporters = HashMap::<_, Vec<_>>::new();
        let mut seen = HashSet::new();
        for result in &graph.agent_results {
            let (Some(reporter), Some(calls)) = (reporter(result, tree), calls.get(&result.parent_thread_id)) else {
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

    /// Returns the links of the span of the object at `index`.
    pub(super) fn links(&self, index: usize, graph: &Graph, tree: &SpanTree<'_>) -> SpanLinks {
        let mut links = SpanLinks::default();
        let mut link = |target: Option<usize>, name: &'static str| {
            links.links.extend(target.and_then(|target| link_to(index, target, name, tree)));
        };
        match tree.objects.get(index) {
            Some(SpanObject::Thread(thread)) => {
                let tool = spawning_tool(thread, graph);
                link(tool.and_then(|tool| tree.index_of(Kind::Tool, tool.tool_call_id.as_str())), "spawned_by");
            }
            Some(SpanObject::Inference(_)) => {
                for reporter in self.0.get(&index).into_iter().flatten() {
                    link(Some(*reporter), "agent_result");
                }
            }
            Some(SpanObject::Tool(tool)) if tool.requester == Requester::Model => {
                let asked = tool.requested_by.as_ref();
                link(asked.and_then(|call| tree.index_of(Kind::Inference, call.as_str())), "requested_by");
            }
            Some(SpanObject::Tool(_) | SpanObject::Turn(_) | SpanObject::CodeCell(_) | SpanObject::Compaction(_))
            | None => {}
        }
        links
    }
}

/// Returns the index of the span that reported a result: the turn's, or its thread's if the turn has no span of its
/// own.
fn reporter(result: &AgentResult, tree: &SpanTree<'_>) -> Option<usize> {
    let span = |kind, id| tree.owner(tree.index_of(kind, id)?);
    let turn = span(Kind::Turn, result.child_turn_id.as_str());
    turn.or_else(|| span(Kind::Thread, result.child_thread_id.as_str()))
}

/// Returns the inference calls of each thread with their start seqs, in order of their start.
fn calls_of_threads<'g>(tree: &SpanTree<'g>) -> HashMap<&'g ThreadId, Vec<(Seq, usize)>> {
    let mut calls = HashMap::<_, Vec<_>>::new();
    for (object, index) in tree.objects.iter().zip(0..) {
        if let SpanObject::Inference(call) = object {
            calls.entry(&call.thread_id).or_default().push((call.execution.started.seq, index));
        }
    }
    calls
}

/// Creates a link between the spans of two objects. Returns `None` if one of them has no span or the link would close a
/// cycle.
fn link_to(from: usize, to: usize, name: &'static str, tree: &SpanTree<'_>) -> Option<Link> {
    let (trace, span) = tree.span(to).filter(|_| tree.may_link(from, to))?;
    let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default());
    Some(Link::new(context, vec![KeyValue::new(attribute::LINK, name)], 0))
}
