//! Receivers that cannot be reached.

use std::net::TcpListener;

use otel_trace::otlp::{DropReason, Protocol};

use crate::program::{build, by_reason, emit_spans, patient_builder};
use crate::receiver::{Receiver, Response};

/// Returns a loopback address where nothing listens.
fn unused_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[track_caller]
fn assert_unreachable(endpoint: &str, protocol: Protocol, cause: &str) {
    let (otlp, guard, drops) = build(patient_builder().endpoint(endpoint).protocol(protocol));
    emit_spans(&otlp, 0..3);
    drop(guard);
    let stats = otlp.stats();
    assert_eq!((stats.exported, stats.unreachable, stats.dropped()), (0, 3, 3), "{protocol:?}");
    assert_eq!(by_reason(&drops), [(DropReason::Unreachable, 3)], "{protocol:?}");
    let drops = drops.lock().unwrap();
    let message = drops[0].cause.as_deref().unwrap();
    assert!(message.contains(cause), "{message}");
}

#[test]
fn refused_connection_drops_only_the_spans() {
    assert_unreachable(&unused_address(), Protocol::HttpProtobuf, "refused");
    assert_unreachable(&unused_address(), Protocol::Grpc, "refused");
}

#[test]
fn unresolvable_host_drops_only_the_spans() {
    assert_unreachable("http://receiver.invalid:4318", Protocol::HttpProtobuf, "failed to lookup address");
    assert_unreachable("http://receiver.invalid:4317", Protocol::Grpc, "failed to lookup address");
}

#[test]
fn receiver_that_goes_away_keeps_earlier_spans() {
    let receiver = Receiver::start(|number, _| match number {
        0 => Response::accepted(),
        _ => Response::Bytes(Vec::new()),
    });
    let (otlp, guard, drops) = build(patient_builder().endpoint(receiver.url()));
    emit_spans(&otlp, 0..5);
    otlp.flush().unwrap();
    emit_spans(&otlp, 5..7);
    drop(guard);
    let stats = otlp.stats();
    assert_eq!((stats.exported, stats.unreachable, stats.dropped()), (5, 2, 2));
    assert_eq!(by_reason(&drops), [(DropReason::Unreachable, 2)]);
}
