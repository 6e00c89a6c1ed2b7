//! The closed set of events.

use serde::{Deserialize, Serialize};

use super::{
    AgentResultObserved, CodeCellEnded, CodeCellInitialResponse, CodeCellStarted, CompactionInstalled,
    CompactionRequestCompleted, CompactionRequestFailed, CompactionRequestStarted, InferenceCancelled,
    InferenceCompleted, InferenceFailed, InferenceStarted, McpToolCallCorrelationAssigned, Other, PayloadRef,
    ProtocolEventObserved, RequestInputMode, RolloutEnded, RolloutStarted, ThreadEnded, ThreadStarted, ToolCallEnded,
    ToolCallRuntimeEnded, ToolCallRuntimeStarted, ToolCallStarted, TurnEnded, TurnStarted,
};

/// The `type` of an event, read before the rest of it.
#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow, rename = "type")]
    name: std::borrow::Cow<'a, str>,
}

/// Why an event could not be read.
#[derive(Debug)]
pub(super) enum EventError {
    Json(serde_json::Error),
    Variant(String),
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One observation.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(tag = "type")]
        pub enum Event {
            $($(#[$doc])* #[serde(rename = $name)] $variant($variant),)*
        }

        /// Which observation it is, without its facts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $variant,)*
        }

        impl Event {
            /// Which observation it is.
            pub const fn kind(&self) -> EventKind {
                match self {
                    $(Self::$variant(_) => EventKind::$variant,)*
                }
            }

            /// Reads the `payload` of a line. Not by serde's tagged enums: they would hold the whole value in memory
            /// to find its tag, and can't keep [`RawJson`](super::RawJson).
            pub(super) fn parse(json: &str) -> Result<Self, EventError> {
                let tag: Tag<'_> = serde_json::from_str(json).map_err(EventError::Json)?;
                match &*tag.name {
                    $($name => serde_json::from_str(json).map(Self::$variant).map_err(EventError::Json),)*
                    other => Err(EventError::Variant(other.to_owned())),
                }
            }
        }

        impl EventKind {
            /// Every kind, in the order of the format.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The wire name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        $(impl From<$variant> for Event {
            fn from(event: $variant) -> Self {
                Self::$variant(event)
            }
        })*
    };
}

events! {
    /// `rollout_started`
    RolloutStarted = "rollout_started",
    /// `rollout_ended`
    RolloutEnded = "rollout_ended",
    /// `thread_started`
    ThreadStarted = "thread_started",
    /// `thread_ended`
    ThreadEnded = "thread_ended",
    /// `codex_turn_started`
    TurnStarted = "codex_turn_started",
    /// `codex_turn_ended`
    TurnEnded = "codex_turn_ended",
    /// `inference_started`
    InferenceStarted = "inference_started",
    /// `inference_completed`
    InferenceCompleted = "inference_completed",
    /// `inference_failed`
    InferenceFailed = "inference_failed",
    /// `inference_cancelled`
    InferenceCancelled = "inference_cancelled",
    /// `tool_call_started`
    ToolCallStarted = "tool_call_started",
    /// `mcp_tool_call_correlation_assigned`
    McpToolCallCorrelationAssigned = "mcp_tool_call_correlation_assigned",
    /// `tool_call_runtime_started`
    ToolCallRuntimeStarted = "tool_call_runtime_started",
    /// `tool_call_runtime_ended`
    ToolCallRuntimeEnded = "tool_call_runtime_ended",
    /// `tool_call_ended`
    ToolCallEnded = "tool_call_ended",
    /// `code_cell_started`
    CodeCellStarted = "code_cell_started",
    /// `code_cell_initial_response`
    CodeCellInitialResponse = "code_cell_initial_response",
    /// `code_cell_ended`
    CodeCellEnded = "code_cell_ended",
    /// `compaction_request_started`
    CompactionRequestStarted = "compaction_request_started",
    /// `compaction_request_completed`
    CompactionRequestCompleted = "compaction_request_completed",
    /// `compaction_request_failed`
    CompactionRequestFailed = "compaction_request_failed",
    /// `compaction_installed`
    CompactionInstalled = "compaction_installed",
    /// `agent_result_observed`
    AgentResultObserved = "agent_result_observed",
    /// `protocol_event_observed`
    ProtocolEventObserved = "protocol_event_observed",
    /// `other`
    Other = "other",
}

/// Calls `$see` with every payload reference of an event, in wire order: shared or exclusive, by `$ref` and the
/// methods that give the same of an optional one.
macro_rules! each_payload {
    ($event:expr, $see:ident, [$($ref:tt)+], $iter:ident, $as_deref:ident) => {
        match $event {
            Event::ThreadStarted(e) => e.metadata_payload.$iter().for_each($see),
            Event::InferenceStarted(e) => {
                $see($($ref)+ e.request_payload);
                if let Some(RequestInputMode::IncrementalWithUntracedPrefix { prefix_payload, .. }) =
                    e.request_input_mode.$as_deref()
                {
                    $see(prefix_payload);
                }
                e.wire_payload.$as_deref().into_iter().for_each($see);
            }
            Event::InferenceCompleted(e) => {
                $see($($ref)+ e.response_payload);
                e.wire_payload.$as_deref().into_iter().for_each($see);
            }
            Event::InferenceFailed(e) => {
                e.partial_response_payload.$iter().chain(e.wire_payload.$as_deref()).for_each($see)
            }
            Event::InferenceCancelled(e) => {
                e.partial_response_payload.$iter().chain(e.wire_payload.$as_deref()).for_each($see)
            }
            Event::ToolCallStarted(e) => e.invocation_payload.$iter().for_each($see),
            Event::ToolCallRuntimeStarted(e) => $see($($ref)+ e.runtime_payload),
            Event::ToolCallRuntimeEnded(e) => $see($($ref)+ e.runtime_payload),
            Event::ToolCallEnded(e) => e.result_payload.$iter().for_each($see),
            Event::CodeCellInitialResponse(e) => e.response_payload.$iter().for_each($see),
            Event::CodeCellEnded(e) => e.response_payload.$iter().for_each($see),
            Event::CompactionRequestStarted(e) => $see($($ref)+ e.request_payload),
            Event::CompactionRequestCompleted(e) => $see($($ref)+ e.response_payload),
            Event::CompactionInstalled(e) => $see($($ref)+ e.checkpoint_payload),
            Event::AgentResultObserved(e) => e.carried_payload.$iter().for_each($see),
            Event::ProtocolEventObserved(e) => $see($($ref)+ e.event_payload),
            Event::Other(e) => e.payloads.$iter().for_each($see),
            Event::RolloutStarted(_)
            | Event::RolloutEnded(_)
            | Event::ThreadEnded(_)
            | Event::TurnStarted(_)
            | Event::TurnEnded(_)
            | Event::McpToolCallCorrelationAssigned(_)
            | Event::CodeCellStarted(_)
            | Event::CompactionRequestFailed(_) => {}
        }
    };
}

impl Event {
    /// Calls `see` with every payload reference of the event, in wire order.
    pub fn for_each_payload<'a>(&'a self, mut see: impl FnMut(&'a PayloadRef)) {
        each_payload!(self, see, [&], iter, as_deref);
    }

    /// The same, to change them.
    pub(crate) fn for_each_payload_mut(&mut self, mut see: impl FnMut(&mut PayloadRef)) {
        each_payload!(self, see, [&mut], iter_mut, as_deref_mut);
    }
}
