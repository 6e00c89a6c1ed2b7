//! What a span was: all that its name, kind, status and attributes are made of.
//!
//! Live, these facts are gathered from the events and bodies that a span's windows write; afterwards they are read
//! from the graph and the bodies it names. What is made of them is made once, by `describe`, so that both are the same.

use std::sync::Arc;

use super::digest::{InvocationDigest, RequestDigest, ResponseDigest, ResultDigest, RuntimeDigest};
use crate::event::{
    AgentPath, CallId, CellStatus, CompactionId, ExecutionStatus, RawPayloadId, ThreadId, ToolKind, TurnId, Usage,
};

/// One span: an object of a run, or a thread and its turn where one span opened both.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SpanFacts {
    /// The name of the bundle's directory. None where nothing is recorded.
    pub(crate) bundle: Option<Arc<str>>,
    /// The id of the object in the graph.
    pub(crate) object_id: Arc<str>,
    /// The thread it is in, or is.
    pub(crate) thread_id: ThreadId,
    /// The turn it is in, or opened.
    pub(crate) turn_id: Option<TurnId>,
    /// How it ended; running where it has not.
    pub(crate) status: ExecutionStatus,
    /// What went wrong, or why it was cancelled.
    pub(crate) error: Option<String>,
    /// The bodies that tell of it: request and response; invocation, what the runtime saw, result.
    pub(crate) payload_ids: Vec<RawPayloadId>,
    /// What only objects of its kind have.
    pub(crate) what: What,
}

/// What only objects of one kind have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Thread(ThreadFacts),
    Turn,
    Inference(Box<InferenceFacts>),
    Tool(Box<ToolFacts>),
    CodeCell(CellFacts),
    Compaction(CompactionFacts),
}

/// Of an agent's thread.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ThreadFacts {
    pub(crate) agent_path: AgentPath,
    pub(crate) agent_name: Option<String>,
    pub(crate) default_model: Option<String>,
}

/// Of a call of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct InferenceFacts {
    /// Empty where unknown.
    pub(crate) model: String,
    /// Empty where unknown.
    pub(crate) provider: String,
    /// As the end event says it, else the response.
    pub(crate) response_id: Option<String>,
    /// As the end event says it. The response's own counts are in its digest.
    pub(crate) usage: Option<Usage>,
    /// From the call's start to the first piece of its answer.
    pub(crate) time_to_first_chunk_ms: Option<u64>,
    pub(crate) request: RequestDigest,
    pub(crate) response: Option<ResponseDigest>,
}

impl InferenceFacts {
    /// What was counted: by the provider, in its response, else by the span.
    pub(crate) fn counted(&self) -> Option<Usage> {
        self.response.as_ref().and_then(|response| response.usage).or(self.usage)
    }
}

/// Of a tool call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolFacts {
    /// The provider's id of the call.
    pub(crate) call_id: Option<CallId>,
    pub(crate) kind: ToolKind,
    /// The label of its summary, where that is generic: the tool's own name.
    pub(crate) label: Option<Arc<str>>,
    pub(crate) mcp_call_id: Option<String>,
    pub(crate) invocation: Option<InvocationDigest>,
    /// What the runtime saw, in order.
    pub(crate) runtime: Vec<RuntimeDigest>,
    pub(crate) result: Option<ResultDigest>,
}

/// Of a script.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CellFacts {
    /// The provider's id of the call that brought it.
    pub(crate) call_id: CallId,
    pub(crate) status: CellStatus,
}

/// Of a request to compact.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CompactionFacts {
    pub(crate) compaction_id: CompactionId,
    pub(crate) model: String,
    pub(crate) provider: String,
}
