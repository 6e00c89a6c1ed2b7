//! Edges: information passed between agents.

use serde::Serialize;

use super::{Evidence, ItemId};
use crate::event::{EdgeId, RawPayloadId, Seq, ThreadId, ToolCallId, TurnId, UnixMillis};

/// An edge: information that one agent passed to another. In `state.json`, an entry of `interaction_edges`.
#[derive(Debug, Clone, Serialize)]
pub struct Edge {
    /// Id of the edge.
    pub edge_id: EdgeId,
    /// Kind of the interaction between the agents.
    pub kind: EdgeKind,
    /// Object from which the information came, such as the tool call of the sending agent.
    pub source: Anchor,
    /// Object that received the information, such as an item in the thread of the receiving agent.
    pub target: Anchor,
    /// Start of the interaction, in milliseconds since the Unix epoch.
    #[serde(rename = "started_at_unix_ms")]
    pub started_at: UnixMillis,
    /// End of the interaction, in milliseconds since the Unix epoch. `None` if the log has no end of it.
    #[serde(rename = "ended_at_unix_ms")]
    pub ended_at: Option<UnixMillis>,
    /// Items that the interaction added to the target's conversation.
    pub carried_item_ids: Vec<ItemId>,
    /// Payloads that describe the interaction, such as invocation and result of the tool call.
    pub carried_raw_payload_ids: Vec<RawPayloadId>,
    /// Events and payloads from which the edge was reduced.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// The observation that a turn of a spawned thread reported its result to another thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentResult {
    pub(crate) child_thread_id: ThreadId,
    /// Id of the turn of the spawned thread that had this result.
    pub(crate) child_turn_id: TurnId,
    /// Id of the thread that received the result.
    pub(crate) parent_thread_id: ThreadId,
    pub(crate) observed_seq: Seq,
}

/// The kind of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// An agent spawned another one, with its first task.
    SpawnAgent,
    /// An agent assigned a task to another one.
    AssignAgentTask,
    /// An agent sent a message to another one.
    SendMessage,
    /// An agent reported the result of a turn to another one.
    AgentResult,
    /// An agent closed another one.
    CloseAgent,
}

/// An endpoint of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Anchor {
    /// A conversation item.
    ConversationItem {
        /// Id of the item.
        item_id: ItemId,
    },
    /// A tool call.
    ToolCall {
        /// Id of the tool call.
        tool_call_id: ToolCallId,
    },
    /// A thread as a whole.
    Thread {
        /// Id of the thread.
        thread_id: ThreadId,
    },
}
