//! Threads and their turns.

use serde::Serialize;

use super::{Evidence, Execution, ItemId, LiveSpan, Totals};
use crate::event::{AgentPath, EdgeId, InferenceId, ThreadId, ToolCallId, TurnId};

/// An agent's thread.
#[derive(Debug, Clone, Serialize)]
pub struct Thread {
    /// Its id.
    pub thread_id: ThreadId,
    /// Its place among the agents; the id where only its name was seen.
    pub agent_path: AgentPath,
    /// What the agent is called.
    pub nickname: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// From its start to its end.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// The model it was configured with.
    pub default_model: Option<String>,
    /// Every item of its conversation once, in the order first seen.
    #[serde(rename = "conversation_item_ids")]
    pub item_ids: Vec<ItemId>,
    /// What its calls come to.
    pub totals: Totals,
    /// The live span it was.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// Its turns, by start.
    #[serde(skip)]
    pub turn_ids: Vec<TurnId>,
    /// Why it failed.
    #[serde(skip)]
    pub error: Option<String>,
    /// What it rests on.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// Where a thread comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Origin {
    /// Nobody in the bundle.
    Root,
    /// An agent.
    Spawned {
        /// The agent's thread.
        parent_thread_id: ThreadId,
        /// The edge, whether or not it is in the bundle.
        spawn_edge_id: EdgeId,
        /// What the task was called.
        task_name: String,
        /// The role it was given; empty where none.
        agent_role: String,
    },
}

/// One turn of a thread, from the user's message to the agent's answer.
#[derive(Debug, Clone, Serialize)]
pub struct Turn {
    /// Its id.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// From its start to its end.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// The user's and other agents' messages that its first request introduced.
    pub input_item_ids: Vec<ItemId>,
    /// What its calls come to.
    pub totals: Totals,
    /// The live span it was.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// Its inference calls, by start.
    #[serde(skip)]
    pub inference_call_ids: Vec<InferenceId>,
    /// Its tool calls, by start.
    #[serde(skip)]
    pub tool_call_ids: Vec<ToolCallId>,
    /// Why it failed.
    #[serde(skip)]
    pub error: Option<String>,
    /// What it rests on.
    #[serde(skip)]
    pub evidence: Evidence,
}
