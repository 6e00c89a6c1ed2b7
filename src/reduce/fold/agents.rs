//! Claims of edges between agents, from the runtime events of tools and from the metadata of spawned threads.

use super::activities;
use super::agent_event::{EdgeDetails, RuntimeEvent};
use super::thread_tables::ThreadTables;
use super::tools::Tools;
use crate::event::{AgentPath, EdgeId, RawPayloadId, Seq, ThreadId, ToolKind, UnixMillis};
use crate::graph::{Anchor, EdgeKind, ToolCall, spawn_edge, tool_edge};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{AgentCall, Logged, Payload, RuntimePayload, ThreadFact, ToolFact};
use crate::reduce::diagnostics::LogPosition;

/// An edge between agents that an event claims. `link` merges the claims of one edge, and finds the item of the target
/// thread to which the edge leads.
pub(in crate::reduce) struct EdgeClaim {
    pub(in crate::reduce) edge_id: EdgeId,
    pub(in crate::reduce) kind: EdgeKind,
    pub(in crate::reduce) source: Anchor,
    pub(in crate::reduce) target: ThreadId,
    /// Path of the agent that passed the text. `None` if it was not recorded.
    pub(in crate::reduce) author: Option<AgentPath>,
    /// The text that one agent passed to the other. `None` if the event names no text.
    pub(in crate::reduce) text: Option<String>,
    /// `true` if the edge leads to the thread as a whole, so that `link` searches for no item.
    pub(in crate::reduce) to_thread: bool,
    /// Position of the event, for diagnostics.
    pub(in crate::reduce) position: LogPosition,
    pub(in crate::reduce) seq: Seq,
    pub(in crate::reduce) started_at: UnixMillis,
    pub(in crate::reduce) ended_at: Option<UnixMillis>,
    /// Id of the payload that the event references. `None` if it references none.
    pub(in crate::reduce) payload_id: Option<RawPayloadId>,
}

/// Returns the edges between agents that the metadata of spawned threads and the runtime events of tools claim.
pub(in crate::reduce) fn claims(
    threads: &[Logged<ThreadFact>],
    facts: &[Logged<ToolFact>],
    tools: &Tools,
    thread_tables: &ThreadTables,
    diagnostics: &mut Diagnostics,
) -> Vec<EdgeClaim> {
    let mut claims: Vec<_> = threads.iter().filter_map(|at| spawn_claim(at, tools, thread_tables)).collect();
    for at in facts {
        let (tool, payload, runtime, is_end) = match &at.fact {
            ToolFact::RuntimeStarted(event, runtime) => (&event.tool_call_id, &event.runtime_payload, runtime, false),
            ToolFact::RuntimeEnded(event, runtime) => (&event.tool_call_id, &event.runtime_payload, runtime, true),
            ToolFact::Started(..) | ToolFact::Correlated(_) | ToolFact::Ended(..) | ToolFact::Stored(_) => continue,
        };
        let payload_id = &payload.raw_payload_id;
        match (runtime, tools.calls.get(tool)) {
            (RuntimePayload::Agent(payload), Some(tool)) => {
                let start = tools.start_of(&tool.tool_call_id, facts);
                let event = RuntimeEvent { at, payload_id, tool, start, is_end };
                claims.extend(event.claim(payload, thread_tables, diagnostics));
            }
            (RuntimePayload::Foreign(_), tool) => {
                if let Some(activity) = runtime.foreign_activity() {
                    activities::check_foreign(at, tool, activity, payload_id, thread_tables, diagnostics);
                }
            }
            (RuntimePayload::Agent(_), None) | (RuntimePayload::NotOpened | RuntimePayload::Command(_), _) => {}
        }
    }
    claims
}

/// Returns the edge claimed by the start of a thread whose metadata names the tool call that spawned it. Returns `None`
/// if the tool call is unknown or belongs to another thread than the parent that the metadata names.
fn spawn_claim(at: &Logged<ThreadFact>, tools: &Tools, thread_tables: &ThreadTables) -> Option<EdgeClaim> {
    let ThreadFact::Started(event, Some(Ok(metadata))) = &at.fact else { return None };
    let spawn = metadata.spawned_by.as_ref()?;
    let tool = tools.calls.get(spawn.tool_call_id.as_ref()?)?;
    if tool.thread_id != spawn.parent_thread_id {
        return None;
    }
    Some(EdgeClaim {
        edge_id: spawn_edge(&spawn.parent_thread_id, &event.thread_id),
        kind: EdgeKind::SpawnAgent,
        source: Anchor::ToolCall { tool_call_id: tool.tool_call_id.clone() },
        target: event.thread_id.clone(),
        author: thread_tables.agent_path(&tool.thread_id).cloned(),
        text: None,
        to_thread: false,
        position: LogPosition::from(at),
        seq: at.when.seq,
        started_at: tool.execution.started.at.unix_ms(),
        ended_at: None,
        payload_id: event.metadata_payload.as_ref().map(|payload| payload.raw_payload_id.clone()),
    })
}

impl RuntimeEvent<'_> {
    /// Returns the edge that the event claims. Returns `None` if its payload names no agent. Reports a payload that
    /// cannot be used.
    fn claim(
        &self,
        payload: &Payload<AgentCall>,
        thread_tables: &ThreadTables,
        diagnostics: &mut Diagnostics,
    ) -> Option<EdgeClaim> {
        let Self { at, payload_id, tool, start: _, is_end } = *self;
        let kind = edge_kind(&tool.kind)?;
        let payload = match payload {
            Ok(payload) => payload,
            Err(unusable) => {
                let message = format!(
                    "the runtime payload of tool call {} is treated as absent: {}",
                    tool.tool_call_id, unusable.reason
                );
                diagnostics.add(at, unusable.code, message, Some(payload_id));
                return None;
            }
        };
        let EdgeDetails { edge_id, target, text, to_thread } = match &payload.activity {
            Some(activity) => activities::edge_details(self, kind, activity, diagnostics),
            None => edge_details(kind, tool, payload, is_end),
        }?;
        Some(EdgeClaim {
            edge_id,
            kind,
            source: Anchor::ToolCall { tool_call_id: tool.tool_call_id.clone() },
            target,
            author: thread_tables.agent_path(&tool.thread_id).cloned(),
            text,
            to_thread,
            position: LogPosition::from(at),
            seq: at.when.seq,
            started_at: tool.execution.started.at.unix_ms(),
            ended_at: is_end.then(|| at.when.at.unix_ms()),
            payload_id: Some(payload_id.clone()),
        })
    }
}

/// Returns the kind of the edges that calls of a tool produce. Returns `None` if the tool does not act on agents.
fn edge_kind(kind: &ToolKind) -> Option<EdgeKind> {
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

/// Returns the edge that a runtime payload describes by its sender, its receiver and the text. Returns `None` if it
/// describes none.
///
/// A spawn is claimed only by the end of its tool's runtime, because the id of the new thread is unknown before.
fn edge_details(kind: EdgeKind, tool: &ToolCall, payload: &AgentCall, is_end: bool) -> Option<EdgeDetails> {
    let AgentCall { sender_thread_id, receiver_thread_id, new_thread_id, prompt, activity: _ } = payload;
    let edge_id = || tool_edge(&tool.tool_call_id);
    match kind {
        EdgeKind::SpawnAgent => {
            let parent = sender_thread_id.as_ref().unwrap_or(&tool.thread_id);
            let target = new_thread_id.as_ref().filter(|_| is_end)?.clone();
            Some(EdgeDetails { edge_id: spawn_edge(parent, &target), target, text: prompt.clone(), to_thread: false })
        }
        EdgeKind::AssignAgentTask | EdgeKind::SendMessage => {
            let target = receiver_thread_id.clone()?;
            Some(EdgeDetails { edge_id: edge_id(), target, text: prompt.clone(), to_thread: false })
        }
        EdgeKind::CloseAgent => {
            let target = receiver_thread_id.clone()?;
            Some(EdgeDetails { edge_id: edge_id(), target, text: None, to_thread: true })
        }
        EdgeKind::AgentResult => None,
    }
}
