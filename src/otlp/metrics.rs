//! The metrics of the GenAI conventions: token usage, duration and time to first chunk of inference calls.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use opentelemetry::metrics::{Histogram, MeterProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};

use super::attribute;
use super::error_type::{OTHER, error_type};
use super::pipeline::without_telemetry;
use super::span_facts::{InferenceFacts, SpanDetail, SpanFacts};
use crate::event::ExecutionStatus;

/// Histogram boundaries of token counts, as the conventions define them.
const TOKEN_BOUNDARIES: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Histogram boundaries of durations in seconds, as the conventions define them.
const SECOND_BOUNDARIES: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

const TOKEN_TYPE: &str = "gen_ai.token.type";

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
    pub(super) fn start(exporter: impl PushMetricExporter, interval: Duration, resource: Resource) -> Self {
        let reader = PeriodicReader::builder(exporter).with_interval(interval).build();
        let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION"));
        let meter = provider.meter_with_scope(scope.build());
        let tokens = meter
            .u64_histogram("gen_ai.client.token.usage")
            .with_unit("{token}")
            .with_description("Number of input and output tokens used.")
            .with_boundaries(TOKEN_BOUNDARIES.to_vec());
        let seconds = |name, description| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
            histogram.with_boundaries(SECOND_BOUNDARIES.to_vec()).build()
        };
        Self(Arc::new(Instruments {
            tokens: tokens.build(),
            duration: seconds("gen_ai.client.operation.duration", "GenAI operation duration."),
            first_chunk: seconds("gen_ai.client.operation.time_to_first_chunk", "Time to receive the first chunk."),
            provider,
        }))
    }

    /// Records an inference call that ended, and its duration. Ignores facts of other kinds.
    pub(crate) fn record(&self, facts: &SpanFacts, duration: Duration) {
        let SpanDetail::Inference(inference) = &facts.detail else { return };
        let attributes = attributes(inference);
        self.record_tokens(inference, &attributes);
        if let Some(first_chunk) = first_chunk(inference) {
            self.0.first_chunk.record(first_chunk.as_secs_f64(), &attributes);
        }
        let mut attributes = attributes;
        if facts.status == ExecutionStatus::Failed {
            let kind = facts.error.as_deref().map_or(OTHER, error_type);
            attributes.push(KeyValue::new(attribute::ERROR_TYPE, kind.to_owned()));
        }
        self.0.duration.record(duration.as_secs_f64(), &attributes);
    }

    /// Records the input and output tokens of an inference call, if they are known.
    fn record_tokens(&self, inference: &InferenceFacts, attributes: &[KeyValue]) {
        let Some(usage) = inference.effective_usage() else { return };
        for (kind, count) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
            let attributes: Vec<_> = attributes.iter().cloned().chain([KeyValue::new(TOKEN_TYPE, kind)]).collect();
            self.0.tokens.record(count, &attributes);
        }
    }

    /// Starts a last export on a separate thread and returns a channel that receives a message at its end. The caller,
    /// not the provider, thus decides how long to wait.
    pub(super) fn shut_down(&self) -> mpsc::Receiver<()> {
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

/// Returns the attributes of the metrics of an inference call.
fn attributes(inference: &InferenceFacts) -> Vec<KeyValue> {
    let response_model = inference.response.as_ref().and_then(|response| response.model.as_deref());
    let known = [
        (attribute::OPERATION_NAME, Some("chat")),
        (attribute::PROVIDER_NAME, Some(inference.provider.as_str())),
        (attribute::REQUEST_MODEL, Some(inference.model.as_str())),
        (attribute::RESPONSE_MODEL, response_model),
    ];
    let known = known.into_iter().filter_map(|(key, value)| Some((key, value.filter(|value| !value.is_empty())?)));
    known.map(|(key, value)| KeyValue::new(key, value.to_owned())).collect()
}

/// Returns the time to first chunk. Returns `None` for a response that was not streamed: the conventions define the
/// metric for streams only.
fn first_chunk(inference: &InferenceFacts) -> Option<Duration> {
    let milliseconds = inference.time_to_first_chunk_ms?;
    (inference.request.stream != Some(false)).then(|| Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests;
