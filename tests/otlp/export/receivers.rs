//! Exporting to the receiver of `mock-collector`, in this process, over both protocols.

use std::net::{IpAddr, Ipv4Addr};

use mock_collector::{MockServer, Protocol, ServerHandle};
use otel_trace::otlp::ContentPolicy;
use serde_json::{Value, json};

use crate::export::{CASES, Run, case, command, comparable, stderr, stdout};
use crate::trace_tree;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn start_receiver(protocol: Protocol) -> (ServerHandle, String) {
    let server = MockServer::builder().protocol(protocol).host(LOOPBACK).start().await.unwrap();
    let url = format!("http://{}", server.addr());
    (server, url)
}

/// Runs the export command. Returns the received spans and the printed trace ids.
async fn exported(server: &ServerHandle, args: Vec<String>) -> (Vec<Value>, Vec<String>) {
    let run = move || command(&args.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let spans = server.with_collector(|collector| {
        collector.spans().iter().map(|span| serde_json::to_value(span.span()).unwrap()).collect()
    });
    (spans.await, stdout(&output).lines().map(str::to_owned).collect())
}

fn args(name: &str, more: &[&str]) -> Vec<String> {
    let path = case(name);
    ["export", path.to_str().unwrap()].iter().chain(more).map(|&arg| arg.to_owned()).collect()
}

async fn check(protocol: Protocol, name: &str) {
    for (content, flag) in [(ContentPolicy::Omit, None), (ContentPolicy::Capture, Some("--content"))] {
        for case in CASES {
            let (server, url) = start_receiver(protocol).await;
            let options: Vec<_> = ["--endpoint", &url, "--protocol", name].into_iter().chain(flag).collect();
            let (spans, ids) = exported(&server, args(case, &options)).await;
            let expected = Run::open(&crate::export::case(case)).spans(content);
            assert_eq!(ids, [expected[0].span_context.trace_id().to_string()], "{case}");
            let received: Vec<_> = spans.iter().map(comparable::from_otlp_json).collect();
            assert_eq!(received, expected.iter().map(comparable::from_span_data).collect::<Vec<_>>(), "{case}");
            assert_drawn(&server).await;
            server.shutdown().await.unwrap();
        }
    }
}

/// Checks that a viewer draws what the receiver got as one tree.
async fn assert_drawn(server: &ServerHandle) {
    let spans: Vec<_> =
        server.with_collector(|collector| collector.spans().iter().map(|span| span.span().clone()).collect()).await;
    let drawings = trace_tree::assert_drawn(&spans);
    assert_eq!(drawings.len(), 1, "one bundle is one trace");
    assert!(drawings[0].levels() > 2, "a thread, a turn, and what happened in it: {drawings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_sent_over_http_match_the_library() {
    check(Protocol::HttpBinary, "http/protobuf").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_sent_over_grpc_match_the_library() {
    check(Protocol::Grpc, "grpc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_span_has_service_and_sdk_attributes() {
    let (server, url) = start_receiver(Protocol::HttpBinary).await;
    exported(&server, args("chat", &["--endpoint", &url, "--service", "my-agent"])).await;
    let resources = server.with_collector(|collector| {
        let resources = collector.spans().iter().map(|span| serde_json::to_value(span.resource_attrs()).unwrap());
        resources.collect::<Vec<_>>()
    });
    let resources = resources.await;
    let text = |value: &str| json!({ "stringValue": value });
    let expected = json!([
        { "key": "service.name", "value": text("my-agent") },
        { "key": "telemetry.sdk.language", "value": text("rust") },
        { "key": "telemetry.sdk.name", "value": text("opentelemetry") },
        { "key": "telemetry.sdk.version", "value": text("0.33.1") },
    ]);
    assert_eq!(resources.len(), 9);
    for mut resource in resources {
        // Attributes of a resource have no order.
        resource.as_array_mut().unwrap().sort_by_key(|attribute| attribute["key"].to_string());
        assert_eq!(resource, expected);
    }
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_bundles_of_a_root_are_sent() {
    let (server, url) = start_receiver(Protocol::HttpBinary).await;
    let root = case("").to_str().unwrap().to_owned();
    let args = ["export", &root, "--endpoint", &url].map(str::to_owned).to_vec();
    let (spans, ids) = exported(&server, args).await;
    let counts = CASES.map(|name| Run::open(&case(name)).spans(ContentPolicy::Omit).len());
    assert_eq!(spans.len(), counts.iter().sum::<usize>());
    assert_eq!(ids.len(), CASES.len());
    server.shutdown().await.unwrap();
}
