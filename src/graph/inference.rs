//! Calls of a model, and what the model saw in each.

use serde::Serialize;

use super::{Evidence, Execution, ItemId, LiveSpan};
use crate::event::{InferenceId, RawPayloadId, RequestId, ResponseId, ThreadId, ToolCallId, TurnId, UnixMillis, Usage};

/// A call of a model.
#[derive(Debug, Clone)]
pub struct InferenceCall {
    /// Its id.
    pub inference_call_id: InferenceId,
    /// The thread that asked.
    pub thread_id: ThreadId,
    /// The turn that asked.
    pub turn_id: TurnId,
    /// From request to end.
    pub execution: Execution,
    /// The model asked for.
    pub model: String,
    /// The provider asked.
    pub provider_name: String,
    /// The transport's id of the request; the response's id where the producer gave nothing else.
    pub upstream_request_id: Option<RequestId>,
    /// The provider's id of the response.
    pub response_id: Option<ResponseId>,
    /// The items of the request: see [`Graph::snapshot`](super::Graph::snapshot).
    pub(crate) request: Snapshot,
    /// The items of the response.
    pub response_item_ids: Vec<ItemId>,
    /// The tool calls that the response asked for, by start.
    pub tool_call_ids: Vec<ToolCallId>,
    /// What the provider counted.
    pub usage: Option<Usage>,
    /// When the first token came.
    pub first_token_at: Option<UnixMillis>,
    /// What went wrong, or why it was cancelled.
    pub error: Option<String>,
    /// The request's body.
    pub raw_request_payload_id: RawPayloadId,
    /// The response's body, a partial one too.
    pub raw_response_payload_id: Option<RawPayloadId>,
    /// Where the request says what the model shall do.
    pub instructions: Option<Pointer>,
    /// Where the request says what tools there are.
    pub tools: Option<Pointer>,
    /// The live span it was.
    pub span: LiveSpan,
    /// What it rests on.
    pub evidence: Evidence,
}

impl InferenceCall {
    /// How many items the request had.
    pub fn request_len(&self) -> usize {
        self.request.len()
    }
}

/// A place in a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pointer {
    /// The body.
    pub raw_payload_id: RawPayloadId,
    /// The place, as in RFC 6901.
    pub pointer: &'static str,
}

/// The items of a request: how an earlier one began, then its own. So a session's requests together take what they
/// added, not what they repeated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) prefix: Option<Prefix>,
    pub(crate) tail: Vec<ItemId>,
}

/// The beginning of a request, told by an earlier call of the same thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prefix {
    /// Place of that call in its table.
    pub(crate) call: usize,
    /// So many items of its request …
    pub(crate) items: usize,
    /// … followed by so many of its response: all of them or none.
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
