//! Operations: everything that has a start event and an end event in the log.
//!
//! An operation refers to its enclosing operations, never to the span that opened it. Starting an operation starts its
//! enclosing operations first, so that every start event precedes the events of what happens inside it.

mod bundle;
mod child_process;
mod code_cell;
mod compaction;
mod inference;
mod inference_progress;
mod lifecycle;
mod session_metadata;
mod thread;
mod thread_identity;
mod thread_recording;
mod tool;
mod tool_agents;
mod tool_kind;
mod turn;

use std::sync::Arc;

pub(super) use code_cell::{CodeCellFacts, CodeCellOperation};
pub(super) use compaction::{CompactionOperation, SharedCompactionId, record_compaction_installed};
pub(super) use inference::{InferenceFacts, InferenceOperation};
pub(super) use session_metadata::SessionMetadata;
pub(super) use thread::{OrphanSpan, ThreadFacts, ThreadOperation};
pub(super) use tool::{ToolCallFacts, ToolCallOperation};
pub(super) use turn::TurnOperation;

/// How an operation ends.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// The span closed, or the last clone of its handle was dropped. The recorded fields and payloads decide the
    /// status.
    Closed,
    /// Completed: the program called `complete`, or the span closed with the status `OK`.
    Completed,
    /// Failed with this error.
    Failed(String),
    /// Cancelled for this reason.
    Cancelled(String),
    /// Still open when recording was shut down.
    Shutdown,
}

impl End {
    /// Returns this end with its text masked by `mask`.
    pub(super) fn masked(&self, mask: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(mask(error)),
            Self::Cancelled(reason) => Self::Cancelled(mask(reason)),
            Self::Closed | Self::Completed | Self::Shutdown => self.clone(),
        }
    }

    /// Returns the error of a thread or turn that ends this way: the reported error, else [`UNWOUND`] if the span
    /// closed while a panic was unwinding. An operation that a destructor opened while a panic was already unwinding
    /// may close normally, so [`UNWOUND`] does not apply if `opened_unwinding` is set. Returns `None` if the operation
    /// did not fail.
    fn error_text(&self, reported: Option<String>, opened_unwinding: bool) -> Option<String> {
        let is_unwinding = matches!(self, Self::Closed) && !opened_unwinding && std::thread::panicking();
        reported.or_else(|| is_unwinding.then(|| UNWOUND.to_owned()))
    }
}

/// Error of a thread or turn that a panic unwound through and for which no other error was reported.
const UNWOUND: &str = "a panic unwound through it";
/// Reason for the cancellation of an operation that was dropped without a result and without an explicit end.
const DROPPED: &str = "dropped before it ended";
/// Reason for the cancellation of an operation that was open when recording was shut down.
const SHUT_DOWN: &str = "recording was shut down before it ended";

/// An open operation of any kind, as the recorder lists it for the shutdown.
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
    /// Returns the thread of a turn. Returns `None` for any other operation.
    pub(super) fn thread_of_turn(&self) -> Option<&Arc<ThreadOperation>> {
        match self {
            Self::Turn(turn) => Some(turn.thread()),
            Self::Thread(_) | Self::Inference(_) | Self::Tool(_) | Self::Cell(_) | Self::Compaction(_) => None,
        }
    }

    /// Ends the operation.
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
