//! It matters neither which runtime the program has, nor that it has one.

use std::thread;
use std::time::{Duration, Instant};

use otel_trace::otlp::{OtlpBuilder, Protocol};
use tokio::runtime::Builder;
use tracing::dispatcher::{self, Dispatch};
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::prelude::*;

use crate::collector::Collector;
use crate::common::{child, role};
use crate::program::{build, end, names, patient};

fn grpc(collector: &Collector) -> OtlpBuilder {
    patient().endpoint(collector.url()).protocol(Protocol::Grpc)
}

#[test]
fn export_works_without_a_runtime() {
    let collector = Collector::start(Protocol::Grpc);
    let (otlp, guard, _) = build(grpc(&collector));
    end(&otlp, 0..3);
    drop(guard);
    assert_eq!(collector.names(), names(0..3));
    collector.stop();
}

#[test]
fn export_works_inside_a_blocked_runtime() {
    let collector = Collector::start(Protocol::Grpc);
    let runtime = Builder::new_current_thread().build().unwrap();
    // Nothing here awaits: what needed this runtime would get no turn.
    runtime.block_on(async {
        let (otlp, guard, _) = build(grpc(&collector));
        end(&otlp, 0..3);
        otlp.flush().unwrap();
        end(&otlp, 3..5);
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
    runtime.block_on(async { end(&otlp, 0..3) });
    drop(runtime);
    end(&otlp, 3..5);
    drop(guard);
    assert_eq!(collector.names(), names(0..5));
    collector.stop();
}

/// Whether no thread has a subscriber of its own: each that has one makes all spans of the program slower. `tracing`
/// keeps the number to itself; where there is one, though, a look within a look finds nobody.
fn nobody_is_quiet() -> bool {
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
    let quiet = dispatcher::set_default(&Dispatch::none());
    assert!(!nobody_is_quiet());
    drop(quiet);
    assert!(nobody_is_quiet());
    let collector = Collector::start(Protocol::Grpc);
    let (otlp, guard, _) = build(grpc(&collector));
    end(&otlp, 0..3);
    otlp.flush().unwrap();
    let soon = Instant::now() + Duration::from_secs(30);
    while !nobody_is_quiet() {
        assert!(Instant::now() < soon, "a thread stays quiet");
        thread::yield_now();
    }
    drop(guard);
    collector.stop();
}
