//! Links between spans that are not one inside the other.

use std::collections::HashMap;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Link, SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::SpanLinks;

use crate::graph::{Anchor, EdgeKind, Graph, Requester};
use crate::otlp::attribute;
use crate::otlp::kind::Kind;
use crate::otlp::object::{Object, spawning_tool};
use crate::otlp::placement::Placement;

/// Who reported to whom, by the place of the thread that was told, in order of the edges.
#[derive(Debug)]
pub(super) struct Reports(HashMap<usize, Vec<usize>>);

impl Reports {
    pub(super) fn of(graph: &Graph, placement: &Placement<'_>) -> Self {
        let thread = |anchor: &Anchor| {
            let thread = match anchor {
                Anchor::Thread { thread_id } => thread_id,
                Anchor::ConversationItem { item_id } => &graph.item(*item_id)?.thread_id,
                Anchor::ToolCall { tool_call_id } => &graph.tool_calls.get(tool_call_id)?.thread_id,
            };
            placement.place(Kind::Thread, thread.as_str())
        };
        let mut reports = HashMap::<_, Vec<_>>::new();
        for edge in graph.edges.iter().filter(|edge| edge.kind == EdgeKind::AgentResult) {
            if let Some((child, parent)) = thread(&edge.source).zip(thread(&edge.target)) {
                reports.entry(parent).or_default().push(child);
            }
        }
        Self(reports)
    }

    /// The links of the span of the object there.
    pub(super) fn links(&self, place: usize, graph: &Graph, placement: &Placement<'_>) -> SpanLinks {
        let mut links = SpanLinks::default();
        let mut link = |to: Option<usize>, name: &'static str| {
            links.links.extend(to.and_then(|to| placement.span(to)).map(|to| linked(to, name)));
        };
        match placement.objects.get(place) {
            Some(Object::Thread(thread)) => {
                let tool = spawning_tool(thread, graph);
                link(tool.and_then(|tool| placement.place(Kind::Tool, tool.tool_call_id.as_str())), "spawned_by");
                for child in self.0.get(&place).into_iter().flatten() {
                    link(Some(*child), "agent_result");
                }
            }
            Some(Object::Tool(tool)) if tool.requester == Requester::Model => {
                let asked = tool.requested_by.as_ref();
                link(asked.and_then(|call| placement.place(Kind::Inference, call.as_str())), "requested_by");
            }
            Some(
                Object::Tool(_) | Object::Turn(_) | Object::Inference(_) | Object::CodeCell(_) | Object::Compaction(_),
            )
            | None => {}
        }
        links
    }
}

fn linked((trace, span): (TraceId, SpanId), name: &'static str) -> Link {
    let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default());
    Link::new(context, vec![KeyValue::new(attribute::LINK, name)], 0)
}
