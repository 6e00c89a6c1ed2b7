//! The instruments that record the metrics of inference calls.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use opentelemetry::metrics::{Histogram, MeterProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};

use super::suppress::without_telemetry;
use crate::event::ExecutionStatus;
use crate::otlp::span::attribute;
use crate::otlp::span::facts::{InferenceFacts, SpanDetail, SpanFacts};
use crate::otlp::span::measures;
use crate::semconv;

/// Records the metrics of inference calls.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Instruments>);

struct Instruments {
    provider: SdkMeterProvider,
    tokens: Histogram<u64>,
    duration: Histogram<f64>,
    first_chunk: Histogram<f64>,
}

impl Metrics {
    /// Creates the instruments and exports them periodically.
    pub(crate) fn start(exporter: impl PushMetricExporter, interval: Duration, resource: Resource) -> Self {
        let reader = PeriodicReader::builder(exporter).with_interval(interval).build();
        let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION"));
        let meter = provider.meter_with_scope(scope.build());
        let tokens = meter
            .u64_histogram(semconv::CLIENT_TOKEN_USAGE)
            .with_unit("{token}")
            .with_description("Number of input and output tokens used.")
            .with_boundaries(measures::TOKEN_BOUNDARIES.to_vec());
        let seconds = |name, description| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
            histogram.with_boundaries(measures::SECOND_BOUNDARIES.to_vec()).build()
        };
        Self(Arc::new(Instruments {
            tokens: tokens.build(),
            duration: seconds(semconv::CLIENT_OPERATION_DURATION, "GenAI operation duration."),
            first_chunk: seconds(semconv::CLIENT_TIME_TO_FIRST_CHUNK, "Time to receive the first chunk."),
            provider,
        }))
    }

    /// Records an inference call that ended, and its duration. Ignores facts of other kinds.
    pub(crate) fn record(&self, facts: &SpanFacts, duration: Duration) {
        let SpanDetail::Inference(inference) = &facts.detail else { return };
        let attributes = measures::attributes(inference);
        self.record_tokens(inference, &attributes);
        if let Some(first_chunk) = measures::first_chunk(inference) {
            self.0.first_chunk.record(first_chunk.as_secs_f64(), &attributes);
        }
        let mut attributes = attributes;
        if facts.status == ExecutionStatus::Failed {
            let kind = facts.error_type();
            attributes.push(KeyValue::new(attribute::ERROR_TYPE, kind.to_owned()));
        }
        self.0.duration.record(duration.as_secs_f64(), &attributes);
    }

    /// Records the input and output tokens of an inference call, if they are known.
    fn record_tokens(&self, inference: &InferenceFacts, attributes: &[KeyValue]) {
        let Some(usage) = inference.effective_usage() else { return };
        for (kind, count) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
            let attributes: Vec<_> =
                attributes.iter().cloned().chain([KeyValue::new(semconv::TOKEN_TYPE, kind)]).collect();
            self.0.tokens.record(count, &attributes);
        }
    }

    /// Starts a last export on a separate thread and returns a channel that receives a message at its end. The caller,
    /// not the provider, thus decides how long to wait.
    pub(crate) fn shut_down(&self) -> mpsc::Receiver<()> {
        let provider = self.0.provider.clone();
        let (done, end) = mpsc::sync_channel(1);
        let end_it = move || {
            let _ = without_telemetry(|| provider.shutdown());
            let _ = done.send(());
        };
        // If the thread cannot be spawned, the channel is closed at once, which also ends the caller's wait.
        let _ = thread::Builder::new().name("otel-trace-metrics".to_owned()).spawn(end_it);
        end
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tests/metrics.rs"]
mod tests;
