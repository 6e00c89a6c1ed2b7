//! Facts of events during an operation and at its end.

use super::{Digest, LiveFacts};
use crate::event::{
    CellStatus, CompactionRequestCompleted, CompactionRequestFailed, ExecutionStatus, InferenceCancelled,
    InferenceCompleted, InferenceFailed, McpToolCallCorrelationAssigned, PayloadRef, ThreadEnded, ToolCallEnded,
    TurnEnded, UnixMillis, Usage,
};
use crate::layer::live::EventMeta;
use crate::otlp::live::export::LiveExport;
use crate::otlp::live::tool_requests::{LastResponse, RequestingResponse, ToolRequests};
use crate::otlp::span::digest::ResponseDigest;
use crate::otlp::span::facts::{InferenceFacts, SpanDetail, ToolFacts};

impl LiveFacts {
    pub(super) fn thread_ended(&mut self, export: &LiveExport, meta: EventMeta<'_>, event: &ThreadEnded) {
        self.end(meta, event.status.into(), event.error.clone(), event.detail());
        export.remove_thread_calls(meta.recording, &event.thread_id);
    }

    pub(super) fn turn_ended(&mut self, export: &LiveExport, meta: EventMeta<'_>, event: &TurnEnded) {
        export.remove_turn_response(meta.recording, &event.turn_id);
        if let Some(thread) = &meta.context.thread_id {
            let at = export.ordinal();
            let drop = |requests: &mut ToolRequests| requests.end_turn(&event.turn_id, at);
            export.with_tool_requests(meta.recording, thread, drop);
        }
        // If the span is the thread's too, the thread's own end event ends it.
        if matches!(&self.facts, Some(facts) if facts.detail == SpanDetail::Turn) {
            self.end(meta, event.status, event.error.clone(), event.detail());
        }
    }

    pub(super) fn inference_completed(&mut self, export: &LiveExport, meta: EventMeta<'_>, event: &InferenceCompleted) {
        self.select_attempt(event.inference_call_id.as_arc());
        let payloads = (Some(&event.response_payload), event.wire_payload.as_deref());
        self.add_response(export, meta, payloads, event.first_token_at_unix_ms, ExecutionStatus::Completed);
        if let Some(inference) = self.inference() {
            inference.response_id = event.response_id.as_ref().map(|id| id.as_str().to_owned());
            inference.usage = event.usage;
            let has_known_items = inference.response.as_ref().is_some_and(|response| response.has_known_items);
            if let Some(turn) = &meta.context.turn_id {
                export.record_response(meta.recording, turn, has_known_items, self.link_target());
            }
            if let Some(thread) = &meta.context.thread_id {
                let last = LastResponse { started: self.order.started(), has_known_items };
                let turn = meta.context.turn_id.as_ref();
                export.update_tool_requests(meta.recording, thread, |requests| requests.complete(turn, last));
            }
        }
        self.end(meta, ExecutionStatus::Completed, None, event.detail());
    }

    pub(super) fn inference_failed(&mut self, export: &LiveExport, meta: EventMeta<'_>, event: &InferenceFailed) {
        self.select_attempt(event.inference_call_id.as_arc());
        let payloads = (event.partial_response_payload.as_ref(), event.wire_payload.as_deref());
        self.add_response(export, meta, payloads, event.first_token_at_unix_ms, ExecutionStatus::Failed);
        self.set_usage(event.usage);
        self.end(meta, ExecutionStatus::Failed, Some(event.error.clone()), event.detail());
    }

    pub(super) fn inference_cancelled(&mut self, export: &LiveExport, meta: EventMeta<'_>, event: &InferenceCancelled) {
        self.select_attempt(event.inference_call_id.as_arc());
        let payloads = (event.partial_response_payload.as_ref(), event.wire_payload.as_deref());
        self.add_response(export, meta, payloads, event.first_token_at_unix_ms, ExecutionStatus::Cancelled);
        self.set_usage(event.usage);
        self.end(meta, ExecutionStatus::Cancelled, Some(event.reason.clone()), event.detail());
    }

    /// Sets the usage that the span of an inference call reported.
    fn set_usage(&mut self, usage: Option<Usage>) {
        if let Some(inference) = self.inference() {
            inference.usage = usage;
        }
    }

    /// Adds the response to a compaction request.
    pub(super) fn compaction_completed(&mut self, meta: EventMeta<'_>, event: &CompactionRequestCompleted) {
        self.select_attempt(event.compaction_request_id.as_arc());
        if let Some(Digest::Response(response)) = self.take_digest(&event.response_payload)
            && let Some(SpanDetail::Compaction(compaction)) = self.facts.as_mut().map(|facts| &mut facts.detail)
        {
            compaction.usage = response.usage;
        }
        self.add_payload(&event.response_payload);
        self.end(meta, ExecutionStatus::Completed, None, event.detail());
    }

    pub(super) fn compaction_failed(&mut self, meta: EventMeta<'_>, event: &CompactionRequestFailed) {
        self.select_attempt(event.compaction_request_id.as_arc());
        self.end(meta, ExecutionStatus::Failed, Some(event.error.clone()), event.detail());
    }

    /// Adds a complete or partial response of the model: the body that the program recorded, or if it did not, the bytes
    /// that its client received.
    fn add_response(
        &mut self,
        export: &LiveExport,
        meta: EventMeta<'_>,
        (body, wire): (Option<&PayloadRef>, Option<&PayloadRef>),
        first_token_at: Option<UnixMillis>,
        status: ExecutionStatus,
    ) {
        let recorded = body.map(|body| self.take_response(body).unwrap_or_default());
        let is_recorded = recorded.as_ref().is_some_and(|response| response.has_known_items);
        let wire = wire.filter(|_| !is_recorded);
        let received = wire.and_then(|wire| self.take_response(wire));
        let error = received.as_ref().and_then(|received| received.error.clone());
        let received = received.filter(|response| response.is_response);
        // Also bytes that are no response, such as an error: the reducer reads them too.
        body.into_iter().chain(wire).for_each(|body| self.add_payload(body));
        let response = match (received, recorded) {
            (Some(received), Some(recorded)) => Some(ResponseDigest {
                response_id: received.response_id.or(recorded.response_id),
                usage: received.usage.or(recorded.usage),
                ..received
            }),
            (received, recorded) => received.or(recorded),
        };
        let response = match error {
            Some(_) => Some(ResponseDigest { error, ..response.unwrap_or_default() }),
            None => response,
        };
        if let (Some(ResponseDigest { calls, .. }), Some(thread)) = (&response, &meta.context.thread_id)
            && !calls.is_empty()
        {
            let requesting = RequestingResponse {
                turn_id: meta.context.turn_id.clone(),
                is_complete: status == ExecutionStatus::Completed,
                started: self.order.started(),
                responded: export.ordinal(),
                span: self.link_target(),
            };
            export.update_tool_requests(meta.recording, thread, |requests| requests.add_response(&requesting, calls));
        }
        let started_at = self.attempt_started_at;
        if let Some(inference) = self.inference() {
            inference.response = response;
            let millis = first_token_at.zip(started_at).map(|(first, started)| first.millis_since(started.unix_ms()));
            inference.time_to_first_chunk_ms = millis;
        }
    }

    /// Takes the digest of a response.
    fn take_response(&mut self, payload: &PayloadRef) -> Option<ResponseDigest> {
        match self.take_digest(payload)? {
            Digest::Response(response) => Some(*response),
            Digest::Request(_)
            | Digest::Invocation(_)
            | Digest::Runtime(_)
            | Digest::Result(_)
            | Digest::Session(_) => None,
        }
    }

    pub(super) fn tool_correlated(&mut self, event: &McpToolCallCorrelationAssigned) {
        if let Some(tool) = self.tool() {
            tool.mcp_call_id = Some(event.mcp_call_id.as_str().to_owned());
        }
    }

    pub(super) fn tool_runtime(&mut self, body: &PayloadRef) {
        let digest = self.take_digest(body);
        if let (Some(Digest::Runtime(digest)), Some(tool)) = (digest, self.tool()) {
            tool.runtime.push(digest);
        }
        self.add_payload(body);
    }

    pub(super) fn tool_ended(&mut self, export: &LiveExport, meta: EventMeta<'_>, event: &ToolCallEnded) {
        let digest = event.result_payload.as_ref().and_then(|body| self.take_digest(body));
        if let (Some(Digest::Result(digest)), Some(tool)) = (digest, self.tool()) {
            tool.result = Some(digest);
        }
        event.result_payload.iter().for_each(|body| self.add_payload(body));
        self.end(meta, event.status, event.error.clone(), event.detail());
        // Link now: when the thread ends, its requested calls are forgotten.
        self.link_to_requester(export);
    }

    /// Adds a response of a code cell.
    pub(super) fn cell_response(&mut self, status: CellStatus, body: Option<&PayloadRef>) {
        body.into_iter().for_each(|body| self.add_payload(body));
        if let Some(SpanDetail::CodeCell(cell)) = self.facts.as_mut().map(|facts| &mut facts.detail) {
            cell.status = status;
        }
    }

    /// Returns the facts of the inference call. Returns `None` if the span is of another kind.
    fn inference(&mut self) -> Option<&mut InferenceFacts> {
        match &mut self.facts.as_mut()?.detail {
            SpanDetail::Inference(inference) => Some(inference),
            SpanDetail::Thread(_)
            | SpanDetail::Turn
            | SpanDetail::Tool(_)
            | SpanDetail::CodeCell(_)
            | SpanDetail::Compaction(_) => None,
        }
    }

    /// Returns the facts of the tool call. Returns `None` if the span is of another kind.
    fn tool(&mut self) -> Option<&mut ToolFacts> {
        match &mut self.facts.as_mut()?.detail {
            SpanDetail::Tool(tool) => Some(tool),
            SpanDetail::Thread(_)
            | SpanDetail::Turn
            | SpanDetail::Inference(_)
            | SpanDetail::CodeCell(_)
            | SpanDetail::Compaction(_) => None,
        }
    }
}
