//! The handle of a turn.

use std::sync::Arc;

use tracing::info_span;

use super::{
    CodeCell, CodeCellMeta, Compaction, HANDLE_TARGET, Handle, Inference, Model, ToolCall, ToolCallMeta, operation,
    within,
};
use crate::bundle::Body;
use crate::event::{Timestamp, TurnId};
use crate::layer::operation::{CompactionName, TurnOperation, install};
use crate::layer::operations::Operations;

/// A turn of a thread, from the user's message to the agent's answer. Made by [`AgentThread::turn`](super::Thread::turn).
///
/// ```
/// use otel_trace::{ToolCallMeta, Model, AgentThread, ThreadMeta, Operation};
/// use tracing::Instrument;
///
/// async fn answer(prompt: &str) {
///     let turn = AgentThread::start(ThreadMeta::new()).turn(None);
///     let work = async {
///         // … what opens a span in here finds the turn …
///     };
///     work.instrument(turn.span().clone()).await;
///     turn.complete();
/// }
/// # drop(answer("hi"));
/// ```
#[derive(Debug, Clone)]
pub struct Turn(Handle);

operation!(Turn);

impl Turn {
    pub(super) fn start(thread: &Handle, id: Option<TurnId>) -> Self {
        let make = || {
            info_span!(
                target: HANDLE_TARGET,
                parent: thread.span(),
                "turn",
                otel_trace.kind = "turn",
                otel_trace.turn.id = id.as_ref().map(TurnId::as_str),
                otel.status_code = tracing::field::Empty,
                otel.status_description = tracing::field::Empty,
            )
        };
        let span = within(thread.span(), make);
        Self(Handle::new(span, |state| {
            let Some(thread) = state.surroundings().thread else { return };
            let turn = TurnOperation::new(thread, id.as_ref().map(|id| id.as_str().to_owned()), state.live().clone());
            state.open(Operations { turn: Some(Arc::clone(&turn)), ..Operations::default() });
            turn.start(Timestamp::now());
        }))
    }

    /// Opens an inference call. It starts with its [`request`](Inference::request): every attempt, a retry too, is a
    /// call of its own.
    pub fn inference(&self, model: Model<'_>) -> Inference {
        Inference::start(&self.0, model)
    }

    /// Starts a tool call.
    pub fn tool_call(&self, call: ToolCallMeta<'_>) -> ToolCall {
        ToolCall::start(&self.0, call)
    }

    /// Starts a code cell, before its script runs.
    pub fn code_cell(&self, script: CodeCellMeta<'_>) -> CodeCell {
        CodeCell::start(&self.0, script)
    }

    /// Opens a request to make the history shorter. It starts with its [`request`](Compaction::request).
    pub fn compaction(&self, model: Model<'_>) -> Compaction {
        Compaction::open(&self.0, model)
    }

    /// A shorter history, made without a model, took the place of the longer one: a `compaction_checkpoint` body.
    pub fn compaction_installed(&self, body: impl Body) {
        self.each(|turn| install(turn, &CompactionName::new(None), turn.live(), &body));
    }

    /// What came of this turn of a spawned thread reached the thread that spawned it, an `agent_result` body.
    pub fn agent_result(&self, message: &str, body: impl Body) {
        self.each(|turn| turn.agent_result(message, &body));
    }

    fn each(&self, act: impl Fn(&Arc<TurnOperation>)) {
        self.0.each(|operations| operations.turn.as_ref(), act);
    }
}
