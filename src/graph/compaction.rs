//! Compactions: replacements of a thread's history by a shorter one.

use serde::Serialize;

use super::{Evidence, Execution, ItemId, LiveSpan, usage};
use crate::event::{CompactionId, CompactionRequestId, EndDetail, RawPayloadId, ThreadId, TurnId, UnixMillis, Usage};

/// A compaction: the replacement of a thread's history by a shorter one. In `state.json`, an entry of `compactions`.
#[derive(Debug, Clone, Serialize)]
pub struct Compaction {
    /// Id of the compaction.
    pub compaction_id: CompactionId,
    /// Thread whose history was compacted.
    pub thread_id: ThreadId,
    /// Turn in which the compaction was installed. Wire name: `codex_turn_id`.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Time of the installation, in milliseconds since the Unix epoch.
    #[serde(rename = "installed_at_unix_ms")]
    pub installed_at: UnixMillis,
    /// Conversation item that marks the place of the compaction in the thread.
    pub marker_item_id: ItemId,
    /// Requests that produced the shorter history, in order of start.
    pub request_ids: Vec<CompactionRequestId>,
    /// Items of the history before the compaction, in order.
    pub input_item_ids: Vec<ItemId>,
    /// Items of the shorter history that replaced it, in order.
    pub replacement_item_ids: Vec<ItemId>,
    /// OpenTelemetry span of the compaction while the program ran.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// Events and payloads from which the compaction was reduced. Not in `state.json`.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// A request to a model to shorten a history. In `state.json`, an entry of `compaction_requests`.
#[derive(Debug, Clone, Serialize)]
pub struct CompactionRequest {
    /// Id of the request.
    pub compaction_request_id: CompactionRequestId,
    /// Compaction that the request belongs to.
    pub compaction_id: CompactionId,
    /// Thread whose history the model was asked to shorten.
    pub thread_id: ThreadId,
    /// Turn in which the request was sent. Wire name: `codex_turn_id`.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Start, end and status of the request. It ends with the end of the response.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// Name of the requested model.
    pub model: String,
    /// Name of the provider.
    pub provider_name: String,
    /// Token counts that the response reports. `None` if it reports none.
    #[serde(serialize_with = "usage::serialize_optional", skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Id of the payload that contains the request.
    pub raw_request_payload_id: RawPayloadId,
    /// Id of the payload that contains the response, which may be partial: its body, or the bytes of a stream. The
    /// first chunk if the response was recorded only as chunks. `None` if there is no response.
    pub raw_response_payload_id: Option<RawPayloadId>,
    /// Ids of the payloads that together contain the bytes of a response that was recorded only as chunks, in order.
    /// Empty, and absent from `state.json`, for other responses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub raw_response_chunk_ids: Vec<RawPayloadId>,
    /// Error message, if the request failed. The provider's error if the program reported none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Error that the provider reported in the response, if `error` is another one. `None`, and absent from
    /// `state.json`, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_error: Option<String>,
    /// What ended it, the type of its error, and the own fields of its span, if the log has them. In `state.json`, the
    /// optional fields `ended_by`, `error_type` and `attributes`.
    #[serde(flatten)]
    pub end: Option<Box<EndDetail>>,
    /// OpenTelemetry span of the request while the program ran.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// Events and payloads from which the request was reduced. Not in `state.json`.
    #[serde(skip)]
    pub evidence: Evidence,
}
