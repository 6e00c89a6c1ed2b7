//! The facts about an operation that its span's name, kind, status and attributes are made of.
//!
//! For a live span they are collected from the events and payloads that its operations write; afterwards they are read
//! from the graph and the payloads it references. `describe` converts both, so that both give equal spans.

use std::sync::Arc;

use super::digest::{InvocationDigest, RequestDigest, ResponseDigest, ResultDigest, RuntimeDigest};
use crate::event::{
    AgentPath, CallId, CellStatus, CompactionId, EndDetail, ExecutionStatus, RawPayloadId, ThreadId, ToolKind, TurnId,
    Usage,
};

/// The facts of one span: an operation of a run, or a thread and its turn if one span opened both.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SpanFacts {
    /// Name of the bundle's directory. `None` if the run is not recorded.
    pub(crate) bundle: Option<Arc<str>>,
    /// Id of the object in the graph.
    pub(crate) object_id: Arc<str>,
    /// Id of the thread that contains the object, or of the object itself if it is a thread.
    pub(crate) thread_id: ThreadId,
    /// Id of the conversation of the thread, if the program gave it.
    pub(crate) conversation_id: Option<ThreadId>,
    /// Id of the turn that contains the object, or that the object's span opened.
    pub(crate) turn_id: Option<TurnId>,
    /// Status of the operation at its end; `Running` if it has not ended.
    pub(crate) status: ExecutionStatus,
    /// Error message, or the reason of a cancellation.
    pub(crate) error: Option<String>,
    /// The optional details of the end.
    pub(crate) end: EndDetail,
    /// Ids of the payloads of the operation: request and response; invocation, runtime events and result.
    pub(crate) payload_ids: Vec<RawPayloadId>,
    /// The facts that only spans of its kind have.
    pub(crate) detail: SpanDetail,
}

/// The facts that only objects of one kind have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SpanDetail {
    Thread(ThreadFacts),
    Turn,
    Inference(Box<InferenceFacts>),
    Tool(Box<ToolFacts>),
    CodeCell(CellFacts),
    Compaction(CompactionFacts),
}

/// Facts of an agent's thread.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ThreadFacts {
    pub(crate) agent_path: AgentPath,
    pub(crate) agent_name: Option<String>,
    pub(crate) default_model: Option<String>,
}

/// Facts of an inference call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct InferenceFacts {
    /// Name of the requested model. Empty if unknown.
    pub(crate) model: String,
    /// Name of the model's provider. Empty if unknown.
    pub(crate) provider: String,
    /// Response id from the end event, or from the response where the graph took it from there. If it is `None`, the id
    /// in the response's digest counts.
    pub(crate) response_id: Option<String>,
    /// Usage from the end event. The usage that the response contains is in its digest.
    pub(crate) usage: Option<Usage>,
    /// Time from the start of the call to the first chunk of the response, in milliseconds.
    pub(crate) time_to_first_chunk_ms: Option<u64>,
    pub(crate) request: RequestDigest,
    pub(crate) response: Option<ResponseDigest>,
}

impl SpanFacts {
    /// Returns the type of the error of an operation that failed.
    pub(crate) fn error_type(&self) -> &str {
        self.end.error_type.as_deref().unwrap_or("_OTHER")
    }
}

impl InferenceFacts {
    /// Returns the provider's usage from the response if there is one, otherwise the usage from the end event.
    pub(crate) fn effective_usage(&self) -> Option<Usage> {
        self.response.as_ref().and_then(|response| response.usage).or(self.usage)
    }
}

/// Facts of a tool call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolFacts {
    /// The provider's id of the call.
    pub(crate) call_id: Option<CallId>,
    pub(crate) kind: ToolKind,
    /// Label of a generic summary: the tool's own name. `None` if the summary is of another type.
    pub(crate) label: Option<Arc<str>>,
    pub(crate) mcp_call_id: Option<String>,
    pub(crate) invocation: Option<InvocationDigest>,
    /// Digests of the runtime events, in order.
    pub(crate) runtime: Vec<RuntimeDigest>,
    pub(crate) result: Option<ResultDigest>,
}

/// Facts of a code cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CellFacts {
    /// The provider's id of the call that submitted the code.
    pub(crate) call_id: CallId,
    pub(crate) status: CellStatus,
}

/// Facts of a compaction request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CompactionFacts {
    pub(crate) compaction_id: CompactionId,
    pub(crate) model: String,
    pub(crate) provider: String,
    /// Usage that the response reports.
    pub(crate) usage: Option<Usage>,
}
