//! The windows that one span opened, and what is inside them.

use std::sync::Arc;

use super::window::{CellWindow, CompactionWindow, End, InferenceWindow, ThreadWindow, ToolWindow, TurnWindow};
use crate::bundle::Body;
use crate::event::{EventKind, PayloadKind};

/// The windows that one span opened.
#[derive(Debug, Default, Clone)]
pub(super) struct Windows {
    pub(super) thread: Option<Arc<ThreadWindow>>,
    pub(super) turn: Option<Arc<TurnWindow>>,
    /// What happens in a turn.
    pub(super) work: Option<Work>,
}

/// What happens in a turn: one thing a span.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Inference(Arc<InferenceWindow>),
    Tool(Arc<ToolWindow>),
    Cell(Arc<CellWindow>),
    Compaction(Arc<CompactionWindow>),
}

/// What the windows of a span are in.
#[derive(Debug, Default, Clone)]
pub(super) struct Surroundings {
    pub(super) thread: Option<Arc<ThreadWindow>>,
    pub(super) turn: Option<Arc<TurnWindow>>,
    /// The tool call, where the nearest window is one.
    pub(super) tool: Option<Arc<ToolWindow>>,
    /// The script that runs, where the nearest window is a code cell.
    pub(super) cell: Option<Arc<CellWindow>>,
}

impl Work {
    fn turn(&self) -> &Arc<TurnWindow> {
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

impl From<Work> for Windows {
    fn from(work: Work) -> Self {
        Self { work: Some(work), ..Self::default() }
    }
}

impl Windows {
    /// Whether the span opened none.
    pub(super) fn is_empty(&self) -> bool {
        let Self { thread, turn, work } = self;
        thread.is_none() && turn.is_none() && work.is_none()
    }

    /// The inference call that the span is.
    pub(super) fn inference(&self) -> Option<&Arc<InferenceWindow>> {
        let Some(Work::Inference(inference)) = &self.work else { return None };
        Some(inference)
    }

    /// The tool call that the span is.
    pub(super) fn tool(&self) -> Option<&Arc<ToolWindow>> {
        let Some(Work::Tool(tool)) = &self.work else { return None };
        Some(tool)
    }

    /// The code cell that the span is.
    pub(super) fn cell(&self) -> Option<&Arc<CellWindow>> {
        let Some(Work::Cell(cell)) = &self.work else { return None };
        Some(cell)
    }

    /// The request to compact that the span is.
    pub(super) fn compaction(&self) -> Option<&Arc<CompactionWindow>> {
        let Some(Work::Compaction(compaction)) = &self.work else { return None };
        Some(compaction)
    }

    /// The value that tells a process of the innermost, in which it is spawned.
    pub(super) fn child_process(&self) -> Option<String> {
        let Self { thread, turn, work } = self;
        match (work, turn, thread) {
            (Some(Work::Tool(tool)), ..) => tool.child_process(),
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
            (Some(Work::Inference(_)), _) => EventKind::InferenceFailed,
            (Some(Work::Tool(_)), _) => EventKind::ToolCallEnded,
            (Some(Work::Cell(_)), _) => EventKind::CodeCellEnded,
            (Some(Work::Compaction(_)), _) => EventKind::CompactionRequestFailed,
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

impl Surroundings {
    /// Those of the agent that acts in the tool call, where the nearest window is one that turned out to be an agent.
    pub(super) fn of_acting_agent(self) -> Self {
        match self.tool.as_ref().and_then(|tool| tool.acting_agent()) {
            Some(turn) => Self { thread: Some(Arc::clone(turn.thread())), turn: Some(turn), ..Self::default() },
            None => self,
        }
    }

    /// What is inside these windows. None where there are none.
    pub(super) fn inside(windows: &Windows) -> Option<Self> {
        let Windows { thread, turn, work } = windows;
        let turn = work.as_ref().map(Work::turn).or(turn.as_ref());
        match (turn, thread) {
            (Some(turn), _) => Some(Self {
                thread: Some(Arc::clone(turn.thread())),
                turn: Some(Arc::clone(turn)),
                tool: windows.tool().cloned(),
                cell: windows.cell().cloned(),
            }),
            (None, Some(thread)) => Some(Self { thread: Some(Arc::clone(thread)), ..Self::default() }),
            (None, None) => None,
        }
    }
}
