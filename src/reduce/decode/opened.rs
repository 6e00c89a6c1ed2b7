//! Which bodies rules open, as what.

use std::collections::HashMap;

use super::bodies::{Bodies, Body, Location, Unread, Wanted};
use super::checkpoint::Checkpoint;
use super::contents::Contents;
use super::facts::{Runtime, ToolAnswer};
use super::invocation::Invocation;
use super::log::Entry;
use super::request::Request;
use super::response::ResponseBody;
use super::runtime_event::{AgentCall, Command};
use super::session_metadata::SessionMetadata;
use super::tool_result::{StdinResult, ToolResult};
use crate::bundle::Reader;
use crate::event::{
    Event, PayloadRef, RequestInputMode, ToolCallEnded, ToolCallId, ToolCallRuntimeEnded, ToolCallRuntimeStarted,
    ToolCallStarted, ToolKind,
};
use crate::reduce::Work;

/// As what a tool's bodies are opened.
#[derive(Clone, Copy, PartialEq)]
enum As {
    ExecCommand,
    WriteStdin,
    Wait,
    Spawn,
    Agent,
    Other,
}

impl From<&ToolKind> for As {
    fn from(kind: &ToolKind) -> Self {
        match kind {
            ToolKind::ExecCommand => Self::ExecCommand,
            ToolKind::WriteStdin => Self::WriteStdin,
            ToolKind::SpawnAgent => Self::Spawn,
            ToolKind::AssignAgentTask | ToolKind::SendMessage | ToolKind::CloseAgent => Self::Agent,
            ToolKind::Other { name } if &**name == "wait" => Self::Wait,
            ToolKind::ApplyPatch
            | ToolKind::Mcp { .. }
            | ToolKind::Web
            | ToolKind::ImageGeneration
            | ToolKind::WaitAgent
            | ToolKind::Other { .. } => Self::Other,
        }
    }
}

/// What each tool call is, by its first start.
struct Opens(HashMap<ToolCallId, As>);

impl Opens {
    fn of(log: &[Entry]) -> Self {
        let mut tools = HashMap::new();
        for Entry { record, .. } in log {
            if let Event::ToolCallStarted(start) = &record.event {
                tools.entry(start.tool_call_id.clone()).or_insert_with(|| As::from(&start.kind));
            }
        }
        Self(tools)
    }

    fn get(&self, tool: &ToolCallId) -> As {
        self.0.get(tool).copied().unwrap_or(As::Other)
    }

    /// For a runtime's start. That of a spawn says nothing yet: the agent is known at its end.
    fn at_start(&self, tool: &ToolCallId) -> As {
        match self.get(tool) {
            As::Spawn => As::Other,
            opened @ (As::ExecCommand | As::WriteStdin | As::Wait | As::Agent | As::Other) => opened,
        }
    }
}

#[derive(Default)]
struct Wishes {
    metadata: Wanted<SessionMetadata>,
    requests: Wanted<Request>,
    responses: Wanted<ResponseBody>,
    checkpoints: Wanted<Checkpoint>,
    invocations: Wanted<Invocation>,
    commands: Wanted<Command>,
    agents: Wanted<AgentCall>,
    results: Wanted<ToolResult>,
    stdin_results: Wanted<StdinResult>,
}

/// Every body that a rule opens.
pub(super) struct Opened {
    opens: Opens,
    pub(super) metadata: Bodies<SessionMetadata>,
    pub(super) requests: Bodies<Request>,
    pub(super) responses: Bodies<ResponseBody>,
    pub(super) checkpoints: Bodies<Checkpoint>,
    invocations: Bodies<Invocation>,
    commands: Bodies<Command>,
    agents: Bodies<AgentCall>,
    results: Bodies<ToolResult>,
    stdin_results: Bodies<StdinResult>,
}

impl Wishes {
    fn add(&mut self, event: &Event, opens: &Opens) {
        match event {
            Event::ThreadStarted(e) => e.metadata_payload.iter().for_each(|body| self.metadata.add(body)),
            Event::InferenceStarted(e) => {
                self.requests.add(&e.request_payload);
                prefix_of(e.request_input_mode.as_deref()).into_iter().for_each(|body| self.requests.add(body));
            }
            Event::InferenceCompleted(e) => self.responses.add(&e.response_payload),
            Event::InferenceFailed(e) => e.partial_response_payload.iter().for_each(|body| self.responses.add(body)),
            Event::InferenceCancelled(e) => e.partial_response_payload.iter().for_each(|body| self.responses.add(body)),
            Event::CompactionInstalled(e) => self.checkpoints.add(&e.checkpoint_payload),
            Event::ToolCallStarted(e) => {
                if opens_invocation(&e.kind) {
                    e.invocation_payload.iter().for_each(|body| self.invocations.add(body));
                }
            }
            Event::ToolCallRuntimeStarted(e) => self.add_runtime(opens.at_start(&e.tool_call_id), &e.runtime_payload),
            Event::ToolCallRuntimeEnded(e) => self.add_runtime(opens.get(&e.tool_call_id), &e.runtime_payload),
            Event::ToolCallEnded(e) => {
                if let Some(body) = &e.result_payload {
                    match opens.get(&e.tool_call_id) {
                        As::WriteStdin => self.stdin_results.add(body),
                        As::ExecCommand | As::Wait | As::Spawn | As::Agent | As::Other => self.results.add(body),
                    }
                }
            }
            Event::RolloutStarted(_)
            | Event::RolloutEnded(_)
            | Event::ThreadEnded(_)
            | Event::TurnStarted(_)
            | Event::TurnEnded(_)
            | Event::McpToolCallCorrelationAssigned(_)
            | Event::CodeCellStarted(_)
            | Event::CodeCellInitialResponse(_)
            | Event::CodeCellEnded(_)
            | Event::CompactionRequestStarted(_)
            | Event::CompactionRequestCompleted(_)
            | Event::CompactionRequestFailed(_)
            | Event::AgentResultObserved(_)
            | Event::ProtocolEventObserved(_)
            | Event::Other(_) => {}
        }
    }

    fn add_runtime(&mut self, opened: As, body: &PayloadRef) {
        match opened {
            As::ExecCommand | As::WriteStdin => self.commands.add(body),
            As::Spawn | As::Agent => self.agents.add(body),
            As::Wait | As::Other => {}
        }
    }

    fn read(self, opens: Opens, bundle: &Reader, contents: &Contents, work: &mut Work) -> Opened {
        Opened {
            opens,
            metadata: self.metadata.read(bundle, contents, work),
            requests: self.requests.read(bundle, contents, work),
            responses: self.responses.read(bundle, contents, work),
            checkpoints: self.checkpoints.read(bundle, contents, work),
            invocations: self.invocations.read(bundle, contents, work),
            commands: self.commands.read(bundle, contents, work),
            agents: self.agents.read(bundle, contents, work),
            results: self.results.read(bundle, contents, work),
            stdin_results: self.stdin_results.read(bundle, contents, work),
        }
    }
}

/// The body that holds what an incremental request follows.
pub(super) fn prefix_of(mode: Option<&RequestInputMode>) -> Option<&PayloadRef> {
    match mode {
        Some(RequestInputMode::IncrementalWithUntracedPrefix { prefix_payload, .. }) => Some(prefix_payload),
        Some(RequestInputMode::FullSnapshot | RequestInputMode::Incremental { .. }) | None => None,
    }
}

impl Opened {
    /// Opens what rules open of a log, each body once.
    pub(super) fn of(log: &[Entry], bundle: &Reader, contents: &Contents, work: &mut Work) -> Self {
        let opens = Opens::of(log);
        let mut wishes = Wishes::default();
        for entry in log {
            wishes.add(&entry.record.event, &opens);
        }
        wishes.read(opens, bundle, contents, work)
    }

    /// Whether any rule opens the body at this place, and why it can't be used, if it can't.
    pub(super) fn look(&self, at: &Location) -> Option<Option<&Unread>> {
        let Self {
            opens: _,
            metadata,
            requests,
            responses,
            checkpoints,
            invocations,
            commands,
            agents,
            results,
            stdin_results,
        } = self;
        metadata
            .look(at)
            .or_else(|| requests.look(at))
            .or_else(|| responses.look(at))
            .or_else(|| checkpoints.look(at))
            .or_else(|| invocations.look(at))
            .or_else(|| commands.look(at))
            .or_else(|| agents.look(at))
            .or_else(|| results.look(at))
            .or_else(|| stdin_results.look(at))
    }

    pub(super) fn invocation(&self, event: &ToolCallStarted) -> Option<Body<Invocation>> {
        let body = event.invocation_payload.as_ref().filter(|_| opens_invocation(&event.kind))?;
        Some(self.invocations.get(body))
    }

    pub(super) fn runtime_start(&self, event: &ToolCallRuntimeStarted) -> Runtime {
        self.runtime(self.opens.at_start(&event.tool_call_id), &event.runtime_payload)
    }

    pub(super) fn runtime_end(&self, event: &ToolCallRuntimeEnded) -> Runtime {
        self.runtime(self.opens.get(&event.tool_call_id), &event.runtime_payload)
    }

    fn runtime(&self, opened: As, body: &PayloadRef) -> Runtime {
        match opened {
            As::ExecCommand | As::WriteStdin => Runtime::Command(self.commands.get(body)),
            As::Spawn | As::Agent => Runtime::Agent(self.agents.get(body)),
            As::Wait | As::Other => Runtime::Closed,
        }
    }

    pub(super) fn answer(&self, event: &ToolCallEnded) -> ToolAnswer {
        match (self.opens.get(&event.tool_call_id), &event.result_payload) {
            (_, None) => ToolAnswer::None,
            (As::WriteStdin, Some(body)) => ToolAnswer::Stdin(self.stdin_results.get(body)),
            (As::ExecCommand | As::Wait | As::Spawn | As::Agent | As::Other, Some(body)) => {
                ToolAnswer::Any(self.results.get(body))
            }
        }
    }
}

fn opens_invocation(kind: &ToolKind) -> bool {
    matches!(As::from(kind), As::WriteStdin | As::Wait)
}
