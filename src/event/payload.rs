//! Bodies too large for a log line, named from events.

use serde::{Deserialize, Serialize};

use super::RawPayloadId;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PayloadKind {
    /// What a model was sent.
    InferenceRequest,
    /// What a model returned.
    InferenceResponse,
    /// What a compaction endpoint was sent.
    CompactionRequest,
    /// The history before and after a compaction.
    CompactionCheckpoint,
    /// What a compaction endpoint returned.
    CompactionResponse,
    /// How a tool was called.
    ToolInvocation,
    /// What a tool gave back to whoever asked for it.
    ToolResult,
    /// What the runtime saw of a tool.
    ToolRuntimeEvent,
    /// What the runtime saw of a terminal.
    TerminalRuntimeEvent,
    /// An event of the program's own protocol.
    ProtocolEvent,
    /// What a thread was configured with.
    SessionMetadata,
    /// What a finished agent reported to its parent.
    AgentResult,
}

impl PayloadKind {
    /// Every kind, in the order of the format.
    pub const ALL: [Self; 12] = [
        Self::InferenceRequest,
        Self::InferenceResponse,
        Self::CompactionRequest,
        Self::CompactionCheckpoint,
        Self::CompactionResponse,
        Self::ToolInvocation,
        Self::ToolResult,
        Self::ToolRuntimeEvent,
        Self::TerminalRuntimeEvent,
        Self::ProtocolEvent,
        Self::SessionMetadata,
        Self::AgentResult,
    ];

    /// The wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InferenceRequest => "inference_request",
            Self::InferenceResponse => "inference_response",
            Self::CompactionRequest => "compaction_request",
            Self::CompactionCheckpoint => "compaction_checkpoint",
            Self::CompactionResponse => "compaction_response",
            Self::ToolInvocation => "tool_invocation",
            Self::ToolResult => "tool_result",
            Self::ToolRuntimeEvent => "tool_runtime_event",
            Self::TerminalRuntimeEvent => "terminal_runtime_event",
            Self::ProtocolEvent => "protocol_event",
            Self::SessionMetadata => "session_metadata",
            Self::AgentResult => "agent_result",
        }
    }
}

/// Where a body is. Complete on disk before any event that names it is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadRef {
    /// Unique in the bundle.
    pub raw_payload_id: RawPayloadId,
    /// What the body is.
    pub kind: PayloadKind,
    /// The file, relative to the bundle. Untrusted: [`Reader`](crate::bundle::Reader) confines it.
    pub path: String,
    /// First byte of the body in that file, where it is not the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Length of the body in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// xxh3-128 of the body, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Box<str>>,
    /// Set when only head and tail of the body were kept: what the whole of it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<Box<Truncated>>,
}

impl PayloadRef {
    /// Where the body is, for a person.
    pub(crate) fn place(&self) -> String {
        match self.offset {
            Some(offset) => format!("{:?} at {offset}", self.path),
            None => format!("{:?}", self.path),
        }
    }
}

/// What a body was before it was cut to its head and tail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truncated {
    /// Length in bytes.
    pub length: u64,
    /// xxh3-128, 32 hexadecimal digits.
    pub hash: String,
}
