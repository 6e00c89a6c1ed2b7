//! Events into facts: which bodies are opened, as what, and which domain each event goes to.

use std::collections::HashMap;

use super::bodies::{Bodies, Wanted};
use super::checkpoint::Checkpoint;
use super::contents::Contents;
use super::facts::{
    At, CellFact, CompactionRequestFact, ConversationFact, Ending, Facts, InferenceEnd, RolloutFact, Runtime,
    ThreadFact, ToolAnswer, ToolFact, TurnFact,
};
use super::invocation::Invocation;
use super::log::Entry;
use super::mentions::Mentions;
use super::request::Request;
use super::response::ResponseBody;
use super::runtime_event::{AgentCall, Command};
use super::session_metadata::SessionMetadata;
use super::tool_result::{StdinResult, ToolResult};
use crate::bundle::Reader;
use crate::event::{
    AgentResultObserved, Event, EventContext, InferenceCancelled, InferenceCompleted, InferenceFailed, PayloadRef,
    Record, RequestInputMode, ToolCallId, ToolKind,
};
use crate::graph::{Code, Moment, Table};
use crate::reduce::{Problems, Work};

/// Opens what rules open and hands every event to its domain.
pub(super) fn sort(log: Vec<Entry>, bundle: &Reader, problems: &mut Problems, work: &mut Work) -> Facts {
    let opens = Opens::of(&log);
    let mut wanted = AllWanted::default();
    for entry in &log {
        wanted.add(&entry.record.event, &opens);
    }
    let contents = Contents::default();
    let bodies = wanted.read(bundle, &contents, work);
    let readings = contents.into_readings();
    work.items_listed += readings.listed();
    work.items_kept += readings.len() as u64;
    let mut facts = Facts {
        rollout: Vec::new(),
        threads: Vec::new(),
        turns: Vec::new(),
        mentions: Mentions::default(),
        conversation: Vec::new(),
        compaction_requests: Vec::new(),
        tools: Vec::new(),
        cells: Vec::new(),
        agent_results: Vec::new(),
        payloads: Table::default(),
        readings,
        last_at: log.iter().map(|entry| entry.record.at).max(),
    };
    for entry in log {
        facts.take(entry, &opens, &bodies, problems);
    }
    facts
}

/// As what a tool's bodies are opened.
#[derive(Clone, Copy, PartialEq)]
enum Opened {
    ExecCommand,
    WriteStdin,
    Wait,
    Spawn,
    Agent,
    Other,
}

impl From<&ToolKind> for Opened {
    fn from(kind: &ToolKind) -> Self {
        match kind {
            ToolKind::ExecCommand => Self::ExecCommand,
            ToolKind::WriteStdin => Self::WriteStdin,
            ToolKind::SpawnAgent => Self::Spawn,
            ToolKind::AssignAgentTask | ToolKind::SendMessage | ToolKind::CloseAgent => Self::Agent,
            ToolKind::Other { name } if name == "wait" => Self::Wait,
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
struct Opens(HashMap<ToolCallId, Opened>);

impl Opens {
    fn of(log: &[Entry]) -> Self {
        let mut tools = HashMap::new();
        for Entry { record, .. } in log {
            if let Event::ToolCallStarted(start) = &record.event {
                tools.entry(start.tool_call_id.clone()).or_insert_with(|| Opened::from(&start.kind));
            }
        }
        Self(tools)
    }

    fn get(&self, tool: &ToolCallId) -> Opened {
        self.0.get(tool).copied().unwrap_or(Opened::Other)
    }

    /// For a runtime's start. That of a spawn says nothing yet: the agent is known at its end.
    fn at_start(&self, tool: &ToolCallId) -> Opened {
        match self.get(tool) {
            Opened::Spawn => Opened::Other,
            opened @ (Opened::ExecCommand | Opened::WriteStdin | Opened::Wait | Opened::Agent | Opened::Other) => {
                opened
            }
        }
    }
}

#[derive(Default)]
struct AllWanted {
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

struct AllBodies {
    metadata: Bodies<SessionMetadata>,
    requests: Bodies<Request>,
    responses: Bodies<ResponseBody>,
    checkpoints: Bodies<Checkpoint>,
    invocations: Bodies<Invocation>,
    commands: Bodies<Command>,
    agents: Bodies<AgentCall>,
    results: Bodies<ToolResult>,
    stdin_results: Bodies<StdinResult>,
}

impl AllWanted {
    fn add(&mut self, event: &Event, opens: &Opens) {
        match event {
            Event::ThreadStarted(e) => e.metadata_payload.iter().for_each(|body| self.metadata.add(body)),
            Event::InferenceStarted(e) => {
                self.requests.add(&e.request_payload);
                prefix_of(e.request_input_mode.as_ref()).into_iter().for_each(|body| self.requests.add(body));
            }
            Event::InferenceCompleted(e) => self.responses.add(&e.response_payload),
            Event::InferenceFailed(e) => e.partial_response_payload.iter().for_each(|body| self.responses.add(body)),
            Event::InferenceCancelled(e) => e.partial_response_payload.iter().for_each(|body| self.responses.add(body)),
            Event::CompactionInstalled(e) => self.checkpoints.add(&e.checkpoint_payload),
            Event::ToolCallStarted(e) => {
                if matches!(Opened::from(&e.kind), Opened::WriteStdin | Opened::Wait) {
                    e.invocation_payload.iter().for_each(|body| self.invocations.add(body));
                }
            }
            Event::ToolCallRuntimeStarted(e) => self.add_runtime(opens.at_start(&e.tool_call_id), &e.runtime_payload),
            Event::ToolCallRuntimeEnded(e) => self.add_runtime(opens.get(&e.tool_call_id), &e.runtime_payload),
            Event::ToolCallEnded(e) => {
                if let Some(body) = &e.result_payload {
                    match opens.get(&e.tool_call_id) {
                        Opened::WriteStdin => self.stdin_results.add(body),
                        Opened::ExecCommand | Opened::Wait | Opened::Spawn | Opened::Agent | Opened::Other => {
                            self.results.add(body)
                        }
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

    fn add_runtime(&mut self, opened: Opened, body: &PayloadRef) {
        match opened {
            Opened::ExecCommand | Opened::WriteStdin => self.commands.add(body),
            Opened::Spawn | Opened::Agent => self.agents.add(body),
            Opened::Wait | Opened::Other => {}
        }
    }

    fn read(self, bundle: &Reader, contents: &Contents, work: &mut Work) -> AllBodies {
        AllBodies {
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

fn prefix_of(mode: Option<&RequestInputMode>) -> Option<&PayloadRef> {
    match mode {
        Some(RequestInputMode::IncrementalWithUntracedPrefix { prefix_payload, .. }) => Some(prefix_payload),
        Some(RequestInputMode::FullSnapshot | RequestInputMode::Incremental { .. }) | None => None,
    }
}

impl AllBodies {
    fn runtime(&self, opened: Opened, body: &PayloadRef) -> Runtime {
        match opened {
            Opened::ExecCommand | Opened::WriteStdin => Runtime::Command(self.commands.get(body)),
            Opened::Spawn | Opened::Agent => Runtime::Agent(self.agents.get(body)),
            Opened::Wait | Opened::Other => Runtime::Closed,
        }
    }

    fn answer(&self, opened: Opened, body: Option<&PayloadRef>) -> ToolAnswer {
        match (opened, body) {
            (_, None) => ToolAnswer::None,
            (Opened::WriteStdin, Some(body)) => ToolAnswer::Stdin(self.stdin_results.get(body)),
            (Opened::ExecCommand | Opened::Wait | Opened::Spawn | Opened::Agent | Opened::Other, Some(body)) => {
                ToolAnswer::Any(self.results.get(body))
            }
        }
    }

    fn completed(&self, event: InferenceCompleted) -> InferenceEnd {
        let InferenceCompleted {
            inference_call_id,
            response_id,
            response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            usage,
            wire_payload: _,
        } = event;
        let response = (response_payload.raw_payload_id.clone(), self.responses.get(&response_payload));
        InferenceEnd {
            inference_call_id,
            how: Ending::Completed,
            response_id,
            upstream_request_id,
            first_token_at: first_token_at_unix_ms,
            usage,
            response: Some(response),
        }
    }

    fn failed(&self, event: InferenceFailed) -> InferenceEnd {
        let InferenceFailed {
            inference_call_id,
            error,
            partial_response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            wire_payload: _,
        } = event;
        InferenceEnd {
            inference_call_id,
            how: Ending::Failed(error),
            response_id: None,
            upstream_request_id,
            first_token_at: first_token_at_unix_ms,
            usage: None,
            response: partial_response_payload.map(|body| (body.raw_payload_id.clone(), self.responses.get(&body))),
        }
    }

    fn cancelled(&self, event: InferenceCancelled) -> InferenceEnd {
        let InferenceCancelled {
            inference_call_id,
            reason,
            partial_response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            wire_payload,
        } = event;
        let failed = InferenceFailed {
            inference_call_id,
            error: String::new(),
            partial_response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            wire_payload,
        };
        InferenceEnd { how: Ending::Cancelled(reason), ..self.failed(failed) }
    }
}

impl Facts {
    fn take(&mut self, entry: Entry, opens: &Opens, bodies: &AllBodies, problems: &mut Problems) {
        let Entry { line, record: Record { seq, at, rollout_id: _, context, event } } = entry;
        event.for_each_payload(|body| {
            self.payloads.add(body.raw_payload_id.clone(), body.clone());
        });
        let when = Moment { at, seq };
        self.mentions.see(when, line, &context, &event);
        let place = Placed { when, line, context };
        match event {
            Event::RolloutStarted(e) => self.rollout.push(place.at(RolloutFact::Started(e))),
            Event::RolloutEnded(e) => self.rollout.push(place.at(RolloutFact::Ended(e))),
            Event::ThreadStarted(e) => {
                let metadata = e.metadata_payload.as_ref().map(|body| bodies.metadata.get(body));
                self.threads.push(place.at(ThreadFact::Started(e, metadata)));
            }
            Event::ThreadEnded(e) => self.threads.push(place.at(ThreadFact::Ended(e))),
            Event::TurnStarted(e) => self.turns.push(place.at(TurnFact::Started(e))),
            Event::TurnEnded(e) => self.turns.push(place.at(TurnFact::Ended(e))),
            Event::InferenceStarted(e) => {
                let request = bodies.requests.get(&e.request_payload);
                let prefix = prefix_of(e.request_input_mode.as_ref()).map(|body| bodies.requests.get(body));
                self.conversation.push(place.at(ConversationFact::Started(Box::new(e), request, prefix)));
            }
            Event::InferenceCompleted(e) => self.end_inference(place, bodies.completed(e)),
            Event::InferenceFailed(e) => self.end_inference(place, bodies.failed(e)),
            Event::InferenceCancelled(e) => self.end_inference(place, bodies.cancelled(e)),
            Event::CompactionInstalled(e) => {
                let checkpoint = bodies.checkpoints.get(&e.checkpoint_payload);
                self.conversation.push(place.at(ConversationFact::Installed(e, checkpoint)));
            }
            Event::CompactionRequestStarted(e) => {
                self.compaction_requests.push(place.at(CompactionRequestFact::Started(e)));
            }
            Event::CompactionRequestCompleted(e) => {
                self.compaction_requests.push(place.at(CompactionRequestFact::Completed(e)));
            }
            Event::CompactionRequestFailed(e) => {
                self.compaction_requests.push(place.at(CompactionRequestFact::Failed(e)));
            }
            Event::ToolCallStarted(e) => {
                let opened = matches!(Opened::from(&e.kind), Opened::WriteStdin | Opened::Wait);
                let body = e.invocation_payload.as_ref().filter(|_| opened);
                let invocation = body.map(|body| bodies.invocations.get(body));
                self.tools.push(place.at(ToolFact::Started(Box::new(e), invocation)));
            }
            Event::McpToolCallCorrelationAssigned(e) => self.tools.push(place.at(ToolFact::Correlated(e))),
            Event::ToolCallRuntimeStarted(e) => {
                let runtime = bodies.runtime(opens.at_start(&e.tool_call_id), &e.runtime_payload);
                self.tools.push(place.at(ToolFact::RuntimeStarted(e, runtime)));
            }
            Event::ToolCallRuntimeEnded(e) => {
                let runtime = bodies.runtime(opens.get(&e.tool_call_id), &e.runtime_payload);
                self.tools.push(place.at(ToolFact::RuntimeEnded(e, runtime)));
            }
            Event::ToolCallEnded(e) => {
                let answer = bodies.answer(opens.get(&e.tool_call_id), e.result_payload.as_ref());
                self.tools.push(place.at(ToolFact::Ended(e, answer)));
            }
            Event::CodeCellStarted(e) => self.cells.push(place.at(CellFact::Started(e))),
            Event::CodeCellInitialResponse(e) => self.cells.push(place.at(CellFact::Responded(e))),
            Event::CodeCellEnded(e) => self.cells.push(place.at(CellFact::Ended(e))),
            Event::AgentResultObserved(e) => self.agent_results.push(place.at::<AgentResultObserved>(e)),
            Event::ProtocolEventObserved(_) => {}
            Event::Other(e) => {
                let code = match &*e.kind {
                    "recording_gap" => Code::RecordingGap,
                    "orphan_span" => Code::OrphanSpan,
                    _ => return,
                };
                let at = place.at(());
                problems.add(&at, code, format!("the recorder says: {}", e.summary), None);
            }
        }
    }

    fn end_inference(&mut self, place: Placed, end: InferenceEnd) {
        self.conversation.push(place.at(ConversationFact::Ended(Box::new(end))));
    }
}

/// Where an event stands, before it is known what fact it is.
struct Placed {
    when: Moment,
    line: u64,
    context: EventContext,
}

impl Placed {
    fn at<F>(self, fact: F) -> At<F> {
        let Self { when, line, context } = self;
        At { when, line, context, fact }
    }
}
