//! Creates the live span of each span of a recorder.

use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing::span::Attributes;
use tracing_opentelemetry::get_otel_context;

use super::export::LiveExport;
use super::span::OtelLiveSpan;
use crate::event::{RawJson, TraceId};
use crate::layer::live::{LiveSpan, LiveSpanExporter, NewSpan};

/// The live export as the recorder's layer sees it: creates the live span of each span.
#[derive(Debug)]
pub(super) struct LiveSpanFactory(pub(super) Arc<LiveExport>);

impl LiveSpanExporter for LiveSpanFactory {
    fn on_new_span(&self, span: NewSpan<'_>) -> Option<Arc<dyn LiveSpan>> {
        let NewSpan { id, attributes, subscriber, enclosing } = span;
        let subscriber = subscriber.or_else(|| self.0.subscriber.get())?;
        let parent = match attributes.parent() {
            Some(parent) => subscriber.upgrade().and_then(|subscriber| get_otel_context(parent, &subscriber)),
            None => remote_parent_for(self.0.remote_parent(), attributes)
                .cloned()
                .or_else(|| attributes.is_contextual().then(Context::current)),
        };
        let parent = parent.map(|parent| parent.span().span_context().clone()).filter(SpanContext::is_valid);
        Some(Arc::new(OtelLiveSpan::new(
            Arc::clone(&self.0),
            id.clone(),
            subscriber.clone(),
            parent,
            enclosing.clone(),
        )))
    }

    fn resource(&self) -> Option<RawJson> {
        self.0.resource().cloned()
    }

    fn on_bundle_start(&self, recording: &TraceId) {
        self.0.begin_run(recording);
    }

    fn on_bundle_end(&self, recording: &TraceId) {
        self.0.end_run(recording);
    }
}

/// Returns `remote_parent` if it is the parent of a span that is opened with these attributes on the current thread: a
/// contextual span with no active OpenTelemetry span around it.
pub(super) fn remote_parent_for<'c>(remote_parent: Option<&'c Context>, span: &Attributes<'_>) -> Option<&'c Context> {
    remote_parent.filter(|_| span.is_contextual() && !Context::map_current(|current| current.has_active_span()))
}
