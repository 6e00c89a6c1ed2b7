//! What an object was: from the graph, and from the bodies that it names.

use std::collections::HashSet;
use std::sync::Arc;

use crate::bundle::Reader;
use crate::event::RawPayloadId;
use crate::graph::{CodeCell, CompactionRequest, Graph, InferenceCall, Thread, ToolCall};
use crate::otlp::content_policy::ContentPolicy;
use crate::otlp::digest::{InvocationDigest, RequestDigest, ResponseDigest, ResultDigest, RuntimeDigest};
use crate::otlp::object::Object;
use crate::otlp::span_facts::{CellFacts, CompactionFacts, InferenceFacts, SpanFacts, ThreadFacts, ToolFacts, What};

/// The bodies of a bundle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bodies<'a> {
    pub(super) bundle: &'a Reader,
    pub(super) graph: &'a Graph,
    pub(super) content: ContentPolicy,
}

impl Bodies<'_> {
    /// What `digest` makes of a body. One that can't be read says nothing.
    fn digest<D: Default>(&self, id: &RawPayloadId, digest: impl FnOnce(&[u8]) -> D) -> D {
        let reference = self.graph.raw_payloads.get(id);
        let body = reference.and_then(|reference| self.bundle.payload(reference).ok());
        body.map_or_else(D::default, |body| digest(&body))
    }

    /// What the object was. Reads its bodies, one after the other.
    pub(super) fn facts(&self, object: Object<'_>, bundle: Option<&Arc<str>>) -> SpanFacts {
        SpanFacts {
            bundle: bundle.cloned(),
            object_id: object.id().into(),
            thread_id: object.thread_id().clone(),
            turn_id: object.turn_id().cloned(),
            status: object.execution().status,
            error: error(object).map(str::to_owned),
            payload_ids: payload_ids(object),
            what: self.what(object),
        }
    }

    fn what(&self, object: Object<'_>) -> What {
        match object {
            Object::Thread(thread) => What::Thread(of_thread(thread)),
            Object::Turn(_) => What::Turn,
            Object::Inference(call) => What::Inference(Box::new(self.inference(call))),
            Object::Tool(tool) => What::Tool(Box::new(self.tool(tool))),
            Object::CodeCell(cell) => What::CodeCell(of_cell(cell)),
            Object::Compaction(request) => What::Compaction(of_compaction(request)),
        }
    }

    fn inference(&self, call: &InferenceCall) -> InferenceFacts {
        let response = call.raw_response_payload_id.as_ref();
        let first_token = call.first_token_at.map(|at| at.millis_since(call.execution.started.at.unix_ms()));
        InferenceFacts {
            model: call.model.clone(),
            provider: call.provider_name.clone(),
            response_id: call.response_id.as_ref().map(|id| id.as_str().to_owned()),
            usage: call.usage,
            time_to_first_chunk_ms: first_token,
            request: self.digest(&call.raw_request_payload_id, |body| RequestDigest::of(body, self.content)),
            response: response.map(|id| self.digest(id, |body| ResponseDigest::of(body, self.content))),
        }
    }

    fn tool(&self, tool: &ToolCall) -> ToolFacts {
        let invocation = tool.raw_invocation_payload_id.as_ref();
        let result = tool.raw_result_payload_id.as_ref();
        let runtime = tool.raw_runtime_payload_ids.iter();
        ToolFacts {
            call_id: tool.model_visible_call_id.clone(),
            kind: tool.kind.clone(),
            label: tool.label.clone(),
            mcp_call_id: tool.mcp_call_id.as_ref().map(|id| id.as_str().to_owned()),
            invocation: invocation.map(|id| self.digest(id, |body| InvocationDigest::of(body, self.content))),
            runtime: runtime.map(|id| self.digest(id, RuntimeDigest::of)).collect(),
            result: result.map(|id| self.digest(id, |body| ResultDigest::of(body, self.content))),
        }
    }
}

fn of_thread(thread: &Thread) -> ThreadFacts {
    ThreadFacts {
        agent_path: thread.agent_path.clone(),
        agent_name: thread.nickname.clone(),
        default_model: thread.default_model.clone(),
    }
}

fn of_cell(cell: &CodeCell) -> CellFacts {
    CellFacts { call_id: cell.model_visible_call_id.clone(), status: cell.runtime_status }
}

fn of_compaction(request: &CompactionRequest) -> CompactionFacts {
    CompactionFacts {
        compaction_id: request.compaction_id.clone(),
        model: request.model.clone(),
        provider: request.provider_name.clone(),
    }
}

fn error(object: Object<'_>) -> Option<&str> {
    match object {
        Object::Thread(thread) => thread.error.as_deref(),
        Object::Turn(turn) => turn.error.as_deref(),
        Object::Inference(call) => call.error.as_deref(),
        Object::Tool(tool) => tool.error.as_deref(),
        Object::CodeCell(_) => None,
        Object::Compaction(request) => request.error.as_deref(),
    }
}

/// The bodies that its events named, each once.
pub(in crate::otlp) fn payload_ids(object: Object<'_>) -> Vec<RawPayloadId> {
    let mut seen = HashSet::new();
    let named = object.evidence().as_slice().iter().filter_map(|(_, payload)| payload.as_ref());
    named.filter(|payload| seen.insert(*payload)).cloned().collect()
}
