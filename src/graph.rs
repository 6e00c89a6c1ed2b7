//! The graph of a run: threads, turns, conversation items, inference calls, tool calls and the edges between them, as
//! immutable tables.
//!
//! A [`Graph`] is plain data that [`reduce`](crate::reduce::reduce) produces from a bundle. Objects refer to each other
//! by typed ids; a [`Table`] finds objects by id and iterates over them in order of start. Every object keeps its
//! [`Evidence`]. [`Graph::diagnostics`] lists the problems of the evidence. [`Graph::write_state`] writes the graph as
//! `state.json`.

mod cell;
mod cell_ids;
mod code;
mod compaction;
mod conversation;
mod diagnostic;
mod edge;
mod evidence;
mod execution;
mod history_edit;
mod id;
mod inference;
mod joined;
mod mcp_tool;
mod process;
mod severity;
mod state;
mod state_file;
mod table;
mod terminal;
mod thread;
mod tool;
mod totals;
mod usage;

use crate::event::{
    CompactionId, CompactionRequestId, EdgeId, InferenceId, ParentProcess, PayloadRef, RawJson, RawPayloadId,
    RolloutId, RolloutStatus, ThreadId, ToolCallId, TraceId, TurnId, UnixMillis,
};

pub use cell::CodeCell;
pub(crate) use cell_ids::CellIds;
pub use code::Code;
pub use compaction::{Compaction, CompactionRequest};
pub use conversation::{AgentMessage, Channel, Content, Item, ItemKind, Part, Producer, Role};
pub(crate) use conversation::{DeliveredMessage, HistoryEffect};
pub use diagnostic::Diagnostic;
pub(crate) use edge::AgentResult;
pub use edge::{Anchor, Edge, EdgeKind};
pub use evidence::{Evidence, LiveSpan};
pub use execution::{Execution, Moment};
pub use history_edit::{EditStatus, HistoryEdit, Visibility};
pub use id::{CellId, ItemId, OperationId, ProviderItemId, TerminalId};
pub(crate) use id::{spawn_edge, tool_edge};
pub use inference::{InferenceCall, Pointer};
pub(crate) use inference::{Prefix, Snapshot};
pub use joined::{BundleDiagnostic, Joined, ProcessEdge, Rollout, RunAnchor};
pub use mcp_tool::McpTool;
pub(crate) use mcp_tool::ToolNames;
pub use process::ChildProcess;
pub use severity::Severity;
pub use state::Snapshots;
pub use state_file::{StateFileError, write_joined_file, write_state_file};
pub use table::Table;
pub use terminal::{
    Observation, ObservationSource, OperationKind, TerminalOperation, TerminalRequest, TerminalResult, TerminalSession,
};
pub use thread::{Origin, Thread, Turn};
pub use tool::{Requester, ToolCall};
pub use totals::Totals;

/// The graph of one run, reduced from its bundle.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Graph {
    /// Id of the recording, unique per bundle: the trace id in the bundle's manifest and name.
    pub trace_id: TraceId,
    /// Id of the run.
    pub rollout_id: RolloutId,
    /// Id of the root agent's thread.
    pub root_thread_id: ThreadId,
    /// Start of the recording, in milliseconds since the Unix epoch.
    pub started_at: UnixMillis,
    /// End of the run, in milliseconds since the Unix epoch. `None` if the log has no end of the run.
    pub ended_at: Option<UnixMillis>,
    /// Status of the run. `Running` if the log has no end of the run.
    pub status: RolloutStatus,
    /// Numbers of calls, tokens and milliseconds of the whole run.
    pub totals: Totals,
    /// Threads: one agent's conversation each.
    pub threads: Table<ThreadId, Thread>,
    /// Turns of all threads.
    pub turns: Table<TurnId, Turn>,
    /// Conversation items of all threads, indexed by [`ItemId`].
    pub(crate) items: Vec<Item>,
    /// Inference calls: one request to a model each, with its response.
    pub inference_calls: Table<InferenceId, InferenceCall>,
    /// Code cells: scripts that models wrote and that may call tools.
    pub code_cells: Table<CellId, CodeCell>,
    /// Tool calls of models and of code cells.
    pub tool_calls: Table<ToolCallId, ToolCall>,
    /// Terminal sessions: processes that tools write to and read from.
    pub terminal_sessions: Table<TerminalId, TerminalSession>,
    /// Terminal operations of all sessions, indexed by [`OperationId`].
    pub(crate) terminal_operations: Vec<TerminalOperation>,
    /// Compactions: replacements of a thread's history by a shorter one.
    pub compactions: Table<CompactionId, Compaction>,
    /// Compaction requests: requests to models that produce the shorter histories.
    pub compaction_requests: Table<CompactionRequestId, CompactionRequest>,
    /// The process and agent that spawned the recorded process, from the manifest. `None` if no agent spawned it.
    pub parent: Option<ParentProcess>,
    /// Attributes of the OpenTelemetry resource that the spans of the run were sent with, from the manifest. `None` if they
    /// were not sent.
    pub otel_resource: Option<RawJson>,
    /// Processes that agents of this run spawned, by the thread id that was made for each of them.
    pub child_processes: Table<ThreadId, ChildProcess>,
    /// Edges: information passed between agents of this bundle.
    pub edges: Table<EdgeId, Edge>,
    /// Results that finished agents returned to the agents that spawned them, delivered or not, in the order of
    /// observation. Not in `state.json`.
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only read by the exporter of the feature `otlp`"))]
    pub(crate) agent_results: Vec<AgentResult>,
    /// References of all payloads that events name, by the id of the payload.
    pub raw_payloads: Table<RawPayloadId, PayloadRef>,
    /// Problems of the evidence, by seq, then by code.
    pub diagnostics: Vec<Diagnostic>,
}

impl Graph {
    /// Returns the item with the given id. Returns `None` if the graph has none.
    pub fn item(&self, id: ItemId) -> Option<&Item> {
        self.items.get(id.index())
    }

    /// Iterates over the items of all threads, by ascending id.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &Item> {
        self.items.iter()
    }

    /// Returns the terminal operation with the given id. Returns `None` if the graph has none.
    pub fn terminal_operation(&self, id: OperationId) -> Option<&TerminalOperation> {
        self.terminal_operations.get(id.index())
    }

    /// Iterates over all terminal operations, by ascending id.
    pub fn terminal_operations(&self) -> impl ExactSizeIterator<Item = &TerminalOperation> {
        self.terminal_operations.iter()
    }

    /// Iterates over the items of an inference call's request, in order: the conversation that the model saw, unless the
    /// provider changed it, see [`Graph::visibility`]. Yields nothing if the call is unknown or its request could not be
    /// read.
    pub fn snapshot(&self, call: &InferenceId) -> impl Iterator<Item = ItemId> {
        let pieces = self.inference_calls.index_of(call).map(|index| self.snapshot_pieces(index)).unwrap_or_default();
        pieces.into_iter().flatten().copied()
    }

    /// Returns how much of an item the model of an inference call saw. Takes time proportional to the request.
    pub fn visibility(&self, call: &InferenceId, item: ItemId) -> Visibility {
        let Some(edits) = self.inference_calls.get(call) else { return Visibility::NotSent };
        let positions = |wanted: ItemId| self.snapshot(call).position(|listed| listed == wanted);
        let Some(position) = positions(item) else { return Visibility::NotSent };
        if edits.compacted_before.and_then(positions).is_some_and(|compaction| position < compaction) {
            return Visibility::Dropped;
        }
        if edits.history_edits.is_empty() { Visibility::Shown } else { Visibility::MayBeCleared }
    }

    /// Returns the items of an inference call's request, first to last, as slices of the lists in this call and earlier
    /// ones. `index` is the index of the call in its table.
    fn snapshot_pieces(&self, index: usize) -> Vec<&[ItemId]> {
        let mut pieces = Vec::new();
        let mut remaining = usize::MAX;
        let mut next = self.inference_calls.get_index(index);
        while let Some(call) = next
            && remaining > 0
        {
            let from_prefix = call.request.prefix_len();
            pieces.push(take_first(&call.request.tail, remaining.saturating_sub(from_prefix)));
            remaining = remaining.min(from_prefix);
            next = None;
            if let Some(prefix) = call.request.prefix {
                next = self.inference_calls.get_index(prefix.call);
                let response_len = remaining.saturating_sub(prefix.items).min(prefix.response_items);
                pieces.push(next.map_or(&[], |call| take_first(&call.response_item_ids, response_len)));
                remaining = remaining.min(prefix.items);
            }
        }
        pieces.reverse();
        pieces
    }
}

/// Returns the first `count` items, or all of them if there are fewer.
fn take_first(items: &[ItemId], count: usize) -> &[ItemId] {
    items.get(..count).unwrap_or(items)
}
