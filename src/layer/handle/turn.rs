//! The handle of a turn.

use std::sync::Arc;

use tracing::info_span;

use super::compaction::{Compaction, CompactionMeta};
use super::inference::{Inference, Model};
use super::operation::impl_operation;
use super::span_handle::Handle;
use super::thread::AgentThread;
use crate::bundle::Body;
use crate::event::{Timestamp, TurnId};
use crate::layer::operation::{SharedCompactionId, TurnOperation, record_compaction_installed};
use crate::layer::span::callsites::HANDLE_TARGET;
use crate::layer::span::operations::Operations;

/// A turn of a thread: from a user's message to the agent's answer. Created by
/// [`AgentThread::turn`](super::AgentThread::turn).
///
/// ```
/// use otel_trace::{AgentThread, Operation, ThreadMeta};
/// use tracing::Instrument;
///
/// async fn answer() {
///     let turn = AgentThread::start(ThreadMeta::new()).turn(None);
///     let work = async {
///         // … spans opened here become children of the turn …
///     };
///     work.instrument(turn.span().clone()).await;
///     turn.complete();
/// }
/// # drop(answer());
/// ```
#[derive(Debug, Clone)]
pub struct Turn(pub(super) Handle);

impl_operation!(Turn);

impl AgentThread {
    /// Starts a turn of this thread. If `id` is `None`, an id is generated.
    pub fn turn(&self, id: Option<TurnId>) -> Turn {
        Turn::start(&self.0, id)
    }
}

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
        Self(Handle::new_inside(thread, make, |state| {
            let Some(thread) = state.enclosing().thread else { return };
            let turn = TurnOperation::new(thread, id.as_ref().map(|id| id.as_str().to_owned()), state.live().clone());
            state.open(Operations { turn: Some(Arc::clone(&turn)), ..Operations::default() });
            turn.start(Timestamp::now());
        }))
    }

    /// Opens an inference call. The call starts with its [request](Inference::request). Open a new call for each
    /// attempt, retries included.
    pub fn inference(&self, model: Model<'_>) -> Inference {
        Inference::start(&self.0, model)
    }

    /// Opens a request to a model to compact the thread's history. The operation starts with its
    /// [request](Compaction::request).
    pub fn compaction<'a>(&self, compaction: impl Into<CompactionMeta<'a>>) -> Compaction {
        Compaction::open(&self.0, compaction.into())
    }

    /// Records that a shorter history, made without a model, was installed, with a `compaction_checkpoint` body. If `id`
    /// is `None`, the id of the compaction is generated.
    pub fn compaction_installed(&self, id: Option<&str>, body: impl Body) {
        let id = SharedCompactionId::new(id.map(str::to_owned));
        self.for_each(|turn| record_compaction_installed(turn, &id, turn.live(), &body));
    }

    /// Records that the result of this turn reached the thread that spawned this one, with an `agent_result` body.
    /// `message` is the result as text.
    pub fn agent_result(&self, message: &str, body: impl Body) {
        self.for_each(|turn| turn.record_agent_result(message, &body));
    }

    fn for_each(&self, act: impl Fn(&Arc<TurnOperation>)) {
        self.0.for_each(|operations| operations.turn.as_ref(), act);
    }
}
