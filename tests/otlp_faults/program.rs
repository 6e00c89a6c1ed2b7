//! A program that exports spans and collects reports of dropped spans.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::trace::Tracer;
use otel_trace::otlp::{DropReason, DroppedSpans, Otlp, OtlpBuilder, OtlpGuard};

/// The reports that the drop callback received.
pub(crate) type Drops = Arc<Mutex<Vec<DroppedSpans>>>;

/// Returns a builder whose flush timeout is long enough for all spans to arrive on a busy machine.
pub(crate) fn patient_builder() -> OtlpBuilder {
    Otlp::builder().flush_timeout(Duration::from_secs(60))
}

/// Builds a pipeline with a callback that keeps the reports of dropped spans.
pub(crate) fn build(builder: OtlpBuilder) -> (Otlp, OtlpGuard, Drops) {
    let drops = Drops::default();
    let sink = Arc::clone(&drops);
    let builder = builder.on_drop(move |dropped| sink.lock().unwrap().push(dropped.clone()));
    let (otlp, guard) = builder.build().unwrap();
    (otlp, guard, drops)
}

/// Starts and ends a span for each of these names.
pub(crate) fn emit_spans(otlp: &Otlp, names: impl IntoIterator<Item = usize>) {
    let tracer = otlp.tracer();
    names.into_iter().for_each(|name| drop(tracer.start(name.to_string())));
}

/// Sums up the reported drops by reason.
pub(crate) fn by_reason(drops: &Drops) -> Vec<(DropReason, u64)> {
    let mut sums: Vec<(DropReason, u64)> = Vec::new();
    for dropped in drops.lock().unwrap().iter() {
        match sums.iter_mut().find(|(reason, _)| *reason == dropped.reason) {
            Some((_, sum)) => *sum += dropped.count,
            None => sums.push((dropped.reason, dropped.count)),
        }
    }
    sums
}

/// Returns the names of the spans of [`emit_spans`].
pub(crate) fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|name| name.to_string()).collect()
}
