//! Tool calls: who asked for what, when it ran, and the bodies that tell of it.

use std::sync::Arc;

use super::lifecycle::{End, Late};
use super::lives::Lives;
use crate::event::{
    McpToolCallCorrelationAssigned, RuntimeCellId, ToolCallEnded, ToolCallId, ToolCallRuntimeEnded,
    ToolCallRuntimeStarted, ToolCallStarted,
};
use crate::event::{RawPayloadId, Requester as Asked, ToolKind, ToolSummary};
use crate::graph::{Code, Evidence, Execution, LiveSpan, Requester, Table, ToolCall};
use crate::reduce::Problems;
use crate::reduce::decode::{At, Body, Invocation, ToolAnswer, ToolFact};
use crate::reduce::problems::Place;

/// All tool calls, and what they name that only links can resolve.
#[derive(Debug, Default)]
pub(in crate::reduce) struct Tools {
    pub(in crate::reduce) calls: Table<ToolCallId, ToolCall>,
    /// Where each call's start stands among the tool facts, in order of the calls.
    pub(in crate::reduce) starts: Vec<usize>,
    /// The same in the log.
    pub(in crate::reduce) places: Vec<Place>,
    /// Calls that a code cell asked for, by start.
    pub(in crate::reduce) nested: Vec<NamedCell>,
    /// Calls that wait for a code cell, by start.
    pub(in crate::reduce) waits: Vec<NamedCell>,
}

/// A tool call that names a code cell of its thread.
#[derive(Debug)]
pub(in crate::reduce) struct NamedCell {
    pub(in crate::reduce) call: usize,
    pub(in crate::reduce) place: Place,
    pub(in crate::reduce) cell: RuntimeCellId,
}

/// Folds tool calls.
pub(in crate::reduce) fn tools(facts: &[At<ToolFact>], lives: &Lives, problems: &mut Problems) -> Tools {
    let mut tools = Tools::default();
    for (place, at) in facts.iter().enumerate() {
        match &at.fact {
            ToolFact::Started(event, invocation) => {
                tools.start(at, place, event, invocation.as_ref(), lives, problems);
            }
            ToolFact::Correlated(_)
            | ToolFact::RuntimeStarted(..)
            | ToolFact::RuntimeEnded(..)
            | ToolFact::Ended(..) => {}
        }
    }
    for at in facts {
        match &at.fact {
            ToolFact::Started(..) => {}
            ToolFact::Correlated(event) => tools.correlate(at, event, problems),
            ToolFact::RuntimeStarted(event, _) => {
                let ToolCallRuntimeStarted { tool_call_id, runtime_payload } = event;
                tools.see_runtime(at, tool_call_id, &runtime_payload.raw_payload_id, problems);
            }
            ToolFact::RuntimeEnded(event, _) => {
                let ToolCallRuntimeEnded { tool_call_id, status: _, runtime_payload } = event;
                tools.see_runtime(at, tool_call_id, &runtime_payload.raw_payload_id, problems);
            }
            ToolFact::Ended(event, answer) => tools.end(at, event, answer, problems),
        }
    }
    tools
}

impl Tools {
    fn start(
        &mut self,
        at: &At<ToolFact>,
        fact: usize,
        event: &ToolCallStarted,
        invocation: Option<&Body<Invocation>>,
        lives: &Lives,
        problems: &mut Problems,
    ) {
        let ToolCallStarted {
            tool_call_id,
            model_visible_call_id,
            code_mode_runtime_tool_id,
            requester,
            kind,
            summary,
            invocation_payload,
        } = event;
        let what = format!("tool call {tool_call_id}");
        let payload = invocation_payload.as_ref().map(|body| body.raw_payload_id.clone());
        if self.calls.contains(tool_call_id) {
            let message = format!("{what} starts a second time; the first start stands");
            problems.add(at, Code::DuplicateStart, message, payload.as_ref());
            return;
        }
        let Some(thread_id) = lives.thread_of(at) else {
            let message = format!("{what} starts in no known thread; it is left out");
            problems.add(at, Code::UnknownObject, message, payload.as_ref());
            return;
        };
        let turn_id = at.context.turn_id.clone();
        if let Some(turn) = &turn_id
            && !lives.agree(at, &thread_id, turn, &what, problems)
        {
            return;
        }
        let call = ToolCall {
            tool_call_id: tool_call_id.clone(),
            model_visible_call_id: model_visible_call_id.clone(),
            code_mode_runtime_tool_id: code_mode_runtime_tool_id.clone(),
            thread_id,
            turn_id,
            execution: Execution::open(at.when),
            requester: Requester::Model,
            kind: kind.clone(),
            call_item_ids: Vec::new(),
            output_item_ids: Vec::new(),
            operation_id: None,
            summary: summary.clone(),
            label: label_of(summary),
            raw_invocation_payload_id: payload.clone(),
            raw_result_payload_id: None,
            raw_runtime_payload_ids: Vec::new(),
            mcp_call_id: None,
            error: None,
            span: LiveSpan::of(at.context.span.as_ref()),
            requested_by: None,
            evidence: Evidence::of(at.when.seq, payload.clone()),
        };
        let Some(call) = self.calls.add(tool_call_id.clone(), call) else { return };
        self.starts.push(fact);
        self.places.push(Place::from(at));
        match requester {
            Asked::Model => {}
            Asked::CodeCell { runtime_cell_id } => {
                self.nested.push(NamedCell { call, place: Place::from(at), cell: runtime_cell_id.clone() });
            }
        }
        if let Some(cell) = waited_for(at, kind, &what, invocation, payload.as_ref(), problems) {
            self.waits.push(NamedCell { call, place: Place::from(at), cell });
        }
    }

    fn correlate(&mut self, at: &At<ToolFact>, event: &McpToolCallCorrelationAssigned, problems: &mut Problems) {
        let McpToolCallCorrelationAssigned { tool_call_id, mcp_call_id } = event;
        if let Some(call) = self.known(at, tool_call_id, None, problems) {
            call.mcp_call_id.get_or_insert_with(|| mcp_call_id.clone());
        }
    }

    fn see_runtime(&mut self, at: &At<ToolFact>, tool: &ToolCallId, payload: &RawPayloadId, problems: &mut Problems) {
        if let Some(call) = self.known(at, tool, Some(payload), problems) {
            call.raw_runtime_payload_ids.push(payload.clone());
        }
    }

    fn end(&mut self, at: &At<ToolFact>, event: &ToolCallEnded, answer: &ToolAnswer, problems: &mut Problems) {
        let ToolCallEnded { tool_call_id, status, result_payload, error } = event;
        let payload = result_payload.as_ref().map(|body| &body.raw_payload_id);
        let Some(call) = self.known(at, tool_call_id, payload, problems) else { return };
        if let Err(Late) = call.execution.end(End { when: at.when, status: *status }, None) {
            let message = format!("tool call {tool_call_id} ends after its end; the first end stands");
            problems.add(at, Code::LateEnd, message, payload);
            return;
        }
        call.raw_result_payload_id = payload.cloned();
        let told = match answer {
            ToolAnswer::None => Ok(None),
            ToolAnswer::Any(body) => body.as_ref().map(|result| result.error.clone()),
            ToolAnswer::Stdin(body) => body.as_ref().map(|result| result.error.clone()),
        };
        match told {
            Ok(told) => call.error = told.or_else(|| error.clone()),
            Err(unread) => {
                call.error.clone_from(error);
                let message = format!("the result of tool call {tool_call_id} counts as absent: {}", unread.why);
                problems.add(at, unread.code, message, payload);
            }
        }
    }

    /// The call that an event is about, which becomes part of its evidence.
    fn known(
        &mut self,
        at: &At<ToolFact>,
        tool: &ToolCallId,
        payload: Option<&RawPayloadId>,
        problems: &mut Problems,
    ) -> Option<&mut ToolCall> {
        let Some(call) = self.calls.get_mut(tool) else {
            let message = format!("tool call {tool} was never started; what is said of it here is left out");
            problems.add(at, Code::UnknownObject, message, payload);
            return None;
        };
        problems.use_before_start(at, call.execution.started.seq, Code::UnknownObject, &format!("tool call {tool}"));
        call.evidence.add(at.when.seq, payload.cloned());
        call.span.learn(at.context.span.as_ref());
        Some(call)
    }
}

/// The cell that a `wait` waits for. A model wrote the arguments, so they may be anything.
fn label_of(summary: &ToolSummary) -> Option<Arc<str>> {
    match summary {
        ToolSummary::Generic { label, .. } => Some(label.clone()),
        ToolSummary::Terminal { .. } | ToolSummary::Agent { .. } | ToolSummary::WaitAgent { .. } => None,
    }
}

fn waited_for(
    at: &At<ToolFact>,
    kind: &ToolKind,
    what: &str,
    invocation: Option<&Body<Invocation>>,
    payload: Option<&RawPayloadId>,
    problems: &mut Problems,
) -> Option<RuntimeCellId> {
    if !matches!(kind, ToolKind::Other { name } if &**name == "wait") {
        return None;
    }
    let invocation = match invocation? {
        Ok(invocation) => invocation,
        Err(unread) => {
            problems.add(
                at,
                unread.code,
                format!("the invocation of {what} counts as absent: {}", unread.why),
                payload,
            );
            return None;
        }
    };
    if invocation.has_namespace || invocation.tool_name.as_deref() != Some("wait") {
        return None;
    }
    let cell = match &invocation.arguments {
        Ok(arguments) => arguments.cell_id.as_deref().ok_or("they name no cell_id"),
        Err(why) => Err(*why),
    };
    match cell {
        Ok(cell) => Some(RuntimeCellId::from(cell)),
        Err(why) => {
            let message = format!("the arguments of {what} can't be read, so it waits for no cell: {why}");
            problems.add(at, Code::BadArguments, message, payload);
            None
        }
    }
}
