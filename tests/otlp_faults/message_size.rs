//! The size of gRPC messages, which is at most 4 MiB by default.

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer};
use otel_trace::otlp::{DropReason, Protocol};

use crate::collector::Collector;
use crate::program::{build, by_reason, names, patient_builder};

const MIB: usize = 1 << 20;

#[test]
fn grpc_messages_stay_below_the_size_limit() {
    let collector = Collector::start(Protocol::Grpc);
    let builder = patient_builder().endpoint(collector.url()).protocol(Protocol::Grpc);
    let (otlp, guard, drops) = build(builder);
    let tracer = otlp.tracer();
    for number in 0..10 {
        let size = if number == 4 { 5 * MIB } else { MIB };
        tracer.start(number.to_string()).set_attribute(KeyValue::new("text", "x".repeat(size)));
    }
    drop(guard);
    assert_eq!(collector.names(), names((0..10).filter(|number| *number != 4)));
    assert_eq!((otlp.stats().exported, otlp.stats().dropped()), (9, 1));
    assert_eq!(by_reason(&drops), [(DropReason::TooLarge, 1)]);
    collector.stop();
}
