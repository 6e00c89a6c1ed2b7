//! Access to the operations of spans that the program created itself: [`AnyOperation`].

use std::fmt::Display;

use tracing::Span;

use super::child_process::ChildProcess;
use super::operation::Operation;
use super::operation_ids::OperationIds;
use super::span_handle::{ExplicitEnd, SpanStates, end_operations, is_recording, recorded_ids, span_states};
use crate::bundle::Body;
use crate::event::PayloadKind;

/// The operations of a span that the program created itself, with `#[instrument]` or `info_span!`. See
/// [`SpanExt::otel_trace`].
///
/// Unlike a typed handle it does not own its operations: they end when the span closes, unless the program ends them
/// before. Dropping it has no effect.
#[derive(Debug, Clone)]
pub struct AnyOperation {
    span: Span,
    states: SpanStates,
}

impl Operation for AnyOperation {
    fn span(&self) -> &Span {
        &self.span
    }

    fn is_recording(&self) -> bool {
        is_recording(&self.states)
    }

    fn ids(&self) -> OperationIds {
        self.touch();
        recorded_ids(&self.states)
    }

    fn record_payload(&self, kind: PayloadKind, body: impl Body) {
        for state in &self.states {
            state.record_payload(kind, &body);
        }
    }

    fn child_process(&self) -> ChildProcess {
        self.touch();
        ChildProcess::register(&self.states)
    }

    fn complete(&self) {
        self.end(ExplicitEnd::Completed);
    }

    fn fail(&self, error: impl Display) {
        self.end(ExplicitEnd::Failed(&error));
    }

    fn cancel(&self, reason: impl Display) {
        self.end(ExplicitEnd::Cancelled(&reason));
    }
}

impl AnyOperation {
    /// Starts the operations of the span whose kind and required fields are recorded.
    fn touch(&self) {
        for state in &self.states {
            state.touch();
        }
    }

    fn end(&self, end: ExplicitEnd<'_>) {
        self.touch();
        end_operations(&self.span, &self.states, end);
    }
}

/// Gives access to the operations of a span that the program created itself.
pub trait SpanExt {
    /// Returns the operations that this span opened. If the span's fields do not identify an operation, nothing is
    /// recorded through the returned value.
    ///
    /// ```
    /// use otel_trace::{Json, Operation, PayloadKind, SpanExt};
    /// use serde_json::json;
    ///
    /// let span = tracing::info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m");
    /// let question = json!({ "type": "message", "role": "user", "content": "hi" });
    /// span.otel_trace().record_payload(PayloadKind::InferenceRequest, Json(&json!({ "input": [question] })));
    /// // … send it …
    /// let answer = json!({ "type": "message", "role": "assistant", "content": "hello" });
    /// let response = json!({ "response_id": "resp_1", "output_items": [answer] });
    /// span.otel_trace().record_payload(PayloadKind::InferenceResponse, Json(&response));
    /// ```
    fn otel_trace(&self) -> AnyOperation;
}

impl SpanExt for Span {
    fn otel_trace(&self) -> AnyOperation {
        AnyOperation { span: self.clone(), states: span_states(self) }
    }
}
