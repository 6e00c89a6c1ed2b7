//! Compactions: replacements of a thread's history by a shorter one.

use serde::Serialize;

use super::{Evidence, Execution, ItemId, LiveSpan};
use crate::event::{CompactionId, CompactionRequestId, RawPayloadId, ThreadId, TurnId, UnixMillis};

/// A compaction: the replacement of a thread's history by a shorter one. In `state.json`, an entry of `compactions`.
#[derive(Debug, Clone, Serialize)]
pub struct Compaction {
    /// Id of the compaction.
    pub compaction_id: CompactionId,
    /// Thread of the compaction.
    pub thread_id: ThreadId,
    /// Turn in which the compaction was installed. Wire name: `codex_turn_id`.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Time of the installation, in milliseconds since the Unix epoch.
    #[serde(rename = "installed_at_unix_ms")]
    pub installed_at: UnixMillis,
    /// Item that marks the compaction in the conversation.
    pub marker_item_id: ItemId,
    /// Requests of the compaction, in order of start.
    pub request_ids: Vec<CompactionRequestId>,
    /// Items of the history before the compaction.
    pub input_item_ids: Vec<ItemId>,
    /// Items of the history after the compaction.
    pub replacement_item_ids: Vec<ItemId>,
    /// Live span of the compaction.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// Evidence of the compaction. Not in `state.json`.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// A request to a model to shorten a history. In `state.json`, an entry of `compaction_requests`.
#[derive(Debug, Clone, Serialize)]
pub struct CompactionRequest {
    /// Id of the request.
    pub compaction_request_id: CompactionRequestId,
    /// Compaction of the request.
    pub compaction_id: CompactionId,
    /// Thread of the request.
    pub thread_id: ThreadId,
    /// Turn of the request. Wire name: `codex_turn_id`.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Execution of the request, until the end of the response.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// Requested model.
    pub model: String,
    /// Name of the provider.
    pub provider_name: String,
    /// Payload with the request.
    pub raw_request_payload_id: RawPayloadId,
    /// Payload with the response.
    pub raw_response_payload_id: Option<RawPayloadId>,
    /// Error text, if the request failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Live span of the request.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// Evidence of the request. Not in `state.json`.
    #[serde(skip)]
    pub evidence: Evidence,
}
