//! Edges: ways that information went between agents.

use serde::Serialize;

use super::{Evidence, ItemId};
use crate::event::{EdgeId, RawPayloadId, Seq, ThreadId, ToolCallId, TurnId, UnixMillis};

/// A way that information went between agents.
#[derive(Debug, Clone, Serialize)]
pub struct Edge {
    /// Its id.
    pub edge_id: EdgeId,
    /// What it did.
    pub kind: EdgeKind,
    /// Where it began.
    pub source: Anchor,
    /// Where it went.
    pub target: Anchor,
    /// When it began.
    #[serde(rename = "started_at_unix_ms")]
    pub started_at: UnixMillis,
    /// When it was over.
    #[serde(rename = "ended_at_unix_ms")]
    pub ended_at: Option<UnixMillis>,
    /// The items it brought.
    pub carried_item_ids: Vec<ItemId>,
    /// The bodies that tell of it.
    pub carried_raw_payload_ids: Vec<RawPayloadId>,
    /// What it rests on.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// The observation that a turn of a spawned thread reported its result to another thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentResult {
    pub(crate) child_thread_id: ThreadId,
    /// The turn whose result it is.
    pub(crate) child_turn_id: TurnId,
    /// The thread that received the result.
    pub(crate) parent_thread_id: ThreadId,
    pub(crate) observed_seq: Seq,
}

/// What went between agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// An agent was made, with its first task.
    SpawnAgent,
    /// A task.
    AssignAgentTask,
    /// A message.
    SendMessage,
    /// What an agent reports when it is done.
    AgentResult,
    /// An agent was closed.
    CloseAgent,
}

/// An end of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Anchor {
    /// A piece of conversation.
    ConversationItem {
        /// Its id.
        item_id: ItemId,
    },
    /// A tool call.
    ToolCall {
        /// Its id.
        tool_call_id: ToolCallId,
    },
    /// A thread as a whole.
    Thread {
        /// Its id.
        thread_id: ThreadId,
    },
}
