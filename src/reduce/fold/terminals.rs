//! Folds terminal operations: commands, and writes to running commands. Reads the valid tool calls.

use std::collections::HashMap;

use super::lifecycle::{AlreadyEnded, OperationEnd};
use super::owners::{ALREADY_USED, PayloadOwners};
use super::tools::Tools;
use crate::event::{ExecutionStatus, RawPayloadId, ToolCallId, ToolKind};
use crate::graph::{
    Code, Evidence, Execution, OperationId, OperationKind, TerminalOperation, TerminalRequest, TerminalResult,
};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{Arguments, Command, Invocation, Logged, Payload, ResultPayload, RuntimePayload, ToolFact};

/// All terminal operations, with the process id of each.
#[derive(Default)]
pub(in crate::reduce) struct Operations {
    pub(in crate::reduce) rows: Vec<TerminalOperation>,
    /// Process id of each operation, in the order of `rows`. `None` if the process id is unknown.
    pub(in crate::reduce) processes: Vec<Option<String>>,
    by_tool: HashMap<ToolCallId, usize>,
    payloads: PayloadOwners<ToolCallId>,
}

/// Folds the facts of tool calls into terminal operations.
///
/// The end of a tool call ends its operation only if the log has no end of its runtime, so ends of tool calls are
/// folded last.
pub(in crate::reduce) fn operations(
    facts: &[Logged<ToolFact>],
    tools: &Tools,
    diagnostics: &mut Diagnostics,
) -> Operations {
    let mut operations = Operations::default();
    let mut starts = tools.starts.iter().copied().peekable();
    for (index, at) in facts.iter().enumerate() {
        match &at.fact {
            ToolFact::Started(event, invocation) => {
                if starts.next_if_eq(&index).is_some()
                    && let (ToolKind::WriteStdin, Some(payload)) = (&event.kind, invocation)
                {
                    let payload_id = event.invocation_payload.as_ref().map(|payload| &payload.raw_payload_id);
                    operations.start_write(at, &event.tool_call_id, payload, payload_id, diagnostics);
                }
            }
            ToolFact::Correlated(_) => {}
            ToolFact::RuntimeStarted(event, runtime) => {
                if let Some((kind, payload)) = command(tools, &event.tool_call_id, runtime) {
                    let payload_id = &event.runtime_payload.raw_payload_id;
                    operations.start(at, tools, (kind, &event.tool_call_id), payload_id, payload, diagnostics);
                }
            }
            ToolFact::RuntimeEnded(event, runtime) => {
                if let Some((_, payload)) = command(tools, &event.tool_call_id, runtime) {
                    let payload_id = &event.runtime_payload.raw_payload_id;
                    operations.end(at, &event.tool_call_id, event.status, payload_id, payload, diagnostics);
                }
            }
            ToolFact::Ended(..) | ToolFact::Stored(_) => {}
        }
    }
    for at in facts {
        if let ToolFact::Ended(event, result_payload) = &at.fact {
            let payload_id = event.result_payload.as_ref().map(|payload| &payload.raw_payload_id);
            operations.end_with_tool(at, tools, &event.tool_call_id, payload_id, result_payload, diagnostics);
        }
    }
    operations
}

/// Returns the kind of the terminal operation that a runtime event reports, and the event's payload. Returns `None` if
/// the tool call is unknown or its tool is not a terminal tool.
fn command<'r>(
    tools: &Tools,
    tool: &ToolCallId,
    runtime: &'r RuntimePayload,
) -> Option<(OperationKind, &'r Payload<Command>)> {
    let RuntimePayload::Command(payload) = runtime else { return None };
    match tools.calls.get(tool)?.kind {
        ToolKind::ExecCommand => Some((OperationKind::ExecCommand, payload)),
        ToolKind::WriteStdin => Some((OperationKind::WriteStdin, payload)),
        ToolKind::ApplyPatch
        | ToolKind::Mcp { .. }
        | ToolKind::Web
        | ToolKind::ImageGeneration
        | ToolKind::SpawnAgent
        | ToolKind::AssignAgentTask
        | ToolKind::SendMessage
        | ToolKind::WaitAgent
        | ToolKind::CloseAgent
        | ToolKind::Other { .. } => None,
    }
}

impl Operations {
    /// Returns the id of the terminal operation that a tool call executed. Returns `None` if it executed none.
    pub(in crate::reduce) fn for_tool(&self, tool: &ToolCallId) -> Option<OperationId> {
        self.by_tool.get(tool).map(|&index| OperationId::from_index(index))
    }

    /// Appends a terminal operation that starts at an event.
    fn add(
        &mut self,
        at: &Logged<ToolFact>,
        tool: &ToolCallId,
        payload_id: Option<&RawPayloadId>,
        request: TerminalRequest,
        process: Option<String>,
    ) {
        let kind = match &request {
            TerminalRequest::ExecCommand { .. } => OperationKind::ExecCommand,
            TerminalRequest::WriteStdin { .. } => OperationKind::WriteStdin,
        };
        self.by_tool.insert(tool.clone(), self.rows.len());
        self.rows.push(TerminalOperation {
            operation_id: OperationId::from_index(self.rows.len()),
            terminal_id: None,
            tool_call_id: tool.clone(),
            kind,
            execution: Execution::open(at.when),
            request,
            result: None,
            model_observations: Vec::new(),
            raw_payload_ids: payload_id.into_iter().cloned().collect(),
            evidence: Evidence::new(at.when.seq, payload_id.cloned()),
        });
        self.processes.push(process);
    }

    /// Starts the operation of a tool call that writes to a running command, from the invocation of the call.
    fn start_write(
        &mut self,
        at: &Logged<ToolFact>,
        tool: &ToolCallId,
        payload: &Payload<Invocation>,
        payload_id: Option<&RawPayloadId>,
        diagnostics: &mut Diagnostics,
    ) {
        let subject = ("the invocation", tool);
        let Some(invocation) = open_payload(at, subject, payload_id, payload, &mut self.payloads, diagnostics) else {
            return;
        };
        match &invocation.arguments {
            Ok(Arguments { session_id, chars, yield_time_ms, max_output_tokens, cell_id: _, message: _ }) => {
                let request = TerminalRequest::WriteStdin {
                    stdin: chars.clone(),
                    yield_time_ms: *yield_time_ms,
                    max_output_tokens: *max_output_tokens,
                };
                self.add(at, tool, payload_id, request, session_id.clone());
            }
            Err(reason) => {
                let message = format!(
                    "cannot read the arguments of tool call {tool}, so no terminal operation is created for it: {reason}"
                );
                diagnostics.add(at, Code::BadArguments, message, payload_id);
            }
        }
    }

    /// Starts the operation of a command, or of a write whose invocation was not recorded, at the runtime start of its
    /// tool call.
    fn start(
        &mut self,
        at: &Logged<ToolFact>,
        tools: &Tools,
        (kind, tool): (OperationKind, &ToolCallId),
        payload_id: &RawPayloadId,
        payload: &Payload<Command>,
        diagnostics: &mut Diagnostics,
    ) {
        // A write with an invocation starts there, even if the invocation made no operation.
        let has_invocation = || {
            kind == OperationKind::WriteStdin
                && tools.calls.get(tool).is_some_and(|call| call.raw_invocation_payload_id.is_some())
        };
        if self.by_tool.contains_key(tool) || has_invocation() {
            return;
        }
        let Some(Command { process_id, words, cwd, interaction_input, result: _ }) =
            open_payload(at, (RUNTIME_EVENT, tool), Some(payload_id), payload, &mut self.payloads, diagnostics)
        else {
            return;
        };
        let (Some(words), Some(cwd)) = (words, cwd) else {
            let message = format!(
                "the runtime payload of tool call {tool} has no `command` and `cwd`, so no terminal operation is created for it"
            );
            diagnostics.add(at, Code::NotACommand, message, Some(payload_id));
            return;
        };
        let request = match kind {
            OperationKind::ExecCommand => TerminalRequest::ExecCommand {
                command: words.clone(),
                display_command: words.join(" "),
                cwd: cwd.clone(),
                yield_time_ms: None,
                max_output_tokens: None,
            },
            OperationKind::WriteStdin => TerminalRequest::WriteStdin {
                stdin: interaction_input.clone().unwrap_or_default(),
                yield_time_ms: None,
                max_output_tokens: None,
            },
        };
        self.add(at, tool, Some(payload_id), request, process_id.clone());
    }

    /// Ends the operation of a tool call at its runtime end.
    fn end(
        &mut self,
        at: &Logged<ToolFact>,
        tool: &ToolCallId,
        status: ExecutionStatus,
        payload_id: &RawPayloadId,
        payload: &Payload<Command>,
        diagnostics: &mut Diagnostics,
    ) {
        let Some(&index) = self.by_tool.get(tool) else { return };
        let payload =
            open_payload(at, (RUNTIME_EVENT, tool), Some(payload_id), payload, &mut self.payloads, diagnostics);
        if let Some(process) = payload.and_then(|payload| payload.process_id.clone()) {
            self.set_process(at, index, tool, process, payload_id, diagnostics);
        }
        let result = payload.and_then(|payload| payload.result.clone());
        self.close(at, index, status, Some(payload_id), result, diagnostics);
    }

    /// Sets the process id of a terminal operation. Reports a process id that differs from the recorded one, which is
    /// kept.
    fn set_process(
        &mut self,
        at: &Logged<ToolFact>,
        index: usize,
        tool: &ToolCallId,
        process: String,
        payload_id: &RawPayloadId,
        diagnostics: &mut Diagnostics,
    ) {
        match self.processes.get_mut(index) {
            Some(Some(first)) if *first != process => {
                let message =
                    format!("tool call {tool} ends in terminal {process}, but started in {first}; the first is kept");
                diagnostics.add(at, Code::TerminalChanged, message, Some(payload_id));
            }
            Some(named) => *named = Some(process),
            None => {}
        }
    }

    /// Ends the operation of a tool call at the end of the call, if the log has no runtime end.
    fn end_with_tool(
        &mut self,
        at: &Logged<ToolFact>,
        tools: &Tools,
        tool: &ToolCallId,
        payload_id: Option<&RawPayloadId>,
        result_payload: &ResultPayload,
        diagnostics: &mut Diagnostics,
    ) {
        let Some(&index) = self.by_tool.get(tool) else { return };
        let Some((call, row)) = tools.calls.get(tool).zip(self.rows.get(index)) else { return };
        if row.execution.ended.is_some() || call.execution.ended != Some(at.when) {
            return;
        }
        let result = match (row.kind, result_payload) {
            (OperationKind::WriteStdin, ResultPayload::Stdin(Ok(result_payload)))
                if !self.payloads.try_claim(tool.clone(), result_payload) =>
            {
                let message = format!("the result of tool call {tool} is treated as absent: {ALREADY_USED}");
                diagnostics.add(at, Code::BadPayload, message, payload_id);
                None
            }
            (OperationKind::WriteStdin, ResultPayload::Stdin(Ok(result_payload))) => {
                if result_payload.result.is_none() {
                    let message = format!("the result of tool call {tool} has no known shape; the result is left out");
                    diagnostics.add(at, Code::BadPayload, message, payload_id);
                }
                result_payload.result.clone()
            }
            // A result that cannot be used is reported with its tool call.
            (OperationKind::WriteStdin, ResultPayload::Stdin(Err(_)) | ResultPayload::Any(_) | ResultPayload::None)
            | (OperationKind::ExecCommand, ResultPayload::Stdin(_) | ResultPayload::Any(_) | ResultPayload::None) => {
                None
            }
        };
        self.close(at, index, call.execution.status, payload_id, result, diagnostics);
    }

    /// Ends a terminal operation. Reports a second end.
    fn close(
        &mut self,
        at: &Logged<ToolFact>,
        index: usize,
        status: ExecutionStatus,
        payload_id: Option<&RawPayloadId>,
        result: Option<TerminalResult>,
        diagnostics: &mut Diagnostics,
    ) {
        let Some(row) = self.rows.get_mut(index) else { return };
        row.evidence.add(at.when.seq, payload_id.cloned());
        match row.execution.end(OperationEnd { when: at.when, status }, None) {
            Ok(()) => {
                row.raw_payload_ids.extend(payload_id.cloned());
                row.result = result;
            }
            Err(AlreadyEnded) => {
                let message = format!("{} ends after it has ended; the first end is kept", row.operation_id);
                diagnostics.add(at, Code::LateEnd, message, payload_id);
            }
        }
    }
}

/// The name of a runtime payload in messages of diagnostics.
const RUNTIME_EVENT: &str = "the runtime payload";

/// Returns a decoded payload of a tool call. Reports a payload that cannot be used or belongs to another call, and
/// returns `None`.
fn open_payload<'b, T>(
    at: &Logged<ToolFact>,
    (subject, tool): (&str, &ToolCallId),
    payload_id: Option<&RawPayloadId>,
    payload: &'b Payload<T>,
    payloads: &mut PayloadOwners<ToolCallId>,
    diagnostics: &mut Diagnostics,
) -> Option<&'b T> {
    let report = |(code, reason)| {
        diagnostics.add(at, code, format!("{subject} of tool call {tool} is treated as absent: {reason}"), payload_id);
    };
    payloads.open(tool.clone(), payload).map_err(report).ok()
}
