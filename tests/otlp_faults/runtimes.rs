//! Exporting works inside any runtime and without a runtime.

use std::thread;
use std::time::{Duration, Instant};

use otel_trace::otlp::{OtlpBuilder, Protocol};
use tokio::runtime::Builder;
use tracing::dispatcher::{self, Dispatch};
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::prelude::*;

use crate::collector::Collector;
use crate::common::{child, role};
use crate::program::{build, emit_spans, names, patient_builder};

fn grpc(collector: &Collector) -> OtlpBuilder {
    patient_builder().endpoint(collector.url()).protocol(Protocol::Grpc)
}

#[test]
fn export_works_without_a_runtime() {
    let collector = Collector::start(Protocol::Grpc);
    let (otlp, guard, _) = build(grpc(&collector));
    emit_spans(&otlp, 0..3);
    drop(guard);
    assert_eq!(collector.names(), names(0..3));
    collector.stop();
}

#[test]
fn export_works_inside_a_blocked_runtime() {
    let collector = Collector::start(Protocol::Grpc);
    let runtime = Builder::new_current_thread().build().unwrap();
    // This task never awaits, so nothing else can run on this runtime.
    runtime.block_on(async {
        let (otlp, guard, _) = build(grpc(&collector));
        emit_spans(&otlp, 0..3);
        otlp.flush().unwrap();
        emit_spans(&otlp, 3..5);
        drop(guard);
    });
    assert_eq!(collector.names(), names(0..5));
    collector.stop();
}

#[test]
fn export_outlives_the_runtime_it_was_built_in() {
    let collector = Collector::start(Protocol::Grpc);
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (otlp, guard, _) = runtime.block_on(async { build(grpc(&collector)) });
    runtime.block_on(async { emit_spans(&otlp, 0..3) });
    drop(runtime);
    emit_spans(&otlp, 3..5);
    drop(guard);
    assert_eq!(collector.names(), names(0..5));
    collector.stop();
}

/// Returns `true` if no thread has a scoped dispatcher, which would slow down all spans of the program.
///
/// `tracing` does not publish the number of scoped dispatchers, but while there is one, a nested `get_default` finds no
/// subscriber.
fn no_thread_overrides_dispatcher() -> bool {
    dispatcher::get_default(|_| dispatcher::get_default(|inner| !inner.is::<NoSubscriber>()))
}

#[test]
fn idle_export_thread_overrides_no_dispatcher() {
    if role().is_none() {
        let output = child("runtimes::idle_export_thread_overrides_no_dispatcher", "program").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    tracing_subscriber::registry().init();
    let override_guard = dispatcher::set_default(&Dispatch::none());
    assert!(!no_thread_overrides_dispatcher());
    drop(override_guard);
    assert!(no_thread_overrides_dispatcher());
    let collector = Collector::start(Protocol::Grpc);
    let (otlp, guard, _) = build(grpc(&collector));
    emit_spans(&otlp, 0..3);
    otlp.flush().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !no_thread_overrides_dispatcher() {
        assert!(Instant::now() < deadline, "a thread keeps its scoped dispatcher");
        thread::yield_now();
    }
    drop(guard);
    collector.stop();
}
