//! The handle of a request to compact.

use std::sync::Arc;

use tracing::info_span;

use super::{HANDLE_TARGET, Handle, Model, operation, within};
use crate::bundle::Body;
use crate::layer::operation::{CompactionName, CompactionOperation, InferenceFacts, install};
use crate::layer::operations::{ChildOperation, Operations};

/// A request to make the history shorter. Made by [`Turn::compaction`](super::Turn::compaction).
///
/// Dropped with a response it is completed, without one it failed.
///
/// ```
/// use otel_trace::{Json, Model, AgentThread, ThreadMeta, Operation};
/// use serde_json::json;
///
/// let turn = AgentThread::start(ThreadMeta::new()).turn(None);
/// let model = Model { name: "gpt-5-mini", provider: "openai" };
/// let first = turn.compaction(model);
/// first.request(Json(&json!({ "input": [] })));
/// first.fail("503 Service Unavailable");
/// let second = first.again(model);
/// second.request(Json(&json!({ "input": [] })));
/// second.response(Json(&json!({ "output_items": [] })));
/// second.complete();
/// second.installed(Json(&json!({ "input_history": [], "replacement_history": [] })));
/// ```
#[derive(Debug, Clone)]
pub struct Compaction(Handle);

operation!(Compaction);

impl Compaction {
    /// `parent` is the turn, or an earlier request of the same compaction.
    pub(super) fn open(parent: &Handle, model: Model<'_>) -> Self {
        let make = || {
            info_span!(
                target: HANDLE_TARGET,
                parent: parent.span(),
                "compaction",
                otel_trace.kind = "compaction",
                gen_ai.request.model = model.name,
                gen_ai.provider.name = model.provider,
                otel.status_code = tracing::field::Empty,
                otel.status_description = tracing::field::Empty,
            )
        };
        let span = within(parent.span(), make);
        Self(Handle::new(span, |state| {
            let Some(turn) = state.surroundings().turn else { return };
            let earlier = parent.states().iter().find(|earlier| Arc::ptr_eq(earlier.recorder(), state.recorder()));
            let earlier = earlier.and_then(|earlier| earlier.operations()?.compaction());
            let name = earlier.map_or_else(|| CompactionName::new(None), |earlier| Arc::clone(earlier.name()));
            let facts = InferenceFacts { model: model.name.to_owned(), provider_name: model.provider.to_owned() };
            state.open(
                ChildOperation::Compaction(CompactionOperation::new(turn, name, facts, state.live().clone())).into(),
            );
        }))
    }

    /// Opens another request of the same compaction: a retry, or the next part.
    pub fn again(&self, model: Model<'_>) -> Self {
        Self::open(&self.0, model)
    }

    fn each(&self, act: impl Fn(&Arc<CompactionOperation>)) {
        self.0.each(Operations::compaction, act);
    }

    /// The request as it is about to be sent, a `compaction_request` body.
    pub fn request(&self, body: impl Body) {
        self.each(|compaction| compaction.request(&body));
    }

    /// What the model answered, a `compaction_response` body.
    pub fn response(&self, body: impl Body) {
        self.each(|compaction| compaction.response(&body));
    }

    /// The shorter history took the place of the longer one, a `compaction_checkpoint` body: `input_history` is what was
    /// sent, `replacement_history` what is in its place.
    pub fn installed(&self, body: impl Body) {
        self.each(|compaction| install(compaction.turn(), compaction.name(), compaction.live(), &body));
    }
}
