//! The handle of an inference call.

use std::sync::Arc;

use tracing::info_span;

use super::{HANDLE_TARGET, Handle, operation, within};
use crate::bundle::Body;
use crate::event::Usage;
use crate::layer::operation::{InferenceFacts, InferenceOperation};
use crate::layer::operations::{ChildOperation, Operations};

/// One attempt to have a model answer. Made by [`Turn::inference`](super::Turn::inference).
///
/// Dropped with a response it is completed, without one cancelled.
///
/// ```
/// use otel_trace::{Json, Model, AgentThread, ThreadMeta, Usage, Operation};
/// use serde_json::json;
///
/// let turn = AgentThread::start(ThreadMeta::new()).turn(None);
/// let inference = turn.inference(Model { name: "gpt-5-mini", provider: "openai" });
/// inference.request(Json(&json!({ "input": [{ "role": "user", "content": "hi" }] })));
/// inference.first_token();
/// inference.usage(Usage { input_tokens: 9, output_tokens: 3, ..Usage::default() });
/// inference.response_id("resp_1");
/// inference.response(Json(&json!({ "output_items": [] })));
/// inference.complete();
/// ```
#[derive(Debug, Clone)]
pub struct Inference(Handle);

operation!(Inference);

/// Who is asked.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a> {
    /// The model asked for, `gen_ai.request.model`.
    pub name: &'a str,
    /// The provider, `gen_ai.provider.name`: `openai`, `anthropic` …
    pub provider: &'a str,
}

impl Inference {
    pub(super) fn start(turn: &Handle, model: Model<'_>) -> Self {
        let make = || {
            info_span!(
                target: HANDLE_TARGET,
                parent: turn.span(),
                "chat",
                otel_trace.kind = "inference",
                otel.name = %format_args!("chat {}", model.name),
                otel.kind = "client",
                gen_ai.operation.name = "chat",
                gen_ai.request.model = model.name,
                gen_ai.provider.name = model.provider,
                gen_ai.response.id = tracing::field::Empty,
                gen_ai.usage.input_tokens = tracing::field::Empty,
                gen_ai.usage.cache_read.input_tokens = tracing::field::Empty,
                gen_ai.usage.output_tokens = tracing::field::Empty,
                gen_ai.usage.reasoning.output_tokens = tracing::field::Empty,
                otel.status_code = tracing::field::Empty,
                otel.status_description = tracing::field::Empty,
            )
        };
        let span = within(turn.span(), make);
        Self(Handle::new(span, |state| {
            let Some(turn) = state.surroundings().turn else { return };
            let facts = InferenceFacts { model: model.name.to_owned(), provider_name: model.provider.to_owned() };
            let inference = InferenceOperation::new(turn, state.opened_at(), facts, state.live().clone());
            state.open(ChildOperation::Inference(inference).into());
        }))
    }

    fn each(&self, act: impl Fn(&Arc<InferenceOperation>)) {
        self.0.each(Operations::inference, act);
    }

    /// The request as it is about to be sent, an `inference_request` body. Starts the call.
    pub fn request(&self, body: impl Body) {
        self.each(|inference| inference.request(&body));
    }

    /// The first token of the answer came now. Later calls are ignored.
    pub fn first_token(&self) {
        self.each(|inference| inference.first_token());
    }

    /// What the model answered, an `inference_response` body. Of a call that fails or is cancelled it is what had
    /// come by then.
    pub fn response(&self, body: impl Body) {
        self.each(|inference| inference.response(&body));
    }

    /// The provider's id of the answer, `gen_ai.response.id`. Later requests may build on it.
    pub fn response_id(&self, id: &str) {
        self.0.span().record("gen_ai.response.id", id);
        self.each(|inference| inference.response_id(id));
    }

    /// The transport's id of the request, as in the `x-request-id` header.
    pub fn upstream_request_id(&self, id: &str) {
        self.each(|inference| inference.upstream_request_id(id));
    }

    /// Tokens as the provider counted them, `gen_ai.usage.*`.
    pub fn usage(&self, usage: Usage) {
        let Usage { input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens } = usage;
        let span = self.0.span();
        span.record("gen_ai.usage.input_tokens", input_tokens);
        span.record("gen_ai.usage.cache_read.input_tokens", cached_input_tokens);
        span.record("gen_ai.usage.output_tokens", output_tokens);
        span.record("gen_ai.usage.reasoning.output_tokens", reasoning_output_tokens);
        self.each(|inference| inference.usage(usage));
    }
}
