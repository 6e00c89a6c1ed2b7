//! It matters neither which runtime the program has, nor that it has one.

use otel_trace::otlp::{Otlp, OtlpBuilder, Protocol};
use tokio::runtime::Builder;

use crate::collector::Collector;
use crate::program::{build, end, names};

fn grpc(collector: &Collector) -> OtlpBuilder {
    Otlp::builder().endpoint(collector.url()).protocol(Protocol::Grpc)
}

#[test]
fn without_any() {
    let collector = Collector::start(Protocol::Grpc);
    let (otlp, guard, _) = build(grpc(&collector));
    end(&otlp, 0..3);
    drop(guard);
    assert_eq!(collector.names(), names(0..3));
    collector.stop();
}

#[test]
fn in_one_with_a_single_thread_that_never_rests() {
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
fn after_the_end_of_the_one_it_was_set_up_in() {
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
