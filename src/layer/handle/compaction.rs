//! The handle of a compaction request.

use std::sync::Arc;

use tracing::info_span;

use super::inference::Model;
use super::operation::impl_operation;
use super::span_handle::Handle;
use crate::bundle::Body;
use crate::layer::operation::{CompactionOperation, InferenceFacts, SharedCompactionId, record_compaction_installed};
use crate::layer::span::callsites::HANDLE_TARGET;
use crate::layer::span::operations::{ChildOperation, Operations};

/// A request to a model to compact the history of a thread: to replace it with a shorter one. Created by
/// [`Turn::compaction`](super::Turn::compaction).
///
/// If the last clone of the handle is dropped without an explicit end, the request is recorded as completed if it has a
/// response, and as failed otherwise.
///
/// ```
/// use otel_trace::{AgentThread, CompactionMeta, Json, Model, Operation, ThreadMeta};
/// use serde_json::json;
///
/// let turn = AgentThread::start(ThreadMeta::new()).turn(None);
/// let model = Model { name: "gpt-5-mini", provider: "openai" };
/// let history = json!([{ "type": "message", "role": "user", "content": "a long story" }]);
/// let first = turn.compaction(CompactionMeta::new(model).id("compaction-1"));
/// first.request(Json(&json!({ "input": history })));
/// first.fail("503 Service Unavailable");
/// let second = first.again(model);
/// second.request(Json(&json!({ "input": history })));
/// let summary = json!([{ "type": "message", "role": "user", "content": "in short" }]);
/// second.response(Json(&json!({ "output_items": summary })));
/// second.complete();
/// second.installed(Json(&json!({ "input_history": history, "replacement_history": summary })));
/// ```
#[derive(Debug, Clone)]
pub struct Compaction(Handle);

impl_operation!(Compaction);

/// Attributes of a compaction that starts: the model of its first request, and optionally an id. A [`Model`] alone is
/// enough where the program has no id.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct CompactionMeta<'a> {
    model: Model<'a>,
    id: Option<&'a str>,
}

impl<'a> CompactionMeta<'a> {
    /// Creates the attributes of a compaction whose first request is sent to this model.
    pub fn new(model: Model<'a>) -> Self {
        Self { model, id: None }
    }

    /// Sets the id of the compaction, which its requests and its installation share. Default: a generated id.
    pub fn id(self, id: &'a str) -> Self {
        Self { id: Some(id), ..self }
    }
}

impl<'a> From<Model<'a>> for CompactionMeta<'a> {
    fn from(model: Model<'a>) -> Self {
        Self::new(model)
    }
}

impl Compaction {
    /// Opens a request. `parent` is the turn, or an earlier request of the same compaction.
    pub(super) fn open(parent: &Handle, meta: CompactionMeta<'_>) -> Self {
        let CompactionMeta { model, id } = meta;
        let make = || {
            info_span!(
                target: HANDLE_TARGET,
                parent: parent.span(),
                "compaction",
                otel_trace.kind = "compaction",
                otel_trace.compaction.id = id,
                gen_ai.request.model = model.name,
                gen_ai.provider.name = model.provider,
                otel.status_code = tracing::field::Empty,
                otel.status_description = tracing::field::Empty,
            )
        };
        Self(Handle::new_inside(parent, make, |state| {
            let Some(turn) = state.enclosing().turn else { return };
            let earlier = parent.states().iter().find(|earlier| Arc::ptr_eq(earlier.session(), state.session()));
            let earlier = earlier.and_then(|earlier| earlier.operations()?.compaction());
            let compaction_id = earlier.map_or_else(
                || SharedCompactionId::new(id.map(str::to_owned)),
                |earlier| Arc::clone(earlier.compaction_id()),
            );
            let (model, provider_name) = (model.name.to_owned(), model.provider.to_owned());
            let facts = InferenceFacts { model, provider_name, ..InferenceFacts::default() };
            state.open(
                ChildOperation::Compaction(CompactionOperation::new(turn, compaction_id, facts, state.live().clone()))
                    .into(),
            );
        }))
    }

    /// Opens another request of the same compaction: a retry, or the request for the next part of the history.
    pub fn again(&self, model: Model<'_>) -> Self {
        Self::open(&self.0, model.into())
    }

    fn for_each(&self, act: impl Fn(&Arc<CompactionOperation>)) {
        self.0.for_each(Operations::compaction, act);
    }

    /// Records the request that is about to be sent, a `compaction_request` body. This starts the operation.
    pub fn request(&self, body: impl Body) {
        self.for_each(|compaction| compaction.record_request(&body));
    }

    /// Records the model's response, a `compaction_response` body.
    pub fn response(&self, body: impl Body) {
        self.for_each(|compaction| compaction.record_response(&body));
    }

    /// Records that the shorter history was installed, with a `compaction_checkpoint` body: `input_history` is the
    /// history that was sent to the model, `replacement_history` the one that replaces it.
    pub fn installed(&self, body: impl Body) {
        self.for_each(|compaction| {
            record_compaction_installed(compaction.turn(), compaction.compaction_id(), compaction.live(), &body)
        });
    }
}
