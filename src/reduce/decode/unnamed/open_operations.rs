//! The calls of models and of tools without an end event, to which a payload may belong that no event names.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::body::{Body, Content};
use crate::event::{CallId, CompactionRequestId, Event, InferenceId, ResponseId, ToolCallId, ToolKind};
use crate::reduce::decode::log::LogEntry;

/// An operation without an end event.
pub(super) struct OpenOperation {
    /// Index of its start event.
    pub(super) start: usize,
    pub(super) operation: Operation,
}

/// A call of a model or of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Call(InferenceId),
    Tool {
        tool_call_id: ToolCallId,
        /// `true` if the tool writes to a running command.
        is_stdin: bool,
    },
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call) => write!(f, "inference call {call}"),
            Self::Tool { tool_call_id, .. } => write!(f, "tool call {tool_call_id}"),
        }
    }
}

/// The operations without an end event, in order of their starts.
#[derive(Default)]
pub(super) struct OpenOperations {
    calls: Vec<OpenOperation>,
    tools: Vec<OpenOperation>,
    /// Indexes of the tool calls by the id that the model sees.
    tools_by_call: HashMap<CallId, Vec<usize>>,
    /// Index of the start of the first compaction request without an end event. It may have an answer like that of a call.
    compaction: Option<usize>,
    /// Ids of the responses of calls that have ended.
    ended_responses: HashSet<ResponseId>,
}

/// The operations that have an end event, or whose start is known.
#[derive(Default)]
struct Ended<'l> {
    calls: HashSet<&'l InferenceId>,
    tools: HashSet<&'l ToolCallId>,
    compactions: HashSet<&'l CompactionRequestId>,
}

impl<'l> Ended<'l> {
    /// Adds the operation that an event ends. Returns the id of the response, if the event names it.
    fn add(&mut self, event: &'l Event) -> Option<&'l ResponseId> {
        if let Event::InferenceCompleted(end) = event {
            self.calls.insert(&end.inference_call_id);
            return end.response_id.as_ref();
        }
        if let Event::InferenceFailed(end) = event {
            self.calls.insert(&end.inference_call_id);
        } else if let Event::InferenceCancelled(end) = event {
            self.calls.insert(&end.inference_call_id);
        } else if let Event::ToolCallEnded(end) = event {
            self.tools.insert(&end.tool_call_id);
        } else if let Event::CompactionRequestCompleted(end) = event {
            self.compactions.insert(&end.compaction_request_id);
        } else if let Event::CompactionRequestFailed(end) = event {
            self.compactions.insert(&end.compaction_request_id);
        }
        None
    }
}

impl OpenOperations {
    /// Finds the operations without an end event. Returns `None` if there is none, or if the run has ended.
    pub(super) fn from_log(log: &[LogEntry]) -> Option<Self> {
        let (mut open, mut ended) = (Self::default(), Ended::default());
        for LogEntry { record, .. } in log {
            if matches!(record.event, Event::RolloutEnded(_)) {
                return None;
            }
            open.ended_responses.extend(ended.add(&record.event).cloned());
        }
        for (start, LogEntry { record, .. }) in log.iter().enumerate() {
            open.add(start, &record.event, &mut ended);
        }
        (!open.calls.is_empty() || !open.tools.is_empty()).then_some(open)
    }

    /// Adds the operation that an event starts, unless it has ended. A second start of an operation does not count.
    fn add<'l>(&mut self, start: usize, event: &'l Event, ended: &mut Ended<'l>) {
        if let Event::InferenceStarted(event) = event
            && ended.calls.insert(&event.inference_call_id)
        {
            let operation = Operation::Call(event.inference_call_id.clone());
            self.calls.push(OpenOperation { start, operation });
        } else if let Event::ToolCallStarted(event) = event
            && ended.tools.insert(&event.tool_call_id)
        {
            if let Some(call) = event.requesting_call_id() {
                self.tools_by_call.entry(call.clone()).or_default().push(self.tools.len());
            }
            let is_stdin = event.kind == ToolKind::WriteStdin;
            let operation = Operation::Tool { tool_call_id: event.tool_call_id.clone(), is_stdin };
            self.tools.push(OpenOperation { start, operation });
        } else if let Event::CompactionRequestStarted(event) = event
            && ended.compactions.insert(&event.compaction_request_id)
        {
            self.compaction.get_or_insert(start);
        }
    }

    /// Returns `true` if one of the operations started with one of the first events of the log.
    pub(super) fn has_any_before(&self, events: usize) -> bool {
        let starts = self.calls.first().into_iter().chain(self.tools.first());
        starts.map(|operation| operation.start).any(|start| start < events)
    }

    /// Returns `true` if a body is the response of a call that has ended: the answer in a span is stored again when more
    /// of it is recorded, and the end names the last one.
    pub(super) fn is_of_ended_call(&self, body: &Body) -> bool {
        match &body.content {
            Content::Answer(answer) => answer.response_id.as_ref().is_some_and(|id| self.ended_responses.contains(id)),
            Content::Result { .. } => false,
        }
    }

    /// Returns the only operation to which a body can belong that was stored after the first `events` events of the log.
    pub(super) fn operation_of(&self, body: &Body, events: usize) -> Option<&OpenOperation> {
        match &body.content {
            Content::Answer(_) if self.compaction.is_some_and(|start| start < events) => None,
            Content::Answer(_) => only_before(self.calls.iter(), events),
            Content::Result { call_id: Some(call), .. } => {
                let tools = self.tools_by_call.get(call)?;
                only_before(tools.iter().filter_map(|index| self.tools.get(*index)), events)
            }
            Content::Result { call_id: None, .. } => only_before(self.tools.iter(), events),
        }
    }
}

/// Returns the only operation whose start is among the first events of the log. The operations are in order of start.
fn only_before<'o>(
    mut operations: impl Iterator<Item = &'o OpenOperation>,
    events: usize,
) -> Option<&'o OpenOperation> {
    let only = operations.next().filter(|operation| operation.start < events)?;
    operations.next().is_none_or(|second| second.start >= events).then_some(only)
}
