//! Trace trees of genai's spans, live and exported.

#[path = "../../../tests/common/trace_tree.rs"]
mod trace_tree;

use mock_collector::{MockServer, Protocol as Receives, ServerHandle};
use opentelemetry_proto::tonic::trace::v1::Span;
use otel_trace::bundle::Reader;
use otel_trace::otlp::export::{ExportOptions, export};
use otel_trace::reduce::{Options, reduce};
use tokio::process::Command;

async fn receiver() -> (ServerHandle, String) {
    let server = MockServer::builder().protocol(Receives::HttpBinary).start().await.expect("a receiver");
    let url = format!("http://{}", server.addr());
    (server, url)
}

async fn spans(server: &ServerHandle) -> Vec<Span> {
    server.with_collector(|collector| collector.spans().iter().map(|span| span.span().clone()).collect()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_question_is_one_trace_tree() {
    let (server, url) = receiver().await;
    let root = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-genai"));
    command.env("OTEL_TRACE_ROOT", root.path()).env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    command.env("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true");
    let output = command.output().await.expect("the program runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let service = "unknown_service:example-genai";
    assert_eq!(stderr, format!("otel-trace: exporting spans to {url}/v1/traces (http/protobuf, service {service})\n"));
    let live = spans(&server).await;

    let (again, url) = receiver().await;
    for bundle in root.path().read_dir().expect("bundles") {
        let reader = Reader::open(&bundle.expect("a bundle").path()).expect("a bundle");
        let graph = reduce(&reader, &Options::default()).expect("a graph").graph;
        let options = ExportOptions::new().endpoint(&url);
        let sent = tokio::task::spawn_blocking(move || export(&reader, &graph, &options, |_| {})).await;
        sent.expect("it ran").expect("it was sent");
    }
    for received in [live, spans(&again).await] {
        let drawings = trace_tree::assert_drawn(&received);
        assert_eq!(drawings.len(), 3, "three questions");
        for drawing in drawings {
            assert_eq!(drawing.lines[0].0, 0);
            assert!(drawing.levels() > 1, "{drawing:?}");
        }
    }
}
