//! The operations that a recorder lists as open: [`OpenOperation`].

use std::sync::Arc;

use super::code_cell::CodeCellOperation;
use super::compaction::CompactionOperation;
use super::end::End;
use super::inference::InferenceOperation;
use super::thread::ThreadOperation;
use super::tool::ToolCallOperation;
use super::turn::TurnOperation;

/// An open operation of any kind, as the recorder lists it for the shutdown.
#[derive(Debug, Clone)]
pub(in crate::layer) enum OpenOperation {
    Thread(Arc<ThreadOperation>),
    Turn(Arc<TurnOperation>),
    Inference(Arc<InferenceOperation>),
    Tool(Arc<ToolCallOperation>),
    Cell(Arc<CodeCellOperation>),
    Compaction(Arc<CompactionOperation>),
}

impl OpenOperation {
    /// Returns the thread. Returns `None` for any other operation.
    pub(in crate::layer) fn thread(&self) -> Option<&Arc<ThreadOperation>> {
        match self {
            Self::Thread(thread) => Some(thread),
            Self::Turn(_) | Self::Inference(_) | Self::Tool(_) | Self::Cell(_) | Self::Compaction(_) => None,
        }
    }

    /// Returns the thread of a turn. Returns `None` for any other operation.
    pub(in crate::layer) fn thread_of_turn(&self) -> Option<&Arc<ThreadOperation>> {
        match self {
            Self::Turn(turn) => Some(turn.thread()),
            Self::Thread(_) | Self::Inference(_) | Self::Tool(_) | Self::Cell(_) | Self::Compaction(_) => None,
        }
    }

    /// Ends the operation.
    pub(in crate::layer) fn end(&self, end: End) {
        match self {
            Self::Thread(thread) => thread.end(end),
            Self::Turn(turn) => turn.end(end),
            Self::Inference(inference) => inference.end(end),
            Self::Tool(tool) => tool.end(end),
            Self::Cell(cell) => cell.end(&end),
            Self::Compaction(compaction) => compaction.end(&end),
        }
    }
}
