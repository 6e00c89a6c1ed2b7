//! Reads the facts about an object from the graph and from the payloads that it references.

use std::collections::HashSet;
use std::sync::Arc;

use super::span_object::SpanObject;
use crate::bundle::Reader;
use crate::event::{EndDetail, RawPayloadId};
use crate::graph::{CodeCell, CompactionRequest, Graph, InferenceCall, Thread, ToolCall};
use crate::otlp::span::content_policy::ContentPolicy;
use crate::otlp::span::digest::{InvocationDigest, RequestDigest, ResponseDigest, ResultDigest, RuntimeDigest};
use crate::otlp::span::facts::{
    CellFacts, CompactionFacts, InferenceFacts, SpanDetail, SpanFacts, ThreadFacts, ToolFacts,
};

/// Reads facts from a bundle and its graph.
#[derive(Debug, Clone, Copy)]
pub(super) struct FactsReader<'a> {
    pub(super) bundle: &'a Reader,
    pub(super) graph: &'a Graph,
    pub(super) content: ContentPolicy,
}

impl FactsReader<'_> {
    /// Reads a payload. Returns `None` if it can't be read.
    fn payload(&self, id: &RawPayloadId) -> Option<Vec<u8>> {
        self.bundle.payload(self.graph.raw_payloads.get(id)?).ok()
    }

    /// Reads a payload and digests it. Returns the default for a payload that can't be read.
    fn digest<D: Default>(&self, id: &RawPayloadId, digest: impl FnOnce(&[u8]) -> D) -> D {
        self.payload(id).map_or_else(D::default, |body| digest(&body))
    }

    /// Reads the response of an inference call and digests it. Returns `None` if there is no response.
    fn response(&self, call: &InferenceCall) -> Option<ResponseDigest> {
        let payload = call.raw_response_payload_id.as_ref()?;
        if is_ended_in_chunks(SpanObject::Inference(call)) {
            return None;
        }
        if call.raw_response_chunk_ids.is_empty() {
            return Some(self.digest(payload, |body| ResponseDigest::parse(body, self.content)));
        }
        let chunks = call.raw_response_chunk_ids.iter().filter_map(|chunk| self.payload(chunk));
        Some(ResponseDigest::parse(&chunks.collect::<Vec<_>>().concat(), self.content))
    }

    /// Returns the facts about an object. Reads its payloads, one after the other.
    pub(super) fn facts(&self, object: SpanObject<'_>, bundle: Option<&Arc<str>>) -> SpanFacts {
        SpanFacts {
            bundle: bundle.cloned(),
            object_id: object.id().into(),
            thread_id: object.thread_id().clone(),
            conversation_id: self
                .graph
                .threads
                .get(object.thread_id())
                .and_then(|thread| thread.conversation_id.clone()),
            turn_id: object.turn_id().cloned(),
            status: object.execution().status,
            error: error(object).map(str::to_owned),
            end: end(object).cloned().unwrap_or_default(),
            payload_ids: span_payload_ids(object),
            detail: self.detail(object),
        }
    }

    fn detail(&self, object: SpanObject<'_>) -> SpanDetail {
        match object {
            SpanObject::Thread(thread) => SpanDetail::Thread(thread_facts(thread)),
            SpanObject::Turn(_) => SpanDetail::Turn,
            SpanObject::Inference(call) => SpanDetail::Inference(Box::new(self.inference_facts(call))),
            SpanObject::Tool(tool) => SpanDetail::Tool(Box::new(self.tool_facts(tool))),
            SpanObject::CodeCell(cell) => SpanDetail::CodeCell(cell_facts(cell)),
            SpanObject::Compaction(request) => SpanDetail::Compaction(compaction_facts(request)),
        }
    }

    fn inference_facts(&self, call: &InferenceCall) -> InferenceFacts {
        let first_token = call.first_token_at.map(|at| at.millis_since(call.execution.started.at.unix_ms()));
        InferenceFacts {
            model: call.model.clone(),
            provider: call.provider_name.clone(),
            response_id: call.response_id.as_ref().map(|id| id.as_str().to_owned()),
            usage: call.usage,
            time_to_first_chunk_ms: first_token,
            request: self.digest(&call.raw_request_payload_id, |body| RequestDigest::parse(body, self.content)),
            response: self.response(call),
        }
    }

    fn tool_facts(&self, tool: &ToolCall) -> ToolFacts {
        let invocation = tool.raw_invocation_payload_id.as_ref();
        let result = tool.raw_result_payload_id.as_ref();
        let runtime = tool.raw_runtime_payload_ids.iter();
        ToolFacts {
            call_id: tool.model_visible_call_id.clone(),
            kind: tool.kind.clone(),
            label: tool.label.clone(),
            mcp_call_id: tool.mcp_call_id.as_ref().map(|id| id.as_str().to_owned()),
            invocation: invocation.map(|id| self.digest(id, |body| InvocationDigest::parse(body, self.content))),
            runtime: runtime.map(|id| self.digest(id, RuntimeDigest::parse)).collect(),
            result: result.map(|id| self.digest(id, |body| ResultDigest::parse(body, self.content))),
        }
    }
}

fn thread_facts(thread: &Thread) -> ThreadFacts {
    ThreadFacts {
        agent_path: thread.agent_path.clone(),
        agent_name: thread.nickname.clone(),
        default_model: thread.default_model.clone(),
    }
}

fn cell_facts(cell: &CodeCell) -> CellFacts {
    CellFacts { call_id: cell.model_visible_call_id.clone(), status: cell.runtime_status }
}

fn compaction_facts(request: &CompactionRequest) -> CompactionFacts {
    CompactionFacts {
        compaction_id: request.compaction_id.clone(),
        model: request.model.clone(),
        provider: request.provider_name.clone(),
        usage: request.usage,
    }
}

fn error(object: SpanObject<'_>) -> Option<&str> {
    match object {
        SpanObject::Thread(thread) => thread.error.as_deref(),
        SpanObject::Turn(turn) => turn.error.as_deref(),
        SpanObject::Inference(call) => call.error.as_deref(),
        SpanObject::Tool(tool) => tool.error.as_deref(),
        SpanObject::CodeCell(_) => None,
        SpanObject::Compaction(request) => request.error.as_deref(),
    }
}

fn end(object: SpanObject<'_>) -> Option<&EndDetail> {
    match object {
        SpanObject::Thread(thread) => thread.end.as_deref(),
        SpanObject::Turn(turn) => turn.end.as_deref(),
        SpanObject::Inference(call) => call.end.as_deref(),
        SpanObject::Tool(tool) => tool.end.as_deref(),
        SpanObject::CodeCell(cell) => cell.end.as_deref(),
        SpanObject::Compaction(request) => request.end.as_deref(),
    }
}

/// Returns the payloads that the object's events reference, each once.
pub(in crate::otlp) fn payload_ids(object: SpanObject<'_>) -> Vec<RawPayloadId> {
    let mut seen = HashSet::new();
    let named = object.evidence().as_slice().iter().filter_map(|(_, payload)| payload.as_ref());
    named.filter(|payload| seen.insert(*payload)).cloned().collect()
}

/// Returns the payloads that the span of the object names: those that its events reference, without the chunks of a response
/// whose call has ended. A live span does not know them as its response.
fn span_payload_ids(object: SpanObject<'_>) -> Vec<RawPayloadId> {
    let mut payloads = payload_ids(object);
    if is_ended_in_chunks(object) {
        let chunks: HashSet<_> = chunk_ids(object).iter().collect();
        payloads.retain(|payload| !chunks.contains(payload));
    }
    payloads
}

/// Returns `true` if the call has ended and chunks are all that is known of its response.
fn is_ended_in_chunks(object: SpanObject<'_>) -> bool {
    object.execution().ended.is_some() && !chunk_ids(object).is_empty()
}

/// Returns the chunks of the response of a call.
fn chunk_ids(object: SpanObject<'_>) -> &[RawPayloadId] {
    match object {
        SpanObject::Inference(call) => &call.raw_response_chunk_ids,
        SpanObject::Compaction(request) => &request.raw_response_chunk_ids,
        SpanObject::Thread(_) | SpanObject::Turn(_) | SpanObject::Tool(_) | SpanObject::CodeCell(_) => &[],
    }
}
