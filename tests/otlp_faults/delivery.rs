//! Delivery to a working receiver.

use std::collections::BTreeMap;

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use otel_trace::otlp::{Compression, Protocol};
use tracing_subscriber::prelude::*;

use crate::collector::{Collector, attributes};
use crate::program::{build, patient_builder};

fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn check_delivery(protocol: Protocol, compression: Option<Compression>) {
    let collector = Collector::start(protocol);
    let builder = patient_builder()
        .endpoint(collector.url())
        .protocol(protocol)
        .compression(compression)
        .service_name("shop")
        .resource_attributes([KeyValue::new("deployment.environment.name", "test")]);
    let (otlp, guard, _) = build(builder);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(otlp.layer()), || {
        let outer = tracing::info_span!("request", http.request.method = "GET", otel.kind = "server").entered();
        tracing::info_span!("query", db.rows = 7, db.cached = false).in_scope(|| {});
        drop(outer);
    });
    drop(guard);

    let spans = collector.spans();
    let [query, request] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!([&query.span().name, &request.span().name], ["query", "request"]);
    assert_eq!(query.span().parent_span_id, request.span().span_id);
    assert_eq!(query.span().trace_id, request.span().trace_id);
    assert_eq!((query.span().kind(), request.span().kind()), (SpanKind::Internal, SpanKind::Server));
    assert_eq!(attributes(&query.span().attributes), map([("db.cached", "false"), ("db.rows", "7")]));
    assert_eq!(attributes(&request.span().attributes), map([("http.request.method", "GET")]));
    let resource = map([
        ("deployment.environment.name", "test"),
        ("service.name", "shop"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "opentelemetry"),
    ]);
    let mut found = attributes(request.resource_attrs());
    assert!(found.remove("telemetry.sdk.version").is_some());
    assert_eq!(found, resource);
    assert_eq!((otlp.stats().exported, otlp.stats().dropped()), (2, 0));
    collector.stop();
}

#[test]
fn spans_arrive_complete_over_http() {
    for compression in [None, Some(Compression::Gzip), Some(Compression::Zstd)] {
        check_delivery(Protocol::HttpProtobuf, compression);
    }
}

#[test]
fn spans_arrive_complete_over_grpc() {
    for compression in [None, Some(Compression::Gzip), Some(Compression::Zstd)] {
        check_delivery(Protocol::Grpc, compression);
    }
}

#[test]
fn wire_logs_of_rig_are_not_exported() {
    let collector = Collector::start(Protocol::HttpProtobuf);
    let (otlp, guard, _) = build(patient_builder().endpoint(collector.url()));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(otlp.layer()), || {
        tracing::info_span!("request").in_scope(|| {
            tracing::trace!(target: "rig::completions", "OpenAI request: {}", "a secret");
            tracing::info!("retried");
        });
    });
    drop(guard);
    let spans = collector.spans();
    let [request] = &spans[..] else { panic!("{spans:?}") };
    let events: Vec<_> = request.span().events.iter().map(|event| &event.name).collect();
    assert_eq!(events, ["retried"]);
    collector.stop();
}

#[test]
fn burst_of_thousands_arrives_complete() {
    let collector = Collector::start(Protocol::HttpProtobuf);
    let (otlp, guard, _) = build(patient_builder().endpoint(collector.url()));
    crate::program::emit_spans(&otlp, 0..20_000);
    drop(guard);
    assert_eq!(collector.names(), crate::program::names(0..20_000));
    assert_eq!((otlp.stats().exported, otlp.stats().dropped()), (20_000, 0));
    collector.stop();
}
