//! What happens in an object, and how it ends.

use super::{Digest, Gathered};
use crate::event::{
    CellStatus, ExecutionStatus, InferenceCancelled, InferenceCompleted, InferenceFailed,
    McpToolCallCorrelationAssigned, PayloadRef, ThreadEnded, ToolCallEnded, TurnEnded, UnixMillis,
};
use crate::layer::live::Said;
use crate::otlp::digest::ResponseDigest;
use crate::otlp::live_run::LiveRun;
use crate::otlp::span_facts::{InferenceFacts, ToolFacts, What};

impl Gathered {
    pub(super) fn thread_ended(&mut self, run: &LiveRun, said: Said<'_>, event: &ThreadEnded) {
        self.end(said, event.status.into(), event.error.clone());
        run.thread_ended(said.recording, &event.thread_id);
    }

    pub(super) fn turn_ended(&mut self, run: &LiveRun, said: Said<'_>, event: &TurnEnded) {
        run.turn_ended(said.recording, &event.turn_id);
        // A thread that is one span with its turn ends for itself.
        if matches!(&self.facts, Some(facts) if facts.what == What::Turn) {
            self.end(said, event.status, event.error.clone());
        }
    }

    pub(super) fn inference_completed(&mut self, run: &LiveRun, said: Said<'_>, event: &InferenceCompleted) {
        self.answer(run, said, Some(&event.response_payload), event.first_token_at_unix_ms);
        if let Some(inference) = self.inference() {
            inference.response_id = event.response_id.as_ref().map(|id| id.as_str().to_owned());
            inference.usage = event.usage;
            let is_known = inference.response.as_ref().is_some_and(|response| response.is_known);
            if let Some(turn) = &said.context.turn_id {
                run.answered(said.recording, turn, is_known, self.as_target());
            }
        }
        self.end(said, ExecutionStatus::Completed, None);
    }

    pub(super) fn inference_failed(&mut self, run: &LiveRun, said: Said<'_>, event: &InferenceFailed) {
        self.answer(run, said, event.partial_response_payload.as_ref(), event.first_token_at_unix_ms);
        self.end(said, ExecutionStatus::Failed, Some(event.error.clone()));
    }

    pub(super) fn inference_cancelled(&mut self, run: &LiveRun, said: Said<'_>, event: &InferenceCancelled) {
        self.answer(run, said, event.partial_response_payload.as_ref(), event.first_token_at_unix_ms);
        self.end(said, ExecutionStatus::Cancelled, Some(event.reason.clone()));
    }

    /// What the model answered, whole or in part.
    fn answer(&mut self, run: &LiveRun, said: Said<'_>, body: Option<&PayloadRef>, first_token_at: Option<UnixMillis>) {
        let response = match body.and_then(|body| self.take(body)) {
            Some(Digest::Response(response)) => Some(*response),
            Some(_) | None => body.map(|_| ResponseDigest::default()),
        };
        if let (Some(response), Some(thread)) = (&response, &said.context.thread_id) {
            run.asked(said.recording, thread, &response.call_ids, self.as_target());
        }
        body.into_iter().for_each(|body| self.name(body));
        let started_at = self.started_at;
        if let Some(inference) = self.inference() {
            inference.response = response;
            let millis = first_token_at.zip(started_at).map(|(first, started)| first.millis_since(started.unix_ms()));
            inference.time_to_first_chunk_ms = millis;
        }
    }

    pub(super) fn tool_correlated(&mut self, event: &McpToolCallCorrelationAssigned) {
        if let Some(tool) = self.tool() {
            tool.mcp_call_id = Some(event.mcp_call_id.as_str().to_owned());
        }
    }

    pub(super) fn tool_runtime(&mut self, body: &PayloadRef) {
        let digest = self.take(body);
        if let (Some(Digest::Runtime(digest)), Some(tool)) = (digest, self.tool()) {
            tool.runtime.push(digest);
        }
        self.name(body);
    }

    pub(super) fn tool_ended(&mut self, run: &LiveRun, said: Said<'_>, event: &ToolCallEnded) {
        let digest = event.result_payload.as_ref().and_then(|body| self.take(body));
        if let (Some(Digest::Result(digest)), Some(tool)) = (digest, self.tool()) {
            tool.result = Some(digest);
        }
        event.result_payload.iter().for_each(|body| self.name(body));
        self.end(said, event.status, event.error.clone());
        // Before the thread ends, with which what was asked for in it goes.
        self.find_asker(run, None);
    }

    /// What a script said, last or not.
    pub(super) fn cell_said(&mut self, said: Said<'_>, status: CellStatus, body: Option<&PayloadRef>, is_last: bool) {
        body.into_iter().for_each(|body| self.name(body));
        if let Some(What::CodeCell(cell)) = self.facts.as_mut().map(|facts| &mut facts.what) {
            cell.status = status;
        }
        if is_last {
            self.end(said, status.into(), None);
        }
    }

    fn inference(&mut self) -> Option<&mut InferenceFacts> {
        match &mut self.facts.as_mut()?.what {
            What::Inference(inference) => Some(inference),
            What::Thread(_) | What::Turn | What::Tool(_) | What::CodeCell(_) | What::Compaction(_) => None,
        }
    }

    fn tool(&mut self) -> Option<&mut ToolFacts> {
        match &mut self.facts.as_mut()?.what {
            What::Tool(tool) => Some(tool),
            What::Thread(_) | What::Turn | What::Inference(_) | What::CodeCell(_) | What::Compaction(_) => None,
        }
    }
}
