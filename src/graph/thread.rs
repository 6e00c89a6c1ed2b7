//! Threads and turns.

use serde::Serialize;

use super::{Evidence, Execution, ItemId, LiveSpan, Totals};
use crate::event::{AgentPath, EdgeId, EndDetail, InferenceId, ThreadId, ToolCallId, TurnId};

/// A thread: the conversation of one agent. In `state.json`, an entry of `threads`.
#[derive(Debug, Clone, Serialize)]
pub struct Thread {
    /// Id of the thread.
    pub thread_id: ThreadId,
    /// Path of the agent in the tree of agents, such as `/root/<name>`. The id of the thread if the log has no start of
    /// the thread.
    pub agent_path: AgentPath,
    /// Display name of the agent.
    pub nickname: Option<String>,
    /// Origin of the thread: root, or spawned by an agent.
    pub origin: Origin,
    /// Start, end and status of the thread.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// Name of the model in the thread's configuration.
    pub default_model: Option<String>,
    /// Origin of the thread's session, such as `cli`, `internal`, `custom:<name>` or `subagent:review`. `None` if the
    /// thread's configuration was not recorded or does not state it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Id of the conversation as the recorded program gave it. `None` if the program gave none, or if the recorder of the
    /// bundle does not write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ThreadId>,
    /// Items of the conversation, each once, in the order in which they were first seen. Wire name:
    /// `conversation_item_ids`.
    #[serde(rename = "conversation_item_ids")]
    pub item_ids: Vec<ItemId>,
    /// Numbers of calls, tokens and milliseconds of the thread.
    pub totals: Totals,
    /// What ended it, the type of its error, and the own fields of its span, if the log has them. In `state.json`, the
    /// optional fields `ended_by`, `error_type` and `attributes`.
    #[serde(flatten)]
    pub end: Option<Box<EndDetail>>,
    /// OpenTelemetry span of the thread while the program ran.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// Turns of the thread, in order of start. Not in `state.json`.
    #[serde(skip)]
    pub turn_ids: Vec<TurnId>,
    /// Error message, if the thread failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Events and payloads from which the thread was reduced. Not in `state.json`.
    #[serde(skip)]
    pub evidence: Evidence,
}

impl Thread {
    /// Returns the display name of the agent, else its path.
    pub fn agent_name(&self) -> &str {
        self.nickname.as_deref().unwrap_or_else(|| self.agent_path.as_str())
    }
}

/// The origin of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Origin {
    /// A thread that no agent of the bundle spawned.
    Root,
    /// A thread that an agent spawned.
    Spawned {
        /// Thread of the spawning agent.
        parent_thread_id: ThreadId,
        /// Id of the edge from the spawning agent to this thread. The edge itself may be missing from the bundle.
        spawn_edge_id: EdgeId,
        /// Name of the task for which the thread was spawned.
        task_name: String,
        /// Role of the spawned agent; empty if it has none.
        agent_role: String,
    },
}

/// A turn of a thread: from a user's message to the agent's answer. In `state.json`, an entry of `codex_turns`.
#[derive(Debug, Clone, Serialize)]
pub struct Turn {
    /// Id of the turn. Wire name: `codex_turn_id`.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Thread that the turn belongs to.
    pub thread_id: ThreadId,
    /// Start, end and status of the turn.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// Messages of the user and of other agents that the first request of the turn introduced, behind everything that
    /// the assistant wrote before. Earlier messages in the request are history.
    pub input_item_ids: Vec<ItemId>,
    /// Numbers of calls, tokens and milliseconds of the turn.
    pub totals: Totals,
    /// What ended it, the type of its error, and the own fields of its span, if the log has them. In `state.json`, the
    /// optional fields `ended_by`, `error_type` and `attributes`.
    #[serde(flatten)]
    pub end: Option<Box<EndDetail>>,
    /// OpenTelemetry span of the turn while the program ran.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// Inference calls of the turn, in order of start. Not in `state.json`.
    #[serde(skip)]
    pub inference_call_ids: Vec<InferenceId>,
    /// Tool calls of the turn, in order of start. Not in `state.json`.
    #[serde(skip)]
    pub tool_call_ids: Vec<ToolCallId>,
    /// Error message, if the turn failed, or reason why it was cancelled or aborted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Events and payloads from which the turn was reduced. Not in `state.json`.
    #[serde(skip)]
    pub evidence: Evidence,
}
