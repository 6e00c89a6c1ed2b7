//! The way of spans out of the program.
//!
//! A span that ends is put into a bounded queue; a thread of its own takes batches from there, which
//! `opentelemetry-otlp` converts and sends. It needs no runtime, nobody waits for it, and what it does itself is traced nowhere.

mod backoff;
mod blocking;
mod builder;
mod connection;
mod deadline;
mod delivery;
mod endpoint;
mod error;
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
mod sampler;
mod sending;
mod signal;
mod span_limits;
mod span_sink;
mod stats;
mod suppress;
mod variables;
mod weight;

pub use self::builder::OtlpBuilder;
pub use self::error::OtlpError;
pub use self::guard::OtlpGuard;
pub use self::protocol::{Compression, Protocol};
pub use self::stats::{DropReason, DroppedSpans, OtlpStats};

pub(super) use self::connection::{Connection, Said};
pub(super) use self::delivery::{Delivered, Pace};
pub(super) use self::exporter::{OtlpExporter, span_exporter};
pub(super) use self::resource::resolve as resolve_resource;
pub(super) use self::sending::{Failure, SendError};
pub(super) use self::signal::Signal;
pub(super) use self::suppress::quietly;
pub(super) use self::variables::Variables;
pub(super) use self::weight::weight;

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

/// A running export. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Otlp(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: SdkTracerProvider,
    /// None where the environment wants none.
    metrics: Option<Metrics>,
    mapping: Mapping,
    queue: Arc<Queue>,
    ledger: Arc<Ledger>,
    flush_timeout: Duration,
}

impl Otlp {
    /// To set it up by code.
    pub fn builder() -> OtlpBuilder {
        OtlpBuilder::new(Variables::of_process())
    }

    /// Set up by the environment alone, and only if it asks for it: `OTEL_EXPORTER_OTLP_ENDPOINT` or
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set, or `OTEL_TRACES_EXPORTER` is `otlp`. None if none of them is, if
    /// `OTEL_TRACES_EXPORTER` has no `otlp`, or if `OTEL_SDK_DISABLED` is `true`.
    ///
    /// # Errors
    /// If a variable has a value that it can't have, or no thread can be started.
    pub fn from_env() -> Result<Option<(Self, OtlpGuard)>, OtlpError> {
        let variables = Variables::of_process();
        if !is_wanted(&variables)? {
            return Ok(None);
        }
        OtlpBuilder::new(variables).build().map(Some)
    }

    /// Makes spans that are exported here.
    #[must_use]
    pub fn tracer(&self) -> SdkTracer {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION"));
        self.0.provider.tracer_with_scope(scope.build())
    }

    /// A layer that exports the spans of `tracing` as they are, without what only concerns the program's insides: where
    /// in the code, in which thread and how busily. Events keep their target, by which those that bring what was said
    /// are told from others.
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

    /// Exports the spans that have ended, and waits for that for the flush timeout at most.
    ///
    /// # Errors
    /// If it took too long, or spans were dropped meanwhile.
    pub fn flush(&self) -> Result<(), OtlpError> {
        let timeout = self.0.flush_timeout;
        match self.0.queue.flush(timeout) {
            Ok(0) => Ok(()),
            Ok(dropped) => Err(OtlpError::new(format!("{dropped} spans were dropped: {}", self.stats()))),
            Err(TimedOut) => {
                Err(OtlpError::new(format!("not all spans were exported within {timeout:?}: the rest waits")))
            }
        }
    }

    /// What was exported and dropped so far.
    #[must_use]
    pub fn stats(&self) -> OtlpStats {
        self.0.ledger.stats()
    }

    /// What exported spans tell, and by which names.
    pub(crate) fn mapping(&self) -> Mapping {
        self.0.mapping
    }

    /// For what has ended, if anything is to be measured.
    pub(crate) fn metrics(&self) -> Option<&Metrics> {
        self.0.metrics.as_ref()
    }

    fn shut_down(&self) {
        // A provider that is shut down would drop in silence what ends from now on; a queue that is closed counts it.
        let Inner { provider: _, metrics, mapping: _, queue, ledger, flush_timeout } = &*self.0;
        let deadline = deadline::after(*flush_timeout);
        let metrics_end = metrics.as_ref().map(Metrics::shut_down);
        queue.close(*flush_timeout);
        if let Some(end) = metrics_end {
            let left = deadline.saturating_duration_since(Instant::now());
            if end.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                ledger.metrics_failed("no answer in time".to_owned());
            }
        }
        ledger.close();
    }
}

fn is_wanted(variables: &Variables) -> Result<bool, OtlpError> {
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
