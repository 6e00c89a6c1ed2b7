//! Rollouts, threads and turns: whose work the other events are.

use serde::{Deserialize, Serialize};

use super::{AgentPath, ExecutionStatus, PayloadRef, RolloutStatus, ThreadId, TraceId, TurnId};

/// The recording of a rollout began. The first line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutStarted {
    /// The recording.
    pub trace_id: TraceId,
    /// The root agent's thread.
    pub root_thread_id: ThreadId,
}

/// The rollout ended, with its root thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutEnded {
    /// How.
    pub status: RolloutStatus,
}

/// An agent's thread began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadStarted {
    /// The thread.
    pub thread_id: ThreadId,
    /// The agent's place among the agents of the rollout.
    pub agent_path: AgentPath,
    /// A `session_metadata` body: how the thread was configured and who spawned it.
    #[serde(default)]
    pub metadata_payload: Option<PayloadRef>,
}

/// An agent's thread ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadEnded {
    /// The thread.
    pub thread_id: ThreadId,
    /// How.
    pub status: RolloutStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A turn of a thread began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnStarted {
    /// The turn.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Its thread.
    pub thread_id: ThreadId,
}

/// A turn of a thread ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnEnded {
    /// The turn.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// How.
    pub status: ExecutionStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
