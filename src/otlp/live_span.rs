//! A span of ours as OpenTelemetry has it: what is recorded of it becomes its attributes.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tracing::dispatcher::WeakDispatch;
use tracing::span::Id;
use tracing_opentelemetry::get_otel_context;

use super::TraceContext;
use super::describe::describe;
use super::live_facts::{Gathered, OwnSpan};
use super::live_run::LiveRun;
use super::note_parents::NoteParents;
use crate::event::{Event, OtelSpanId, OtelTraceId, PayloadKind, RawPayloadId, SpanRef, ThreadId, ToolCallId};
use crate::layer::live::{LiveSpan, Read, Said};

#[derive(Debug)]
pub(super) struct AsLive {
    run: Arc<LiveRun>,
    id: Id,
    subscriber: WeakDispatch,
    /// What it is in, unless the program says otherwise before it begins.
    parent: Option<SpanContext>,
    begun: OnceLock<Begun>,
    gathered: Mutex<Gathered>,
}

/// A span that has begun.
#[derive(Debug)]
struct Begun {
    context: Context,
    ids: SpanRef,
}

impl AsLive {
    pub(super) fn new(run: Arc<LiveRun>, id: Id, subscriber: WeakDispatch, parent: Option<SpanContext>) -> Self {
        let gathered = Mutex::new(Gathered::new(&run));
        Self { run, id, subscriber, parent, begun: OnceLock::new(), gathered }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own_span(&self) -> Option<OwnSpan> {
        let Begun { context, ids } = self.begun.get()?;
        let parent = ids.parent_span_id.as_ref().and_then(|id| SpanId::from_hex(id.as_str()).ok());
        Some(OwnSpan { context: context.span().span_context().clone(), parent })
    }

    /// Its parent is what the SDK says, else what was current when it was opened: unless the trace is another, as that of
    /// a span which the program gave another parent.
    fn ids_of(&self, own: &SpanContext) -> SpanRef {
        let noted = NoteParents::of(own.span_id());
        let parent = noted.or_else(|| self.parent.clone());
        let parent = parent.filter(|parent| parent.is_valid() && parent.trace_id() == own.trace_id());
        SpanRef {
            trace_id: OtelTraceId::from(own.trace_id().to_string()),
            span_id: OtelSpanId::from(own.span_id().to_string()),
            parent_span_id: parent.map(|parent| OtelSpanId::from(parent.span_id().to_string())),
        }
    }
}

impl LiveSpan for AsLive {
    fn begin(&self) -> bool {
        if self.begun.get().is_some() {
            return true;
        }
        if self.gathered().is_over() {
            return false;
        }
        let context = self.subscriber.upgrade().and_then(|subscriber| get_otel_context(&self.id, &subscriber));
        let Some(context) = context.filter(|context| context.span().span_context().is_valid()) else { return false };
        let ids = self.ids_of(context.span().span_context());
        // Whoever came first has the same one.
        let _ = self.begun.set(Begun { context, ids });
        true
    }

    fn ids(&self) -> Option<&SpanRef> {
        self.begun.get().map(|begun| &begun.ids)
    }

    fn traceparent(&self) -> Option<String> {
        self.begin();
        Some(TraceContext::of(&self.begun.get()?.context)?.traceparent().to_owned())
    }

    fn read(self: Arc<Self>, kind: PayloadKind, body: &[u8]) -> Option<Read> {
        // One that is not sampled is known to nobody but to the metrics and to those that link to it.
        let is_sampled = self.begun.get().is_some_and(|begun| begun.context.span().is_recording());
        let mapping = &self.run.mapping;
        let digest =
            Gathered::digest(kind, body, if is_sampled { mapping.content } else { super::ContentPolicy::Omit })?;
        Some(Box::new(move |id: &RawPayloadId| self.gathered().add_body(id.clone(), digest)))
    }

    fn event(&self, said: Said<'_>, event: &Event) {
        self.gathered().add_event(&self.run, self.own_span(), said, event);
    }

    fn spawned_by(&self, parent: &ThreadId, tool: &ToolCallId) {
        self.gathered().add_spawn(&self.run, parent, tool);
    }

    fn close(&self) {
        let Some((facts, links, lasted)) = self.gathered().finish(&self.run, self.own_span()) else { return };
        if let Some(on_end) = &self.run.on_end {
            on_end(&facts, lasted);
        }
        let Some(begun) = self.begun.get() else { return };
        let span = begun.context.span();
        if !span.is_recording() {
            return;
        }
        // Name, kind and status are what `map` makes of them.
        span.set_attributes(describe(&facts, self.run.mapping).into_live());
        for (to, why) in links {
            span.add_link(to, vec![why]);
        }
    }

    fn abandon(&self) {
        self.gathered().finish(&self.run, None);
    }
}

/// A link that is known.
pub(super) type Linked = (SpanContext, KeyValue);
