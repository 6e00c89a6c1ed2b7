//! What it meant: threads, turns, conversation, calls, tools and how they hang together, as immutable tables.
//!
//! Plain data, made by [`reduce`](crate::reduce::reduce). Objects name each other by typed ids; a [`Table`] finds them
//! and iterates in order of start. Every object keeps its [`Evidence`]. What was wrong with the evidence is in
//! [`Graph::diagnostics`]. [`Graph::write_state`] writes it all as `state.json`.

mod cell;
mod code;
mod compaction;
mod conversation;
mod diagnostic;
mod edge;
mod evidence;
mod execution;
mod id;
mod inference;
mod joined;
mod process;
mod state;
mod state_file;
mod table;
mod terminal;
mod thread;
mod tool;
mod totals;

use crate::event::{
    CompactionId, CompactionRequestId, EdgeId, InferenceId, ParentProcess, PayloadRef, RawPayloadId, RolloutId,
    RolloutStatus, ThreadId, ToolCallId, TraceId, TurnId, UnixMillis,
};

pub use cell::CodeCell;
pub use code::Code;
pub use compaction::{Compaction, CompactionRequest};
pub(crate) use conversation::Delivery;
pub use conversation::{AgentMessage, Channel, Content, Item, ItemKind, Part, Producer, Role};
pub use diagnostic::{Diagnostic, Severity};
pub(crate) use edge::AgentResult;
pub use edge::{Anchor, Edge, EdgeKind};
pub use evidence::{Evidence, LiveSpan};
pub use execution::{Execution, Moment};
pub use id::{CellId, ItemId, OperationId, TerminalId};
pub(crate) use id::{spawn_edge, tool_edge};
pub use inference::{InferenceCall, Pointer};
pub(crate) use inference::{Prefix, Snapshot};
pub use joined::{BundleDiagnostic, Joined, ProcessEdge, Rollout, RunAnchor};
pub use process::ChildProcess;
pub use state::Snapshots;
pub use state_file::{StateFileError, write_joined_file, write_state_file};
pub use table::Table;
pub use terminal::{
    Observation, ObservationSource, OperationKind, TerminalOperation, TerminalRequest, TerminalResult, TerminalSession,
};
pub use thread::{Origin, Thread, Turn};
pub use tool::{Requester, ToolCall};
pub use totals::Totals;

/// A rollout, as its evidence tells it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Graph {
    /// The recording.
    pub trace_id: TraceId,
    /// The run.
    pub rollout_id: RolloutId,
    /// The root agent's thread.
    pub root_thread_id: ThreadId,
    /// When the recording began.
    pub started_at: UnixMillis,
    /// When the rollout ended.
    pub ended_at: Option<UnixMillis>,
    /// How it ended; running where no end was seen.
    pub status: RolloutStatus,
    /// What all calls come to.
    pub totals: Totals,
    /// Agents' threads.
    pub threads: Table<ThreadId, Thread>,
    /// Their turns.
    pub turns: Table<TurnId, Turn>,
    /// The conversation of all threads, by number.
    pub(crate) items: Vec<Item>,
    /// Calls of models.
    pub inference_calls: Table<InferenceId, InferenceCall>,
    /// Scripts.
    pub code_cells: Table<CellId, CodeCell>,
    /// Tool calls.
    pub tool_calls: Table<ToolCallId, ToolCall>,
    /// Processes that tools talk to.
    pub terminal_sessions: Table<TerminalId, TerminalSession>,
    /// What was done in them, by number.
    pub(crate) terminal_operations: Vec<TerminalOperation>,
    /// Histories that were replaced.
    pub compactions: Table<CompactionId, Compaction>,
    /// Requests to shorten them.
    pub compaction_requests: Table<CompactionRequestId, CompactionRequest>,
    /// Who spawned the process that recorded, where an agent in another did.
    pub parent: Option<ParentProcess>,
    /// Processes that its agents spawned, by the threads that they were meant to be.
    pub child_processes: Table<ThreadId, ChildProcess>,
    /// What went between agents of this bundle.
    pub edges: Table<EdgeId, Edge>,
    /// Results of spawned threads in the order they were observed, delivered or not. Not in `state.json`.
    pub(crate) agent_results: Vec<AgentResult>,
    /// Every body that an event names.
    pub raw_payloads: Table<RawPayloadId, PayloadRef>,
    /// What was wrong with the evidence, by seq, then code.
    pub diagnostics: Vec<Diagnostic>,
}

impl Graph {
    /// The item with this id.
    pub fn item(&self, id: ItemId) -> Option<&Item> {
        self.items.get(id.index())
    }

    /// All items of all threads, by number.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &Item> {
        self.items.iter()
    }

    /// The terminal operation with this id.
    pub fn terminal_operation(&self, id: OperationId) -> Option<&TerminalOperation> {
        self.terminal_operations.get(id.index())
    }

    /// All terminal operations, by number.
    pub fn terminal_operations(&self) -> impl ExactSizeIterator<Item = &TerminalOperation> {
        self.terminal_operations.iter()
    }

    /// What the model saw: the items of this call's request, in their order. Empty where the call is unknown or its
    /// request could not be read.
    pub fn snapshot(&self, call: &InferenceId) -> impl Iterator<Item = ItemId> {
        let pieces = self.inference_calls.place(call).map(|place| self.pieces(place)).unwrap_or_default();
        pieces.into_iter().flatten().copied()
    }

    /// A request's items as pieces of what calls keep themselves, first to last.
    fn pieces(&self, place: usize) -> Vec<&[ItemId]> {
        let mut pieces = Vec::new();
        let mut wanted = usize::MAX;
        let mut next = self.inference_calls.at(place);
        while let Some(call) = next
            && wanted > 0
        {
            let from_prefix = call.request.prefix_len();
            pieces.push(first(&call.request.tail, wanted.saturating_sub(from_prefix)));
            wanted = wanted.min(from_prefix);
            next = None;
            if let Some(prefix) = call.request.prefix {
                next = self.inference_calls.at(prefix.call);
                let of_response = wanted.saturating_sub(prefix.items).min(prefix.response_items);
                pieces.push(next.map_or(&[], |call| first(&call.response_item_ids, of_response)));
                wanted = wanted.min(prefix.items);
            }
        }
        pieces.reverse();
        pieces
    }
}

fn first(items: &[ItemId], count: usize) -> &[ItemId] {
    items.get(..count).unwrap_or(items)
}
