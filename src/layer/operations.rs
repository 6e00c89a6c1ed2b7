//! The windows that one span opened, and what is inside them.

use std::sync::Arc;

use super::operation::{
    CodeCellOperation, CompactionOperation, End, InferenceOperation, ThreadOperation, ToolCallOperation, TurnOperation,
};
use crate::bundle::Body;
use crate::event::{EventKind, PayloadKind};

/// The windows that one span opened.
#[derive(Debug, Default, Clone)]
pub(super) struct Operations {
    pub(super) thread: Option<Arc<ThreadOperation>>,
    pub(super) turn: Option<Arc<TurnOperation>>,
    /// What happens in a turn.
    pub(super) work: Option<ChildOperation>,
}

/// What happens in a turn: one thing a span.
#[derive(Debug, Clone)]
pub(super) enum ChildOperation {
    Inference(Arc<InferenceOperation>),
    Tool(Arc<ToolCallOperation>),
    Cell(Arc<CodeCellOperation>),
    Compaction(Arc<CompactionOperation>),
}

/// What the windows of a span are in.
#[derive(Debug, Default, Clone)]
pub(super) struct Enclosing {
    pub(super) thread: Option<Arc<ThreadOperation>>,
    pub(super) turn: Option<Arc<TurnOperation>>,
    /// The tool call, where the nearest window is one.
    pub(super) tool: Option<Arc<ToolCallOperation>>,
    /// The script that runs, where the nearest window is a code cell.
    pub(super) cell: Option<Arc<CodeCellOperation>>,
}

impl ChildOperation {
    fn turn(&self) -> &Arc<TurnOperation> {
        match self {
            Self::Inference(inference) => inference.turn(),
            Self::Tool(tool) => tool.turn(),
            Self::Cell(cell) => cell.turn(),
            Self::Compaction(compaction) => compaction.turn(),
        }
    }

    fn end(&self, end: &End) {
        match self {
            Self::Inference(inference) => inference.end(end.clone()),
            Self::Tool(tool) => tool.end(end.clone()),
            Self::Cell(cell) => cell.end(end),
            Self::Compaction(compaction) => compaction.end(end),
        }
    }

    fn payload(&self, kind: PayloadKind, body: &dyn Body) {
        match self {
            Self::Inference(inference) => inference.payload(kind, body),
            Self::Tool(tool) => tool.payload(kind, body),
            Self::Cell(cell) => cell.payload(kind, body),
            Self::Compaction(compaction) => compaction.payload(kind, body),
        }
    }
}

impl From<ChildOperation> for Operations {
    fn from(work: ChildOperation) -> Self {
        Self { work: Some(work), ..Self::default() }
    }
}

impl Operations {
    /// Whether the span opened none.
    pub(super) fn is_empty(&self) -> bool {
        let Self { thread, turn, work } = self;
        thread.is_none() && turn.is_none() && work.is_none()
    }

    /// The inference call that the span is.
    pub(super) fn inference(&self) -> Option<&Arc<InferenceOperation>> {
        let Some(ChildOperation::Inference(inference)) = &self.work else { return None };
        Some(inference)
    }

    /// The tool call that the span is.
    pub(super) fn tool(&self) -> Option<&Arc<ToolCallOperation>> {
        let Some(ChildOperation::Tool(tool)) = &self.work else { return None };
        Some(tool)
    }

    /// The code cell that the span is.
    pub(super) fn cell(&self) -> Option<&Arc<CodeCellOperation>> {
        let Some(ChildOperation::Cell(cell)) = &self.work else { return None };
        Some(cell)
    }

    /// The request to compact that the span is.
    pub(super) fn compaction(&self) -> Option<&Arc<CompactionOperation>> {
        let Some(ChildOperation::Compaction(compaction)) = &self.work else { return None };
        Some(compaction)
    }

    /// The value that tells a process of the innermost, in which it is spawned.
    pub(super) fn child_process(&self) -> Option<String> {
        let Self { thread, turn, work } = self;
        match (work, turn, thread) {
            (Some(ChildOperation::Tool(tool)), ..) => tool.child_process(),
            (Some(work), ..) => work.turn().child_process(),
            (None, Some(turn), _) => turn.child_process(),
            (None, None, Some(thread)) => thread.child_process(),
            (None, None, None) => None,
        }
    }

    /// The event that says how the innermost ended, if it failed.
    pub(super) fn last_event(&self) -> EventKind {
        let Self { thread: _, turn, work } = self;
        match (work, turn) {
            (Some(ChildOperation::Inference(_)), _) => EventKind::InferenceFailed,
            (Some(ChildOperation::Tool(_)), _) => EventKind::ToolCallEnded,
            (Some(ChildOperation::Cell(_)), _) => EventKind::CodeCellEnded,
            (Some(ChildOperation::Compaction(_)), _) => EventKind::CompactionRequestFailed,
            (None, Some(_)) => EventKind::TurnEnded,
            (None, None) => EventKind::ThreadEnded,
        }
    }

    /// Ends them, the innermost first.
    pub(super) fn end(&self, end: &End) {
        let Self { thread, turn, work } = self;
        if let Some(work) = work {
            work.end(end);
        }
        if let Some(turn) = turn {
            turn.end(end.clone());
        }
        if let Some(thread) = thread {
            thread.end(end.clone());
        }
    }

    /// A body of any kind, for the innermost.
    pub(super) fn payload(&self, kind: PayloadKind, body: &dyn Body) {
        let Self { thread, turn, work } = self;
        match (work, turn, thread) {
            (Some(work), ..) => work.payload(kind, body),
            (None, Some(turn), _) => turn.payload(kind, body),
            (None, None, Some(thread)) => thread.payload(kind, body),
            (None, None, None) => {}
        }
    }
}

impl Enclosing {
    /// Those of the agent that acts in the tool call, where the nearest window is one that turned out to be an agent.
    pub(super) fn of_acting_agent(self) -> Self {
        match self.tool.as_ref().and_then(|tool| tool.acting_agent()) {
            Some(turn) => Self { thread: Some(Arc::clone(turn.thread())), turn: Some(turn), ..Self::default() },
            None => self,
        }
    }

    /// What is inside these windows. None where there are none.
    pub(super) fn inside(operations: &Operations) -> Option<Self> {
        let Operations { thread, turn, work } = operations;
        let turn = work.as_ref().map(ChildOperation::turn).or(turn.as_ref());
        match (turn, thread) {
            (Some(turn), _) => Some(Self {
                thread: Some(Arc::clone(turn.thread())),
                turn: Some(Arc::clone(turn)),
                tool: operations.tool().cloned(),
                cell: operations.cell().cloned(),
            }),
            (None, Some(thread)) => Some(Self { thread: Some(Arc::clone(thread)), ..Self::default() }),
            (None, None) => None,
        }
    }
}
