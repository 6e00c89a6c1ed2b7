//! Compaction: replacing a long history of a thread with a shorter one.

use serde::{Deserialize, Serialize};

use super::{CompactionId, CompactionRequestId, EndedBy, PayloadRef, RawJson, ThreadId, TurnId, added_field};

/// A compaction request was built and is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionRequestStarted {
    /// Id of the compaction.
    pub compaction_id: CompactionId,
    /// Id of the request.
    pub compaction_request_id: CompactionRequestId,
    /// Thread whose history is to be shortened.
    pub thread_id: ThreadId,
    /// Turn that sends the request.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Name of the requested model.
    pub model: String,
    /// Name of the model's provider, such as `openai`.
    pub provider_name: String,
    /// Payload of kind `compaction_request`: the body of the request.
    pub request_payload: PayloadRef,
}

/// A compaction request completed with a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionRequestCompleted {
    /// Id of the compaction.
    pub compaction_id: CompactionId,
    /// Id of the request.
    pub compaction_request_id: CompactionRequestId,
    /// Payload of kind `compaction_response`: the body of the response.
    pub response_payload: PayloadRef,
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

/// A compaction request failed or was abandoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionRequestFailed {
    /// Id of the compaction.
    pub compaction_id: CompactionId,
    /// Id of the request.
    pub compaction_request_id: CompactionRequestId,
    /// Message of the error, or reason for abandoning the request.
    pub error: String,
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

/// A shorter history replaced the history of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionInstalled {
    /// Id of the compaction.
    pub compaction_id: CompactionId,
    /// Payload of kind `compaction_checkpoint`: the history before and after.
    pub checkpoint_payload: PayloadRef,
}
