//! Typed handles: spans of this crate whose attributes and bodies do not go through span fields.
//!
//! A handle holds a span and the state that the recorders keep for it. It is `Send + Sync + Clone`, costs no more than
//! a disabled span if recording is disabled, and ends its operation once: explicitly, or when its last clone is
//! dropped.

mod any_operation;
mod child_process;
mod code_cell;
mod compaction;
mod exchange;
mod find;
mod inference;
mod operation;
mod operation_ids;
mod span_handle;
mod thread;
mod tool;
mod turn;

pub use any_operation::{AnyOperation, SpanExt};
pub use child_process::ChildProcess;
pub use code_cell::{CodeCell, CodeCellMeta};
pub use compaction::{Compaction, CompactionMeta};
pub use exchange::{Exchange, Reply};
pub use inference::{Inference, Model};
pub use operation::Operation;
pub use operation_ids::OperationIds;
pub use thread::{AgentThread, ThreadMeta};
pub use tool::{ToolCall, ToolCallMeta};
pub use turn::Turn;
