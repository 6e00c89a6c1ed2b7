//! The events of bundle format 1: the closed set of events, ids, times and payload kinds, as types.
//!
//! These types are plain data without I/O, independent of the code that writes or reads them. The wire names of the
//! format are mapped with serde; the Rust names are the terms of the field (`codex_turn_id` on the wire is a [`TurnId`]
//! here).
//!
//! # Format
//! A line of `trace.jsonl` is a [`Record`]: a context, a time and one [`Event`]. Payloads are stored outside the log,
//! and events reference them by [`PayloadRef`].
//!
//! Two kinds of fields were added after the first format 1, and every reader that ignores unknown fields skips them:
//! *later* rows and fields of format 1 itself ([`Event::InferenceCancelled`], [`RequestInputMode`] …), and *optional
//! fields of this project* ([`SpanRef`], `error`, `usage`, `wire_payload` …). Both are left out when absent. No variant
//! is ever added here, because older readers reject unknown variants.

mod added_field;
mod agent;
mod cell;
mod compaction;
mod end_detail;
mod ended_by;
mod id;
mod inference;
mod other;
mod payload;
mod process;
mod record;
mod rollout;
mod status;
mod time;
mod token_count;
mod tool;
mod unknown_word;
mod usage;
mod variant;

pub use agent::AgentResultObserved;
pub use cell::{CodeCellEnded, CodeCellInitialResponse, CodeCellStarted};
pub use compaction::{
    CompactionInstalled, CompactionRequestCompleted, CompactionRequestFailed, CompactionRequestStarted,
};
pub use end_detail::EndDetail;
pub use ended_by::EndedBy;
pub(crate) use id::text_newtype;
pub use id::{
    AgentPath, CallId, CompactionId, CompactionRequestId, EdgeId, InferenceId, McpCallId, OtelSpanId, OtelTraceId,
    RawPayloadId, RequestId, ResponseId, RolloutId, RuntimeCellId, RuntimeToolId, ThreadId, ToolCallId, TraceId,
    TurnId,
};
pub use inference::{
    InferenceCancelled, InferenceCompleted, InferenceFailed, InferenceStarted, RequestInputMode, UpstreamRequestId,
};
pub use other::{Other, ProtocolEventObserved, RawJson};
pub use payload::{PayloadKind, PayloadRef, ReferencedKind, Truncated};
pub use process::{ParentProcess, ProcessSpawned};
pub use record::{EventContext, Record, RecordBody, RecordError, SCHEMA_VERSION, SpanRef};
pub use rollout::{RolloutEnded, RolloutStarted, ThreadEnded, ThreadStarted, TurnEnded, TurnStarted};
pub use status::{CellStatus, ExecutionStatus, RolloutStatus};
#[cfg(test)]
pub(crate) use time::READS;
pub use time::{Seq, Timestamp, UnixMillis};
pub(crate) use token_count::TokenCount;
pub use tool::{
    McpToolCallCorrelationAssigned, Requester, ToolCallEnded, ToolCallRuntimeEnded, ToolCallRuntimeStarted,
    ToolCallStarted, ToolKind, ToolSummary,
};
pub use unknown_word::UnknownWord;
pub use usage::Usage;
pub(crate) use usage::is_zero;
pub use variant::{Event, EventKind};
