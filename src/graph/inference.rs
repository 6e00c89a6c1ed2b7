//! Inference calls and the conversation snapshots of their requests.

use std::borrow::Cow;

use serde::Serialize;

use super::{Evidence, Execution, HistoryEdit, ItemId, LiveSpan};
use crate::event::{
    EndDetail, ExecutionStatus, InferenceId, RawPayloadId, RequestId, ResponseId, ThreadId, ToolCallId, TurnId,
    UnixMillis, Usage,
};

/// An inference call: one request to a model, with its response. In `state.json`, an entry of `inference_calls`.
#[derive(Debug, Clone)]
pub struct InferenceCall {
    /// Id of the call.
    pub inference_call_id: InferenceId,
    /// Thread that made the call.
    pub thread_id: ThreadId,
    /// Turn in which the call was made. Wire name: `codex_turn_id`.
    pub turn_id: TurnId,
    /// Start, end and status of the call, from the request to the end of the response.
    pub execution: Execution,
    /// Name of the requested model; empty if unknown.
    pub model: String,
    /// Name of the provider.
    pub provider_name: String,
    /// Id that the provider gave the HTTP request, as in the `x-request-id` header. The response's id if the producer
    /// recorded no other.
    pub upstream_request_id: Option<RequestId>,
    /// Id that the provider gave the response.
    pub response_id: Option<ResponseId>,
    /// Items of the request, partly as a reference to an earlier call; see [`Graph::snapshot`](super::Graph::snapshot).
    pub(crate) request: Snapshot,
    /// Items of the response, in order.
    pub response_item_ids: Vec<ItemId>,
    /// Tool calls that the response requested, in order of start. Wire name: `tool_call_ids_started_by_response`.
    pub tool_call_ids: Vec<ToolCallId>,
    /// Token counts reported by the provider.
    pub usage: Option<Usage>,
    /// Time at which the first token arrived, in milliseconds since the Unix epoch. Wire name:
    /// `first_token_at_unix_ms`.
    pub first_token_at: Option<UnixMillis>,
    /// Error message of a failed call, or reason for the cancellation. The provider's error if the program reported none.
    pub error: Option<String>,
    /// Error that the provider reported in the response, if `error` is another one. `None`, and absent from
    /// `state.json`, if there is none.
    pub provider_error: Option<String>,
    /// Id of the payload that contains the request.
    pub raw_request_payload_id: RawPayloadId,
    /// Id of the payload that contains the response, which may be partial: its body, or the bytes of a stream. The
    /// first chunk if the response was recorded only as chunks. `None` if there is no response.
    pub raw_response_payload_id: Option<RawPayloadId>,
    /// Ids of the payloads that together contain the bytes of a response that was recorded only as chunks, in order.
    /// Empty, and absent from `state.json`, for other responses.
    pub raw_response_chunk_ids: Vec<RawPayloadId>,
    /// Location of the model's instructions in the request payload, or in the response payload if the provider made
    /// them of a stored prompt.
    pub instructions: Option<Pointer>,
    /// Location of the tool definitions in the request payload.
    pub tools: Option<Pointer>,
    /// Item of the request that is the provider's own summary of what stands before it: the provider drops the items
    /// before it, so the model did not see them. The last one, if there are several. `None` if there is none.
    pub compacted_before: Option<ItemId>,
    /// Changes of the conversation by the provider, before the model read it. Empty, and absent from `state.json`, if
    /// there are none.
    pub history_edits: Vec<HistoryEdit>,
    /// What ended it, the type of its error, and the own fields of its span, if the log has them. In `state.json`, the
    /// optional fields `ended_by`, `error_type` and `attributes`.
    pub end: Option<Box<EndDetail>>,
    /// OpenTelemetry span of the call while the program ran.
    pub span: LiveSpan,
    /// Events and payloads from which the call was reduced. Not in `state.json`.
    pub evidence: Evidence,
}

impl InferenceCall {
    /// Returns the status of the call as its user sees it: a call that completed with an error, such as one in the body of
    /// its response, failed.
    pub fn outcome(&self) -> ExecutionStatus {
        let has_failed = self.execution.status == ExecutionStatus::Completed && self.error.is_some();
        if has_failed { ExecutionStatus::Failed } else { self.execution.status }
    }

    /// Returns the number of items in the request.
    pub fn request_len(&self) -> usize {
        self.request.len()
    }
}

/// A location in the JSON of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pointer {
    /// Id of the payload.
    pub raw_payload_id: RawPayloadId,
    /// JSON Pointer (RFC 6901) into the payload, such as `/instructions` or `/input/0/tools`.
    pub pointer: Cow<'static, str>,
}

/// The items of a request: a prefix that is shared with an earlier call, and the request's own items. All requests of a
/// session together therefore take memory for the items that they add, not for those that they repeat.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) prefix: Option<Prefix>,
    pub(crate) tail: Vec<ItemId>,
}

/// A prefix of a request that is taken from an earlier call of the same thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prefix {
    /// Index of the earlier call in the table of inference calls.
    pub(crate) call: usize,
    /// Number of items to take from the start of the earlier call's request.
    pub(crate) items: usize,
    /// Number of items to take from the start of the earlier call's response, after those of the request: all of them
    /// or none.
    pub(crate) response_items: usize,
}

impl Snapshot {
    pub(crate) fn len(&self) -> usize {
        self.prefix_len() + self.tail.len()
    }

    pub(crate) fn prefix_len(&self) -> usize {
        self.prefix.map_or(0, |prefix| prefix.items + prefix.response_items)
    }
}
