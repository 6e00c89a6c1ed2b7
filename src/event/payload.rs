//! Payloads: bodies that are stored outside the log and referenced by events.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::RawPayloadId;

/// The kind of a payload, which determines its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PayloadKind {
    /// Request to a model.
    InferenceRequest,
    /// Response of a model.
    InferenceResponse,
    /// Request to a compaction endpoint.
    CompactionRequest,
    /// History before and after a compaction.
    CompactionCheckpoint,
    /// Response of a compaction endpoint.
    CompactionResponse,
    /// Arguments of a tool call.
    ToolInvocation,
    /// Result that a tool returned to its requester.
    ToolResult,
    /// Observation of the runtime about a tool call.
    ToolRuntimeEvent,
    /// Observation of the runtime about a terminal.
    TerminalRuntimeEvent,
    /// Event of the host program's own protocol.
    ProtocolEvent,
    /// Configuration of a thread.
    SessionMetadata,
    /// Result that a finished agent reported to its parent.
    AgentResult,
}

impl PayloadKind {
    /// List of all kinds, in the order of the format.
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

    /// Returns the wire name of the kind, such as `inference_request`.
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

/// The kind of a payload as a reference names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReferencedKind {
    /// A kind of format 1.
    Known(PayloadKind),
    /// The name of a kind that format 1 does not define.
    Unknown(Box<str>),
}

impl ReferencedKind {
    /// Returns the kind. Returns `None` for a kind that format 1 does not define.
    pub fn known(&self) -> Option<PayloadKind> {
        match self {
            Self::Known(kind) => Some(*kind),
            Self::Unknown(_) => None,
        }
    }

    /// Returns the wire name of the kind, such as `inference_request`.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(kind) => kind.name(),
            Self::Unknown(name) => name,
        }
    }
}

impl From<PayloadKind> for ReferencedKind {
    fn from(kind: PayloadKind) -> Self {
        Self::Known(kind)
    }
}

impl PartialEq<PayloadKind> for ReferencedKind {
    fn eq(&self, kind: &PayloadKind) -> bool {
        self.known() == Some(*kind)
    }
}

/// A kind on the wire: an object with the name of the kind.
#[derive(Serialize, Deserialize)]
struct KindObject<'a> {
    #[serde(borrow, rename = "type")]
    name: Cow<'a, str>,
}

impl Serialize for ReferencedKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(kind) => kind.serialize(serializer),
            Self::Unknown(name) => KindObject { name: Cow::Borrowed(name) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ReferencedKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let KindObject { name } = KindObject::deserialize(deserializer)?;
        let known = PayloadKind::ALL.into_iter().find(|kind| kind.name() == name);
        Ok(known.map_or_else(|| Self::Unknown(name.into()), Self::Known))
    }
}

/// A reference to a stored payload. The payload is complete on disk before any event that references it is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadRef {
    /// Id of the payload, unique in the bundle.
    pub raw_payload_id: RawPayloadId,
    /// Kind of the payload.
    pub kind: ReferencedKind,
    /// Path of the file that contains the payload, relative to the bundle. Untrusted: [`Reader`](crate::bundle::Reader)
    /// confines it to the bundle.
    pub path: String,
    /// Offset of the payload in the file at `path`, in bytes. `None` if the payload is the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Length of the payload, in bytes. `None` if it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// xxh3-128 hash of the payload, 32 hexadecimal digits. `None` if it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Box<str>>,
    /// Length and hash of the complete body, if only its head and tail were stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<Box<Truncated>>,
}

impl PayloadRef {
    /// Returns the path and offset of the payload, for error messages.
    pub(crate) fn location(&self) -> String {
        match self.offset {
            Some(offset) => format!("{:?} at {offset}", self.path),
            None => format!("{:?}", self.path),
        }
    }
}

/// Length and hash of a body before it was truncated to head and tail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truncated {
    /// Length of the complete body, in bytes.
    pub length: u64,
    /// xxh3-128 hash of the complete body, 32 hexadecimal digits.
    pub hash: String,
}
