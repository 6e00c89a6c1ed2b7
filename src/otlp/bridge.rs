//! The bridge: our layer beside `tracing-opentelemetry`'s.

use std::cell::RefCell;
use std::sync::Arc;

use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context as OtelContext, ContextGuard};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Subscriber};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Layered};
use tracing_subscriber::registry::LookupSpan;

use super::live_run::{LiveRun, LiveRuns, OnEnd};
use super::{Mapping, Otlp, TraceContext};
use crate::Recorder;

/// A layer that makes OpenTelemetry's spans of all spans, and of ours what the GenAI conventions call them.
pub type Bridge<S, T> = Layered<Behind, Layered<OpenTelemetryLayer<S, T>, Ahead, S>, S>;

/// Puts `layer`, which exports spans, beside a recorder's own: its spans carry what the recorder sees, and what the
/// recorder writes names its spans. It may come before the recorder's layer or behind it.
///
/// The exporter behind `layer` must be wrapped in [`MapExporter`](super::MapExporter) with the same mapping: it says what
/// is exported of a span. Its provider should have [`NoteParents`](super::NoteParents) too. [`Otlp::bridge`](super::Otlp::bridge) does all that.
pub fn bridge<S, T>(recorder: &Recorder, layer: OpenTelemetryLayer<S, T>, mapping: Mapping) -> Bridge<S, T>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    OpenTelemetryLayer<S, T>: Layer<S>,
{
    bridge_with(recorder, layer, mapping, None)
}

fn bridge_with<S, T>(
    recorder: &Recorder,
    layer: OpenTelemetryLayer<S, T>,
    mapping: Mapping,
    on_end: Option<OnEnd>,
) -> Bridge<S, T>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    OpenTelemetryLayer<S, T>: Layer<S>,
{
    let caller = TraceContext::from_env().map(|caller| caller.context());
    let run = Arc::new(LiveRun::new(mapping, on_end, caller.clone()));
    recorder.export_to(Arc::new(LiveRuns(Arc::clone(&run))));
    Ahead { recorder: recorder.clone(), run, caller }.and_then(layer).and_then(Behind { _private: () })
}

impl Otlp {
    /// A layer that exports all spans of a subscriber, those that the recorder knows with what it knows of them. It may
    /// come before the recorder's layer or behind it. A filter is on you: spans of every level pass.
    ///
    /// ```no_run
    /// use otel_trace::{Recorder, otlp::Otlp};
    /// use tracing_subscriber::{filter::LevelFilter, prelude::*};
    ///
    /// let (recorder, _guard) = Recorder::from_env()?.unwrap_or_else(Recorder::unwritten);
    /// let exporting = Otlp::from_env()?;
    /// let bridge = exporting.as_ref().map(|(otlp, _guard)| otlp.bridge(&recorder).with_filter(LevelFilter::INFO));
    /// let recording = recorder.layer().with_filter(recorder.filter());
    /// tracing_subscriber::registry().with(bridge).with(recording).init();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bridge<S>(&self, recorder: &Recorder) -> Bridge<S, SdkTracer>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let on_end = self
            .metrics()
            .cloned()
            .map(|metrics| -> OnEnd { Arc::new(move |facts, lasted| metrics.record(facts, lasted)) });
        bridge_with(recorder, self.layer(), self.mapping(), on_end)
    }
}

/// What is done before OpenTelemetry's layer hears of a span.
#[derive(Debug)]
pub struct Ahead {
    recorder: Recorder,
    run: Arc<LiveRun>,
    /// The span of another process that this one runs in.
    caller: Option<OtelContext>,
}

/// What is done after it.
#[derive(Debug)]
pub struct Behind {
    _private: (),
}

thread_local! {
    /// Held while OpenTelemetry's layer looks for the parent of a span.
    static ATTACHED: RefCell<Option<ContextGuard>> = const { RefCell::new(None) };
}

/// Where `caller` is the parent of a span that is opened here and now.
pub(super) fn is_called<'c>(caller: Option<&'c OtelContext>, span: &Attributes<'_>) -> Option<&'c OtelContext> {
    caller.filter(|_| span.is_contextual() && !OtelContext::map_current(|current| current.has_active_span()))
}

impl<S> Layer<S> for Ahead
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        // Told once.
        let _ = self.run.subscriber.set(subscriber.downgrade());
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if let Some(caller) = is_called(self.caller.as_ref(), attrs) {
            ATTACHED.with_borrow_mut(|attached| *attached = Some(caller.clone().attach()));
        }
    }

    /// What a plain span was is said when it closes, and OpenTelemetry's layer exports it when it closes.
    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(&id) {
            self.recorder.span_closes(&span);
        }
    }
}

impl<S: Subscriber> Layer<S> for Behind {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let _ended = ATTACHED.with_borrow_mut(Option::take);
    }
}
