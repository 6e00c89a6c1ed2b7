//! The bridge between a recorder and `tracing-opentelemetry`: layers before and after its layer.

use std::cell::RefCell;
use std::sync::Arc;

use opentelemetry::{Context as OtelContext, ContextGuard};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Subscriber};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Layered};
use tracing_subscriber::registry::LookupSpan;

use super::context::TraceContext;
use super::export::{LiveExport, OnEnd};
use super::factory::{LiveSpanFactory, remote_parent_for};
use super::pipeline::Otlp;
use crate::Recorder;
use crate::event::RawJson;
use crate::otlp::span::mapping::Mapping;

/// A layer that turns all spans of a subscriber into OpenTelemetry spans and describes those of recorded operations by
/// the GenAI conventions.
pub type Bridge<S, T> = Layered<AfterOpenTelemetry, Layered<OpenTelemetryLayer<S, T>, BeforeOpenTelemetry, S>, S>;

/// Wraps `layer`, which exports spans, so that exported spans carry the attributes of recorded operations, and recorded
/// events carry the ids of exported spans. The bridge may be added before or after the recorder's layer.
///
/// The span exporter behind `layer` must be wrapped in [`MapExporter`](crate::otlp::MapExporter) with an equal mapping and the
/// [rules](crate::otlp::MapExporter::masked_by) of the recorder, which decides what of a span is exported. Its tracer provider should also have the processor
/// [`ParentSpanProcessor`](super::ParentSpanProcessor). [`Otlp::bridge`](super::Otlp::bridge) sets up all of this.
pub fn bridge<S, T>(recorder: &Recorder, layer: OpenTelemetryLayer<S, T>, mapping: Mapping) -> Bridge<S, T>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    OpenTelemetryLayer<S, T>: Layer<S>,
{
    bridge_with(recorder, layer, mapping, None, None)
}

fn bridge_with<S, T>(
    recorder: &Recorder,
    layer: OpenTelemetryLayer<S, T>,
    mapping: Mapping,
    on_end: Option<OnEnd>,
    resource: Option<RawJson>,
) -> Bridge<S, T>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    OpenTelemetryLayer<S, T>: Layer<S>,
{
    let remote_parent = TraceContext::from_env().map(|remote_parent| remote_parent.context());
    let export = Arc::new(LiveExport::new(mapping, on_end, remote_parent.clone(), resource));
    recorder.export_to(Arc::new(LiveSpanFactory(Arc::clone(&export))));
    BeforeOpenTelemetry { recorder: recorder.clone(), export, remote_parent }
        .and_then(layer)
        .and_then(AfterOpenTelemetry { _private: () })
}

impl Otlp {
    /// Creates a layer that exports all spans of a subscriber, and adds to the spans of recorded operations the
    /// attributes of these operations. It may be added before or after the recorder's layer. Add a filter: the layer
    /// itself accepts spans of every level.
    ///
    /// From then on, spans are masked by the recorder's rules: its [redactor](crate::RecorderBuilder::redact) and its
    /// [masking](crate::RecorderBuilder::mask), on the export thread.
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
        self.masking().add(recorder.masking_rules());
        let on_end = self
            .metrics()
            .cloned()
            .map(|metrics| -> OnEnd { Arc::new(move |facts, duration| metrics.record(facts, duration)) });
        bridge_with(recorder, self.layer(), self.mapping(), on_end, Some(self.resource().clone()))
    }
}

/// The part of a [`Bridge`] that handles spans before `tracing-opentelemetry`'s layer does.
#[derive(Debug)]
pub struct BeforeOpenTelemetry {
    recorder: Recorder,
    export: Arc<LiveExport>,
    /// Context of the span in the parent process that this process runs in, from its environment.
    remote_parent: Option<OtelContext>,
}

/// The part of a [`Bridge`] that handles spans after `tracing-opentelemetry`'s layer did.
#[derive(Debug)]
pub struct AfterOpenTelemetry {
    _private: (),
}

thread_local! {
    /// Guard of the remote parent's context, which is attached while `tracing-opentelemetry`'s layer looks for the
    /// parent of a new span.
    static ATTACHED: RefCell<Option<ContextGuard>> = const { RefCell::new(None) };
}

impl<S> Layer<S> for BeforeOpenTelemetry
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        // Only the first subscriber counts: the bridge is a layer of one.
        let _ = self.export.subscriber.set(subscriber.downgrade());
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if let Some(remote_parent) = remote_parent_for(self.remote_parent.as_ref(), attrs) {
            ATTACHED.with_borrow_mut(|attached| *attached = Some(remote_parent.clone().attach()));
        }
    }

    /// Ends the span's operations: an operation without a handle ends when its span closes, and
    /// `tracing-opentelemetry`'s layer exports the span in its own `on_close`.
    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(&id) {
            self.recorder.close_span(&span);
        }
    }
}

impl<S: Subscriber> Layer<S> for AfterOpenTelemetry {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let _ended = ATTACHED.with_borrow_mut(Option::take);
    }
}
