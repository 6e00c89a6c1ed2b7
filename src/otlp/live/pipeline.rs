//! A running pipeline of the live export.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use crate::event::RawJson;
use crate::otlp::send::deadline;
use crate::otlp::send::error::OtlpError;
use crate::otlp::send::ledger::Ledger;
use crate::otlp::send::metrics::Metrics;
use crate::otlp::send::queue::{Queue, TimedOut};
use crate::otlp::send::stats::OtlpStats;
use crate::otlp::span::mapping::Mapping;
use crate::otlp::span::span_masking::SpanMasking;

/// A running OTLP export pipeline. Clones share one pipeline.
#[derive(Debug, Clone)]
pub struct Otlp(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) provider: SdkTracerProvider,
    /// `None` if metrics are disabled.
    pub(super) metrics: Option<Metrics>,
    pub(super) mapping: Mapping,
    /// Masking of the spans, which the export thread applies.
    pub(super) masking: Arc<SpanMasking>,
    /// Attributes of the resource of all spans.
    pub(super) resource: RawJson,
    pub(super) queue: Arc<Queue>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) flush_timeout: Duration,
}

impl Otlp {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Returns a tracer whose spans are exported by this pipeline.
    #[must_use]
    pub fn tracer(&self) -> SdkTracer {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION"));
        self.0.provider.tracer_with_scope(scope.build())
    }

    /// Creates a layer that exports the spans of `tracing` without attributes about the program's internals: source
    /// location, thread, busy and idle times, and level.
    ///
    /// Events keep their target, because the content policy recognizes events that carry conversation content by it.
    #[must_use]
    pub fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        OpenTelemetryLayer::new(self.tracer())
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_level(false)
            .with_target(false)
    }

    /// Exports all spans that have ended so far. Blocks until they are exported, at most for the flush timeout.
    ///
    /// # Errors
    /// Returns an error if the flush timeout passes first, or if spans are dropped during the flush.
    pub fn flush(&self) -> Result<(), OtlpError> {
        let timeout = self.0.flush_timeout;
        match self.0.queue.flush(timeout) {
            Ok(0) => Ok(()),
            Ok(dropped) => Err(OtlpError::new(format!("{dropped} spans were dropped: {}", self.stats()))),
            Err(TimedOut) => {
                Err(OtlpError::new(format!("not all spans were exported within {timeout:?}; the rest stay queued")))
            }
        }
    }

    /// Returns the numbers of exported and dropped spans so far.
    #[must_use]
    pub fn stats(&self) -> OtlpStats {
        self.0.ledger.stats()
    }

    /// Returns the mapping of spans: the content policy and the attribute names of token counts.
    pub(crate) fn mapping(&self) -> Mapping {
        self.0.mapping
    }

    /// Returns the masking of spans.
    pub(super) fn masking(&self) -> &SpanMasking {
        &self.0.masking
    }

    /// Returns the attributes of the resource of all spans.
    pub(super) fn resource(&self) -> &RawJson {
        &self.0.resource
    }

    /// Returns the instruments that measure ended operations. Returns `None` if metrics are disabled.
    pub(crate) fn metrics(&self) -> Option<&Metrics> {
        self.0.metrics.as_ref()
    }

    /// Shuts the pipeline down: exports the remaining spans and metrics, at most for the flush timeout.
    pub(super) fn shut_down(&self) {
        // The provider stays up: once shut down, it would drop later spans silently, whereas a closed queue counts
        // them.
        let Inner { provider: _, metrics, mapping: _, masking: _, resource: _, queue, ledger, flush_timeout } =
            &*self.0;
        let deadline = deadline::after(*flush_timeout);
        let metrics_end = metrics.as_ref().map(Metrics::shut_down);
        queue.shut_down(*flush_timeout);
        if let Some(end) = metrics_end {
            let left = deadline.saturating_duration_since(Instant::now());
            if end.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                ledger.count_metrics_failure("no response within the flush timeout".to_owned());
            }
        }
        ledger.close();
    }
}
