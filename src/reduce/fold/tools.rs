//! Folds tool calls: their requesters, kinds, times and payloads.

use std::sync::Arc;

use super::lifecycle::{AlreadyEnded, OperationEnd};
use super::thread_tables::ThreadTables;
use crate::event::{
    McpToolCallCorrelationAssigned, RuntimeCellId, ToolCallEnded, ToolCallId, ToolCallRuntimeEnded,
    ToolCallRuntimeStarted, ToolCallStarted,
};
use crate::event::{RawPayloadId, Requester as EventRequester, ToolKind, ToolSummary};
use crate::graph::{Code, Evidence, Execution, LiveSpan, McpTool, Requester, Table, ToolCall, ToolNames};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{Activity, Invocation, Logged, OutputHash, Payload, ResultPayload, StoredResult, ToolFact};
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::requested_calls::ArgumentsHash;

/// All tool calls, and the references from them to code cells, which `link` resolves.
#[derive(Debug, Default)]
pub(in crate::reduce) struct Tools {
    pub(in crate::reduce) calls: Table<ToolCallId, ToolCall>,
    /// For each tool call in order, the index of its start among the facts of tool calls.
    pub(in crate::reduce) starts: Vec<usize>,
    /// For each tool call in order, the position of its start event in the log.
    pub(in crate::reduce) positions: Vec<LogPosition>,
    /// For each tool call in order, the arguments in its invocation. `None` if they are unknown.
    pub(in crate::reduce) arguments: Vec<Option<ArgumentsHash>>,
    /// For each tool call in order, the output in its result. `None` if it is unknown.
    pub(in crate::reduce) outputs: Vec<Option<OutputHash>>,
    /// References from tool calls to the code cells that requested them, in order of the calls' starts.
    pub(in crate::reduce) nested: Vec<CellReference>,
    /// References from `wait` calls to the code cells that they wait for, in order of the calls' starts.
    pub(in crate::reduce) waits: Vec<CellReference>,
}

/// A reference from a tool call to a code cell of its thread.
#[derive(Debug)]
pub(in crate::reduce) struct CellReference {
    /// Index of the tool call in the table of calls.
    pub(in crate::reduce) call: usize,
    pub(in crate::reduce) position: LogPosition,
    pub(in crate::reduce) cell: RuntimeCellId,
}

/// Folds the facts of tool calls into tables. Starts are folded first, so that an event may name a call that starts
/// later.
pub(in crate::reduce) fn tools(
    facts: &[Logged<ToolFact>],
    thread_tables: &ThreadTables,
    diagnostics: &mut Diagnostics,
) -> Tools {
    let mut tools = Tools::default();
    for (position, at) in facts.iter().enumerate() {
        match &at.fact {
            ToolFact::Started(event, invocation) => {
                tools.start(at, position, event, invocation.as_ref(), thread_tables, diagnostics);
            }
            ToolFact::Correlated(_)
            | ToolFact::RuntimeStarted(..)
            | ToolFact::RuntimeEnded(..)
            | ToolFact::Ended(..)
            | ToolFact::Stored(_) => {}
        }
    }
    for at in facts {
        match &at.fact {
            ToolFact::Started(..) => {}
            ToolFact::Correlated(event) => tools.correlate(at, event, diagnostics),
            ToolFact::RuntimeStarted(event, _) => {
                let ToolCallRuntimeStarted { tool_call_id, runtime_payload } = event;
                tools.add_runtime_payload(at, tool_call_id, &runtime_payload.raw_payload_id, diagnostics);
            }
            ToolFact::RuntimeEnded(event, runtime) => {
                // The result of an agent's turn is reported like the end of a tool call, under an id of its own.
                let is_turn_result = runtime.foreign_activity().is_some_and(Activity::is_turn_result);
                if is_turn_result && !tools.calls.contains(&event.tool_call_id) {
                    continue;
                }
                let ToolCallRuntimeEnded { tool_call_id, status: _, runtime_payload } = event;
                tools.add_runtime_payload(at, tool_call_id, &runtime_payload.raw_payload_id, diagnostics);
            }
            ToolFact::Ended(event, result) => tools.end(at, event, result, diagnostics),
            ToolFact::Stored(result) => tools.add_stored_result(at, result, diagnostics),
        }
    }
    tools.find_mcp_tools(facts);
    tools
}

impl Tools {
    /// Returns the event that started a tool call, from the facts of tool calls. Returns `None` for an unknown call.
    pub(super) fn start_of<'f>(
        &self,
        tool: &ToolCallId,
        facts: &'f [Logged<ToolFact>],
    ) -> Option<&'f Logged<ToolFact>> {
        facts.get(*self.starts.get(self.calls.index_of(tool)?)?)
    }

    /// Adds a tool call at its start event. Reports why if the event is left out.
    fn start(
        &mut self,
        at: &Logged<ToolFact>,
        fact: usize,
        event: &ToolCallStarted,
        invocation: Option<&Payload<Invocation>>,
        thread_tables: &ThreadTables,
        diagnostics: &mut Diagnostics,
    ) {
        let ToolCallStarted {
            tool_call_id,
            model_visible_call_id: _,
            code_mode_runtime_tool_id,
            requester,
            kind,
            summary,
            invocation_payload,
        } = event;
        let subject = format!("tool call {tool_call_id}");
        let payload = invocation_payload.as_ref().map(|body| body.raw_payload_id.clone());
        if self.calls.contains(tool_call_id) {
            let message = format!("{subject} starts a second time; the first start is kept");
            diagnostics.add(at, Code::DuplicateStart, message, payload.as_ref());
            return;
        }
        let Some(thread_id) = thread_tables.thread_of(at) else {
            let message = format!("{subject} starts in no known thread; the call is left out");
            diagnostics.add(at, Code::UnknownObject, message, payload.as_ref());
            return;
        };
        let turn_id = at.context.turn_id.clone();
        if let Some(turn) = &turn_id
            && !thread_tables.check_turn(at, &thread_id, turn, &subject, diagnostics)
        {
            return;
        }
        let call = ToolCall {
            tool_call_id: tool_call_id.clone(),
            model_visible_call_id: event.requesting_call_id().cloned(),
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
            label: generic_label(summary),
            raw_invocation_payload_id: payload.clone(),
            raw_result_payload_id: None,
            raw_runtime_payload_ids: Vec::new(),
            mcp: None,
            mcp_call_id: None,
            error: None,
            end: None,
            span: LiveSpan::from_span_ref(at.context.span.as_ref()),
            requested_by: None,
            evidence: Evidence::new(at.when.seq, payload.clone()),
        };
        let Some(call) = self.calls.add(tool_call_id.clone(), call) else { return };
        self.starts.push(fact);
        self.positions.push(LogPosition::from(at));
        let arguments = invocation.and_then(|invocation| invocation.as_ref().ok()?.arguments_summary.as_deref());
        self.arguments.push(arguments.map(ArgumentsHash::of_summary));
        self.outputs.push(None);
        match requester {
            EventRequester::Model => {}
            EventRequester::CodeCell { runtime_cell_id } => {
                self.nested.push(CellReference {
                    call,
                    position: LogPosition::from(at),
                    cell: runtime_cell_id.clone(),
                });
            }
        }
        if let Some(cell) = awaited_cell(at, kind, &subject, invocation, payload.as_ref(), diagnostics) {
            self.waits.push(CellReference { call, position: LogPosition::from(at), cell });
        }
    }

    /// Sets the id that the MCP client gave a tool call. Reports a second id and keeps the first.
    fn correlate(
        &mut self,
        at: &Logged<ToolFact>,
        event: &McpToolCallCorrelationAssigned,
        diagnostics: &mut Diagnostics,
    ) {
        let McpToolCallCorrelationAssigned { tool_call_id, mcp_call_id } = event;
        if let Some(call) = self.find_call(at, tool_call_id, None, diagnostics) {
            let first = call.mcp_call_id.get_or_insert_with(|| mcp_call_id.clone());
            if first != mcp_call_id {
                let message = format!(
                    "tool call {tool_call_id} has the MCP call id {first} and is given {mcp_call_id}; the first is kept"
                );
                diagnostics.add(at, Code::CorrelationConflict, message, None);
            }
        }
    }

    /// Sets the MCP tools that the calls used.
    fn find_mcp_tools(&mut self, facts: &[Logged<ToolFact>]) {
        for (call, &start) in self.calls.iter_mut().zip(&self.starts) {
            let invocation = match facts.get(start).map(|at| &at.fact) {
                Some(ToolFact::Started(_, Some(Ok(invocation)))) => Some(invocation),
                _ => None,
            };
            let names = ToolNames {
                kind: &call.kind,
                label: call.label.as_deref(),
                name: invocation.and_then(|invocation| invocation.tool_name.as_deref()),
                namespace: invocation.and_then(|invocation| invocation.namespace.as_deref()),
            };
            call.mcp = McpTool::from_call(names, call.mcp_call_id.is_some());
        }
    }

    /// Adds the payload of a runtime event to its tool call.
    fn add_runtime_payload(
        &mut self,
        at: &Logged<ToolFact>,
        tool: &ToolCallId,
        payload: &RawPayloadId,
        diagnostics: &mut Diagnostics,
    ) {
        if let Some(call) = self.find_call(at, tool, Some(payload), diagnostics) {
            call.raw_runtime_payload_ids.push(payload.clone());
        }
    }

    /// Records the end of a tool call. The error in its result payload takes precedence over the error in the event.
    fn end(
        &mut self,
        at: &Logged<ToolFact>,
        event: &ToolCallEnded,
        result: &ResultPayload,
        diagnostics: &mut Diagnostics,
    ) {
        let ToolCallEnded { tool_call_id, status, result_payload, error, .. } = event;
        let payload = result_payload.as_ref().map(|body| &body.raw_payload_id);
        let Some(call) = self.find_call(at, tool_call_id, payload, diagnostics) else { return };
        if let Err(AlreadyEnded) = call.execution.end(OperationEnd { when: at.when, status: *status }, None) {
            let message = format!("tool call {tool_call_id} ends after it has ended; the first end is kept");
            diagnostics.add(at, Code::LateEnd, message, payload);
            return;
        }
        call.raw_result_payload_id = payload.cloned();
        call.end = event.detail().boxed();
        match result.error() {
            Ok(result_error) => {
                call.error = result_error.or_else(|| error.clone());
                let index = self.calls.index_of(tool_call_id);
                let known = index.and_then(|index| self.outputs.get_mut(index));
                known.into_iter().for_each(|known| *known = result.output());
            }
            Err(unusable) => {
                call.error.clone_from(error);
                let message =
                    format!("the result of tool call {tool_call_id} is treated as absent: {}", unusable.reason);
                diagnostics.add(at, unusable.code, message, payload);
            }
        }
    }

    /// Adds the result of a tool call that never ended.
    fn add_stored_result(&mut self, at: &Logged<ToolFact>, stored: &StoredResult, diagnostics: &mut Diagnostics) {
        let StoredResult { tool_call_id, payload, result } = stored;
        if let Some(call) = self.find_call(at, tool_call_id, Some(payload), diagnostics) {
            call.raw_result_payload_id = Some(payload.clone());
            call.error = result.error().unwrap_or_default();
        }
    }

    /// Returns the tool call that an event names, and adds the event to the call's evidence. Reports an unknown call
    /// and returns `None`.
    fn find_call(
        &mut self,
        at: &Logged<ToolFact>,
        tool: &ToolCallId,
        payload: Option<&RawPayloadId>,
        diagnostics: &mut Diagnostics,
    ) -> Option<&mut ToolCall> {
        let Some(call) = self.calls.get_mut(tool) else {
            let message = format!("tool call {tool} was never started; the event is left out");
            diagnostics.add(at, Code::UnknownObject, message, payload);
            return None;
        };
        diagnostics.use_before_start(at, call.execution.started.seq, Code::UnknownObject, &format!("tool call {tool}"));
        call.evidence.add(at.when.seq, payload.cloned());
        call.span.fill_from(at.context.span.as_ref());
        Some(call)
    }
}

/// Returns the label of a generic tool summary. Returns `None` for other summaries.
fn generic_label(summary: &ToolSummary) -> Option<Arc<str>> {
    match summary {
        ToolSummary::Generic { label, .. } => Some(label.clone()),
        ToolSummary::Terminal { .. } | ToolSummary::Agent { .. } | ToolSummary::WaitAgent { .. } => None,
    }
}

/// Returns the runtime id of the code cell that a `wait` call waits for. Returns `None` for other calls. Also returns
/// `None`, and reports why, if the invocation cannot be read: a model wrote its arguments, so they may be anything.
fn awaited_cell(
    at: &Logged<ToolFact>,
    kind: &ToolKind,
    subject: &str,
    invocation: Option<&Payload<Invocation>>,
    payload: Option<&RawPayloadId>,
    diagnostics: &mut Diagnostics,
) -> Option<RuntimeCellId> {
    if !matches!(kind, ToolKind::Other { name } if &**name == "wait") {
        return None;
    }
    let invocation = match invocation? {
        Ok(invocation) => invocation,
        Err(unusable) => {
            diagnostics.add(
                at,
                unusable.code,
                format!("the invocation of {subject} is treated as absent: {}", unusable.reason),
                payload,
            );
            return None;
        }
    };
    if invocation.namespace.is_some() || invocation.tool_name.as_deref() != Some("wait") {
        return None;
    }
    let cell = match &invocation.arguments {
        Ok(arguments) => arguments.cell_id.as_deref().ok_or("they have no `cell_id`"),
        Err(reason) => Err(*reason),
    };
    match cell {
        Ok(cell) => Some(RuntimeCellId::from(cell)),
        Err(reason) => {
            let message = format!("cannot read the arguments of {subject}, so it waits for no code cell: {reason}");
            diagnostics.add(at, Code::BadArguments, message, payload);
            None
        }
    }
}
