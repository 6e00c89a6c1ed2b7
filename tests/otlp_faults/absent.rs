//! It is not there.

use std::net::TcpListener;

use otel_trace::otlp::{DropReason, Protocol};

use crate::program::{build, by_reason, end, patient};
use crate::receiver::{Answer, Receiver};

/// An address on loopback where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[track_caller]
fn nothing_arrives(endpoint: &str, protocol: Protocol, cause: &str) {
    let (otlp, guard, heard) = build(patient().endpoint(endpoint).protocol(protocol));
    end(&otlp, 0..3);
    drop(guard);
    let stats = otlp.stats();
    assert_eq!((stats.exported, stats.unreachable, stats.dropped()), (0, 3, 3), "{protocol:?}");
    assert_eq!(by_reason(&heard), [(DropReason::Unreachable, 3)], "{protocol:?}");
    let heard = heard.lock().unwrap();
    let said = heard[0].cause.as_deref().unwrap();
    assert!(said.contains(cause), "{said}");
}

#[test]
fn refused_connection_drops_only_the_spans() {
    nothing_arrives(&nobody(), Protocol::HttpProtobuf, "refused");
    nothing_arrives(&nobody(), Protocol::Grpc, "refused");
}

#[test]
fn unresolvable_host_drops_only_the_spans() {
    nothing_arrives("http://receiver.invalid:4318", Protocol::HttpProtobuf, "failed to lookup address");
    nothing_arrives("http://receiver.invalid:4317", Protocol::Grpc, "failed to lookup address");
}

#[test]
fn receiver_that_goes_away_keeps_earlier_spans() {
    let receiver = Receiver::start(|number, _| match number {
        0 => Answer::taken(),
        _ => Answer::Bytes(Vec::new()),
    });
    let (otlp, guard, heard) = build(patient().endpoint(receiver.url()));
    end(&otlp, 0..5);
    otlp.flush().unwrap();
    end(&otlp, 5..7);
    drop(guard);
    let stats = otlp.stats();
    assert_eq!((stats.exported, stats.unreachable, stats.dropped()), (5, 2, 2));
    assert_eq!(by_reason(&heard), [(DropReason::Unreachable, 2)]);
}
