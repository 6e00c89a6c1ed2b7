//! Starts and ends of rollouts, threads and turns, the operations that contain all others.

use serde::{Deserialize, Serialize};

use super::{
    AgentPath, EndedBy, ExecutionStatus, PayloadRef, RawJson, RolloutStatus, ThreadId, TraceId, TurnId, added_field,
};

/// The recording of a rollout started. The first line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutStarted {
    /// Id of the recording.
    pub trace_id: TraceId,
    /// Thread of the root agent.
    pub root_thread_id: ThreadId,
}

/// The rollout ended, together with its root thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutEnded {
    /// Terminal status of the rollout.
    pub status: RolloutStatus,
}

/// The thread of an agent started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadStarted {
    /// Id of the thread.
    pub thread_id: ThreadId,
    /// Path of the agent in the tree of agents of the rollout.
    pub agent_path: AgentPath,
    /// Payload of kind `session_metadata`: the configuration of the thread and the agent that spawned it.
    #[serde(default)]
    pub metadata_payload: Option<PayloadRef>,
    /// Id of the conversation, if the recorded program gave it. The id of the thread may be another one, or generated. This
    /// field is an addition to format 1, which other readers ignore.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "added_field::parse")]
    pub conversation_id: Option<ThreadId>,
}

/// The thread of an agent ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadEnded {
    /// Id of the thread.
    pub thread_id: ThreadId,
    /// Terminal status of the thread.
    pub status: RolloutStatus,
    /// Error message, if the thread failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What ended the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
    /// Type of the error: the span's `error.type`, or the HTTP status of the response.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "added_field::parse")]
    pub error_type: Option<Box<str>>,
    /// Fields of the span that only the program knows, a JSON object by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<RawJson>,
}

/// A turn of a thread started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnStarted {
    /// Id of the turn.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Thread of the turn.
    pub thread_id: ThreadId,
}

/// A turn of a thread ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnEnded {
    /// Id of the turn.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Terminal status of the turn.
    pub status: ExecutionStatus,
    /// Error message, if the turn failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What ended the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
    /// Type of the error: the span's `error.type`, or the HTTP status of the response.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "added_field::parse")]
    pub error_type: Option<Box<str>>,
    /// Fields of the span that only the program knows, a JSON object by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<RawJson>,
}
