//! Facts: events with the bodies they opened, by the domain that folds them.

use super::bodies::{Body, Unread};
use super::checkpoint::Checkpoint;
use super::contents::Readings;
use super::invocation::Invocation;
use super::mentions::Mentions;
use super::request::Request;
use super::response::ResponseBody;
use super::runtime_event::{AgentCall, Command};
use super::session_metadata::SessionMetadata;
use super::tool_result::{StdinResult, ToolResult};
use crate::event::{
    AgentResultObserved, CodeCellEnded, CodeCellInitialResponse, CodeCellStarted, CompactionInstalled,
    CompactionRequestCompleted, CompactionRequestFailed, CompactionRequestStarted, EventContext, InferenceId,
    InferenceStarted, McpToolCallCorrelationAssigned, PayloadKind, PayloadRef, ProcessSpawned, RawPayloadId, RequestId,
    ResponseId, RolloutEnded, RolloutStarted, ThreadEnded, ThreadStarted, ToolCallEnded, ToolCallRuntimeEnded,
    ToolCallRuntimeStarted, ToolCallStarted, TurnEnded, TurnStarted, UnixMillis, Usage,
};
use crate::graph::{Moment, Table};
use crate::reduce::problems::Place;

/// A fact and where it stands in the log.
#[derive(Debug)]
pub(in crate::reduce) struct At<F> {
    pub(in crate::reduce) when: Moment,
    pub(in crate::reduce) line: u64,
    pub(in crate::reduce) context: EventContext,
    pub(in crate::reduce) fact: F,
}

impl<F> From<&At<F>> for Place {
    fn from(at: &At<F>) -> Self {
        Self { seq: Some(at.when.seq), line: at.line, after: None }
    }
}

/// Everything a bundle says, each list in order of seq.
#[derive(Debug)]
pub(in crate::reduce) struct Facts {
    pub(in crate::reduce) rollout: Vec<At<RolloutFact>>,
    pub(in crate::reduce) threads: Vec<At<ThreadFact>>,
    pub(in crate::reduce) turns: Vec<At<TurnFact>>,
    pub(in crate::reduce) mentions: Mentions,
    pub(in crate::reduce) conversation: Vec<At<ConversationFact>>,
    pub(in crate::reduce) compaction_requests: Vec<At<CompactionRequestFact>>,
    pub(in crate::reduce) tools: Vec<At<ToolFact>>,
    pub(in crate::reduce) cells: Vec<At<CellFact>>,
    pub(in crate::reduce) processes: Vec<At<ProcessSpawned>>,
    pub(in crate::reduce) agent_results: Vec<At<AgentResultObserved>>,
    pub(in crate::reduce) payloads: Table<RawPayloadId, PayloadRef>,
    pub(in crate::reduce) readings: Readings,
    /// Bodies that rules opened in vain, where all are to be looked at.
    pub(in crate::reduce) unheard: Vec<Unheard>,
    /// When the last event was observed.
    pub(in crate::reduce) last_at: Option<UnixMillis>,
}

/// A body that a rule opened in vain, and the first event that names it. The rule may not have come to say so: it opened
/// the body for an event that it then left out.
#[derive(Debug)]
pub(in crate::reduce) struct Unheard {
    pub(super) payload: RawPayloadId,
    pub(super) kind: PayloadKind,
    pub(super) unread: Unread,
    pub(super) place: Place,
}

/// About the rollout.
#[derive(Debug)]
pub(in crate::reduce) enum RolloutFact {
    Started(RolloutStarted),
    Ended(RolloutEnded),
}

/// About a thread.
#[derive(Debug)]
pub(in crate::reduce) enum ThreadFact {
    Started(ThreadStarted, Option<Body<SessionMetadata>>),
    Ended(ThreadEnded),
}

/// About a turn.
#[derive(Debug)]
pub(in crate::reduce) enum TurnFact {
    Started(TurnStarted),
    Ended(TurnEnded),
}

/// About what a model was sent and returned, and what took its place.
#[derive(Debug)]
pub(in crate::reduce) enum ConversationFact {
    Started(Box<InferenceStarted>, Body<Request>, Option<Body<Request>>),
    Ended(Box<InferenceEnd>),
    Installed(CompactionInstalled, Body<Checkpoint>),
}

/// An inference call ended, one way or the other.
#[derive(Debug)]
pub(in crate::reduce) struct InferenceEnd {
    pub(in crate::reduce) inference_call_id: InferenceId,
    pub(in crate::reduce) how: Ending,
    pub(in crate::reduce) response_id: Option<ResponseId>,
    pub(in crate::reduce) upstream_request_id: Option<RequestId>,
    pub(in crate::reduce) first_token_at: Option<UnixMillis>,
    pub(in crate::reduce) usage: Option<Usage>,
    /// The response, or as much of it as had come.
    pub(in crate::reduce) response: Option<(RawPayloadId, Body<ResponseBody>)>,
}

/// How an inference call ended.
#[derive(Debug)]
pub(in crate::reduce) enum Ending {
    Completed,
    Failed(String),
    Cancelled(String),
}

/// About a request to compact.
#[derive(Debug)]
pub(in crate::reduce) enum CompactionRequestFact {
    Started(CompactionRequestStarted),
    Completed(CompactionRequestCompleted),
    Failed(CompactionRequestFailed),
}

/// About a tool call.
#[derive(Debug)]
pub(in crate::reduce) enum ToolFact {
    Started(Box<ToolCallStarted>, Option<Body<Invocation>>),
    Correlated(McpToolCallCorrelationAssigned),
    RuntimeStarted(ToolCallRuntimeStarted, Runtime),
    RuntimeEnded(ToolCallRuntimeEnded, Runtime),
    Ended(ToolCallEnded, ToolAnswer),
}

/// What the runtime saw, as far as rules open it.
#[derive(Debug)]
pub(in crate::reduce) enum Runtime {
    Closed,
    Command(Body<Command>),
    Agent(Body<AgentCall>),
}

/// What a tool gave back.
#[derive(Debug)]
pub(in crate::reduce) enum ToolAnswer {
    None,
    Any(Body<ToolResult>),
    Stdin(Body<StdinResult>),
}

/// About a code cell.
#[derive(Debug)]
pub(in crate::reduce) enum CellFact {
    Started(CodeCellStarted),
    Responded(CodeCellInitialResponse),
    Ended(CodeCellEnded),
}
