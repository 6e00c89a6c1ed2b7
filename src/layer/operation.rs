//! Operations: what has a start and an end in the log.
//!
//! A window knows the windows it is in, never the span that opened it. Starting one starts those first, so that
//! every start stands before what happens in it.

mod bundle;
mod cell;
mod child_process;
mod compaction;
mod identity;
mod inference;
mod inference_seen;
mod life;
mod recording;
mod session_metadata;
mod thread;
mod tool;
mod tool_agents;
mod turn;

use std::sync::Arc;

pub(super) use cell::{CellFacts, CodeCellOperation};
pub(super) use compaction::{CompactionName, CompactionOperation, install};
pub(super) use inference::{InferenceFacts, InferenceOperation};
pub(super) use session_metadata::SessionMetadata;
pub(super) use thread::{Orphan, ThreadFacts, ThreadOperation};
pub(super) use tool::{ToolCallOperation, ToolFacts};
pub(super) use turn::TurnOperation;

/// How a window ends.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// The span closed, or its last handle was dropped: what was recorded decides.
    Closed,
    /// The program says that it is done.
    Completed,
    /// The program says that it failed.
    Failed(String),
    /// The program says that it was given up.
    Cancelled(String),
    /// Recording ends.
    Shutdown,
}

impl End {
    /// The same with its text masked.
    pub(super) fn masked(&self, mask: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(mask(error)),
            Self::Cancelled(reason) => Self::Cancelled(mask(reason)),
            Self::Closed | Self::Completed | Self::Shutdown => self.clone(),
        }
    }

    /// Why a thread or a turn failed that ends like this: what was said of it, else that it did not end by itself. One
    /// that was opened while a panic unwound, by a destructor, may end by itself all the same.
    fn error_of(&self, said: Option<String>, opened_unwinding: bool) -> Option<String> {
        let is_unwinding = matches!(self, Self::Closed) && !opened_unwinding && std::thread::panicking();
        said.or_else(|| is_unwinding.then(|| UNWOUND.to_owned()))
    }
}

/// Why a thread or a turn failed of which nobody said so.
const UNWOUND: &str = "a panic unwound through it";
/// Why something was cancelled that nobody cancelled.
const DROPPED: &str = "dropped before it ended";
const SHUT_DOWN: &str = "recording was shut down before it ended";

/// A window of any kind, among those that are open.
#[derive(Debug, Clone)]
pub(super) enum OpenOperation {
    Thread(Arc<ThreadOperation>),
    Turn(Arc<TurnOperation>),
    Inference(Arc<InferenceOperation>),
    Tool(Arc<ToolCallOperation>),
    Cell(Arc<CodeCellOperation>),
    Compaction(Arc<CompactionOperation>),
}

impl OpenOperation {
    /// The thread of a turn.
    pub(super) fn turns_thread(&self) -> Option<&Arc<ThreadOperation>> {
        match self {
            Self::Turn(turn) => Some(turn.thread()),
            Self::Thread(_) | Self::Inference(_) | Self::Tool(_) | Self::Cell(_) | Self::Compaction(_) => None,
        }
    }

    pub(super) fn end(&self, end: End) {
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
