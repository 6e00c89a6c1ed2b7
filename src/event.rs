//! What was observed: the closed set of events, ids, times and payload kinds of bundle format 1, as types.
//!
//! Plain data. Nothing here does I/O, and nothing here knows who writes or reads it. The wire names of the format are
//! mapped with serde; the Rust names are the field's own terms (a wire `codex_turn_id` is a [`TurnId`] here).
//!
//! # Format
//! A line of `trace.jsonl` is a [`Record`]: context, time and one [`Event`]. Bodies live in files of their own and are
//! named by a [`PayloadRef`].
//!
//! Two kinds of fields came after the first format 1, and every reader that ignores unknown fields reads past them:
//! *later* rows and fields of format 1 itself ([`Event::InferenceCancelled`], [`RequestInputMode`] …), and *optional
//! fields of this project* ([`SpanRef`], `error`, `usage`, `wire_payload` …). Both are left out when absent. No
//! variant is ever added here: an older reader refuses those.

mod agent;
mod cell;
mod compaction;
mod id;
mod inference;
mod other;
mod payload;
mod process;
mod record;
mod rollout;
mod status;
mod time;
mod tool;
mod variant;

pub use agent::AgentResultObserved;
pub use cell::{CodeCellEnded, CodeCellInitialResponse, CodeCellStarted};
pub use compaction::{
    CompactionInstalled, CompactionRequestCompleted, CompactionRequestFailed, CompactionRequestStarted,
};
pub(crate) use id::text_newtype;
pub use id::{
    AgentPath, CallId, CompactionId, CompactionRequestId, EdgeId, InferenceId, McpCallId, OtelSpanId, OtelTraceId,
    RawPayloadId, RequestId, ResponseId, RolloutId, RuntimeCellId, RuntimeToolId, ThreadId, ToolCallId, TraceId,
    TurnId,
};
pub use inference::{
    InferenceCancelled, InferenceCompleted, InferenceFailed, InferenceStarted, RequestInputMode, Usage,
};
pub use other::{Other, ProtocolEventObserved, RawJson};
pub use payload::{PayloadKind, PayloadRef, Truncated};
pub use process::{ParentProcess, ProcessSpawned};
pub use record::{EventContext, Record, RecordBody, RecordError, SCHEMA_VERSION, SpanRef};
pub use rollout::{RolloutEnded, RolloutStarted, ThreadEnded, ThreadStarted, TurnEnded, TurnStarted};
pub use status::{CellStatus, ExecutionStatus, RolloutStatus};
#[cfg(test)]
pub(crate) use time::READS;
pub use time::{Seq, Timestamp, UnixMillis};
pub use tool::{
    McpToolCallCorrelationAssigned, Requester, ToolCallEnded, ToolCallRuntimeEnded, ToolCallRuntimeStarted,
    ToolCallStarted, ToolKind, ToolSummary,
};
pub use variant::{Event, EventKind};
