//! HTTP responses other than full success.

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use otel_trace::otlp::DropReason;
use prost::Message;

use crate::program::{build, by_reason, emit_spans, names, patient_builder};
use crate::receiver::{Receiver, Request, Response};

/// Checks that three spans are sent twice if the receiver gives this first response and accepts the next message.
#[track_caller]
fn assert_retried(first: fn() -> Response) {
    let receiver = Receiver::start(move |number, _| if number == 0 { first() } else { Response::accepted() });
    let (otlp, guard, drops) = build(patient_builder().endpoint(receiver.url()));
    emit_spans(&otlp, 0..3);
    otlp.flush().unwrap();
    drop(guard);
    let received: Vec<_> = receiver.rest().iter().map(Request::spans).collect();
    assert_eq!(received, [names(0..3), names(0..3)]);
    assert_eq!((otlp.stats().exported, otlp.stats().dropped()), (3, 0));
    assert_eq!(by_reason(&drops), []);
}

/// Checks that three spans are sent once if the receiver gives this response, and checks the counted and reported
/// drops.
#[track_caller]
fn assert_not_retried(
    answer: impl Fn() -> Response + Send + Sync + 'static,
    exported: u64,
    dropped: &[(DropReason, u64)],
    cause: Option<&str>,
) {
    let receiver = Receiver::start(move |_, _| answer());
    let (otlp, guard, drops) = build(patient_builder().endpoint(receiver.url()));
    emit_spans(&otlp, 0..3);
    drop(guard);
    let received: Vec<_> = receiver.rest().iter().map(Request::spans).collect();
    assert_eq!(received, [names(0..3)]);
    assert_eq!(otlp.stats().exported, exported);
    assert_eq!(by_reason(&drops), dropped);
    let drops = drops.lock().unwrap();
    assert_eq!(drops.first().and_then(|dropped| dropped.cause.as_deref()), cause);
}

#[test]
fn busy_receiver_is_retried() {
    assert_retried(|| Response::status("429 Too Many Requests", "retry-after: 1\r\n"));
    assert_retried(|| Response::status("503 Service Unavailable", "retry-after: 1\r\n"));
    assert_retried(|| Response::status("503 Service Unavailable", ""));
    assert_retried(|| Response::status("502 Bad Gateway", ""));
}

#[test]
fn invalid_response_is_retried() {
    assert_retried(|| Response::Bytes(b"\x00\x01\x02 not HTTP at all\r\n\r\n".to_vec()));
    assert_retried(|| Response::Bytes(b"HTTP/1.1 200".to_vec()));
    assert_retried(|| Response::Bytes(Vec::new()));
}

#[test]
fn truncated_response_after_success_is_not_retried() {
    assert_not_retried(|| Response::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut".to_vec()), 3, &[], None);
}

#[test]
fn json_response_is_accepted() {
    const JSON: &str = "content-type: application/json\r\n";
    assert_not_retried(|| Response::with_body("200 OK", JSON, b"{}"), 3, &[], None);
    assert_not_retried(|| Response::with_body("200 OK", JSON, b""), 3, &[], None);
    let partial = || {
        let answer = br#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#;
        Response::with_body("200 OK", "Content-Type: Application/JSON; charset=utf-8\r\n", answer)
    };
    assert_not_retried(partial, 1, &[(DropReason::Rejected, 2)], Some("the receiver reported: too old"));
}

#[test]
fn success_status_without_an_otlp_body_is_a_rejection() {
    let rejected = &[(DropReason::Rejected, 3)];
    let cause = Some("the response is not OTLP; the URL may belong to another server, such as a proxy");
    assert_not_retried(|| Response::with_body("200 OK", "", b"\xff\xff\xff no protobuf"), 0, rejected, cause);
    assert_not_retried(
        || Response::with_body("200 OK", "content-type: application/json\r\n", b"[]"),
        0,
        rejected,
        cause,
    );
    for head in ["content-type: text/html\r\n", "Content-Type: Text/HTML; charset=utf-8\r\n"] {
        for body in [&b"<html>Sign in</html>"[..], b""] {
            let answer = move || Response::with_body("200 OK", head, body);
            assert_not_retried(answer, 0, rejected, cause);
        }
    }
}

#[test]
fn refusing_receiver_is_not_retried() {
    let rejected = &[(DropReason::Rejected, 3)];
    let cause = |status| Some(status);
    let bad = "the receiver answered with HTTP status 400 Bad Request";
    assert_not_retried(|| Response::status("400 Bad Request", ""), 0, rejected, cause(bad));
    let moved = "the receiver answered with HTTP status 308 Permanent Redirect";
    assert_not_retried(
        || Response::status("308 Permanent Redirect", "location: /elsewhere\r\n"),
        0,
        rejected,
        cause(moved),
    );
}

#[test]
fn partially_rejected_spans_are_counted() {
    let answer = || {
        let partial = ExportTracePartialSuccess { rejected_spans: 2, error_message: "too old".to_owned() };
        let answer = ExportTraceServiceResponse { partial_success: Some(partial) };
        Response::with_body("200 OK", "content-type: application/x-protobuf\r\n", &answer.encode_to_vec())
    };
    assert_not_retried(answer, 1, &[(DropReason::Rejected, 2)], Some("the receiver reported: too old"));
}

#[test]
fn too_large_message_is_halved_until_it_fits() {
    const LIMIT: usize = 3000;
    let receiver = Receiver::start(|_, request| match request.body.len() {
        ..LIMIT => Response::accepted(),
        LIMIT.. => Response::status("413 Content Too Large", ""),
    });
    let (otlp, guard, drops) = build(patient_builder().endpoint(receiver.url()));
    let tracer = otlp.tracer();
    for number in 0..8 {
        let size = if number == 3 { 2 * LIMIT } else { LIMIT / 3 };
        let mut span = tracer.start(number.to_string());
        span.set_attribute(KeyValue::new("text", "x".repeat(size)));
    }
    drop(guard);
    let taken = receiver.rest().into_iter().filter(|request| request.body.len() < LIMIT);
    let taken: Vec<_> = taken.map(|request| request.spans()).collect();
    assert_eq!(taken, [names(0..2), names(2..3), names(4..6), names(6..8)]);
    assert_eq!((otlp.stats().exported, otlp.stats().too_large, otlp.stats().dropped()), (7, 1, 1));
    assert_eq!(by_reason(&drops), [(DropReason::TooLarge, 1)]);
}
