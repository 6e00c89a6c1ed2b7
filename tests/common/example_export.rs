//! Runs an example that exports its spans while it records them, and exports the bundles that it leaves.

use mock_collector::{MockServer, Protocol, ServerHandle};
use opentelemetry_proto::tonic::trace::v1::Span;
use otel_trace::bundle::Reader;
use otel_trace::otlp::export::{ExportOptions, export};
use otel_trace::reduce::{Options, reduce};
use tokio::process::Command;

/// The spans that a receiver got of one execution of an example.
pub(crate) struct ExampleSpans {
    pub(crate) live: Vec<Span>,
    /// From the bundles, after the execution.
    pub(crate) exported: Vec<Span>,
}

/// Starts an OTLP receiver over HTTP. Returns it with its URL.
async fn receiver() -> (ServerHandle, String) {
    let server = MockServer::builder().protocol(Protocol::HttpBinary).start().await.expect("a receiver");
    let url = format!("http://{}", server.addr());
    (server, url)
}

/// Returns the spans that a receiver got.
async fn spans(server: &ServerHandle) -> Vec<Span> {
    server.with_collector(|collector| collector.spans().iter().map(|span| span.span().clone()).collect()).await
}

/// Runs an example, which must report on stderr only that it exports spans of the service `unknown_service:<program>`.
pub(crate) async fn run(mut command: Command, program: &str) -> ExampleSpans {
    let (server, url) = receiver().await;
    let root = tempfile::tempdir().expect("a directory");
    command.env("OTEL_TRACE_ROOT", root.path()).env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    let output = command.output().await.expect("the program runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let service = format!("unknown_service:{program}");
    assert_eq!(stderr, format!("otel-trace: exporting spans to {url}/v1/traces (http/protobuf, service {service})\n"));
    let live = spans(&server).await;

    let (server, url) = receiver().await;
    for bundle in root.path().read_dir().expect("bundles") {
        let reader = Reader::open(&bundle.expect("a bundle").path()).expect("a bundle");
        let graph = reduce(&reader, &Options::default()).expect("a graph").graph;
        let options = ExportOptions::new().endpoint(&url);
        let sent = tokio::task::spawn_blocking(move || export(&reader, &graph, &options, |_| {})).await;
        sent.expect("it ran").expect("it was sent");
    }
    ExampleSpans { live, exported: spans(&server).await }
}
