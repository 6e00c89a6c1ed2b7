//! Which span a live span is in: only the SDK knows, and only when the span starts.

use std::cell::RefCell;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanContext, SpanId, TraceContextExt};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

thread_local! {
    /// The span that started last in this thread, and its parent.
    static LAST: RefCell<Option<(SpanId, SpanContext)>> = const { RefCell::new(None) };
}

/// A processor that takes note of each span's parent as it starts, so that a bundle names it also where the program gave
/// it another than was current (`set_parent`). [`Otlp`](super::Otlp) has it; a provider of your own, whose layer is put
/// into [`bridge`](super::bridge()), needs it before its exporter.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct NoteParents;

impl NoteParents {
    /// The parent of the span that just started in this thread; invalid where it has none.
    pub(super) fn of(span: SpanId) -> Option<SpanContext> {
        LAST.with_borrow(|last| last.as_ref().filter(|(id, _)| *id == span).map(|(_, parent)| parent.clone()))
    }
}

impl SpanProcessor for NoteParents {
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
