//! A span processor that notes the parents of live spans: only the SDK has them, and only when a span starts.

use std::cell::RefCell;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanContext, SpanId, TraceContextExt};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

thread_local! {
    /// The last span that started on this thread, and its parent.
    static LAST: RefCell<Option<(SpanId, SpanContext)>> = const { RefCell::new(None) };
}

/// A span processor that notes each span's parent when the span starts, so that the bundle records the right parent
/// also if the program set another one than the current span (`set_parent`). [`Otlp`](super::Otlp) has it already. A
/// tracer provider of your own, whose layer is passed to [`bridge`](super::bridge()), needs it before its exporter.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ParentSpanProcessor;

impl ParentSpanProcessor {
    /// Returns the parent of the span, which must be the last that started on this thread; an invalid context if it is
    /// a root span. Returns `None` if another span started last.
    pub(super) fn parent_of(span: SpanId) -> Option<SpanContext> {
        LAST.with_borrow(|last| last.as_ref().filter(|(id, _)| *id == span).map(|(_, parent)| parent.clone()))
    }
}

impl SpanProcessor for ParentSpanProcessor {
    fn on_start(&self, span: &mut Span, parent: &Context) {
        let id = span.span_context().span_id();
        LAST.with_borrow_mut(|last| *last = Some((id, parent.span().span_context().clone())));
    }

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
