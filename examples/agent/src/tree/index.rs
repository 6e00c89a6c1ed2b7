//! Relations between the objects of a graph, with the numbers that the tree assigns to calls.

use std::collections::HashMap;

use otel_trace::event::{EdgeId, RawPayloadId, ThreadId, ToolCallId, TurnId};
use otel_trace::graph::{Anchor, CodeCell, Edge, EdgeKind, Graph, InferenceCall, Item, ItemId, Requester, Visibility};

pub(super) struct Index<'a> {
    pub(super) graph: &'a Graph,
    /// Numbers of inference calls in order of their start, by the id of the request payload.
    numbers: HashMap<&'a RawPayloadId, usize>,
    /// Edges that start at a tool call.
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

    /// Returns the edge that starts at this tool call.
    pub(super) fn edge_from(&self, tool: &ToolCallId) -> Option<&'a Edge> {
        self.edges.get(tool).copied()
    }

    /// Names the call whose request first showed these items to a model.
    pub(super) fn seen_by(&self, items: &[ItemId]) -> String {
        let Some(item) = items.first().and_then(|id| self.graph.item(*id)) else {
            return "  never shown to the model".to_owned();
        };
        match self.numbers.get(&item.raw_payload_id) {
            Some(number) => format!("  {} {number}", self.showing(item)),
            // Items that were produced just before a compaction appear only in the request to compact.
            None => "  seen by the compaction".to_owned(),
        }
    }

    /// Describes what became of an item in the request that has it first: the provider may have cleared it.
    fn showing(&self, item: &Item) -> &'static str {
        let call = self.graph.inference_calls.iter().find(|call| call.raw_request_payload_id == item.raw_payload_id);
        match call.map(|call| self.graph.visibility(&call.inference_call_id, item.item_id)) {
            Some(Visibility::MayBeCleared) => "sent, but may have been cleared by the provider, in call",
            Some(Visibility::Dropped) => "sent, but dropped by the provider, in call",
            Some(Visibility::Shown | Visibility::NotSent) | None => "seen by call",
        }
    }

    /// Returns the path of the agent at the target of an edge.
    pub(super) fn agent_at(&self, target: &Anchor) -> String {
        let thread: Option<&ThreadId> = match target {
            Anchor::Thread { thread_id } => Some(thread_id),
            Anchor::ConversationItem { item_id } => self.graph.item(*item_id).map(|item| &item.thread_id),
            Anchor::ToolCall { .. } => None,
        };
        let thread = thread.and_then(|id| self.graph.threads.get(id));
        thread.map_or_else(|| "?".to_owned(), |thread| thread.agent_path.to_string())
    }

    /// Names the call or script that spawned an agent.
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

    /// Returns the edges that carry the result of an agent's turn to its parent.
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

/// Names a script by the id that its runtime assigned.
pub(super) fn script(cell: &CodeCell) -> String {
    let number = cell.runtime_cell_id.as_ref().map(ToString::to_string);
    format!("script {}", number.unwrap_or_default())
}
