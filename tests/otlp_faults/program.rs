//! A program that exports spans.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::Tracer;
use otel_trace::otlp::{DropReason, DroppedSpans, Otlp, OtlpBuilder, OtlpGuard};

/// What a program heard of spans that were dropped.
pub(crate) type Heard = Arc<Mutex<Vec<DroppedSpans>>>;

/// A pipeline with a callback that keeps what it hears.
pub(crate) fn build(builder: OtlpBuilder) -> (Otlp, OtlpGuard, Heard) {
    let heard = Heard::default();
    let ears = Arc::clone(&heard);
    let builder = builder.on_drop(move |dropped| ears.lock().unwrap().push(dropped.clone()));
    let (otlp, guard) = builder.build().unwrap();
    (otlp, guard, heard)
}

/// Begins and ends spans of these names. Back when all have ended.
pub(crate) fn end(otlp: &Otlp, names: impl IntoIterator<Item = usize>) {
    let tracer = otlp.tracer();
    names.into_iter().for_each(|name| drop(tracer.start(name.to_string())));
}

/// How many were dropped, by reason, as the program heard it.
pub(crate) fn by_reason(heard: &Heard) -> Vec<(DropReason, u64)> {
    let mut sums: Vec<(DropReason, u64)> = Vec::new();
    for dropped in heard.lock().unwrap().iter() {
        match sums.iter_mut().find(|(reason, _)| *reason == dropped.reason) {
            Some((_, sum)) => *sum += dropped.count,
            None => sums.push((dropped.reason, dropped.count)),
        }
    }
    sums
}

/// The names that [`end`] gives.
pub(crate) fn names(of: impl IntoIterator<Item = usize>) -> Vec<String> {
    of.into_iter().map(|name| name.to_string()).collect()
}
