//! Facts of events that start an operation.

use std::sync::Arc;

use super::{Digest, LiveFacts, SessionDigest};
use crate::event::{
    CallId, CellStatus, CodeCellStarted, CompactionRequestStarted, InferenceStarted, Requester, ThreadId,
    ThreadStarted, ToolCallStarted, ToolSummary, TurnStarted,
};
use crate::layer::live::EventMeta;
use crate::otlp::live::export::LiveExport;
use crate::otlp::live::tool_requests::StartedTool;
use crate::otlp::span::digest::RequestDigest;
use crate::otlp::span::facts::{CellFacts, CompactionFacts, InferenceFacts, SpanDetail, ThreadFacts, ToolFacts};
use crate::reduce::tool_name::{ToolName, spelled_name};

impl LiveFacts {
    pub(super) fn thread_started(&mut self, export: &LiveExport, meta: EventMeta<'_>, event: &ThreadStarted) {
        let session = match event.metadata_payload.as_ref().and_then(|body| self.take_digest(body)) {
            Some(Digest::Session(session)) => session,
            Some(_) | None => SessionDigest::default(),
        };
        let detail = ThreadFacts {
            agent_path: event.agent_path.clone(),
            agent_name: session.nickname,
            default_model: session.model,
        };
        self.start(
            export,
            meta,
            Arc::clone(event.thread_id.as_arc()),
            event.thread_id.clone(),
            SpanDetail::Thread(detail),
        );
        event.metadata_payload.iter().for_each(|body| self.add_payload(body));
    }

    pub(super) fn turn_started(&mut self, export: &LiveExport, meta: EventMeta<'_>, event: &TurnStarted) {
        self.start(export, meta, Arc::clone(event.turn_id.as_arc()), event.thread_id.clone(), SpanDetail::Turn);
        if let Some(facts) = &mut self.facts {
            facts.turn_id = Some(event.turn_id.clone());
        }
    }

    pub(super) fn inference_started(&mut self, export: &LiveExport, meta: EventMeta<'_>, event: &InferenceStarted) {
        let request = match self.take_digest(&event.request_payload) {
            Some(Digest::Request(request)) => *request,
            Some(_) | None => RequestDigest::default(),
        };
        let at = export.ordinal();
        export.with_tool_requests(meta.recording, &event.thread_id, |requests| {
            requests.drop_cut_off_calls(&event.turn_id, at);
            requests.add_outputs(&request.answered_calls, request.last_outputs, at);
        });
        let (model, provider) = (event.model.clone(), event.provider_name.clone());
        let detail = InferenceFacts { model, provider, request, ..InferenceFacts::default() };
        let id = Arc::clone(event.inference_call_id.as_arc());
        self.start(export, meta, id, event.thread_id.clone(), SpanDetail::Inference(Box::new(detail)));
        self.add_payload(&event.request_payload);
        self.links.extend(export.take_agent_result_links(meta.recording, &event.thread_id));
    }

    pub(super) fn tool_started(&mut self, export: &LiveExport, meta: EventMeta<'_>, event: &ToolCallStarted) {
        let invocation = match event.invocation_payload.as_ref().and_then(|body| self.take_digest(body)) {
            Some(Digest::Invocation(invocation)) => Some(invocation),
            Some(_) | None => None,
        };
        let label = match &event.summary {
            ToolSummary::Generic { label, .. } => Some(Arc::clone(label)),
            ToolSummary::Terminal { .. } | ToolSummary::Agent { .. } | ToolSummary::WaitAgent { .. } => None,
        };
        let names = ToolName::of_tool(label.as_deref(), &event.kind);
        self.may_be_requested = matches!(event.requester, Requester::Model);
        let name = spelled_name(label.as_deref(), &event.kind).filter(|_| self.may_be_requested).map(CallId::from);
        self.requested_as = event.requesting_call_id().cloned().or_else(|| name.clone());
        let (call_id, kind) = (event.requesting_call_id().cloned(), event.kind.clone());
        let detail =
            ToolFacts { call_id, kind, label, mcp_call_id: None, invocation, runtime: Vec::new(), result: None };
        let id = Arc::clone(event.tool_call_id.as_arc());
        self.start(export, meta, id, thread_id(meta), SpanDetail::Tool(Box::new(detail)));
        event.invocation_payload.iter().for_each(|body| self.add_payload(body));
        export.add_tool_span(meta.recording, &thread_id(meta), &event.tool_call_id, self.link_target());
        let tool = StartedTool {
            tool_call_id: event.tool_call_id.clone(),
            turn_id: meta.context.turn_id.clone(),
            names,
            spelled_name: name,
            started: self.order.started(),
            has_arguments: event.invocation_payload.is_some(),
            requested_since: 0,
        };
        let call = self.requested_as.as_ref();
        export.update_tool_requests(meta.recording, &thread_id(meta), |requests| requests.start_tool(call, tool));
        if let Some(turn) = meta.context.turn_id.as_ref().filter(|_| self.may_be_requested) {
            self.unrecorded_response = export.unrecorded_response(meta.recording, turn);
        }
    }

    pub(super) fn cell_started(&mut self, export: &LiveExport, meta: EventMeta<'_>, event: &CodeCellStarted) {
        let call_id = event.model_visible_call_id.clone();
        let id = export.assign_cell_id(meta.recording, &thread_id(meta), &call_id);
        let detail = CellFacts { call_id, status: CellStatus::Starting };
        self.start(export, meta, id, thread_id(meta), SpanDetail::CodeCell(detail));
    }

    pub(super) fn compaction_started(
        &mut self,
        export: &LiveExport,
        meta: EventMeta<'_>,
        event: &CompactionRequestStarted,
    ) {
        let detail = CompactionFacts {
            compaction_id: event.compaction_id.clone(),
            model: event.model.clone(),
            provider: event.provider_name.clone(),
            usage: None,
        };
        let id = Arc::clone(event.compaction_request_id.as_arc());
        self.start(export, meta, id, event.thread_id.clone(), SpanDetail::Compaction(detail));
        self.add_payload(&event.request_payload);
    }
}

/// Returns the thread of an event inside of a turn, which only its context names.
fn thread_id(meta: EventMeta<'_>) -> ThreadId {
    meta.context.thread_id.clone().unwrap_or_else(|| ThreadId::from(""))
}
