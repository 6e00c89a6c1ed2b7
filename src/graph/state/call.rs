//! Inference calls in `state.json`.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::snapshots::Snapshots;
use crate::event::{
    EndDetail, InferenceId, RawPayloadId, RequestId, ResponseId, ThreadId, ToolCallId, TurnId, UnixMillis,
};
use crate::graph::usage::WireUsage;
use crate::graph::{Execution, Graph, HistoryEdit, InferenceCall, ItemId, LiveSpan, Pointer};

/// The inference calls, serialized from a graph.
pub(super) struct WireCalls<'a> {
    pub(super) graph: &'a Graph,
    pub(super) snapshots: Snapshots,
}

impl Serialize for WireCalls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let calls = self.graph.inference_calls.by_id();
        let mut map = serializer.serialize_map(Some(calls.len()))?;
        for (id, call) in calls {
            map.serialize_entry(id, &WireCall::new(call, self.graph, self.snapshots))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct WireCall<'a> {
    inference_call_id: &'a InferenceId,
    thread_id: &'a ThreadId,
    codex_turn_id: &'a TurnId,
    execution: Execution,
    model: &'a str,
    provider_name: &'a str,
    upstream_request_id: Option<&'a RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_prefix: Option<WirePrefix<'a>>,
    request_item_ids: ItemPieces<'a>,
    response_item_ids: &'a [ItemId],
    tool_call_ids_started_by_response: &'a [ToolCallId],
    usage: Option<WireUsage>,
    raw_request_payload_id: &'a RawPayloadId,
    raw_response_payload_id: Option<&'a RawPayloadId>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    raw_response_chunk_ids: &'a [RawPayloadId],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_id: Option<&'a ResponseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_error: Option<&'a str>,
    #[serde(flatten)]
    end: Option<&'a EndDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compacted_before: Option<ItemId>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    history_edits: &'a [HistoryEdit],
    #[serde(skip_serializing_if = "Option::is_none")]
    first_token_at_unix_ms: Option<UnixMillis>,
    #[serde(flatten)]
    span: &'a LiveSpan,
}

impl<'a> WireCall<'a> {
    fn new(call: &'a InferenceCall, graph: &'a Graph, snapshots: Snapshots) -> Self {
        let InferenceCall {
            inference_call_id,
            thread_id,
            turn_id,
            execution,
            model,
            provider_name,
            upstream_request_id,
            response_id,
            request,
            response_item_ids,
            tool_call_ids,
            usage,
            first_token_at,
            error,
            provider_error,
            end,
            raw_request_payload_id,
            raw_response_payload_id,
            raw_response_chunk_ids,
            instructions,
            tools,
            compacted_before,
            history_edits,
            span,
            evidence: _,
        } = call;
        let calls = &graph.inference_calls;
        let (request_prefix, pieces) = match snapshots {
            Snapshots::Expanded => {
                let index = calls.index_of(inference_call_id);
                (None, index.map(|index| graph.snapshot_pieces(index)).unwrap_or_default())
            }
            Snapshots::Shared => {
                let prefix = request.prefix.and_then(|prefix| {
                    Some(WirePrefix {
                        inference_call_id: &calls.get_index(prefix.call)?.inference_call_id,
                        items: prefix.items,
                        with_response: prefix.response_items > 0,
                    })
                });
                (prefix, vec![&*request.tail])
            }
        };
        Self {
            inference_call_id,
            thread_id,
            codex_turn_id: turn_id,
            execution: *execution,
            model,
            provider_name,
            upstream_request_id: upstream_request_id.as_ref(),
            request_prefix,
            request_item_ids: ItemPieces(pieces),
            response_item_ids,
            tool_call_ids_started_by_response: tool_call_ids,
            usage: usage.map(WireUsage),
            raw_request_payload_id,
            raw_response_payload_id: raw_response_payload_id.as_ref(),
            raw_response_chunk_ids,
            response_id: response_id.as_ref(),
            error: error.as_deref(),
            provider_error: provider_error.as_deref(),
            end: end.as_deref(),
            instructions: instructions.as_ref(),
            tools: tools.as_ref(),
            compacted_before: *compacted_before,
            history_edits,
            first_token_at_unix_ms: *first_token_at,
            span,
        }
    }
}

/// The prefix of a request in `state.json`: the first `items` ids of an earlier call's request, followed by the ids of
/// that call's response if `with_response` is set.
#[derive(Serialize)]
struct WirePrefix<'a> {
    inference_call_id: &'a InferenceId,
    items: usize,
    with_response: bool,
}

/// Serializes the concatenation of slices as one list of item ids.
struct ItemPieces<'a>(Vec<&'a [ItemId]>);

impl Serialize for ItemPieces<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.iter().map(|piece| piece.len()).sum()))?;
        for item in self.0.iter().copied().flatten() {
            list.serialize_element(item)?;
        }
        list.end()
    }
}
