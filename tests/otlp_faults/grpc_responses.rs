//! gRPC responses other than full success.

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use otel_trace::otlp::{DropReason, Protocol};
use tonic::{Code, Status};
use tracing_subscriber::filter::LevelFilter;

use crate::common::run_in_child;
use crate::grpc_receiver::GrpcReceiver;
use crate::program::{build, by_reason, emit_spans, names, patient_builder};

/// Sends three spans to a receiver that gives this first response and accepts the next message.
///
/// Returns how often the spans arrived, and the reported drops.
fn sent_after(first: Result<ExportTraceServiceResponse, Status>) -> (usize, Vec<(DropReason, u64)>) {
    let receiver = GrpcReceiver::start(move |number| match number {
        0 => first.clone(),
        _ => Ok(ExportTraceServiceResponse::default()),
    });
    let (otlp, guard, drops) = build(patient_builder().endpoint(receiver.url()).protocol(Protocol::Grpc));
    emit_spans(&otlp, 0..3);
    let _ = otlp.flush();
    drop(guard);
    let received = receiver.stop();
    assert!(received.iter().all(|received| received.spans == names(0..3)));
    let lost: u64 = by_reason(&drops).iter().map(|(_, count)| count).sum();
    assert_eq!(otlp.stats().exported, 3 - lost);
    (received.len(), by_reason(&drops))
}

#[test]
fn busy_receiver_is_retried() {
    for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Aborted, Code::Cancelled] {
        assert_eq!(sent_after(Err(Status::new(code, "later"))), (2, vec![]), "{code:?}");
    }
}

#[test]
fn refusing_receiver_is_not_retried() {
    for code in [Code::InvalidArgument, Code::Unauthenticated, Code::Unimplemented, Code::ResourceExhausted] {
        let expected = (1, vec![(DropReason::Rejected, 3)]);
        assert_eq!(sent_after(Err(Status::new(code, "no"))), expected, "{code:?}");
    }
}

#[test]
fn partially_rejected_spans_are_counted() {
    check_partial_rejection();
}

/// Partial rejections are read from events of the exporter, which a level filter of the program must not disable.
#[test]
fn rejected_spans_are_counted_with_events_disabled() {
    run_in_child("grpc_responses::rejected_spans_are_counted_with_events_disabled", || {
        tracing_subscriber::fmt().with_max_level(LevelFilter::OFF).init();
        check_partial_rejection();
    });
}

#[track_caller]
fn check_partial_rejection() {
    let partial = ExportTracePartialSuccess { rejected_spans: 2, error_message: "too old".to_owned() };
    let answer = ExportTraceServiceResponse { partial_success: Some(partial) };
    let receiver = GrpcReceiver::start(move |_| Ok(answer.clone()));
    let (otlp, guard, drops) = build(patient_builder().endpoint(receiver.url()).protocol(Protocol::Grpc));
    emit_spans(&otlp, 0..3);
    drop(guard);
    assert_eq!(receiver.stop().len(), 1);
    assert_eq!((otlp.stats().exported, otlp.stats().rejected, otlp.stats().dropped()), (1, 2, 2));
    let drops = drops.lock().unwrap();
    let [dropped] = &drops[..] else { panic!("{drops:?}") };
    let cause = Some("the receiver reported: too old".to_owned());
    assert_eq!((dropped.reason, dropped.count, &dropped.cause), (DropReason::Rejected, 2, &cause));
}
