//! The operations that one span opened, and the operations that enclose a span.

use std::sync::{Arc, Weak};

use crate::bundle::Body;
use crate::event::{EventKind, PayloadKind, Timestamp};
use crate::layer::operation::{
    Attempt, CodeCellOperation, CompactionOperation, End, HandleLink, HandledSpan, InferenceOperation, SettledSpan,
    ThreadOperation, ToolCallOperation, TurnOperation,
};

/// The operations that one span opened.
#[derive(Debug, Default, Clone)]
pub(in crate::layer) struct Operations {
    pub(in crate::layer) thread: Option<Arc<ThreadOperation>>,
    pub(in crate::layer) turn: Option<Arc<TurnOperation>>,
    /// The operation inside the turn.
    pub(in crate::layer) child: Option<ChildOperation>,
}

/// An operation inside a turn. A span opens at most one; of a call of a model, it is the first attempt.
#[derive(Debug, Clone)]
pub(in crate::layer) enum ChildOperation {
    Inference(Arc<InferenceOperation>),
    Tool(Arc<ToolCallOperation>),
    Cell(Arc<CodeCellOperation>),
    Compaction(Arc<CompactionOperation>),
}

/// The operations that enclose those of a span.
#[derive(Debug, Default, Clone)]
pub(in crate::layer) struct Enclosing {
    pub(in crate::layer) thread: Option<Arc<ThreadOperation>>,
    pub(in crate::layer) turn: Option<Arc<TurnOperation>>,
    /// The tool call, if the nearest enclosing operation is one.
    pub(in crate::layer) tool: Option<Arc<ToolCallOperation>>,
    /// The code cell, if the nearest enclosing operation is one.
    pub(in crate::layer) cell: Option<Arc<CodeCellOperation>>,
    /// The compaction request, if the nearest enclosing operation is one.
    pub(in crate::layer) compaction: Option<Arc<CompactionOperation>>,
}

impl ChildOperation {
    /// Returns the turn of the operation.
    pub(super) fn turn(&self) -> &Arc<TurnOperation> {
        match self {
            Self::Inference(inference) => inference.latest().turn(),
            Self::Tool(tool) => tool.turn(),
            Self::Cell(cell) => cell.turn(),
            Self::Compaction(compaction) => compaction.turn(),
        }
    }

    fn end(&self, end: &End, at: Timestamp) {
        match self {
            Self::Inference(inference) => inference.end_attempts(end.clone(), at),
            Self::Tool(tool) => tool.end(end.clone(), at),
            Self::Cell(cell) => cell.end(end, at),
            Self::Compaction(compaction) => compaction.end_attempts(end.clone(), at),
        }
    }

    /// Makes it known that the operation has settled, and may end before its span closes.
    pub(super) fn settle(&self, span: &Weak<dyn SettledSpan>) {
        match self {
            Self::Inference(inference) => inference.current().settle(span),
            Self::Tool(tool) => tool.settle(span),
            Self::Compaction(compaction) => compaction.current().settle(span),
            // A script may go on after whatever it returned.
            Self::Cell(_) => return,
        }
        self.turn().add_settled(span);
    }

    /// Returns `true` if a body of this kind is the answer or the result of the operation.
    pub(super) fn is_answered_by(&self, kind: PayloadKind) -> bool {
        match self {
            Self::Inference(_) => kind == PayloadKind::InferenceResponse,
            Self::Tool(_) => kind == PayloadKind::ToolResult,
            Self::Compaction(_) => kind == PayloadKind::CompactionResponse,
            Self::Cell(_) => false,
        }
    }

    fn record_payload(&self, kind: PayloadKind, body: &dyn Body) {
        match self {
            Self::Inference(inference) => inference.current().record_payload(kind, body),
            Self::Tool(tool) => tool.record_payload(kind, body),
            Self::Cell(cell) => cell.record_payload(kind, body),
            Self::Compaction(compaction) => compaction.current().record_payload(kind, body),
        }
    }
}

impl From<ChildOperation> for Operations {
    fn from(child: ChildOperation) -> Self {
        Self { child: Some(child), ..Self::default() }
    }
}

impl Operations {
    /// Sets the state of the span that opened the operations, for handles that are found by their ids.
    pub(super) fn link_to<T: HandledSpan>(&self, state: &Weak<T>) {
        self.links().for_each(|link| link.set_opener(state));
    }

    /// Returns the links of the operations that handles find by id.
    fn links(&self) -> impl Iterator<Item = &HandleLink> {
        let Self { thread, turn, child } = self;
        let child = match child {
            Some(ChildOperation::Tool(tool)) => Some(tool.link()),
            Some(ChildOperation::Cell(cell)) => Some(cell.link()),
            Some(ChildOperation::Inference(_) | ChildOperation::Compaction(_)) | None => None,
        };
        let thread = thread.as_ref().map(|thread| thread.link());
        let turn = turn.as_ref().map(|turn| turn.link());
        thread.into_iter().chain(turn).chain(child)
    }

    /// Returns `true` if the span opened no operation.
    pub(in crate::layer) fn is_empty(&self) -> bool {
        let Self { thread, turn, child } = self;
        thread.is_none() && turn.is_none() && child.is_none()
    }

    /// Returns the current attempt of the inference call that the span opened. Returns `None` if it opened none.
    pub(in crate::layer) fn inference(&self) -> Option<&Arc<InferenceOperation>> {
        let Some(ChildOperation::Inference(inference)) = &self.child else { return None };
        Some(inference.current())
    }

    /// Returns the tool call that the span opened. Returns `None` if it opened none.
    pub(in crate::layer) fn tool(&self) -> Option<&Arc<ToolCallOperation>> {
        let Some(ChildOperation::Tool(tool)) = &self.child else { return None };
        Some(tool)
    }

    /// Returns the code cell that the span opened. Returns `None` if it opened none.
    pub(in crate::layer) fn cell(&self) -> Option<&Arc<CodeCellOperation>> {
        let Some(ChildOperation::Cell(cell)) = &self.child else { return None };
        Some(cell)
    }

    /// Returns the current attempt of the compaction request that the span opened. Returns `None` if it opened none.
    pub(in crate::layer) fn compaction(&self) -> Option<&Arc<CompactionOperation>> {
        let Some(ChildOperation::Compaction(compaction)) = &self.child else { return None };
        Some(compaction.current())
    }

    /// Registers a child process with the innermost operation and returns the value of `OTEL_TRACE_PARENT` for it.
    /// Returns `None` if the span opened no operation, or if the operation is not recorded.
    pub(in crate::layer) fn register_child_process(&self) -> Option<String> {
        let Self { thread, turn, child } = self;
        match (child, turn, thread) {
            (Some(ChildOperation::Tool(tool)), ..) => tool.register_child_process(),
            (Some(child), ..) => child.turn().register_child_process(),
            (None, Some(turn), _) => turn.register_child_process(),
            (None, None, Some(thread)) => thread.register_child_process(),
            (None, None, None) => None,
        }
    }

    /// Returns the kind of the event that reports a failure of the innermost operation.
    pub(in crate::layer) fn end_event_kind(&self) -> EventKind {
        let Self { thread: _, turn, child } = self;
        match (child, turn) {
            (Some(ChildOperation::Inference(_)), _) => EventKind::InferenceFailed,
            (Some(ChildOperation::Tool(_)), _) => EventKind::ToolCallEnded,
            (Some(ChildOperation::Cell(_)), _) => EventKind::CodeCellEnded,
            (Some(ChildOperation::Compaction(_)), _) => EventKind::CompactionRequestFailed,
            (None, Some(_)) => EventKind::TurnEnded,
            (None, None) => EventKind::ThreadEnded,
        }
    }

    /// Ends all operations of the span, the innermost first.
    pub(in crate::layer) fn end(&self, end: &End, at: Timestamp) {
        let Self { thread, turn, child } = self;
        if let Some(child) = child {
            child.end(end, at);
        }
        if let Some(turn) = turn {
            turn.end(end.clone(), at);
        }
        if let Some(thread) = thread {
            thread.end(end.clone(), at);
        }
    }

    /// Records a body of any kind for the innermost operation.
    pub(in crate::layer) fn record_payload(&self, kind: PayloadKind, body: &dyn Body) {
        let Self { thread, turn, child } = self;
        match (child, turn, thread) {
            (Some(child), ..) => child.record_payload(kind, body),
            (None, Some(turn), _) => turn.record_payload(kind, body),
            (None, None, Some(thread)) => thread.record_payload(kind, body),
            (None, None, None) => {}
        }
    }
}

impl Enclosing {
    /// Returns the thread and turn of the active agent if the nearest enclosing operation is a tool call that runs
    /// agents. Returns `self` otherwise.
    pub(in crate::layer) fn for_active_agent(self) -> Self {
        match self.tool.as_ref().and_then(|tool| tool.active_agent_turn()) {
            Some(turn) => Self { thread: Some(Arc::clone(turn.thread())), turn: Some(turn), ..Self::default() },
            None => self,
        }
    }

    /// Returns the operations that enclose the children of a span with these operations. Returns `None` if the span
    /// opened no operation.
    pub(in crate::layer) fn within(operations: &Operations) -> Option<Self> {
        let Operations { thread, turn, child } = operations;
        let turn = child.as_ref().map(ChildOperation::turn).or(turn.as_ref());
        match (turn, thread) {
            (Some(turn), _) => Some(Self {
                thread: Some(Arc::clone(turn.thread())),
                turn: Some(Arc::clone(turn)),
                tool: operations.tool().cloned(),
                cell: operations.cell().cloned(),
                compaction: operations.compaction().cloned(),
            }),
            (None, Some(thread)) => Some(Self { thread: Some(Arc::clone(thread)), ..Self::default() }),
            (None, None) => None,
        }
    }
}
