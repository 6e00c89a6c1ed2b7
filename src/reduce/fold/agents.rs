//! What the runtimes of tools tell of edges between agents.

use super::tools::Tools;
use crate::event::{EdgeId, RawPayloadId, Seq, ThreadId, ToolKind, UnixMillis};
use crate::graph::{Anchor, EdgeKind, ToolCall, spawn_edge, tool_edge};
use crate::reduce::Problems;
use crate::reduce::decode::{Activity, AgentCall, At, Body, Runtime, ThreadFact, ToolFact};
use crate::reduce::problems::Place;

/// An edge that an event tells of. Where it ends is not known yet, only in which thread.
pub(in crate::reduce) struct Claim {
    pub(in crate::reduce) edge_id: EdgeId,
    pub(in crate::reduce) kind: EdgeKind,
    pub(in crate::reduce) source: Anchor,
    pub(in crate::reduce) target: ThreadId,
    /// What went along it, where that is one text.
    pub(in crate::reduce) text: Option<String>,
    /// Whether it goes to the thread as a whole: nothing need be found there.
    pub(in crate::reduce) to_thread: bool,
    pub(in crate::reduce) place: Place,
    pub(in crate::reduce) seq: Seq,
    pub(in crate::reduce) started_at: UnixMillis,
    pub(in crate::reduce) ended_at: Option<UnixMillis>,
    /// The body that the event named.
    pub(in crate::reduce) payload: Option<RawPayloadId>,
}

/// What is told of edges by the threads that were spawned, and by the runtimes of tools that act on agents.
pub(in crate::reduce) fn claims(
    threads: &[At<ThreadFact>],
    facts: &[At<ToolFact>],
    tools: &Tools,
    problems: &mut Problems,
) -> Vec<Claim> {
    let mut claims: Vec<_> = threads.iter().filter_map(|at| of_spawned(at, tools)).collect();
    for at in facts {
        let (tool, payload, body, ended_at) = match &at.fact {
            ToolFact::RuntimeStarted(event, Runtime::Agent(body)) => {
                (&event.tool_call_id, &event.runtime_payload.raw_payload_id, body, None)
            }
            ToolFact::RuntimeEnded(event, Runtime::Agent(body)) => {
                (&event.tool_call_id, &event.runtime_payload.raw_payload_id, body, Some(at.when.at.unix_ms()))
            }
            ToolFact::RuntimeStarted(_, Runtime::Closed | Runtime::Command(_))
            | ToolFact::RuntimeEnded(_, Runtime::Closed | Runtime::Command(_))
            | ToolFact::Started(..)
            | ToolFact::Correlated(_)
            | ToolFact::Ended(..) => continue,
        };
        let Some(tool) = tools.calls.get(tool) else { continue };
        claims.extend(of_tool(at, tool, payload, body, ended_at, problems));
    }
    claims
}

/// A thread that names the tool call that spawned it, one of the thread that it says is its parent.
fn of_spawned(at: &At<ThreadFact>, tools: &Tools) -> Option<Claim> {
    let ThreadFact::Started(event, Some(Ok(metadata))) = &at.fact else { return None };
    let spawn = metadata.spawned_by.as_ref()?;
    let tool = tools.calls.get(spawn.tool_call_id.as_ref()?)?;
    if tool.thread_id != spawn.parent_thread_id {
        return None;
    }
    Some(Claim {
        edge_id: spawn_edge(&spawn.parent_thread_id, &event.thread_id),
        kind: EdgeKind::SpawnAgent,
        source: Anchor::ToolCall { tool_call_id: tool.tool_call_id.clone() },
        target: event.thread_id.clone(),
        text: None,
        to_thread: false,
        place: Place::from(at),
        seq: at.when.seq,
        started_at: tool.execution.started.at.unix_ms(),
        ended_at: None,
        payload: event.metadata_payload.as_ref().map(|body| body.raw_payload_id.clone()),
    })
}

fn of_tool(
    at: &At<ToolFact>,
    tool: &ToolCall,
    payload: &RawPayloadId,
    body: &Body<AgentCall>,
    ended_at: Option<UnixMillis>,
    problems: &mut Problems,
) -> Option<Claim> {
    let kind = kind_of(&tool.kind)?;
    let body = match body {
        Ok(body) => body,
        Err(unread) => {
            let message =
                format!("what the runtime saw of tool call {} counts as absent: {}", tool.tool_call_id, unread.why);
            problems.add(at, unread.code, message, Some(payload));
            return None;
        }
    };
    let Told { edge_id, target, text, to_thread } = told(kind, tool, body, ended_at.is_some())?;
    Some(Claim {
        edge_id,
        kind,
        source: Anchor::ToolCall { tool_call_id: tool.tool_call_id.clone() },
        target,
        text,
        to_thread,
        place: Place::from(at),
        seq: at.when.seq,
        started_at: tool.execution.started.at.unix_ms(),
        ended_at,
        payload: Some(payload.clone()),
    })
}

fn kind_of(kind: &ToolKind) -> Option<EdgeKind> {
    match kind {
        ToolKind::SpawnAgent => Some(EdgeKind::SpawnAgent),
        ToolKind::AssignAgentTask => Some(EdgeKind::AssignAgentTask),
        ToolKind::SendMessage => Some(EdgeKind::SendMessage),
        ToolKind::CloseAgent => Some(EdgeKind::CloseAgent),
        ToolKind::ExecCommand
        | ToolKind::WriteStdin
        | ToolKind::ApplyPatch
        | ToolKind::Mcp { .. }
        | ToolKind::Web
        | ToolKind::ImageGeneration
        | ToolKind::WaitAgent
        | ToolKind::Other { .. } => None,
    }
}

struct Told {
    edge_id: EdgeId,
    target: ThreadId,
    text: Option<String>,
    to_thread: bool,
}

fn told(kind: EdgeKind, tool: &ToolCall, body: &AgentCall, is_end: bool) -> Option<Told> {
    let AgentCall { sender_thread_id, receiver_thread_id, new_thread_id, prompt, activity } = body;
    let edge_of_tool = || tool_edge(&tool.tool_call_id);
    let parent = sender_thread_id.as_ref().unwrap_or(&tool.thread_id);
    if let Some(Activity { agent_thread_id, kind: happened }) = activity {
        let edge_id = match (kind, &**happened) {
            (EdgeKind::SpawnAgent, "started") => spawn_edge(parent, agent_thread_id),
            (EdgeKind::AssignAgentTask | EdgeKind::SendMessage, "interacted")
            | (EdgeKind::CloseAgent, "interrupted") => edge_of_tool(),
            (
                EdgeKind::SpawnAgent
                | EdgeKind::AssignAgentTask
                | EdgeKind::SendMessage
                | EdgeKind::AgentResult
                | EdgeKind::CloseAgent,
                _,
            ) => return None,
        };
        return is_end.then(|| Told { edge_id, target: agent_thread_id.clone(), text: None, to_thread: true });
    }
    match kind {
        EdgeKind::SpawnAgent => {
            let target = new_thread_id.as_ref().filter(|_| is_end)?.clone();
            Some(Told { edge_id: spawn_edge(parent, &target), target, text: prompt.clone(), to_thread: false })
        }
        EdgeKind::AssignAgentTask | EdgeKind::SendMessage => {
            let target = receiver_thread_id.clone()?;
            Some(Told { edge_id: edge_of_tool(), target, text: prompt.clone(), to_thread: false })
        }
        EdgeKind::CloseAgent => {
            let target = receiver_thread_id.clone()?;
            Some(Told { edge_id: edge_of_tool(), target, text: None, to_thread: true })
        }
        EdgeKind::AgentResult => None,
    }
}
