//! Identifiers that programs and providers assign: one string newtype per kind of object, so that no two kinds can be
//! confused.
//!
//! An id may contain any characters and may be empty. Clones share the text. Ids that are read from a bundle may have
//! at most 16 KiB: a graph repeats them in many places, and its size must stay in proportion to that of the bundle.

use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Maximum length of an id that is read from a bundle, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Returns the id unchanged. Returns an error if it exceeds [`MAX_BYTES`].
fn check_length<E: Error>(id: Arc<str>) -> Result<Arc<str>, E> {
    if id.len() <= MAX_BYTES {
        return Ok(id);
    }
    Err(E::custom(format_args!("an id of {} bytes exceeds the limit of {MAX_BYTES} bytes", id.len())))
}

/// Implements the accessors and conversions of a newtype of `Arc<str>`.
macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// Returns the text, as it is on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    };
}
pub(crate) use text_newtype;

/// Defines id types: newtypes of `Arc<str>` whose length is checked when they are deserialized.
macro_rules! string_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                check_length(Arc::<str>::deserialize(deserializer)?).map(Self)
            }
        }

        text_newtype!($name);

        impl $name {
            /// Creates an id from its text.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// Returns the text, for callers that share it.
            pub fn as_arc(&self) -> &Arc<str> {
                &self.0
            }
        }

        impl From<Arc<str>> for $name {
            fn from(text: Arc<str>) -> Self {
                Self(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
    )*};
}

string_ids! {
    /// Id of a recording, a UUID: `trace_id`.
    TraceId;
    /// Id of a run, one root thread and every agent that it spawned: `rollout_id`.
    RolloutId;
    /// Id of an agent thread, the conversation id of the provider if there is one: `thread_id`.
    ThreadId;
    /// Id of a turn, from the user's message to the agent's answer: `codex_turn_id` on the wire.
    TurnId;
    /// Id of an inference call, one attempt to get a response from a model: `inference_call_id`.
    InferenceId;
    /// Id of a tool call as the runtime executed it, unique in the bundle: `tool_call_id`.
    ToolCallId;
    /// Id that the provider gave a call, unique in a thread at best: `model_visible_call_id`, and `call_id` of an item.
    CallId;
    /// Id that the runtime of a code cell gave a tool call: `code_mode_runtime_tool_id`.
    RuntimeToolId;
    /// Id that its runtime gave a code cell: `runtime_cell_id`.
    RuntimeCellId;
    /// Id of a compaction of a thread's history, which comprises its requests and its installation: `compaction_id`.
    CompactionId;
    /// Id of a compaction request: `compaction_request_id`.
    CompactionRequestId;
    /// Id of an edge, information passed between agents: `edge_id`.
    EdgeId;
    /// Id of a payload in the store: `raw_payload_id`, written here as `raw_payload:<n>`.
    RawPayloadId;
    /// Id that the MCP client gave a tool call: `mcp_call_id`.
    McpCallId;
    /// Id that the provider gave a response, which later requests may refer to: `response_id`.
    ResponseId;
    /// Id that the provider gave an HTTP request, as in the `x-request-id` header: `upstream_request_id`.
    RequestId;
    /// W3C trace id, 32 hexadecimal digits: `otel_trace_id`.
    OtelTraceId;
    /// W3C span id, 16 hexadecimal digits: `otel_span_id`.
    OtelSpanId;
    /// Path of an agent in the tree of agents, `/root` or `/root/<name>…`: `agent_path`.
    AgentPath;
}

impl RawPayloadId {
    /// Returns the id of the `n`-th payload of a bundle, counted from 1.
    pub fn numbered(n: u64) -> Self {
        Self::from(format!("raw_payload:{n}"))
    }
}
