//! Compactions: a long history is replaced by a shorter one.

use serde::Serialize;

use super::{Evidence, Execution, ItemId, LiveSpan};
use crate::event::{CompactionId, CompactionRequestId, RawPayloadId, ThreadId, TurnId, UnixMillis};

/// A shorter history took the place of a longer one.
#[derive(Debug, Clone, Serialize)]
pub struct Compaction {
    /// Its id.
    pub compaction_id: CompactionId,
    /// The thread.
    pub thread_id: ThreadId,
    /// The turn it was installed in.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// When it was installed.
    #[serde(rename = "installed_at_unix_ms")]
    pub installed_at: UnixMillis,
    /// The item that stands for it in the conversation.
    pub marker_item_id: ItemId,
    /// Its requests, by start.
    pub request_ids: Vec<CompactionRequestId>,
    /// The history before.
    pub input_item_ids: Vec<ItemId>,
    /// The history after.
    pub replacement_item_ids: Vec<ItemId>,
    /// The live span it was.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// What it rests on.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// A request to shorten a history.
#[derive(Debug, Clone, Serialize)]
pub struct CompactionRequest {
    /// Its id.
    pub compaction_request_id: CompactionRequestId,
    /// The compaction it is part of.
    pub compaction_id: CompactionId,
    /// The thread that asked.
    pub thread_id: ThreadId,
    /// The turn that asked.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// From request to end.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// The model asked for.
    pub model: String,
    /// The provider asked.
    pub provider_name: String,
    /// The request's body.
    pub raw_request_payload_id: RawPayloadId,
    /// The response's body.
    pub raw_response_payload_id: Option<RawPayloadId>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The live span it was.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// What it rests on.
    #[serde(skip)]
    pub evidence: Evidence,
}
