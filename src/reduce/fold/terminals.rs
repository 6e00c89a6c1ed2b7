//! Terminal operations: commands, and writes to running ones. Reads the tool calls that count.

use std::collections::HashMap;

use super::lifecycle::{End, Late};
use super::owners::{Owners, TAKEN};
use super::tools::Tools;
use crate::event::{ExecutionStatus, RawPayloadId, ToolCallId, ToolKind};
use crate::graph::{
    Code, Evidence, Execution, OperationId, OperationKind, TerminalOperation, TerminalRequest, TerminalResult,
};
use crate::reduce::Problems;
use crate::reduce::decode::{Arguments, At, Body, Command, Invocation, Runtime, ToolAnswer, ToolFact};

/// All operations, and the process that each is about.
#[derive(Default)]
pub(in crate::reduce) struct Operations {
    pub(in crate::reduce) rows: Vec<TerminalOperation>,
    /// Of each operation: its process, where that is known.
    pub(in crate::reduce) processes: Vec<Option<String>>,
    by_tool: HashMap<ToolCallId, usize>,
    bodies: Owners<ToolCallId>,
}

/// Folds terminal operations.
pub(in crate::reduce) fn operations(facts: &[At<ToolFact>], tools: &Tools, problems: &mut Problems) -> Operations {
    let mut operations = Operations::default();
    let mut starts = tools.starts.iter().copied().peekable();
    for (place, at) in facts.iter().enumerate() {
        match &at.fact {
            ToolFact::Started(event, invocation) => {
                if starts.next_if_eq(&place).is_some()
                    && let (ToolKind::WriteStdin, Some(body)) = (&event.kind, invocation)
                {
                    let payload = event.invocation_payload.as_ref().map(|body| &body.raw_payload_id);
                    operations.start_write(at, &event.tool_call_id, body, payload, problems);
                }
            }
            ToolFact::Correlated(_) => {}
            ToolFact::RuntimeStarted(event, runtime) => {
                if let Some((kind, body)) = command(tools, &event.tool_call_id, runtime) {
                    let payload = &event.runtime_payload.raw_payload_id;
                    operations.start(at, tools, (kind, &event.tool_call_id), payload, body, problems);
                }
            }
            ToolFact::RuntimeEnded(event, runtime) => {
                if let Some((_, body)) = command(tools, &event.tool_call_id, runtime) {
                    let payload = &event.runtime_payload.raw_payload_id;
                    operations.end(at, &event.tool_call_id, event.status, payload, body, problems);
                }
            }
            ToolFact::Ended(..) => {}
        }
    }
    for at in facts {
        if let ToolFact::Ended(event, answer) = &at.fact {
            let payload = event.result_payload.as_ref().map(|body| &body.raw_payload_id);
            operations.end_with_tool(at, tools, &event.tool_call_id, payload, answer, problems);
        }
    }
    operations
}

/// What the runtime saw of a command, and which kind of tool it was.
fn command<'r>(tools: &Tools, tool: &ToolCallId, runtime: &'r Runtime) -> Option<(OperationKind, &'r Body<Command>)> {
    let Runtime::Command(body) = runtime else { return None };
    match tools.calls.get(tool)?.kind {
        ToolKind::ExecCommand => Some((OperationKind::ExecCommand, body)),
        ToolKind::WriteStdin => Some((OperationKind::WriteStdin, body)),
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
    /// The operation of a tool call.
    pub(in crate::reduce) fn of_tool(&self, tool: &ToolCallId) -> Option<OperationId> {
        self.by_tool.get(tool).map(|&place| OperationId::at(place))
    }

    fn add(
        &mut self,
        at: &At<ToolFact>,
        tool: &ToolCallId,
        payload: Option<&RawPayloadId>,
        request: TerminalRequest,
        process: Option<String>,
    ) {
        let kind = match &request {
            TerminalRequest::ExecCommand { .. } => OperationKind::ExecCommand,
            TerminalRequest::WriteStdin { .. } => OperationKind::WriteStdin,
        };
        self.by_tool.insert(tool.clone(), self.rows.len());
        self.rows.push(TerminalOperation {
            operation_id: OperationId::at(self.rows.len()),
            terminal_id: None,
            tool_call_id: tool.clone(),
            kind,
            execution: Execution::open(at.when),
            request,
            result: None,
            model_observations: Vec::new(),
            raw_payload_ids: payload.into_iter().cloned().collect(),
            evidence: Evidence::of(at.when.seq, payload.cloned()),
        });
        self.processes.push(process);
    }

    /// A write starts with the call of its tool.
    fn start_write(
        &mut self,
        at: &At<ToolFact>,
        tool: &ToolCallId,
        body: &Body<Invocation>,
        payload: Option<&RawPayloadId>,
        problems: &mut Problems,
    ) {
        let what = ("the invocation", tool);
        let Some(invocation) = readable(at, what, payload, body, &mut self.bodies, problems) else { return };
        match &invocation.arguments {
            Ok(Arguments { session_id, chars, yield_time_ms, max_output_tokens, cell_id: _ }) => {
                let request = TerminalRequest::WriteStdin {
                    stdin: chars.clone(),
                    yield_time_ms: *yield_time_ms,
                    max_output_tokens: *max_output_tokens,
                };
                self.add(at, tool, payload, request, session_id.clone());
            }
            Err(why) => {
                let message =
                    format!("the arguments of tool call {tool} can't be read, so it is no terminal operation: {why}");
                problems.add(at, Code::BadArguments, message, payload);
            }
        }
    }

    /// A command starts with its runtime; so does a write whose invocation was not recorded.
    fn start(
        &mut self,
        at: &At<ToolFact>,
        tools: &Tools,
        (kind, tool): (OperationKind, &ToolCallId),
        payload: &RawPayloadId,
        body: &Body<Command>,
        problems: &mut Problems,
    ) {
        // A write starts with its invocation, if there is one: also where that makes no operation.
        let has_invocation = || {
            kind == OperationKind::WriteStdin
                && tools.calls.get(tool).is_some_and(|call| call.raw_invocation_payload_id.is_some())
        };
        if self.by_tool.contains_key(tool) || has_invocation() {
            return;
        }
        let Some(Command { process_id, words, cwd, interaction_input, result: _ }) =
            readable(at, (SEEN, tool), Some(payload), body, &mut self.bodies, problems)
        else {
            return;
        };
        let (Some(words), Some(cwd)) = (words, cwd) else {
            let message =
                format!("what the runtime saw of tool call {tool} has no command and cwd; it is no operation");
            problems.add(at, Code::NotACommand, message, Some(payload));
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
        self.add(at, tool, Some(payload), request, process_id.clone());
    }

    fn end(
        &mut self,
        at: &At<ToolFact>,
        tool: &ToolCallId,
        status: ExecutionStatus,
        payload: &RawPayloadId,
        body: &Body<Command>,
        problems: &mut Problems,
    ) {
        let Some(&place) = self.by_tool.get(tool) else { return };
        let body = readable(at, (SEEN, tool), Some(payload), body, &mut self.bodies, problems);
        if let Some(process) = body.and_then(|body| body.process_id.clone()) {
            self.name_process(at, place, tool, process, payload, problems);
        }
        let result = body.and_then(|body| body.result.clone());
        self.close(at, place, status, Some(payload), result, problems);
    }

    fn name_process(
        &mut self,
        at: &At<ToolFact>,
        place: usize,
        tool: &ToolCallId,
        process: String,
        payload: &RawPayloadId,
        problems: &mut Problems,
    ) {
        match self.processes.get_mut(place) {
            Some(Some(first)) if *first != process => {
                let message =
                    format!("tool call {tool} ends in terminal {process}, but began in {first}; the first stands");
                problems.add(at, Code::TerminalChanged, message, Some(payload));
            }
            Some(named) => *named = Some(process),
            None => {}
        }
    }

    /// What no runtime was seen to end ends with its tool.
    fn end_with_tool(
        &mut self,
        at: &At<ToolFact>,
        tools: &Tools,
        tool: &ToolCallId,
        payload: Option<&RawPayloadId>,
        answer: &ToolAnswer,
        problems: &mut Problems,
    ) {
        let Some(&place) = self.by_tool.get(tool) else { return };
        let Some((call, row)) = tools.calls.get(tool).zip(self.rows.get(place)) else { return };
        if row.execution.ended.is_some() || call.execution.ended != Some(at.when) {
            return;
        }
        let result = match (row.kind, answer) {
            (OperationKind::WriteStdin, ToolAnswer::Stdin(Ok(answer))) if !self.bodies.owns(tool.clone(), answer) => {
                let message = format!("the result of tool call {tool} counts as absent: {TAKEN}");
                problems.add(at, Code::BadPayload, message, payload);
                None
            }
            (OperationKind::WriteStdin, ToolAnswer::Stdin(Ok(answer))) => {
                if answer.result.is_none() {
                    let message = format!("the result of tool call {tool} is of no known shape; it is left out");
                    problems.add(at, Code::BadPayload, message, payload);
                }
                answer.result.clone()
            }
            // Told already, with the tool call.
            (OperationKind::WriteStdin, ToolAnswer::Stdin(Err(_)) | ToolAnswer::Any(_) | ToolAnswer::None)
            | (OperationKind::ExecCommand, ToolAnswer::Stdin(_) | ToolAnswer::Any(_) | ToolAnswer::None) => None,
        };
        self.close(at, place, call.execution.status, payload, result, problems);
    }

    fn close(
        &mut self,
        at: &At<ToolFact>,
        place: usize,
        status: ExecutionStatus,
        payload: Option<&RawPayloadId>,
        result: Option<TerminalResult>,
        problems: &mut Problems,
    ) {
        let Some(row) = self.rows.get_mut(place) else { return };
        row.evidence.add(at.when.seq, payload.cloned());
        match row.execution.end(End { when: at.when, status }, None) {
            Ok(()) => {
                row.raw_payload_ids.extend(payload.cloned());
                row.result = result;
            }
            Err(Late) => {
                let message = format!("{} ends after its end; the first end stands", row.operation_id);
                problems.add(at, Code::LateEnd, message, payload);
            }
        }
    }
}

/// What a runtime event of a tool holds.
const SEEN: &str = "what the runtime saw";

/// A body of a tool call, if it can be read and is no other call's.
fn readable<'b, T>(
    at: &At<ToolFact>,
    (what, tool): (&str, &ToolCallId),
    payload: Option<&RawPayloadId>,
    body: &'b Body<T>,
    bodies: &mut Owners<ToolCallId>,
    problems: &mut Problems,
) -> Option<&'b T> {
    let tell = |(code, why)| {
        problems.add(at, code, format!("{what} of tool call {tool} counts as absent: {why}"), payload);
    };
    bodies.open(tool.clone(), body).map_err(tell).ok()
}
