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
            /// Returns the id as text, in the spelling that it has on the wire.
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

            /// Returns a reference to the shared text, for callers that clone it.
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
    /// Id of a recording, a UUID. Wire name: `trace_id`.
    TraceId;
    /// Id of a run, which comprises one root thread and every agent that it spawned. Wire name: `rollout_id`.
    RolloutId;
    /// Id of an agent thread: the conversation id of the provider if there is one. Wire name: `thread_id`.
    ThreadId;
    /// Id of a turn, from the user's message to the agent's answer. Wire name: `codex_turn_id`.
    TurnId;
    /// Id of an inference call, one attempt to get a response from a model. Wire name: `inference_call_id`.
    InferenceId;
    /// Id of a tool call as the runtime executed it, unique in the bundle. Wire name: `tool_call_id`.
    ToolCallId;
    /// Id that the provider gave a tool call, unique in a thread at best. Wire name: `model_visible_call_id`, or
    /// `call_id` in an item.
    CallId;
    /// Id that the runtime of a code cell gave a tool call. Wire name: `code_mode_runtime_tool_id`.
    RuntimeToolId;
    /// Id that the runtime of code cells gave a cell. Wire name: `runtime_cell_id`.
    RuntimeCellId;
    /// Id of a compaction of a thread's history, which comprises its requests and its installation. Wire name:
    /// `compaction_id`.
    CompactionId;
    /// Id of a compaction request, one attempt to get a shorter history from a model. Wire name:
    /// `compaction_request_id`.
    CompactionRequestId;
    /// Id of an edge, which represents information passed between agents. Wire name: `edge_id`.
    EdgeId;
    /// Id of a payload in the store. Wire name: `raw_payload_id`; this crate writes `raw_payload:<n>`.
    RawPayloadId;
    /// Id that the MCP client gave a tool call. Wire name: `mcp_call_id`.
    McpCallId;
    /// Id that the provider gave a response, which later requests may refer to. Wire name: `response_id`.
    ResponseId;
    /// Id that the provider gave an HTTP request, as in the `x-request-id` header. Wire name: `upstream_request_id`.
    RequestId;
    /// W3C trace id, 32 hexadecimal digits. Wire name: `otel_trace_id`.
    OtelTraceId;
    /// W3C span id, 16 hexadecimal digits. Wire name: `otel_span_id`.
    OtelSpanId;
    /// Path of an agent in the tree of agents, `/root` or `/root/<name>…`. Wire name: `agent_path`.
    AgentPath;
}

impl RawPayloadId {
    /// Returns the id of the `n`-th payload of a bundle, counted from 1.
    pub fn numbered(n: u64) -> Self {
        Self::from(format!("raw_payload:{n}"))
    }

    /// Returns the number of the payload. Returns `None` for an id that has none.
    pub(crate) fn number(&self) -> Option<u64> {
        let digits = self.as_str().strip_prefix("raw_payload:")?;
        digits.parse().ok().filter(|number: &u64| number.to_string() == digits)
    }
}
