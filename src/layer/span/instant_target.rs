//! The operation that an instant is about: [`InstantTarget`].

use std::sync::Arc;

use crate::layer::operation::{
    CodeCellOperation, CompactionOperation, ThreadOperation, ToolCallOperation, TurnOperation,
};

/// The operation that an instant is about.
#[derive(Debug)]
pub(super) enum InstantTarget {
    Tool(Arc<ToolCallOperation>),
    Cell(Arc<CodeCellOperation>),
    /// The compaction request in whose span the instant stands.
    Compaction(Arc<CompactionOperation>),
    Turn(Arc<TurnOperation>),
    Thread(Arc<ThreadOperation>),
}
