//! The objects of a graph that are exported as spans.

use opentelemetry::trace::{SpanId, TraceId};

use crate::event::{ThreadId, TurnId};
use crate::graph::{
    Anchor, CodeCell, CompactionRequest, Edge, Evidence, Execution, Graph, InferenceCall, LiveSpan, Origin, Requester,
    Thread, ToolCall, Turn,
};
use crate::otlp::span::kind::Kind;

/// An object of a graph that is exported as a span.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SpanObject<'g> {
    Thread(&'g Thread),
    Turn(&'g Turn),
    Inference(&'g InferenceCall),
    Tool(&'g ToolCall),
    CodeCell(&'g CodeCell),
    Compaction(&'g CompactionRequest),
}

impl<'g> SpanObject<'g> {
    /// Returns all objects of a graph, in order of their start.
    pub(crate) fn all(graph: &'g Graph) -> Vec<Self> {
        let threads = graph.threads.iter().map(Self::Thread);
        let turns = graph.turns.iter().map(Self::Turn);
        let calls = graph.inference_calls.iter().map(Self::Inference);
        let tools = graph.tool_calls.iter().map(Self::Tool);
        let cells = graph.code_cells.iter().map(Self::CodeCell);
        let requests = graph.compaction_requests.iter().map(Self::Compaction);
        let mut all: Vec<_> = threads.chain(turns).chain(calls).chain(tools).chain(cells).chain(requests).collect();
        all.sort_by_key(|object| object.execution().started.seq);
        all
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Thread(_) => Kind::Thread,
            Self::Turn(_) => Kind::Turn,
            Self::Inference(_) => Kind::Inference,
            Self::Tool(_) => Kind::Tool,
            Self::CodeCell(_) => Kind::CodeCell,
            Self::Compaction(_) => Kind::Compaction,
        }
    }

    /// Returns the id of the object in the graph.
    pub(crate) fn id(self) -> &'g str {
        match self {
            Self::Thread(thread) => thread.thread_id.as_str(),
            Self::Turn(turn) => turn.turn_id.as_str(),
            Self::Inference(call) => call.inference_call_id.as_str(),
            Self::Tool(tool) => tool.tool_call_id.as_str(),
            Self::CodeCell(cell) => cell.code_cell_id.as_str(),
            Self::Compaction(request) => request.compaction_request_id.as_str(),
        }
    }

    pub(crate) fn execution(self) -> &'g Execution {
        match self {
            Self::Thread(thread) => &thread.execution,
            Self::Turn(turn) => &turn.execution,
            Self::Inference(call) => &call.execution,
            Self::Tool(tool) => &tool.execution,
            Self::CodeCell(cell) => &cell.execution,
            Self::Compaction(request) => &request.execution,
        }
    }

    /// Returns the events and payloads that the object was built from.
    pub(crate) fn evidence(self) -> &'g Evidence {
        match self {
            Self::Thread(thread) => &thread.evidence,
            Self::Turn(turn) => &turn.evidence,
            Self::Inference(call) => &call.evidence,
            Self::Tool(tool) => &tool.evidence,
            Self::CodeCell(cell) => &cell.evidence,
            Self::Compaction(request) => &request.evidence,
        }
    }

    /// Returns the thread that contains the object, or that it is.
    pub(crate) fn thread_id(self) -> &'g ThreadId {
        match self {
            Self::Thread(thread) => &thread.thread_id,
            Self::Turn(turn) => &turn.thread_id,
            Self::Inference(call) => &call.thread_id,
            Self::Tool(tool) => &tool.thread_id,
            Self::CodeCell(cell) => &cell.thread_id,
            Self::Compaction(request) => &request.thread_id,
        }
    }

    /// Returns the turn that contains the object, or that it is.
    pub(crate) fn turn_id(self) -> Option<&'g TurnId> {
        match self {
            Self::Thread(_) => None,
            Self::Turn(turn) => Some(&turn.turn_id),
            Self::Inference(call) => Some(&call.turn_id),
            Self::Tool(tool) => tool.turn_id.as_ref(),
            Self::CodeCell(cell) => Some(&cell.turn_id),
            Self::Compaction(request) => Some(&request.turn_id),
        }
    }

    /// Returns the ids of the object's live span. Returns `None` if it had none or its ids are invalid.
    pub(crate) fn live_ids(self) -> Option<(TraceId, SpanId)> {
        let LiveSpan { trace_id, span_id, parent_span_id: _, sampled: _ } = self.live_span();
        let trace = TraceId::from_hex(trace_id.as_ref()?.as_str()).ok().filter(|id| *id != TraceId::INVALID)?;
        let span = SpanId::from_hex(span_id.as_ref()?.as_str()).ok().filter(|id| *id != SpanId::INVALID)?;
        Some((trace, span))
    }

    /// Returns the parent of the object's live span.
    pub(crate) fn live_parent(self) -> Option<SpanId> {
        let parent = SpanId::from_hex(self.live_span().parent_span_id.as_ref()?.as_str());
        parent.ok().filter(|id| *id != SpanId::INVALID)
    }

    fn live_span(self) -> &'g LiveSpan {
        match self {
            Self::Thread(thread) => &thread.span,
            Self::Turn(turn) => &turn.span,
            Self::Inference(call) => &call.span,
            Self::Tool(tool) => &tool.span,
            Self::CodeCell(cell) => &cell.span,
            Self::Compaction(request) => &request.span,
        }
    }

    /// Returns the object that contains this one. Returns `None` for a root thread, and if the bundle does not have the
    /// container.
    pub(crate) fn container(self, graph: &'g Graph) -> Option<Self> {
        match self {
            Self::Thread(thread) => {
                let Origin::Spawned { parent_thread_id, .. } = &thread.origin else { return None };
                let parent = || graph.threads.get(parent_thread_id).map(Self::Thread);
                spawning_tool(thread, graph).map(Self::Tool).or_else(parent)
            }
            Self::Tool(tool) => requesting_cell(tool, graph).map(Self::CodeCell).or_else(|| self.turn_or_thread(graph)),
            Self::Turn(turn) => graph.threads.get(&turn.thread_id).map(Self::Thread),
            Self::Inference(_) | Self::CodeCell(_) | Self::Compaction(_) => self.turn_or_thread(graph),
        }
    }

    /// Returns the turn of the object, or its thread if the bundle does not have the turn.
    fn turn_or_thread(self, graph: &'g Graph) -> Option<Self> {
        let turn = self.turn_id().and_then(|turn| graph.turns.get(turn)).map(Self::Turn);
        turn.or_else(|| graph.threads.get(self.thread_id()).map(Self::Thread))
    }
}

/// Returns the tool call that spawned a thread.
pub(crate) fn spawning_tool<'g>(thread: &Thread, graph: &'g Graph) -> Option<&'g ToolCall> {
    let Origin::Spawned { spawn_edge_id, .. } = &thread.origin else { return None };
    let Edge { source: Anchor::ToolCall { tool_call_id }, .. } = graph.edges.get(spawn_edge_id)? else { return None };
    graph.tool_calls.get(tool_call_id)
}

/// Returns the code cell that requested a tool call.
fn requesting_cell<'g>(tool: &ToolCall, graph: &'g Graph) -> Option<&'g CodeCell> {
    match &tool.requester {
        Requester::CodeCell { code_cell_id } => graph.code_cells.get(code_cell_id),
        Requester::Model => None,
    }
}
