//! The windows that one span opened, and what is inside them.

use std::sync::Arc;

use super::window::{End, InferenceWindow, ThreadWindow, ToolWindow, TurnWindow};
use crate::bundle::Body;
use crate::event::PayloadKind;

/// The windows that one span opened.
#[derive(Debug, Default, Clone)]
pub(super) struct Windows {
    pub(super) thread: Option<Arc<ThreadWindow>>,
    pub(super) turn: Option<Arc<TurnWindow>>,
    pub(super) inference: Option<Arc<InferenceWindow>>,
    pub(super) tool: Option<Arc<ToolWindow>>,
}

/// What the windows of a span are in.
#[derive(Debug, Default, Clone)]
pub(super) struct Surroundings {
    pub(super) thread: Option<Arc<ThreadWindow>>,
    pub(super) turn: Option<Arc<TurnWindow>>,
    /// Whether the nearest window is a tool call.
    pub(super) is_in_tool: bool,
}

impl Windows {
    /// Whether the span opened none.
    pub(super) fn is_empty(&self) -> bool {
        let Self { thread, turn, inference, tool } = self;
        thread.is_none() && turn.is_none() && inference.is_none() && tool.is_none()
    }

    /// Ends them, the innermost first.
    pub(super) fn end(&self, end: &End) {
        let Self { thread, turn, inference, tool } = self;
        if let Some(inference) = inference {
            inference.end(end.clone());
        }
        if let Some(tool) = tool {
            tool.end(end.clone());
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
        let Self { thread, turn, inference, tool } = self;
        match (inference, tool, turn, thread) {
            (Some(inference), ..) => inference.payload(kind, body),
            (None, Some(tool), ..) => tool.payload(kind, body),
            (None, None, Some(turn), _) => turn.payload(kind, body),
            (None, None, None, Some(thread)) => thread.payload(kind, body),
            (None, None, None, None) => {}
        }
    }
}

impl Surroundings {
    /// What is inside these windows. None where there are none.
    pub(super) fn inside(windows: &Windows) -> Option<Self> {
        let Windows { thread, turn, inference, tool } = windows;
        let turn = inference
            .as_ref()
            .map(|inference| inference.turn())
            .or(tool.as_ref().map(|tool| tool.turn()))
            .or(turn.as_ref());
        match (turn, thread) {
            (Some(turn), _) => Some(Self {
                thread: Some(Arc::clone(turn.thread())),
                turn: Some(Arc::clone(turn)),
                is_in_tool: tool.is_some(),
            }),
            (None, Some(thread)) => Some(Self { thread: Some(Arc::clone(thread)), turn: None, is_in_tool: false }),
            (None, None) => None,
        }
    }
}
