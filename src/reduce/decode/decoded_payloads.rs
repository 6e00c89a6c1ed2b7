//! Decodes the payloads that reduction rules open.

use std::collections::{HashMap, HashSet};

use super::checkpoint::Checkpoint;
use super::compaction_responses::CompactionResponses;
use super::facts::{ResultPayload, RuntimePayload};
use super::invocation::Invocation;
use super::item_cache::ItemCache;
use super::log::LogEntry;
use super::payloads::{Payload, PayloadLocation, PayloadSet, PendingPayloads, UnusablePayload, location, text_of};
use super::request::Request;
use super::responses::DecodedResponses;
use super::runtime_event::{AgentCall, Command, ForeignEvent};
use super::session_metadata::SessionMetadata;
use super::tool_result::{StdinResult, ToolResult};
use super::unnamed::UnnamedPayloads;
use crate::bundle::Reader;
use crate::event::{
    CallId, Event, EventContext, InferenceId, PayloadRef, Record, RequestInputMode, ThreadId, ToolCallEnded,
    ToolCallId, ToolCallRuntimeEnded, ToolCallRuntimeStarted, ToolCallStarted, ToolKind,
};
use crate::reduce::Work;

/// The way in which the payloads of a tool call are decoded, which depends on the kind of the tool.
#[derive(Clone, Copy, PartialEq)]
enum ToolDecoding {
    ExecCommand,
    WriteStdin,
    Wait,
    Spawn,
    Agent,
    WaitAgent,
    Other,
    /// The log has no start of the tool call.
    Unknown,
}

impl From<&ToolKind> for ToolDecoding {
    fn from(kind: &ToolKind) -> Self {
        match kind {
            ToolKind::ExecCommand => Self::ExecCommand,
            ToolKind::WriteStdin => Self::WriteStdin,
            ToolKind::SpawnAgent => Self::Spawn,
            ToolKind::AssignAgentTask | ToolKind::SendMessage | ToolKind::CloseAgent => Self::Agent,
            ToolKind::WaitAgent => Self::WaitAgent,
            ToolKind::Other { name } if &**name == "wait" => Self::Wait,
            ToolKind::ApplyPatch
            | ToolKind::Mcp { .. }
            | ToolKind::Web
            | ToolKind::ImageGeneration
            | ToolKind::Other { .. } => Self::Other,
        }
    }
}

/// The way in which the payloads of each tool call are decoded. The kind in the first start event of a call counts.
struct ToolDecodings {
    tools: HashMap<ToolCallId, ToolDecoding>,
    /// Call ids with which several tool calls of a thread start. Their arguments tell apart which calls they run.
    repeated: HashSet<(Option<ThreadId>, CallId)>,
}

impl ToolDecodings {
    /// Determines the decoding for all tool calls in a log.
    fn from_log(log: &[LogEntry]) -> Self {
        let (mut tools, mut started, mut repeated) = (HashMap::new(), HashSet::new(), HashSet::new());
        for LogEntry { record, .. } in log {
            if let Event::ToolCallStarted(start) = &record.event {
                tools.entry(start.tool_call_id.clone()).or_insert_with(|| ToolDecoding::from(&start.kind));
                let call = start.requesting_call_id().cloned().map(|call| (record.context.thread_id.clone(), call));
                repeated.extend(call.filter(|call| !started.insert(call.clone())));
            }
        }
        Self { tools, repeated }
    }

    /// Returns `true` if the reduction needs the invocation of a tool call, which starts with the given event.
    fn opens_invocation(&self, context: &EventContext, event: &ToolCallStarted) -> bool {
        let call = event.requesting_call_id().cloned();
        let is_repeated = |call| self.repeated.contains(&(context.thread_id.clone(), call));
        opens_invocation(&event.kind) || (!self.repeated.is_empty() && call.is_some_and(is_repeated))
    }

    /// Returns the way in which the payloads of a tool call are decoded.
    fn get(&self, tool: &ToolCallId) -> ToolDecoding {
        self.tools.get(tool).copied().unwrap_or(ToolDecoding::Unknown)
    }

    /// Returns the way in which the payload of a runtime start is decoded. The start of a spawn is not decoded: the new
    /// agent is known only at its end. Activities of agents are reported at the end, too.
    fn get_for_runtime_start(&self, tool: &ToolCallId) -> ToolDecoding {
        match self.get(tool) {
            ToolDecoding::Spawn | ToolDecoding::WaitAgent | ToolDecoding::Unknown => ToolDecoding::Other,
            decoding @ (ToolDecoding::ExecCommand
            | ToolDecoding::WriteStdin
            | ToolDecoding::Wait
            | ToolDecoding::Agent
            | ToolDecoding::Other) => decoding,
        }
    }
}

/// The payloads to read and decode, by the type that they are decoded to.
#[derive(Default)]
struct PayloadPlan {
    metadata: PendingPayloads<SessionMetadata>,
    requests: PendingPayloads<Request>,
    checkpoints: PendingPayloads<Checkpoint>,
    invocations: PendingPayloads<Invocation>,
    commands: PendingPayloads<Command>,
    agents: PendingPayloads<AgentCall>,
    foreign_events: PendingPayloads<ForeignEvent>,
    results: PendingPayloads<ToolResult>,
    stdin_results: PendingPayloads<StdinResult>,
    /// The location of the request of each inference call, by which the decoder finds the call's response: the response
    /// shows to which API a request belongs whose own members fit several APIs.
    requests_by_call: HashMap<InferenceId, PayloadLocation>,
}

/// The decoded payloads, by the type that they were decoded to.
pub(super) struct DecodedPayloads {
    decodings: ToolDecodings,
    pub(super) metadata: PayloadSet<SessionMetadata>,
    pub(super) requests: PayloadSet<Request>,
    pub(super) responses: DecodedResponses,
    pub(super) checkpoints: PayloadSet<Checkpoint>,
    pub(super) compaction_responses: CompactionResponses,
    invocations: PayloadSet<Invocation>,
    commands: PayloadSet<Command>,
    agents: PayloadSet<AgentCall>,
    foreign_events: PayloadSet<ForeignEvent>,
    results: PayloadSet<ToolResult>,
    stdin_results: PayloadSet<StdinResult>,
}

impl PayloadPlan {
    /// Adds the payloads of an event that the reduction needs.
    fn add(&mut self, record: &Record, decodings: &ToolDecodings) {
        match &record.event {
            Event::ThreadStarted(e) => e.metadata_payload.iter().for_each(|payload| self.metadata.add(payload)),
            Event::InferenceStarted(e) => {
                self.requests.add(&e.request_payload);
                let request = || location(&e.request_payload);
                self.requests_by_call.entry(e.inference_call_id.clone()).or_insert_with(request);
                prefix_of(e.request_input_mode.as_deref()).into_iter().for_each(|payload| self.requests.add(payload));
            }
            Event::CompactionInstalled(e) => self.checkpoints.add(&e.checkpoint_payload),
            Event::ToolCallStarted(e) => {
                if decodings.opens_invocation(&record.context, e) {
                    e.invocation_payload.iter().for_each(|payload| self.invocations.add(payload));
                }
            }
            Event::ToolCallRuntimeStarted(e) => {
                self.add_runtime(decodings.get_for_runtime_start(&e.tool_call_id), &e.runtime_payload)
            }
            Event::ToolCallRuntimeEnded(e) => self.add_runtime(decodings.get(&e.tool_call_id), &e.runtime_payload),
            Event::ToolCallEnded(e) => {
                if let Some(payload) = &e.result_payload {
                    match decodings.get(&e.tool_call_id) {
                        ToolDecoding::WriteStdin => self.stdin_results.add(payload),
                        ToolDecoding::ExecCommand
                        | ToolDecoding::Wait
                        | ToolDecoding::Spawn
                        | ToolDecoding::Agent
                        | ToolDecoding::WaitAgent
                        | ToolDecoding::Other
                        | ToolDecoding::Unknown => self.results.add(payload),
                    }
                }
            }
            // Responses are decoded by `DecodedResponses` and `CompactionResponses`.
            Event::InferenceCompleted(_)
            | Event::InferenceFailed(_)
            | Event::InferenceCancelled(_)
            | Event::RolloutStarted(_)
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

    /// Adds the payload of a tool's runtime event.
    fn add_runtime(&mut self, decoding: ToolDecoding, payload: &PayloadRef) {
        match decoding {
            ToolDecoding::ExecCommand | ToolDecoding::WriteStdin => self.commands.add(payload),
            ToolDecoding::Spawn | ToolDecoding::Agent => self.agents.add(payload),
            ToolDecoding::WaitAgent | ToolDecoding::Unknown => self.foreign_events.add(payload),
            ToolDecoding::Wait | ToolDecoding::Other => {}
        }
    }

    /// Reads and decodes all planned payloads.
    fn decode_all(
        self,
        decodings: ToolDecodings,
        (responses, compaction_responses): (DecodedResponses, CompactionResponses),
        bundle: &Reader,
        cache: &ItemCache,
        work: &mut Work,
    ) -> DecodedPayloads {
        let responded = |(call, request): (InferenceId, _)| Some((request, responses.apis_of(&call)?));
        let responded: HashMap<_, _> = self.requests_by_call.into_iter().filter_map(responded).collect();
        let parse_request = |reference: &PayloadRef, bytes: &[u8]| {
            let responded = responded.get(&location(reference)).copied().unwrap_or_default();
            Request::parse(text_of(bytes)?, responded, cache)
        };
        DecodedPayloads {
            decodings,
            responses,
            metadata: self.metadata.decode_all(bundle, cache, work),
            requests: self.requests.decode_all_with(bundle, work, parse_request, |_, unusable| Err(unusable)),
            checkpoints: self.checkpoints.decode_all(bundle, cache, work),
            compaction_responses,
            invocations: self.invocations.decode_all(bundle, cache, work),
            commands: self.commands.decode_all(bundle, cache, work),
            agents: self.agents.decode_all(bundle, cache, work),
            foreign_events: self.foreign_events.decode_all(bundle, cache, work),
            results: self.results.decode_all(bundle, cache, work),
            stdin_results: self.stdin_results.decode_all(bundle, cache, work),
        }
    }
}

/// Returns the payload with the untraced prefix of an incremental request. Returns `None` for other requests.
pub(super) fn prefix_of(mode: Option<&RequestInputMode>) -> Option<&PayloadRef> {
    match mode {
        Some(RequestInputMode::IncrementalWithUntracedPrefix { prefix_payload, .. }) => Some(prefix_payload),
        Some(RequestInputMode::FullSnapshot | RequestInputMode::Incremental { .. }) | None => None,
    }
}

impl DecodedPayloads {
    /// Reads and decodes each payload that the reduction needs, once.
    /// The payloads that no event names have been read already.
    pub(super) fn decode(
        log: &[LogEntry],
        unnamed: &UnnamedPayloads,
        bundle: &Reader,
        cache: &ItemCache,
        work: &mut Work,
    ) -> Self {
        let decodings = ToolDecodings::from_log(log);
        let mut plan = PayloadPlan::default();
        for entry in log {
            plan.add(&entry.record, &decodings);
        }
        let responses = DecodedResponses::decode(log, unnamed, bundle, cache, work);
        let compaction_responses = CompactionResponses::decode(log, bundle, cache, work);
        plan.decode_all(decodings, (responses, compaction_responses), bundle, cache, work)
    }

    /// Returns the outcome of decoding the payload at a location. Returns `None` if the reduction does not need the
    /// payload, and `Some(None)` if it was decoded.
    pub(super) fn lookup(&self, location: &PayloadLocation) -> Option<Option<&UnusablePayload>> {
        let Self {
            decodings: _,
            metadata,
            requests,
            responses,
            checkpoints,
            compaction_responses,
            invocations,
            commands,
            agents,
            foreign_events,
            results,
            stdin_results,
        } = self;
        metadata
            .lookup(location)
            .or_else(|| requests.lookup(location))
            .or_else(|| responses.lookup(location))
            .or_else(|| checkpoints.lookup(location))
            .or_else(|| compaction_responses.lookup(location))
            .or_else(|| invocations.lookup(location))
            .or_else(|| commands.lookup(location))
            .or_else(|| agents.lookup(location))
            .or_else(|| foreign_events.lookup(location))
            .or_else(|| results.lookup(location))
            .or_else(|| stdin_results.lookup(location))
    }

    /// Returns the decoded invocation of a tool call. Returns `None` if the call has no invocation or the reduction
    /// does not need it.
    pub(super) fn invocation(&self, context: &EventContext, event: &ToolCallStarted) -> Option<Payload<Invocation>> {
        let is_open = self.decodings.opens_invocation(context, event);
        let payload = event.invocation_payload.as_ref().filter(|_| is_open)?;
        Some(self.invocations.get(payload))
    }

    /// Returns the decoded payload of the event that starts the runtime of a tool.
    pub(super) fn runtime_start(&self, event: &ToolCallRuntimeStarted) -> RuntimePayload {
        self.runtime(self.decodings.get_for_runtime_start(&event.tool_call_id), &event.runtime_payload)
    }

    /// Returns the decoded payload of the event that ends the runtime of a tool.
    pub(super) fn runtime_end(&self, event: &ToolCallRuntimeEnded) -> RuntimePayload {
        self.runtime(self.decodings.get(&event.tool_call_id), &event.runtime_payload)
    }

    /// Returns the payload of a runtime event, decoded as the kind of its tool requires.
    fn runtime(&self, decoding: ToolDecoding, payload: &PayloadRef) -> RuntimePayload {
        match decoding {
            ToolDecoding::ExecCommand | ToolDecoding::WriteStdin => RuntimePayload::Command(self.commands.get(payload)),
            ToolDecoding::Spawn | ToolDecoding::Agent => RuntimePayload::Agent(self.agents.get(payload)),
            ToolDecoding::WaitAgent | ToolDecoding::Unknown => {
                RuntimePayload::Foreign(self.foreign_events.get(payload))
            }
            ToolDecoding::Wait | ToolDecoding::Other => RuntimePayload::NotOpened,
        }
    }

    /// Returns the decoded result of a tool call.
    pub(super) fn result_payload(&self, event: &ToolCallEnded) -> ResultPayload {
        match (self.decodings.get(&event.tool_call_id), &event.result_payload) {
            (_, None) => ResultPayload::None,
            (ToolDecoding::WriteStdin, Some(payload)) => ResultPayload::Stdin(self.stdin_results.get(payload)),
            (
                ToolDecoding::ExecCommand
                | ToolDecoding::Wait
                | ToolDecoding::Spawn
                | ToolDecoding::Agent
                | ToolDecoding::WaitAgent
                | ToolDecoding::Other
                | ToolDecoding::Unknown,
                Some(payload),
            ) => ResultPayload::Any(self.results.get(payload)),
        }
    }
}

/// Returns `true` if the reduction needs the invocations of this kind of tool.
fn opens_invocation(kind: &ToolKind) -> bool {
    match ToolDecoding::from(kind) {
        ToolDecoding::WriteStdin
        | ToolDecoding::Wait
        | ToolDecoding::Spawn
        | ToolDecoding::Agent
        | ToolDecoding::WaitAgent => true,
        ToolDecoding::ExecCommand | ToolDecoding::Other | ToolDecoding::Unknown => false,
    }
}
