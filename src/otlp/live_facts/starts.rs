//! Starts: what an object is.

use std::sync::Arc;

use super::{Digest, Gathered, SessionDigest};
use crate::event::{
    CellStatus, CodeCellStarted, CompactionRequestStarted, InferenceStarted, Requester, ThreadId, ThreadStarted,
    ToolCallStarted, ToolSummary, TurnStarted,
};
use crate::graph::CellId;
use crate::layer::live::Said;
use crate::otlp::digest::RequestDigest;
use crate::otlp::live_run::LiveRun;
use crate::otlp::span_facts::{CellFacts, CompactionFacts, InferenceFacts, ThreadFacts, ToolFacts, What};

impl Gathered {
    pub(super) fn thread_started(&mut self, run: &LiveRun, said: Said<'_>, event: &ThreadStarted) {
        let session = match event.metadata_payload.as_ref().and_then(|body| self.take(body)) {
            Some(Digest::Session(session)) => session,
            Some(_) | None => SessionDigest::default(),
        };
        let what = ThreadFacts {
            agent_path: event.agent_path.clone(),
            agent_name: session.nickname,
            default_model: session.model,
        };
        self.open(run, said, Arc::clone(event.thread_id.as_arc()), event.thread_id.clone(), What::Thread(what));
        event.metadata_payload.iter().for_each(|body| self.name(body));
        run.thread(said.recording, &event.thread_id, self.as_target());
    }

    pub(super) fn turn_started(&mut self, run: &LiveRun, said: Said<'_>, event: &TurnStarted) {
        self.open(run, said, Arc::clone(event.turn_id.as_arc()), event.thread_id.clone(), What::Turn);
        if let Some(facts) = &mut self.facts {
            facts.turn_id = Some(event.turn_id.clone());
        }
        run.turn(said.recording, &event.thread_id, &event.turn_id, self.as_target());
    }

    pub(super) fn inference_started(&mut self, run: &LiveRun, said: Said<'_>, event: &InferenceStarted) {
        let request = match self.take(&event.request_payload) {
            Some(Digest::Request(request)) => *request,
            Some(_) | None => RequestDigest::default(),
        };
        let (model, provider) = (event.model.clone(), event.provider_name.clone());
        let what = InferenceFacts { model, provider, request, ..InferenceFacts::default() };
        let id = Arc::clone(event.inference_call_id.as_arc());
        self.open(run, said, id, event.thread_id.clone(), What::Inference(Box::new(what)));
        self.name(&event.request_payload);
        self.links.extend(run.take_results(said.recording, &event.thread_id));
    }

    pub(super) fn tool_started(&mut self, run: &LiveRun, said: Said<'_>, event: &ToolCallStarted) {
        let invocation = match event.invocation_payload.as_ref().and_then(|body| self.take(body)) {
            Some(Digest::Invocation(invocation)) => Some(invocation),
            Some(_) | None => None,
        };
        let label = match &event.summary {
            ToolSummary::Generic { label, .. } => Some(Arc::clone(label)),
            ToolSummary::Terminal { .. } | ToolSummary::Agent { .. } | ToolSummary::WaitAgent { .. } => None,
        };
        let (call_id, kind) = (event.model_visible_call_id.clone(), event.kind.clone());
        let what = ToolFacts { call_id, kind, label, mcp_call_id: None, invocation, runtime: Vec::new(), result: None };
        let id = Arc::clone(event.tool_call_id.as_arc());
        self.open(run, said, id, thread_of(said), What::Tool(Box::new(what)));
        event.invocation_payload.iter().for_each(|body| self.name(body));
        run.tool(said.recording, &thread_of(said), &event.tool_call_id, self.as_target());
        let call = event.model_visible_call_id.as_ref();
        let is_first = call.is_none_or(|call| run.takes(said.recording, &thread_of(said), call));
        self.may_be_asked_for = is_first && matches!(event.requester, Requester::Model);
        if let Some(turn) = said.context.turn_id.as_ref().filter(|_| self.may_be_asked_for) {
            self.unheard = run.unheard(said.recording, turn);
        }
    }

    pub(super) fn cell_started(&mut self, run: &LiveRun, said: Said<'_>, event: &CodeCellStarted) {
        let call_id = event.model_visible_call_id.clone();
        let id = CellId::of_call(&call_id);
        let what = CellFacts { call_id, status: CellStatus::Starting };
        self.open(run, said, id.as_str().into(), thread_of(said), What::CodeCell(what));
    }

    pub(super) fn compaction_started(&mut self, run: &LiveRun, said: Said<'_>, event: &CompactionRequestStarted) {
        let what = CompactionFacts {
            compaction_id: event.compaction_id.clone(),
            model: event.model.clone(),
            provider: event.provider_name.clone(),
        };
        let id = Arc::clone(event.compaction_request_id.as_arc());
        self.open(run, said, id, event.thread_id.clone(), What::Compaction(what));
        self.name(&event.request_payload);
    }
}

/// What happens in a turn says whose it is by its context.
fn thread_of(said: Said<'_>) -> ThreadId {
    said.context.thread_id.clone().unwrap_or_else(|| ThreadId::from(""))
}
