//! Names of things, as programs and providers gave them: one string newtype each, so that no two kinds mix.
//!
//! Any characters are allowed, the empty string included. A clone shares the text. Read from a bundle an id may have
//! 16 KiB: a graph names it in many places, and must not grow faster than its bundle.

use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// The longest id that is read, in bytes.
const MAX_BYTES: usize = 16 * 1024;

fn bounded<E: Error>(id: Arc<str>) -> Result<Arc<str>, E> {
    if id.len() <= MAX_BYTES {
        return Ok(id);
    }
    Err(E::custom(format_args!("an id of {} bytes, more than {MAX_BYTES}", id.len())))
}

/// What every newtype of an `Arc<str>` does alike, whoever gave the text.
macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The text, as it is on the wire.
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

macro_rules! string_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                bounded(Arc::<str>::deserialize(deserializer)?).map(Self)
            }
        }

        text_newtype!($name);

        impl $name {
            /// The id with this text.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text, to be shared.
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
    /// One recording, a UUID: `trace_id`.
    TraceId;
    /// The observed run: `rollout_id`. One root thread and every agent it spawned.
    RolloutId;
    /// An agent thread: `thread_id`. A provider's conversation id, where there is one.
    ThreadId;
    /// One turn of a thread, from the user's message to the agent's answer: `codex_turn_id` on the wire.
    TurnId;
    /// One attempt to have a model answer: `inference_call_id`.
    InferenceId;
    /// A tool call as the runtime ran it, unique in the bundle: `tool_call_id`.
    ToolCallId;
    /// A call as the provider numbered it, unique in a thread at best: `model_visible_call_id`, an item's `call_id`.
    CallId;
    /// A tool call as a code cell's runtime numbered it: `code_mode_runtime_tool_id`.
    RuntimeToolId;
    /// A code cell as its runtime numbered it: `runtime_cell_id`.
    RuntimeCellId;
    /// One compaction of a thread's history, its requests and its installation: `compaction_id`.
    CompactionId;
    /// One request of a compaction: `compaction_request_id`.
    CompactionRequestId;
    /// A way that information went between agents: `edge_id`.
    EdgeId;
    /// A body in the payload store: `raw_payload_id`, written here as `raw_payload:<n>`.
    RawPayloadId;
    /// A tool call as its MCP client numbered it: `mcp_call_id`.
    McpCallId;
    /// The provider's id of a response: `response_id`. Later requests may build on it.
    ResponseId;
    /// The transport's id of a request, as in the `x-request-id` header: `upstream_request_id`.
    RequestId;
    /// A W3C trace id, 32 hexadecimal digits: `otel_trace_id`.
    OtelTraceId;
    /// A W3C span id, 16 hexadecimal digits: `otel_span_id`.
    OtelSpanId;
    /// An agent's place in the tree of agents, `/root` or `/root/<name>…`: `agent_path`.
    AgentPath;
}

impl RawPayloadId {
    /// The id of the `n`-th payload of a bundle, counted from 1.
    pub fn numbered(n: u64) -> Self {
        Self::from(format!("raw_payload:{n}"))
    }
}
