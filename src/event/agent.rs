//! Results that an agent returns to the agent that spawned it.

use serde::{Deserialize, Serialize};

use super::{EdgeId, PayloadRef, ThreadId, TurnId};

/// The result of a finished agent reached its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentResultObserved {
    /// Id of the edge in the graph, `edge:agent_result:<child thread>:<child turn>:<parent thread>`.
    pub edge_id: EdgeId,
    /// Thread of the finished agent.
    pub child_thread_id: ThreadId,
    /// Turn that the agent finished.
    #[serde(rename = "child_codex_turn_id")]
    pub child_turn_id: TurnId,
    /// Thread of the parent agent, which received the result.
    pub parent_thread_id: ThreadId,
    /// Text of the result.
    pub message: String,
    /// Payload of kind `agent_result` that contains the result.
    #[serde(default)]
    pub carried_payload: Option<PayloadRef>,
}
