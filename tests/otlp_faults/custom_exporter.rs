//! A custom exporter, drop callback or sampler.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Sampler, SpanData, SpanExporter};
use otel_trace::otlp::{DropReason, Otlp};

use crate::program::{build, by_reason, emit_spans, names, patient_builder};
use crate::receiver::{Receiver, Response};

/// An exporter that keeps the span names of each batch and returns the scripted result.
#[derive(Clone)]
struct TestExporter {
    answer: fn(usize) -> OTelSdkResult,
    batches: Arc<Mutex<Vec<Vec<String>>>>,
}

impl TestExporter {
    fn new(answer: fn(usize) -> OTelSdkResult) -> Self {
        Self { answer, batches: Arc::default() }
    }

    fn batches(&self) -> Vec<Vec<String>> {
        self.batches.lock().unwrap().clone()
    }
}

impl std::fmt::Debug for TestExporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestExporter")
    }
}

impl SpanExporter for TestExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let number = self.batches.lock().unwrap().len();
        self.batches.lock().unwrap().push(batch.into_iter().map(|span| span.name.into_owned()).collect());
        (self.answer)(number)
    }
}

#[test]
fn failing_or_panicking_exporter_drops_only_its_batch() {
    let exporter = TestExporter::new(|number| match number {
        0 => panic!("out of order"),
        1 => Err(OTelSdkError::InternalFailure("full".to_owned())),
        _ => Ok(()),
    });
    let (otlp, guard, drops) = build(patient_builder().exporter(exporter.clone()));
    for batch in [0..1, 1..3, 3..6] {
        emit_spans(&otlp, batch);
        let _ = otlp.flush();
    }
    drop(guard);
    assert_eq!(exporter.batches(), [names(0..1), names(1..3), names(3..6)]);
    assert_eq!(otlp.stats().exported, 3);
    assert_eq!(by_reason(&drops), [(DropReason::Rejected, 3)]);
    let causes: Vec<_> = drops.lock().unwrap().iter().filter_map(|dropped| dropped.cause.clone()).collect();
    assert_eq!(causes, ["the exporter panicked", "Operation failed: full"]);
}

#[test]
fn panicking_callback_does_not_stop_the_export() {
    let exporter = TestExporter::new(|number| match number {
        0 => Err(OTelSdkError::InternalFailure("full".to_owned())),
        _ => Ok(()),
    });
    let (otlp, guard) =
        patient_builder().exporter(exporter.clone()).on_drop(|dropped| panic!("{dropped}")).build().unwrap();
    emit_spans(&otlp, 0..1);
    otlp.flush().unwrap_err();
    emit_spans(&otlp, 1..3);
    otlp.flush().unwrap();
    assert_eq!(exporter.batches(), [names(0..1), names(1..3)]);
    assert_eq!((otlp.stats().exported, otlp.stats().rejected), (2, 1));
    drop(guard);
}

#[test]
fn panicking_callback_at_shutdown_is_contained() {
    let receiver = Receiver::start(|_, _| Response::status("503 Service Unavailable", "retry-after: 100\r\n"));
    let builder = Otlp::builder().endpoint(receiver.url()).queue(1).flush_timeout(Duration::from_millis(50));
    let (otlp, guard) = builder.on_drop(|dropped| panic!("{dropped}")).build().unwrap();
    emit_spans(&otlp, 0..1);
    receiver.next();
    emit_spans(&otlp, 1..3);
    drop(guard);
    assert_eq!((otlp.stats().queue_full, otlp.stats().dropped()), (1, 3));
}

#[test]
fn unsampled_spans_are_neither_exported_nor_dropped() {
    let exporter = TestExporter::new(|_| Ok(()));
    let (otlp, guard, drops) = build(patient_builder().exporter(exporter.clone()).sampler(Sampler::AlwaysOff));
    emit_spans(&otlp, 0..3);
    drop(guard);
    assert_eq!((exporter.batches(), by_reason(&drops)), (vec![], vec![]));
    assert_eq!((otlp.stats().exported, otlp.stats().dropped()), (0, 0));
}
