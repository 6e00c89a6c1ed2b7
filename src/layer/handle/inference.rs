//! The handle of an inference call.

use std::sync::Arc;

use tracing::info_span;

use super::operation::impl_operation;
use super::span_handle::Handle;
use crate::bundle::Body;
use crate::event::Usage;
use crate::layer::operation::{InferenceFacts, InferenceOperation};
use crate::layer::span::callsites::HANDLE_TARGET;
use crate::layer::span::operations::{ChildOperation, Operations};
use crate::semconv;

/// An inference call: one request to a model, with its response. Created by
/// [`Turn::inference`](super::Turn::inference).
///
/// If the last clone of the handle is dropped without an explicit end, the call is recorded as completed if it has a
/// response, and as cancelled otherwise.
///
/// ```
/// use otel_trace::{AgentThread, Json, Model, Operation, ThreadMeta, Usage};
/// use serde_json::json;
///
/// let turn = AgentThread::start(ThreadMeta::new()).turn(None);
/// let inference = turn.inference(Model { name: "gpt-5-mini", provider: "openai" });
/// inference.request(Json(&json!({ "input": [{ "type": "message", "role": "user", "content": "hi" }] })));
/// inference.first_token();
/// inference.usage(Usage { input_tokens: 9, output_tokens: 3, ..Usage::default() });
/// inference.response_id("resp_1");
/// let answer = json!({ "type": "message", "role": "assistant", "content": "hello" });
/// inference.response(Json(&json!({ "output_items": [answer] })));
/// inference.complete();
/// ```
#[derive(Debug, Clone)]
pub struct Inference(Handle);

impl_operation!(Inference);

/// The model that a request is sent to.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a> {
    /// Name of the requested model, `gen_ai.request.model`.
    pub name: &'a str,
    /// Name of the provider, `gen_ai.provider.name`: `openai`, `anthropic` …
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
                gen_ai.usage.cache_write.input_tokens = tracing::field::Empty,
                gen_ai.usage.output_tokens = tracing::field::Empty,
                gen_ai.usage.reasoning.output_tokens = tracing::field::Empty,
                otel.status_code = tracing::field::Empty,
                otel.status_description = tracing::field::Empty,
            )
        };
        Self(Handle::new_inside(turn, make, |state| {
            let Some(turn) = state.enclosing().turn else { return };
            let (model, provider_name) = (model.name.to_owned(), model.provider.to_owned());
            let facts = InferenceFacts { model, provider_name, ..InferenceFacts::default() };
            let inference = InferenceOperation::new(turn, state.opened_at(), facts, state.live().clone());
            state.open(ChildOperation::Inference(inference).into());
        }))
    }

    fn for_each(&self, act: impl Fn(&Arc<InferenceOperation>)) {
        self.0.for_each(Operations::inference, act);
    }

    /// Records the request that is about to be sent, an `inference_request` body. This starts the call.
    pub fn request(&self, body: impl Body) {
        self.for_each(|inference| inference.record_request(&body));
    }

    /// Records that the first token of the response has arrived now. Later calls are ignored.
    pub fn first_token(&self) {
        self.for_each(|inference| inference.record_first_token());
    }

    /// Records the model's response, an `inference_response` body. If the call fails or is cancelled, the body is the
    /// part of the response that had arrived until then.
    pub fn response(&self, body: impl Body) {
        self.for_each(|inference| inference.record_response(&body));
    }

    /// Records the provider's id of the response, `gen_ai.response.id`. Later requests may refer to it.
    pub fn response_id(&self, id: &str) {
        self.0.span().record(semconv::RESPONSE_ID, id);
        self.for_each(|inference| inference.record_response_id(id));
    }

    /// Records the id that the provider gave the HTTP request, such as the value of the `x-request-id` header.
    pub fn upstream_request_id(&self, id: &str) {
        self.for_each(|inference| inference.record_upstream_request_id(Some(id)));
    }

    /// Records that the provider gave the HTTP request no id: its response has no header for it.
    pub fn no_upstream_request_id(&self) {
        self.for_each(|inference| inference.record_upstream_request_id(None));
    }

    /// Records the numbers of tokens that the provider reported, `gen_ai.usage.*`.
    pub fn usage(&self, usage: Usage) {
        let Usage {
            input_tokens,
            cached_input_tokens,
            cache_write_input_tokens,
            cache_write_1h_input_tokens: _,
            output_tokens,
            reasoning_output_tokens,
        } = usage;
        let span = self.0.span();
        span.record(semconv::USAGE_INPUT_TOKENS, input_tokens);
        span.record(semconv::USAGE_CACHE_READ_INPUT_TOKENS, cached_input_tokens);
        span.record(semconv::USAGE_CACHE_WRITE_INPUT_TOKENS, cache_write_input_tokens);
        span.record(semconv::USAGE_OUTPUT_TOKENS, output_tokens);
        span.record(semconv::USAGE_REASONING_OUTPUT_TOKENS, reasoning_output_tokens);
        self.for_each(|inference| inference.record_usage(usage));
    }
}
