//! What goes from an agent to the one that spawned it.

use serde::{Deserialize, Serialize};

use super::{EdgeId, PayloadRef, ThreadId, TurnId};

/// A finished agent's result reached its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentResultObserved {
    /// The edge in the graph, `edge:agent_result:<child thread>:<child turn>:<parent thread>`.
    pub edge_id: EdgeId,
    /// The agent.
    pub child_thread_id: ThreadId,
    /// The turn it finished.
    #[serde(rename = "child_codex_turn_id")]
    pub child_turn_id: TurnId,
    /// Whom it told.
    pub parent_thread_id: ThreadId,
    /// What it told.
    pub message: String,
    /// An `agent_result` body.
    #[serde(default)]
    pub carried_payload: Option<PayloadRef>,
}
