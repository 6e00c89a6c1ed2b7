//! What the graph's objects are to each other, by the numbers that the tree gives them.

use std::collections::HashMap;

use otel_trace::event::{EdgeId, RawPayloadId, ThreadId, ToolCallId, TurnId};
use otel_trace::graph::{Anchor, CodeCell, Edge, EdgeKind, Graph, InferenceCall, ItemId, Requester};

pub(super) struct Index<'a> {
    pub(super) graph: &'a Graph,
    /// Inference calls in order of their start, by the body of their request.
    numbers: HashMap<&'a RawPayloadId, usize>,
    /// What a tool did to another agent.
    edges: HashMap<&'a ToolCallId, &'a Edge>,
}

impl<'a> Index<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let calls = graph.inference_calls.iter().enumerate();
        let numbers = calls.map(|(index, call)| (&call.raw_request_payload_id, index + 1)).collect();
        let edge = |edge: &'a Edge| match &edge.source {
            Anchor::ToolCall { tool_call_id } => Some((tool_call_id, edge)),
            Anchor::ConversationItem { .. } | Anchor::Thread { .. } => None,
        };
        Self { graph, numbers, edges: graph.edges.iter().filter_map(edge).collect() }
    }

    pub(super) fn number_of(&self, call: &InferenceCall) -> usize {
        self.numbers.get(&call.raw_request_payload_id).copied().unwrap_or_default()
    }

    /// The edge that begins with this tool.
    pub(super) fn edge_from(&self, tool: &ToolCallId) -> Option<&'a Edge> {
        self.edges.get(tool).copied()
    }

    /// The call whose request first showed these items to a model.
    pub(super) fn seen_by(&self, items: &[ItemId]) -> String {
        let Some(item) = items.first().and_then(|id| self.graph.item(*id)) else {
            return "  never shown to the model".to_owned();
        };
        match self.numbers.get(&item.raw_payload_id) {
            Some(number) => format!("  seen by call {number}"),
            // What came just before a history was replaced is in the old one alone.
            None => "  seen by the compaction".to_owned(),
        }
    }

    /// The agent that an edge leads to.
    pub(super) fn agent_at(&self, target: &Anchor) -> String {
        let thread: Option<&ThreadId> = match target {
            Anchor::Thread { thread_id } => Some(thread_id),
            Anchor::ConversationItem { item_id } => self.graph.item(*item_id).map(|item| &item.thread_id),
            Anchor::ToolCall { .. } => None,
        };
        let thread = thread.and_then(|id| self.graph.threads.get(id));
        thread.map_or_else(|| "?".to_owned(), |thread| thread.agent_path.to_string())
    }

    /// The call, or the script, that spawned an agent.
    pub(super) fn spawned_by(&self, edge: &EdgeId) -> String {
        let tool = self.graph.edges.get(edge).and_then(|edge| match &edge.source {
            Anchor::ToolCall { tool_call_id } => self.graph.tool_calls.get(tool_call_id),
            Anchor::ConversationItem { .. } | Anchor::Thread { .. } => None,
        });
        let by = tool.and_then(|tool| match &tool.requester {
            Requester::Model => {
                let call = self.graph.inference_calls.get(tool.requested_by.as_ref()?)?;
                Some(format!("call {}", self.number_of(call)))
            }
            Requester::CodeCell { code_cell_id } => self.graph.code_cells.get(code_cell_id).map(script),
        });
        by.map(|by| format!("  spawned by {by}")).unwrap_or_default()
    }

    /// What came of an agent's turn and reached the agent that spawned it.
    pub(super) fn results_of(&self, turn: &TurnId) -> impl Iterator<Item = &'a Edge> {
        let graph = self.graph;
        graph.edges.iter().filter(move |edge| {
            edge.kind == EdgeKind::AgentResult
                && match &edge.source {
                    Anchor::ConversationItem { item_id } => {
                        graph.item(*item_id).is_some_and(|item| item.turn_id.as_ref() == Some(turn))
                    }
                    Anchor::ToolCall { .. } | Anchor::Thread { .. } => false,
                }
        })
    }
}

/// A script, as its runtime numbered it.
pub(super) fn script(cell: &CodeCell) -> String {
    let number = cell.runtime_cell_id.as_ref().map(ToString::to_string);
    format!("script {}", number.unwrap_or_default())
}
