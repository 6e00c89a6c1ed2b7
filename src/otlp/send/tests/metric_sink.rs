//! Tests of `send::metric_sink`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use mock_collector::{MockCollector, MockServer, Protocol as ServerProtocol};

use crate::event::{EndDetail, ExecutionStatus};
use crate::otlp::live::pipeline::Otlp;
use crate::otlp::send::endpoint::Protocol;
use crate::otlp::span::facts::{SpanDetail, SpanFacts};

/// Records the duration of one inference call.
fn measure(otlp: &Otlp) {
    let facts = SpanFacts {
        bundle: None,
        object_id: "inference:1".into(),
        thread_id: "t".into(),
        conversation_id: None,
        turn_id: None,
        status: ExecutionStatus::Completed,
        error: None,
        end: EndDetail::default(),
        payload_ids: Vec::new(),
        detail: SpanDetail::Inference(Box::default()),
    };
    otlp.metrics().unwrap().record(&facts, Duration::from_secs(1));
}

async fn metrics_arrive(server_protocol: ServerProtocol, protocol: Protocol) {
    let server = MockServer::builder().protocol(server_protocol).start().await.unwrap();
    let endpoint = format!("http://{}", server.addr());
    let (otlp, guard) = Otlp::builder().endpoint(endpoint).protocol(protocol).build().unwrap();
    measure(&otlp);
    tokio::task::spawn_blocking(|| drop(guard)).await.unwrap();
    let names = |collector: &MockCollector| {
        collector.metrics().iter().map(|metric| metric.metric().name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(server.with_collector(names).await, ["gen_ai.client.operation.duration"]);
    assert_eq!(otlp.stats().metrics_failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_arrive_over_both_protocols() {
    metrics_arrive(ServerProtocol::HttpBinary, Protocol::HttpProtobuf).await;
    metrics_arrive(ServerProtocol::Grpc, Protocol::Grpc).await;
}

#[test]
fn failed_exports_of_metrics_are_counted() {
    let (otlp, guard) = Otlp::builder().endpoint("http://receiver.invalid:4318").build().unwrap();
    measure(&otlp);
    drop(guard);
    assert_eq!(otlp.stats().metrics_failed, 1);
}
