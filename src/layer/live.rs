//! The live span of OpenTelemetry that a span of ours is, where something exports it.
//!
//! The layer tells it what is recorded, as it is recorded. It knows nothing of how it is exported.

use std::fmt::Debug;
use std::sync::Arc;

use tracing::dispatcher::WeakDispatch;
use tracing::span::{Attributes, Id};

use crate::event::{Event, EventContext, PayloadKind, RawPayloadId, SpanRef, ThreadId, Timestamp, ToolCallId, TraceId};

/// What exports the spans of a recorder's subscribers.
pub(crate) trait LiveSpans: Debug + Send + Sync {
    /// A span of ours was opened.
    fn opened(&self, span: Opened<'_>) -> Option<Arc<dyn LiveSpan>>;

    /// A recording begins.
    fn bundle_began(&self, recording: &TraceId);

    /// Nothing more comes of this recording, but what is late.
    fn bundle_ended(&self, recording: &TraceId);
}

/// A span of ours that was just opened.
#[derive(Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "it is told; nobody is there to hear it"))]
pub(crate) struct Opened<'a> {
    pub(crate) id: &'a Id,
    pub(crate) attributes: &'a Attributes<'a>,
    /// Not known to a layer that came into its subscriber by a reload.
    pub(crate) subscriber: Option<&'a WeakDispatch>,
}

/// Where and when an event was recorded.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "it is told; nobody is there to hear it"))]
pub(crate) struct Said<'a> {
    pub(crate) recording: &'a TraceId,
    /// The name of the bundle's directory, where there is one.
    pub(crate) bundle: Option<&'a str>,
    pub(crate) at: Timestamp,
    pub(crate) context: &'a EventContext,
}

/// Takes what it has read of a body, once the body has an id.
pub(crate) type Read = Box<dyn FnOnce(&RawPayloadId)>;

/// A live span.
pub(crate) trait LiveSpan: Debug + Send + Sync {
    /// Has the span begin, if it has not: from then on it has ids. Called where no lock is held. Gives whether it has:
    /// a layer behind ours may not have heard of it yet.
    fn begin(&self) -> bool;

    /// Its ids, where it has begun.
    fn ids(&self) -> Option<&SpanRef>;

    /// Its `traceparent`, where it has begun.
    fn traceparent(&self) -> Option<String>;

    /// Reads a body that is about to be stored, if anybody wants to know what is in it.
    fn read(self: Arc<Self>, kind: PayloadKind, body: &[u8]) -> Option<Read>;

    /// An event of an object that the span is.
    fn event(&self, of: Said<'_>, event: &Event);

    /// The thread that it is was spawned by this tool call of that thread.
    fn spawned_by(&self, parent: &ThreadId, tool: &ToolCallId);

    /// All is said: the span closes.
    fn close(&self);

    /// The span is gone already. Nothing can be asked or said of it any more.
    fn abandon(&self);
}

/// The live span of a window, where there is one.
pub(super) type Live = Option<Arc<dyn LiveSpan>>;

/// The same context, as that of this span.
pub(super) fn in_span(live: &Live, context: &EventContext) -> Option<EventContext> {
    let span = live.as_ref()?.ids()?.clone();
    Some(EventContext { span: Some(span), ..context.clone() })
}
