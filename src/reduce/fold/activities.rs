//! Activities of agents, which some runtimes report in place of what a tool passed to an agent: the edges that they
//! claim, and the activities that fit no tool call.

use super::agent_event::{EdgeDetails, RuntimeEvent};
use super::thread_tables::ThreadTables;
use crate::event::RawPayloadId;
use crate::graph::{Code, EdgeKind, ToolCall, spawn_edge, tool_edge};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{Activity, Arguments, Logged, ToolFact};

/// Returns the edge that an activity at the end of a tool's runtime claims. Its text is that of the tool's invocation.
/// Returns `None` for other activities. Reports an activity of a kind that the tool does not cause.
pub(super) fn edge_details(
    event: &RuntimeEvent<'_>,
    kind: EdgeKind,
    activity: &Activity,
    diagnostics: &mut Diagnostics,
) -> Option<EdgeDetails> {
    if !event.is_end {
        return None;
    }
    if !fits(kind, activity) {
        report_unfitting(event.at, event.tool, activity, event.payload_id, diagnostics);
        return None;
    }
    let (tool, target) = (event.tool, activity.agent_thread_id.clone());
    Some(match kind {
        EdgeKind::CloseAgent | EdgeKind::AgentResult => {
            EdgeDetails { edge_id: tool_edge(&tool.tool_call_id), target, text: None, to_thread: true }
        }
        EdgeKind::SpawnAgent => {
            let text = passed_text(event, diagnostics);
            EdgeDetails { edge_id: spawn_edge(&tool.thread_id, &target), target, text, to_thread: false }
        }
        EdgeKind::AssignAgentTask | EdgeKind::SendMessage => {
            let text = passed_text(event, diagnostics);
            EdgeDetails { edge_id: tool_edge(&tool.tool_call_id), target, text, to_thread: false }
        }
    })
}

/// Returns `true` if a tool that produces edges of this kind causes the activity.
fn fits(kind: EdgeKind, activity: &Activity) -> bool {
    match kind {
        EdgeKind::SpawnAgent => activity.kind == Activity::STARTED,
        EdgeKind::AssignAgentTask | EdgeKind::SendMessage => activity.kind == Activity::INTERACTED,
        EdgeKind::CloseAgent => activity.kind == Activity::INTERRUPTED,
        EdgeKind::AgentResult => false,
    }
}

/// Returns the text that a tool call passes to an agent, from the arguments in its invocation. Returns `None` if there
/// is none. Reports an invocation that cannot be read: a model wrote its arguments, so they may be anything.
fn passed_text(event: &RuntimeEvent<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let start = event.start?;
    let ToolFact::Started(started, Some(invocation)) = &start.fact else { return None };
    let subject = format!("tool call {}", event.tool.tool_call_id);
    let (code, message) = match invocation.as_ref().map(|invocation| &invocation.arguments) {
        Ok(Ok(Arguments { message, .. })) => return message.clone(),
        Ok(Err(reason)) => {
            let message =
                format!("cannot read the arguments of {subject}, so its text to the agent is unknown: {reason}");
            (Code::BadArguments, message)
        }
        Err(unusable) => {
            (unusable.code, format!("the invocation of {subject} is treated as absent: {}", unusable.reason))
        }
    };
    let payload = started.invocation_payload.as_ref().map(|payload| &payload.raw_payload_id);
    diagnostics.add(start, code, message, payload);
    None
}

/// Checks an activity that is reported for a tool call that causes none, or for no tool call. The latter is the result
/// of an agent's turn: the result is no object of the graph, but its thread must be known.
pub(super) fn check_foreign(
    at: &Logged<ToolFact>,
    tool: Option<&ToolCall>,
    activity: &Activity,
    payload_id: &RawPayloadId,
    thread_tables: &ThreadTables,
    diagnostics: &mut Diagnostics,
) {
    if let Some(tool) = tool {
        return report_unfitting(at, tool, activity, payload_id, diagnostics);
    }
    let thread = &activity.agent_thread_id;
    if activity.is_turn_result() && !thread_tables.threads.contains(thread) {
        let message = format!("a turn of thread {thread} ended with a result, but the bundle has no such thread");
        diagnostics.add(at, Code::ActivityUnmatched, message, Some(payload_id));
    }
}

/// Reports an activity of a kind that its tool call does not cause.
fn report_unfitting(
    at: &Logged<ToolFact>,
    tool: &ToolCall,
    activity: &Activity,
    payload_id: &RawPayloadId,
    diagnostics: &mut Diagnostics,
) {
    let Activity { agent_thread_id, kind } = activity;
    let message = format!(
        "tool call {} is reported as the activity {kind:?} of the agent of thread {agent_thread_id}, which a tool of its \
         kind does not cause; no edge is created for it",
        tool.tool_call_id
    );
    diagnostics.add(at, Code::ActivityUnmatched, message, Some(payload_id));
}
