//! What events tell of edges.

use super::Claim;
use super::messages::Messages;
use crate::event::{AgentResultObserved, EdgeId, RawPayloadId, ThreadId, ToolKind, UnixMillis};
use crate::graph::{Anchor, EdgeKind, ToolCall, spawn_edge, tool_edge};
use crate::reduce::Problems;
use crate::reduce::decode::{Activity, AgentCall, At, Body, Runtime, ToolFact};
use crate::reduce::fold::Tools;
use crate::reduce::problems::Place;

/// What the runtimes of tools that act on agents saw.
pub(super) fn of_tools(facts: &[At<ToolFact>], tools: &Tools, problems: &mut Problems) -> Vec<Claim> {
    let mut claims = Vec::new();
    for at in facts {
        let (tool, payload, body, ended_at) = match &at.fact {
            ToolFact::RuntimeStarted(event, Runtime::Agent(body)) => {
                (&event.tool_call_id, &event.runtime_payload.raw_payload_id, body, None)
            }
            ToolFact::RuntimeEnded(event, Runtime::Agent(body)) => {
                (&event.tool_call_id, &event.runtime_payload.raw_payload_id, body, Some(at.when.at))
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
        started_at: tool.window.started.at,
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

/// What finished agents reported.
pub(super) fn of_results<'a>(
    facts: &'a [At<AgentResultObserved>],
    messages: &'a Messages,
) -> impl Iterator<Item = Claim> + 'a {
    facts.iter().map(|at| {
        let AgentResultObserved { edge_id, child_thread_id, child_turn_id, parent_thread_id, message, carried_payload } =
            &at.fact;
        let said = messages.last_said_before(child_thread_id, child_turn_id, at.when.seq);
        let whole_thread = || Anchor::Thread { thread_id: child_thread_id.clone() };
        let payload = carried_payload.as_ref().map(|body| body.raw_payload_id.clone());
        Claim {
            edge_id: edge_id.clone(),
            kind: EdgeKind::AgentResult,
            source: said.map_or_else(whole_thread, |item_id| Anchor::ConversationItem { item_id }),
            target: parent_thread_id.clone(),
            text: Some(message.clone()),
            to_thread: false,
            place: Place::from(at),
            seq: at.when.seq,
            started_at: at.when.at,
            ended_at: Some(at.when.at),
            payload,
        }
    })
}
