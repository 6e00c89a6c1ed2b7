//! The OpenTelemetry span of an operation: recorded events and payloads become its attributes.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt};
use tracing::dispatcher::WeakDispatch;
use tracing::span::Id;
use tracing_opentelemetry::get_otel_context;

use super::context::TraceContext;
use super::export::LiveExport;
use super::facts::{LiveFacts, OtelSpan};
use super::link_target::EarliestStart;
use super::parent_span_processor::ParentSpanProcessor;
use crate::event::{
    Event, OtelSpanId, OtelTraceId, PayloadKind, RawPayloadId, SpanRef, ThreadId, Timestamp, ToolCallId,
};
use crate::layer::live::{EventMeta, Live, LiveSpan, OnStored};
use crate::otlp::span::content_policy::ContentPolicy;
use crate::otlp::span::describe::describe;
use crate::otlp::span::system_time::system_time;

/// A live span that `tracing-opentelemetry` exports.
#[derive(Debug)]
pub(super) struct OtelLiveSpan {
    export: Arc<LiveExport>,
    id: Id,
    subscriber: WeakDispatch,
    /// Parent when the span was opened. The program may still set another one before the OpenTelemetry span starts.
    parent: Option<SpanContext>,
    earliest_start: Arc<EarliestStart>,
    started: OnceLock<StartedSpan>,
    facts: Mutex<LiveFacts>,
}

/// An OpenTelemetry span that has started: its parent is fixed.
#[derive(Debug)]
struct StartedSpan {
    context: Context,
    ids: SpanRef,
}

impl OtelLiveSpan {
    pub(super) fn new(
        export: Arc<LiveExport>,
        id: Id,
        subscriber: WeakDispatch,
        parent: Option<SpanContext>,
        enclosing: Live,
    ) -> Self {
        let earliest_start = EarliestStart::new(enclosing);
        let facts = Mutex::new(LiveFacts::new(Arc::clone(&earliest_start)));
        Self { export, id, subscriber, parent, earliest_start, started: OnceLock::new(), facts }
    }

    /// Locks the facts that were collected about the span so far.
    fn facts(&self) -> MutexGuard<'_, LiveFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the OpenTelemetry span. Returns `None` before it has started.
    fn otel_span(&self) -> Option<OtelSpan> {
        let StartedSpan { context, ids } = self.started.get()?;
        let parent = ids.parent_span_id.as_ref().and_then(|id| SpanId::from_hex(id.as_str()).ok());
        Some(OtelSpan { context: context.span().span_context().clone(), parent })
    }

    /// Returns the span's ids with its parent: the one that [`ParentSpanProcessor`] noted, otherwise the one that was
    /// current when the span was opened. The latter does not count if it is in another trace: then the program has set
    /// another parent.
    fn resolve_ids(&self, context: &SpanContext) -> SpanRef {
        let processor_parent = ParentSpanProcessor::parent_of(context.span_id());
        let parent = processor_parent.or_else(|| self.parent.clone());
        let parent = parent.filter(|parent| parent.is_valid() && parent.trace_id() == context.trace_id());
        SpanRef {
            trace_id: OtelTraceId::from(context.trace_id().to_string()),
            span_id: OtelSpanId::from(context.span_id().to_string()),
            parent_span_id: parent.map(|parent| OtelSpanId::from(parent.span_id().to_string())),
            is_sampled: context.is_sampled(),
        }
    }
}

impl LiveSpan for OtelLiveSpan {
    fn ensure_started(&self) -> bool {
        if self.started.get().is_some() {
            return true;
        }
        if self.facts().is_finished() {
            return false;
        }
        let context = self.subscriber.upgrade().and_then(|subscriber| get_otel_context(&self.id, &subscriber));
        let Some(context) = context.filter(|context| context.span().span_context().is_valid()) else { return false };
        let ids = self.resolve_ids(context.span().span_context());
        // A concurrent caller that was first has set an equal value.
        let _ = self.started.set(StartedSpan { context, ids });
        true
    }

    fn on_start_inside(&self, ordinal: u64) {
        self.earliest_start.lower(ordinal);
    }

    fn span_ref(&self) -> Option<&SpanRef> {
        self.started.get().map(|started| &started.ids)
    }

    fn traceparent(&self) -> Option<String> {
        self.ensure_started();
        Some(TraceContext::from_otel_context(&self.started.get()?.context)?.traceparent().to_owned())
    }

    fn inspect(self: Arc<Self>, kind: PayloadKind, body: &[u8]) -> Option<OnStored> {
        // Nothing reads the content of a span that is not sampled: only the metrics and links of other spans use its
        // facts.
        let is_sampled = self.started.get().is_some_and(|started| started.context.span().is_recording());
        let mapping = &self.export.mapping;
        let content = if is_sampled { mapping.content } else { ContentPolicy::Omit };
        let digest = LiveFacts::digest_payload(kind, body, content)?;
        Some(Box::new(move |id: &RawPayloadId| self.facts().add_digest(id.clone(), digest)))
    }

    fn on_event(&self, meta: EventMeta<'_>, event: &Event) {
        self.facts().add_event(&self.export, self.otel_span(), meta, event);
    }

    fn set_spawner(&self, parent: &ThreadId, tool: &ToolCallId) {
        self.facts().add_spawn(&self.export, parent, tool);
    }

    fn close(&self) {
        let Some((facts, links, duration)) = self.facts().finish(&self.export, self.otel_span()) else { return };
        if let Some(on_end) = &self.export.on_end {
            on_end(&facts, duration);
        }
        let Some(started) = self.started.get() else { return };
        let span = started.context.span();
        if !span.is_recording() {
            return;
        }
        // `map` derives name, kind and status from the attributes, when the span is exported.
        span.set_attributes(describe(&facts, self.export.mapping).into_live_attributes());
        for (to, attribute) in links {
            span.add_link(to, vec![attribute]);
        }
    }

    fn end_at(&self, at: Timestamp) {
        self.close();
        if let Some(started) = self.started.get() {
            started.context.span().end_with_timestamp(system_time(at));
        }
    }

    fn abandon(&self) {
        self.facts().finish(&self.export, None);
    }
}
