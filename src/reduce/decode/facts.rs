//! Facts: events with their decoded payloads, by the domain that folds them.

use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::compaction_response::CompactionResponse;
use super::invocation::Invocation;
use super::item_cache::DecodedItems;
use super::mentions::Mentions;
use super::output_hash::OutputHash;
use super::payloads::{Payload, UnusablePayload};
use super::request::Request;
use super::response::ResponseBody;
use super::runtime_event::{Activity, AgentCall, Command, ForeignEvent};
use super::session_metadata::SessionMetadata;
use super::tool_result::{StdinResult, ToolResult};
use crate::event::{
    AgentResultObserved, CodeCellEnded, CodeCellInitialResponse, CodeCellStarted, CompactionInstalled,
    CompactionRequestCompleted, CompactionRequestFailed, CompactionRequestId, CompactionRequestStarted, EndDetail,
    EventContext, InferenceId, InferenceStarted, McpToolCallCorrelationAssigned, PayloadRef, ProcessSpawned,
    RawPayloadId, ReferencedKind, ResponseId, RolloutEnded, RolloutStarted, Seq, ThreadEnded, ThreadStarted,
    ToolCallEnded, ToolCallId, ToolCallRuntimeEnded, ToolCallRuntimeStarted, ToolCallStarted, TurnEnded, TurnStarted,
    UnixMillis, UpstreamRequestId, Usage,
};
use crate::graph::{Moment, Table};
use crate::reduce::diagnostics::LogPosition;

/// A fact from the log, with the time, line number and context of its event.
#[derive(Debug)]
pub(in crate::reduce) struct Logged<F> {
    pub(in crate::reduce) when: Moment,
    pub(in crate::reduce) line: u64,
    pub(in crate::reduce) context: EventContext,
    pub(in crate::reduce) fact: F,
}

impl<F> From<&Logged<F>> for LogPosition {
    fn from(at: &Logged<F>) -> Self {
        Self { seq: Some(at.when.seq), line: at.line, after: None }
    }
}

/// All facts of a bundle, by the domain that folds them. Each list is in order of seq.
#[derive(Debug)]
pub(in crate::reduce) struct Facts {
    pub(in crate::reduce) rollout: Vec<Logged<RolloutFact>>,
    pub(in crate::reduce) threads: Vec<Logged<ThreadFact>>,
    pub(in crate::reduce) turns: Vec<Logged<TurnFact>>,
    pub(in crate::reduce) mentions: Mentions,
    pub(in crate::reduce) conversation: Vec<Logged<ConversationFact>>,
    pub(in crate::reduce) compaction_requests: Vec<Logged<CompactionRequestFact>>,
    pub(in crate::reduce) tools: Vec<Logged<ToolFact>>,
    pub(in crate::reduce) cells: Vec<Logged<CellFact>>,
    pub(in crate::reduce) processes: Vec<Logged<ProcessSpawned>>,
    pub(in crate::reduce) agent_results: Vec<Logged<AgentResultObserved>>,
    pub(in crate::reduce) payloads: Table<RawPayloadId, PayloadRef>,
    pub(in crate::reduce) decoded_items: DecodedItems,
    /// Payloads that cannot be used although a reduction rule needs them. Empty unless
    /// [`Options::every_body`](crate::reduce::Options::every_body) is set.
    pub(in crate::reduce) unreported: Vec<UnreportedPayload>,
    /// Latest time of any event in the log. `None` if the log has no events.
    pub(in crate::reduce) last_at: Option<UnixMillis>,
}

/// A payload that cannot be used although a reduction rule needs it, and the first event that references it. The rule
/// may not have reported the payload, if it left out the event first.
#[derive(Debug)]
pub(in crate::reduce) struct UnreportedPayload {
    pub(super) payload: RawPayloadId,
    pub(super) kind: ReferencedKind,
    pub(super) unusable: UnusablePayload,
    pub(super) position: LogPosition,
}

/// A fact about the run as a whole.
#[derive(Debug)]
pub(in crate::reduce) enum RolloutFact {
    Started(RolloutStarted),
    Ended(RolloutEnded),
}

/// A fact about a thread.
#[derive(Debug)]
pub(in crate::reduce) enum ThreadFact {
    Started(ThreadStarted, Option<Payload<SessionMetadata>>),
    Ended(ThreadEnded),
}

/// A fact about a turn.
#[derive(Debug)]
pub(in crate::reduce) enum TurnFact {
    Started(TurnStarted),
    Ended(TurnEnded),
}

/// A fact about the conversation: a request, a response or an installed compaction.
#[derive(Debug)]
pub(in crate::reduce) enum ConversationFact {
    Started(Box<InferenceStarted>, Payload<Request>, Option<Payload<Request>>),
    Ended(Box<InferenceEnd>),
    Streamed(Box<StreamedResponse>),
    Installed(CompactionInstalled, Payload<Checkpoint>),
}

/// The end of an inference call: completed, failed or cancelled.
#[derive(Debug)]
pub(in crate::reduce) struct InferenceEnd {
    pub(in crate::reduce) inference_call_id: InferenceId,
    pub(in crate::reduce) outcome: Outcome,
    pub(in crate::reduce) response_id: Option<ResponseId>,
    pub(in crate::reduce) upstream_request_id: UpstreamRequestId,
    pub(in crate::reduce) first_token_at: Option<UnixMillis>,
    pub(in crate::reduce) usage: Option<Usage>,
    /// The payload of the response in the event, or of the part of it that arrived. The response may be another one:
    /// the bytes that the client received, if the program did not record it.
    pub(in crate::reduce) response_payload: Option<RawPayloadId>,
    /// The response, or the part of it that arrived.
    pub(in crate::reduce) response: Option<RecordedResponse>,
    /// The optional details of the end.
    pub(in crate::reduce) detail: Option<Box<EndDetail>>,
}

/// A response as it was recorded: in one payload, or in the chunks of a stream.
#[derive(Debug)]
pub(in crate::reduce) struct RecordedResponse {
    /// The payload that contains the response, or its first chunk.
    pub(in crate::reduce) payload: RawPayloadId,
    pub(in crate::reduce) body: Payload<ResponseBody>,
    /// The chunks that contain the response, in order, with the seq of their events. Empty if one payload contains it.
    pub(in crate::reduce) chunks: Vec<(Seq, RawPayloadId)>,
    /// The response that the program recorded without its content. Its other fields count where `body` has none.
    pub(in crate::reduce) without_content: Option<Arc<ResponseBody>>,
    /// The payloads that contain the response too, in a form that counts first, but that cannot be used.
    pub(in crate::reduce) unusable: Vec<(RawPayloadId, UnusablePayload)>,
}

/// The response of an inference call that never ended: as far as its chunks arrived, or as it was stored before the
/// process was killed.
#[derive(Debug)]
pub(in crate::reduce) struct StreamedResponse {
    pub(in crate::reduce) inference_call_id: InferenceId,
    pub(in crate::reduce) response: RecordedResponse,
}

/// The result of a tool call that never ended, which was stored before the process was killed.
#[derive(Debug)]
pub(in crate::reduce) struct StoredResult {
    pub(in crate::reduce) tool_call_id: ToolCallId,
    pub(in crate::reduce) payload: RawPayloadId,
    pub(in crate::reduce) result: ResultPayload,
}

/// The outcome of an inference call: failed with an error message, or cancelled with a reason.
#[derive(Debug)]
pub(in crate::reduce) enum Outcome {
    Completed,
    Failed(String),
    Cancelled(String),
}

/// A fact about a compaction request.
#[derive(Debug)]
pub(in crate::reduce) enum CompactionRequestFact {
    Started(CompactionRequestStarted),
    Completed(CompactionRequestCompleted, RecordedCompaction),
    Failed(CompactionRequestFailed, Option<RecordedCompaction>),
    /// What arrived of the response of a request that never ended.
    Streamed(CompactionRequestId, RecordedCompaction),
}

/// The response of a compaction request as it was recorded: in one payload, or in the chunks of a stream.
#[derive(Debug)]
pub(in crate::reduce) struct RecordedCompaction {
    /// The payload that contains the response, or its first chunk.
    pub(in crate::reduce) payload: RawPayloadId,
    pub(in crate::reduce) body: Payload<CompactionResponse>,
    /// The chunks that contain the response, in order, with the seq of their events. Empty if one payload contains it.
    pub(in crate::reduce) chunks: Vec<(Seq, RawPayloadId)>,
}

/// A fact about a tool call.
#[derive(Debug)]
pub(in crate::reduce) enum ToolFact {
    Started(Box<ToolCallStarted>, Option<Payload<Invocation>>),
    Correlated(McpToolCallCorrelationAssigned),
    RuntimeStarted(ToolCallRuntimeStarted, RuntimePayload),
    RuntimeEnded(ToolCallRuntimeEnded, RuntimePayload),
    Ended(ToolCallEnded, ResultPayload),
    Stored(StoredResult),
}

/// The payload of a tool's runtime event, decoded if the reduction needs it.
#[derive(Debug)]
pub(in crate::reduce) enum RuntimePayload {
    NotOpened,
    Command(Payload<Command>),
    Agent(Payload<AgentCall>),
    /// The payload of a tool that causes no activity of an agent, or of an unknown tool.
    Foreign(Payload<ForeignEvent>),
}

impl RuntimePayload {
    /// Returns the activity in the payload of a tool that causes none, or of an unknown tool. Returns `None` for other
    /// payloads.
    pub(in crate::reduce) fn foreign_activity(&self) -> Option<&Activity> {
        match self {
            Self::Foreign(Ok(event)) => event.activity.as_ref(),
            Self::Foreign(Err(_)) | Self::NotOpened | Self::Command(_) | Self::Agent(_) => None,
        }
    }
}

/// The payload of a tool's result, decoded according to the kind of the tool.
#[derive(Debug)]
pub(in crate::reduce) enum ResultPayload {
    None,
    Any(Payload<ToolResult>),
    Stdin(Payload<StdinResult>),
}

impl ResultPayload {
    /// Returns the error message in the result. Returns `None` if the result reports no error.
    ///
    /// # Errors
    /// Returns the reason why the payload cannot be used.
    pub(in crate::reduce) fn error(&self) -> Result<Option<String>, &UnusablePayload> {
        match self {
            Self::None => Ok(None),
            Self::Any(body) => body.as_ref().map(|result| result.error.clone()),
            Self::Stdin(body) => body.as_ref().map(|result| result.error.clone()),
        }
    }

    /// Returns the output that the tool returned to the model. Returns `None` if it is unknown.
    pub(in crate::reduce) fn output(&self) -> Option<OutputHash> {
        match self {
            Self::None => None,
            Self::Any(body) => body.as_ref().ok()?.output,
            Self::Stdin(body) => body.as_ref().ok()?.output,
        }
    }
}

/// A fact about a code cell.
#[derive(Debug)]
pub(in crate::reduce) enum CellFact {
    Started(CodeCellStarted),
    Responded(CodeCellInitialResponse),
    Ended(CodeCellEnded),
}
