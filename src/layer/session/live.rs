//! The interface between the layer and an exporter of live spans.
//!
//! A live span is the OpenTelemetry span of an operation while the program runs. The layer passes every recorded event
//! to it, and does not depend on how spans are exported.

use std::fmt::Debug;
use std::sync::Arc;

use tracing::dispatcher::WeakDispatch;
use tracing::span::{Attributes, Id};

use crate::event::{
    Event, EventContext, PayloadKind, RawJson, RawPayloadId, SpanRef, ThreadId, Timestamp, ToolCallId, TraceId,
};

/// An exporter of the live spans of a recorder.
pub(crate) trait LiveSpanExporter: Debug + Send + Sync {
    /// Called when a span with a kind field is opened. Returns its live span, or `None` if it is not exported.
    fn on_new_span(&self, span: NewSpan<'_>) -> Option<Arc<dyn LiveSpan>>;

    /// Returns the attributes of the resource that live spans are sent with, as a JSON object. Returns `None` if it is
    /// unknown.
    fn resource(&self) -> Option<RawJson>;

    /// Called when a bundle is created.
    fn on_bundle_start(&self, recording: &TraceId);

    /// Called when a bundle has ended. Only events that arrive late may follow.
    fn on_bundle_end(&self, recording: &TraceId);
}

/// A `tracing` span with a kind field that was just opened.
#[derive(Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only read by the exporter of the feature `otlp`"))]
pub(crate) struct NewSpan<'a> {
    pub(crate) id: &'a Id,
    pub(crate) attributes: &'a Attributes<'a>,
    /// The live span of the nearest enclosing span that has one.
    pub(crate) enclosing: &'a Live,
    /// The subscriber of the layer. `None` if the layer was added to its subscriber by a reload.
    pub(crate) subscriber: Option<&'a WeakDispatch>,
}

/// Metadata of a recorded event.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only read by the exporter of the feature `otlp`"))]
pub(crate) struct EventMeta<'a> {
    pub(crate) recording: &'a TraceId,
    /// Name of the bundle's directory. `None` if the run is not written to disk, or if the name is not UTF-8.
    pub(crate) bundle: Option<&'a str>,
    /// Id of the conversation, if the program gave it.
    pub(crate) conversation_id: Option<&'a ThreadId>,
    pub(crate) at: Timestamp,
    pub(crate) context: &'a EventContext,
}

/// A callback that is called with the id of a payload once the payload is stored.
pub(crate) type OnStored = Box<dyn FnOnce(&RawPayloadId)>;

/// The OpenTelemetry span of an operation while the program runs.
pub(crate) trait LiveSpan: Debug + Send + Sync {
    /// Starts the OpenTelemetry span if it has not started, so that it has ids from then on. Returns `true` if it has
    /// started; the span may not exist yet if the layer that creates it comes later in the subscriber. Called while no
    /// lock is held.
    fn ensure_started(&self) -> bool;

    /// Called by the live spans inside this one when their operations start, with the ordinal of the start. Called while
    /// a lock of the inner span is held, so it must not call back.
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only called by the exporter of the feature `otlp`"))]
    fn on_start_inside(&self, ordinal: u64);

    /// Returns the trace and span ids. Returns `None` if the span has not started.
    fn span_ref(&self) -> Option<&SpanRef>;

    /// Returns the value of the W3C `traceparent` header. Returns `None` if the span has not started.
    fn traceparent(&self) -> Option<String>;

    /// Inspects a body that is about to be stored, and returns a callback for its payload id. The body is JSON, except
    /// that of a response, which may be the bytes of a stream. Returns `None` if the exporter does not need the content
    /// of the body.
    fn inspect(self: Arc<Self>, kind: PayloadKind, body: &[u8]) -> Option<OnStored>;

    /// Called with each recorded event of the operation.
    fn on_event(&self, meta: EventMeta<'_>, event: &Event);

    /// Links the span of a thread to the tool call of the parent thread that spawned it.
    fn set_spawner(&self, parent: &ThreadId, tool: &ToolCallId);

    /// Called when the `tracing` span closes, after its last event.
    fn close(&self);

    /// Called if the operation ended at `at` and its `tracing` span stays open. What closes later adds nothing.
    fn end_at(&self, at: Timestamp);

    /// Called before [`close`](Self::close) if the `tracing` span no longer exists: the span cannot be read or changed
    /// any more.
    fn abandon(&self);
}

/// The live span of an operation. `None` if it is not exported.
pub(crate) type Live = Option<Arc<dyn LiveSpan>>;

/// Ends the live span of an operation that ended at `at`, if there is one and its `tracing` span stays open.
pub(in crate::layer) fn end_live(live: &Live, at: Timestamp) {
    if let Some(live) = live {
        live.end_at(at);
    }
}

/// Returns a copy of `context` with the ids of the live span. Returns `None` if there is no live span or it has not
/// started.
pub(in crate::layer) fn with_live_span(live: &Live, context: &EventContext) -> Option<EventContext> {
    let span = live.as_ref()?.span_ref()?.clone();
    Some(EventContext { span: Some(span), ..context.clone() })
}
