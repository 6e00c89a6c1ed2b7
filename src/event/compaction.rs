//! Compaction: a long history is replaced by a shorter one.

use serde::{Deserialize, Serialize};

use super::{CompactionId, CompactionRequestId, PayloadRef, ThreadId, TurnId};

/// A request to compact was built and is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionRequestStarted {
    /// The compaction.
    pub compaction_id: CompactionId,
    /// The request.
    pub compaction_request_id: CompactionRequestId,
    /// The thread that asks.
    pub thread_id: ThreadId,
    /// The turn that asks.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// The model asked for.
    pub model: String,
    /// The provider asked.
    pub provider_name: String,
    /// A `compaction_request` body.
    pub request_payload: PayloadRef,
}

/// The request was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionRequestCompleted {
    /// The compaction.
    pub compaction_id: CompactionId,
    /// The request.
    pub compaction_request_id: CompactionRequestId,
    /// A `compaction_response` body.
    pub response_payload: PayloadRef,
}

/// The request failed or was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionRequestFailed {
    /// The compaction.
    pub compaction_id: CompactionId,
    /// The request.
    pub compaction_request_id: CompactionRequestId,
    /// What went wrong.
    pub error: String,
}

/// The shorter history took the place of the longer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionInstalled {
    /// The compaction.
    pub compaction_id: CompactionId,
    /// A `compaction_checkpoint` body: the history before and after.
    pub checkpoint_payload: PayloadRef,
}
