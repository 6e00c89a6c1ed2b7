//! The live export of spans and metrics over OTLP.
//!
//! The span processor enqueues each span that ends in a bounded queue. A dedicated worker thread takes batches from the
//! queue and exports them through `opentelemetry-otlp`. The pipeline needs no async runtime, never blocks a thread that
//! ends a span, and runs its own work with telemetry suppressed, so that an export is not traced and exported itself.

mod backoff;
mod blocking;
mod builder;
mod connection;
mod deadline;
mod endpoint;
mod error;
mod estimated_size;
mod exporter;
#[cfg(feature = "otlp-grpc")]
mod grpc;
mod guard;
mod http;
mod key_values;
mod ledger;
mod metric_sink;
mod processor;
mod protocol;
mod queue;
mod resource;
mod retrying_sender;
mod sampler;
mod sender;
mod signal;
mod span_limits;
mod span_sink;
mod stats;
mod suppress;
mod variables;

pub use self::builder::OtlpBuilder;
pub use self::error::OtlpError;
pub use self::guard::OtlpGuard;
pub use self::protocol::{Compression, Protocol};
pub use self::stats::{DropReason, DroppedSpans, OtlpStats};

pub(super) use self::connection::{Connection, ExporterSettings};
pub(super) use self::estimated_size::estimated_size;
pub(super) use self::exporter::{OtlpExporter, span_exporter};
pub(super) use self::resource::resolve as resolve_resource;
pub(super) use self::retrying_sender::{BatchOutcome, RetryControl};
pub(super) use self::sender::{SendError, SendErrorKind};
pub(super) use self::signal::Signal;
pub(super) use self::suppress::without_telemetry;
pub(super) use self::variables::Variables;

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use self::ledger::Ledger;
use self::queue::{Queue, TimedOut};
use super::Mapping;
use super::metrics::Metrics;

/// A running OTLP export pipeline. Clones share one pipeline.
#[derive(Debug, Clone)]
pub struct Otlp(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: SdkTracerProvider,
    /// `None` if metrics are disabled.
    metrics: Option<Metrics>,
    mapping: Mapping,
    queue: Arc<Queue>,
    ledger: Arc<Ledger>,
    flush_timeout: Duration,
}

impl Otlp {
    /// Creates a builder for a pipeline that is configured by code. Unset settings come from the `OTEL_*` variables.
    pub fn builder() -> OtlpBuilder {
        OtlpBuilder::new(Variables::from_process())
    }

    /// Starts a pipeline that is configured by the `OTEL_*` variables alone, if they enable an export.
    ///
    /// An export is enabled if `OTEL_TRACES_EXPORTER` contains `otlp`, or if that variable is unset and
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set. Returns `None` if no export is
    /// enabled, or if `OTEL_SDK_DISABLED` is `true`.
    ///
    /// # Errors
    /// Returns an error if a variable has an invalid value or a thread cannot be started.
    pub fn from_env() -> Result<Option<(Self, OtlpGuard)>, OtlpError> {
        let variables = Variables::from_process();
        if !is_enabled(&variables)? {
            return Ok(None);
        }
        OtlpBuilder::new(variables).build().map(Some)
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

    /// Returns the instruments that measure ended operations. Returns `None` if metrics are disabled.
    pub(crate) fn metrics(&self) -> Option<&Metrics> {
        self.0.metrics.as_ref()
    }

    fn shut_down(&self) {
        // The provider stays up: once shut down, it would drop later spans silently, whereas a closed queue counts
        // them.
        let Inner { provider: _, metrics, mapping: _, queue, ledger, flush_timeout } = &*self.0;
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

/// Returns `true` if the environment enables an export of traces.
fn is_enabled(variables: &Variables) -> Result<bool, OtlpError> {
    const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
    if variables.flag(&["OTEL_SDK_DISABLED"])? {
        return Ok(false);
    }
    match variables.has_otlp(EXPORTER)? {
        Some(has_otlp) => Ok(has_otlp),
        None => {
            let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
            Ok(variables.first(&names)?.is_some())
        }
    }
}
