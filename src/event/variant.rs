//! The closed set of events.

use serde::{Deserialize, Serialize};

use super::{
    AgentResultObserved, CodeCellEnded, CodeCellInitialResponse, CodeCellStarted, CompactionInstalled,
    CompactionRequestCompleted, CompactionRequestFailed, CompactionRequestStarted, InferenceCancelled,
    InferenceCompleted, InferenceFailed, InferenceStarted, McpToolCallCorrelationAssigned, Other, PayloadRef,
    ProtocolEventObserved, RequestInputMode, RolloutEnded, RolloutStarted, ThreadEnded, ThreadStarted, ToolCallEnded,
    ToolCallRuntimeEnded, ToolCallRuntimeStarted, ToolCallStarted, TurnEnded, TurnStarted, UnknownWord, unknown_word,
};

/// The `type` of an event, read before the rest of it.
#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow, rename = "type")]
    name: std::borrow::Cow<'a, str>,
}

/// An error that occurs when an event is parsed.
#[derive(Debug)]
pub(super) enum EventError {
    /// The text is not valid JSON, or lacks a required field.
    Json(serde_json::Error),
    /// The event has this `type`, which format 1 does not have.
    Variant(String),
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// An observed event. The variants are the closed set of events in format 1.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(tag = "type")]
        pub enum Event {
            $($(#[$doc])* #[serde(rename = $name)] $variant($variant),)*
        }

        /// The kind of an event, without its data.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $variant,)*
        }

        impl Event {
            /// Returns the kind of the event.
            pub const fn kind(&self) -> EventKind {
                match self {
                    $(Self::$variant(_) => EventKind::$variant,)*
                }
            }

            /// Parses an event of the type `name`. Does not use the tagged enums of serde: they would keep the whole
            /// value in memory to find its tag, and cannot preserve [`RawJson`](super::RawJson).
            fn parse_variant(name: &str, json: &str) -> Result<Self, EventError> {
                match name {
                    $($name => serde_json::from_str(json).map(Self::$variant).map_err(EventError::Json),)*
                    other => Err(EventError::Variant(other.to_owned())),
                }
            }
        }

        impl EventKind {
            /// List of all kinds, in the order of the format.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the wire name of the kind, which is the `type` of the event.
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
    /// The recording of a run started. Wire name: `rollout_started`.
    RolloutStarted = "rollout_started",
    /// The run ended. Wire name: `rollout_ended`.
    RolloutEnded = "rollout_ended",
    /// The thread of an agent started. Wire name: `thread_started`.
    ThreadStarted = "thread_started",
    /// The thread of an agent ended. Wire name: `thread_ended`.
    ThreadEnded = "thread_ended",
    /// A turn of a thread started. Wire name: `codex_turn_started`.
    TurnStarted = "codex_turn_started",
    /// A turn of a thread ended. Wire name: `codex_turn_ended`.
    TurnEnded = "codex_turn_ended",
    /// An inference request is about to be sent. Wire name: `inference_started`.
    InferenceStarted = "inference_started",
    /// The response to an inference request is complete. Wire name: `inference_completed`.
    InferenceCompleted = "inference_completed",
    /// An inference call failed. Wire name: `inference_failed`.
    InferenceFailed = "inference_failed",
    /// An inference call was cancelled. Wire name: `inference_cancelled`.
    InferenceCancelled = "inference_cancelled",
    /// A tool call was requested. Wire name: `tool_call_started`.
    ToolCallStarted = "tool_call_started",
    /// The MCP client assigned an id to a tool call. Wire name: `mcp_tool_call_correlation_assigned`.
    McpToolCallCorrelationAssigned = "mcp_tool_call_correlation_assigned",
    /// The runtime started to execute a tool. Wire name: `tool_call_runtime_started`.
    ToolCallRuntimeStarted = "tool_call_runtime_started",
    /// The runtime finished executing a tool. Wire name: `tool_call_runtime_ended`.
    ToolCallRuntimeEnded = "tool_call_runtime_ended",
    /// A tool call ended. Wire name: `tool_call_ended`.
    ToolCallEnded = "tool_call_ended",
    /// The script of a code cell is about to run. Wire name: `code_cell_started`.
    CodeCellStarted = "code_cell_started",
    /// The tool call with the script of a code cell returned. Wire name: `code_cell_initial_response`.
    CodeCellInitialResponse = "code_cell_initial_response",
    /// The script of a code cell ended. Wire name: `code_cell_ended`.
    CodeCellEnded = "code_cell_ended",
    /// A compaction request is about to be sent. Wire name: `compaction_request_started`.
    CompactionRequestStarted = "compaction_request_started",
    /// A compaction request completed with a response. Wire name: `compaction_request_completed`.
    CompactionRequestCompleted = "compaction_request_completed",
    /// A compaction request failed. Wire name: `compaction_request_failed`.
    CompactionRequestFailed = "compaction_request_failed",
    /// A shorter history replaced the history of a thread. Wire name: `compaction_installed`.
    CompactionInstalled = "compaction_installed",
    /// The result of a finished agent reached its parent. Wire name: `agent_result_observed`.
    AgentResultObserved = "agent_result_observed",
    /// An event of the host program's protocol was observed. Wire name: `protocol_event_observed`.
    ProtocolEventObserved = "protocol_event_observed",
    /// Any other observation. Wire name: `other`.
    Other = "other",
}

/// Calls `$visit` with every payload reference of an event, in wire order. `$ref`, `$iter` and `$as_deref` select
/// shared or exclusive references.
macro_rules! each_payload {
    ($event:expr, $visit:ident, [$($ref:tt)+], $iter:ident, $as_deref:ident) => {
        match $event {
            Event::ThreadStarted(e) => e.metadata_payload.$iter().for_each($visit),
            Event::InferenceStarted(e) => {
                $visit($($ref)+ e.request_payload);
                if let Some(RequestInputMode::IncrementalWithUntracedPrefix { prefix_payload, .. }) =
                    e.request_input_mode.$as_deref()
                {
                    $visit(prefix_payload);
                }
                e.wire_payload.$as_deref().into_iter().for_each($visit);
            }
            Event::InferenceCompleted(e) => {
                $visit($($ref)+ e.response_payload);
                e.wire_payload.$as_deref().into_iter().for_each($visit);
            }
            Event::InferenceFailed(e) => {
                e.partial_response_payload.$iter().chain(e.wire_payload.$as_deref()).for_each($visit)
            }
            Event::InferenceCancelled(e) => {
                e.partial_response_payload.$iter().chain(e.wire_payload.$as_deref()).for_each($visit)
            }
            Event::ToolCallStarted(e) => e.invocation_payload.$iter().for_each($visit),
            Event::ToolCallRuntimeStarted(e) => $visit($($ref)+ e.runtime_payload),
            Event::ToolCallRuntimeEnded(e) => $visit($($ref)+ e.runtime_payload),
            Event::ToolCallEnded(e) => e.result_payload.$iter().for_each($visit),
            Event::CodeCellInitialResponse(e) => e.response_payload.$iter().for_each($visit),
            Event::CodeCellEnded(e) => e.response_payload.$iter().for_each($visit),
            Event::CompactionRequestStarted(e) => $visit($($ref)+ e.request_payload),
            Event::CompactionRequestCompleted(e) => $visit($($ref)+ e.response_payload),
            Event::CompactionInstalled(e) => $visit($($ref)+ e.checkpoint_payload),
            Event::AgentResultObserved(e) => e.carried_payload.$iter().for_each($visit),
            Event::ProtocolEventObserved(e) => $visit($($ref)+ e.event_payload),
            Event::Other(e) => e.payloads.$iter().for_each($visit),
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
    /// Parses the `payload` of a line, which is the JSON of the event. Also returns the words that format 1 does not
    /// define and that were replaced.
    pub(super) fn parse(json: &str) -> Result<(Self, Vec<UnknownWord>), EventError> {
        let Tag { name } = serde_json::from_str(json).map_err(EventError::Json)?;
        let error = match Self::parse_variant(&name, json) {
            Err(error @ EventError::Json(_)) => error,
            parsed => return parsed.map(|event| (event, Vec::new())),
        };
        let Some((json, unknown_words)) = unknown_word::replace(&name, json) else { return Err(error) };
        Ok((Self::parse_variant(&name, &json)?, unknown_words))
    }

    /// Calls `visit` with every payload reference of the event, in wire order.
    pub fn for_each_payload<'a>(&'a self, mut visit: impl FnMut(&'a PayloadRef)) {
        each_payload!(self, visit, [&], iter, as_deref);
    }

    /// Calls `visit` with an exclusive reference to every payload reference of the event, in wire order.
    pub(crate) fn for_each_payload_mut(&mut self, mut visit: impl FnMut(&mut PayloadRef)) {
        each_payload!(self, visit, [&mut], iter_mut, as_deref_mut);
    }
}
