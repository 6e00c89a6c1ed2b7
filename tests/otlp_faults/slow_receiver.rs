//! Receivers that are slow or never respond.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer};
use otel_trace::otlp::{DropReason, Otlp, Protocol};

use crate::collector::Collector;
use crate::gate::Gate;
use crate::program::{build, by_reason, emit_spans, names, patient_builder};
use crate::receiver::{Receiver, Request, Response};

const QUEUE: usize = 8;

#[test]
fn spans_arrive_although_the_receiver_is_slow() {
    let gate = Gate::new();
    let held = Arc::clone(&gate);
    let receiver = Receiver::start(move |_, _| Response::Held(Arc::clone(&held)));
    let (otlp, guard, drops) = build(patient_builder().endpoint(receiver.url()).queue(QUEUE));
    emit_spans(&otlp, 0..QUEUE);
    let first = receiver.next();
    emit_spans(&otlp, QUEUE..2 * QUEUE);
    assert_eq!(otlp.stats().exported, 0, "the receiver has not answered yet");

    gate.open();
    otlp.flush().unwrap();
    drop(guard);
    assert_eq!((first.spans(), receiver.next().spans()), (names(0..QUEUE), names(QUEUE..2 * QUEUE)));
    assert_eq!((otlp.stats().exported, otlp.stats().dropped()), (16, 0));
    assert_eq!(by_reason(&drops), []);
}

#[test]
fn full_queue_and_shutdown_drop_spans_while_receiver_hangs() {
    let gate = Gate::new();
    let held = Arc::clone(&gate);
    let receiver = Receiver::start(move |_, _| Response::Held(Arc::clone(&held)));
    let builder = Otlp::builder().endpoint(receiver.url()).queue(QUEUE).flush_timeout(Duration::from_millis(50));
    let (otlp, guard, drops) = build(builder);
    emit_spans(&otlp, 0..QUEUE);
    receiver.next();
    emit_spans(&otlp, 0..100);
    let stats = otlp.stats();
    assert_eq!((stats.queue_full, stats.dropped()), (92, 92));

    // The receiver still holds the first message.
    drop(guard);
    let stats = otlp.stats();
    assert_eq!((stats.exported, stats.queue_full, stats.shut_down, stats.dropped()), (0, 92, 16, 108));
    assert_eq!(by_reason(&drops), [(DropReason::QueueFull, 92), (DropReason::ShutDown, 16)]);

    // A response after shutdown changes nothing.
    gate.open();
    assert_eq!(otlp.stats(), stats);
    assert_eq!(receiver.rest(), []);
}

#[test]
fn queue_is_bounded_in_bytes() {
    const MIB: usize = 1 << 20;
    let gate = Gate::new();
    let held = Arc::clone(&gate);
    let receiver = Receiver::start(move |_, _| Response::Held(Arc::clone(&held)));
    let (otlp, guard, drops) = build(patient_builder().endpoint(receiver.url()));
    let tracer = otlp.tracer();
    for number in 0..70 {
        tracer.start(number.to_string()).set_attribute(KeyValue::new("text", "x".repeat(MIB)));
    }
    assert_eq!((otlp.stats().queue_full, otlp.stats().dropped()), (7, 7));

    gate.open();
    otlp.flush().unwrap();
    emit_spans(&otlp, 70..71);
    drop(guard);
    let received: Vec<_> = receiver.rest().iter().flat_map(Request::spans).collect();
    assert_eq!(received, names((0..63).chain([70])));
    assert_eq!(by_reason(&drops), [(DropReason::QueueFull, 7)]);
}

#[test]
fn maximum_timeouts_are_accepted() {
    for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
        let collector = Collector::start(protocol);
        let builder = Otlp::builder().endpoint(collector.url()).protocol(protocol);
        let (otlp, guard, _) = build(builder.flush_timeout(Duration::MAX).timeout(Duration::MAX));
        emit_spans(&otlp, 0..1);
        otlp.flush().unwrap();
        emit_spans(&otlp, 1..2);
        drop(guard);
        assert_eq!(collector.names(), names(0..2));
        assert_eq!((otlp.stats().exported, otlp.stats().dropped()), (2, 0));
        collector.stop();
    }
}

#[test]
fn span_that_ends_after_shutdown_is_counted() {
    let receiver = Receiver::start(|_, _| Response::accepted());
    let (otlp, guard, _) = build(patient_builder().endpoint(receiver.url()));
    let late = otlp.tracer().start("late");
    emit_spans(&otlp, 0..1);
    drop(guard);
    drop(late);
    assert_eq!((otlp.stats().exported, otlp.stats().shut_down, otlp.stats().dropped()), (1, 1, 1));
    assert_eq!(receiver.rest().iter().flat_map(Request::spans).collect::<Vec<_>>(), names(0..1));
}

#[test]
fn flush_gives_up_while_the_receiver_hangs() {
    let gate = Gate::new();
    let held = Arc::clone(&gate);
    let receiver = Receiver::start(move |_, _| Response::Held(Arc::clone(&held)));
    let builder = Otlp::builder().endpoint(receiver.url()).flush_timeout(Duration::from_millis(50));
    let (otlp, guard, drops) = build(builder);
    emit_spans(&otlp, 0..1);
    let error = otlp.flush().unwrap_err().to_string();
    assert_eq!(error, "not all spans were exported within 50ms; the rest stay queued");
    assert_eq!(otlp.stats().dropped(), 0, "the span may still arrive");
    drop(guard);
    assert_eq!(by_reason(&drops), [(DropReason::ShutDown, 1)]);
    gate.open();
}

#[test]
fn silent_receiver_does_not_block_the_program() {
    for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let builder = Otlp::builder().endpoint(endpoint).protocol(protocol).queue(QUEUE);
        let (otlp, guard, drops) = build(builder.flush_timeout(Duration::from_millis(50)));
        emit_spans(&otlp, 0..QUEUE);
        let connection = listener.accept().unwrap();
        emit_spans(&otlp, 0..100);
        drop(guard);
        let expected = [(DropReason::QueueFull, 92), (DropReason::ShutDown, 16)];
        assert_eq!(by_reason(&drops), expected, "{protocol:?}");
        drop(connection);
    }
}
