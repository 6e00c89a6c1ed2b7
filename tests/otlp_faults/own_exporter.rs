//! The program's own exporter, callback and sampler.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Sampler, SpanData, SpanExporter};
use otel_trace::otlp::{DropReason, Otlp};

use crate::program::{build, by_reason, end, names, patient};
use crate::receiver::{Answer, Receiver};

/// Keeps the names of what it gets, and does with it what it is told.
#[derive(Clone)]
struct Own {
    answer: fn(usize) -> OTelSdkResult,
    batches: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Own {
    fn new(answer: fn(usize) -> OTelSdkResult) -> Self {
        Self { answer, batches: Arc::default() }
    }

    fn batches(&self) -> Vec<Vec<String>> {
        self.batches.lock().unwrap().clone()
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Own")
    }
}

impl SpanExporter for Own {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let number = self.batches.lock().unwrap().len();
        self.batches.lock().unwrap().push(batch.into_iter().map(|span| span.name.into_owned()).collect());
        (self.answer)(number)
    }
}

#[test]
fn failing_or_panicking_exporter_drops_only_its_batch() {
    let own = Own::new(|number| match number {
        0 => panic!("out of order"),
        1 => Err(OTelSdkError::InternalFailure("full".to_owned())),
        _ => Ok(()),
    });
    let (otlp, guard, heard) = build(patient().exporter(own.clone()));
    for batch in [0..1, 1..3, 3..6] {
        end(&otlp, batch);
        let _ = otlp.flush();
    }
    drop(guard);
    assert_eq!(own.batches(), [names(0..1), names(1..3), names(3..6)]);
    assert_eq!(otlp.stats().exported, 3);
    assert_eq!(by_reason(&heard), [(DropReason::Rejected, 3)]);
    let causes: Vec<_> = heard.lock().unwrap().iter().filter_map(|dropped| dropped.cause.clone()).collect();
    assert_eq!(causes, ["the exporter panicked", "Operation failed: full"]);
}

#[test]
fn panicking_callback_does_not_stop_the_export() {
    let own = Own::new(|number| match number {
        0 => Err(OTelSdkError::InternalFailure("full".to_owned())),
        _ => Ok(()),
    });
    let (otlp, guard) = patient().exporter(own.clone()).on_drop(|dropped| panic!("{dropped}")).build().unwrap();
    end(&otlp, 0..1);
    otlp.flush().unwrap_err();
    end(&otlp, 1..3);
    otlp.flush().unwrap();
    assert_eq!(own.batches(), [names(0..1), names(1..3)]);
    assert_eq!((otlp.stats().exported, otlp.stats().rejected), (2, 1));
    drop(guard);
}

#[test]
fn panicking_callback_at_shutdown_is_contained() {
    let receiver = Receiver::start(|_, _| Answer::status("503 Service Unavailable", "retry-after: 100\r\n"));
    let builder = Otlp::builder().endpoint(receiver.url()).queue(1).flush_timeout(Duration::from_millis(50));
    let (otlp, guard) = builder.on_drop(|dropped| panic!("{dropped}")).build().unwrap();
    end(&otlp, 0..1);
    receiver.next();
    end(&otlp, 1..3);
    drop(guard);
    assert_eq!((otlp.stats().queue_full, otlp.stats().dropped()), (1, 3));
}

#[test]
fn unsampled_spans_are_neither_exported_nor_dropped() {
    let own = Own::new(|_| Ok(()));
    let (otlp, guard, heard) = build(patient().exporter(own.clone()).sampler(Sampler::AlwaysOff));
    end(&otlp, 0..3);
    drop(guard);
    assert_eq!((own.batches(), by_reason(&heard)), (vec![], vec![]));
    assert_eq!((otlp.stats().exported, otlp.stats().dropped()), (0, 0));
}
