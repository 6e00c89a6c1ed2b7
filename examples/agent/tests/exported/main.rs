//! Exports the spans of a run while it is recorded, and again from its bundle. An independent receiver gets equal spans
//! both times, and they form one tree.

#[path = "../../../../tests/common/trace_tree.rs"]
mod trace_tree;
mod trace_views;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use mock_collector::{MockServer, Protocol as Receives, ServerHandle};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use otel_trace::bundle::Reader;
use otel_trace::graph::Graph;
use otel_trace::otlp::Protocol;
use otel_trace::otlp::export::{ExportOptions, export};
use otel_trace::reduce::{Options, reduce};
use tempfile::TempDir;
use tokio::process::Command;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Starts a receiver for one protocol.
async fn receiver(protocol: Receives) -> Result<(ServerHandle, String)> {
    let server = MockServer::builder().protocol(protocol).start().await?;
    let url = format!("http://{}", server.addr());
    Ok((server, url))
}

async fn spans(server: &ServerHandle) -> Vec<Span> {
    server.with_collector(|collector| collector.spans().iter().map(|span| span.span().clone()).collect()).await
}

/// Creates a command that runs the agent against the embedded server and exports to `url` as it records.
fn agent(root: &Path, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-agent"));
    for name in ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_REASONING", "OPENAI_SCRIPTS"] {
        command.env_remove(name);
    }
    command.env("OTEL_TRACE_ROOT", root).env("OTEL_EXPORTER_OTLP_ENDPOINT", url);
    command.env("OTEL_SERVICE_NAME", "coder").stdin(Stdio::null());
    command
}

/// Returns the only bundle under a root.
fn bundle_in(root: &Path) -> Result<PathBuf> {
    let mut bundles = root.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    bundles.retain(|path| path.join("manifest.json").exists());
    ensure!(bundles.len() == 1, "{bundles:?}");
    bundles.pop().context("no bundle")
}

/// Records a complete run, exported below a span of a caller.
async fn record(url: &str, protocol: &str) -> Result<(TempDir, PathBuf)> {
    let root = tempfile::tempdir()?;
    let mut command = agent(root.path(), url);
    command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol).env("TRACEPARENT", CALLER);
    let output = command.output().await?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let path = if protocol == "grpc" { "" } else { "v1/traces" };
    let expected = format!("otel-trace: exporting spans to {url}/{path} ({protocol}, service coder)\n");
    let stdout = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && stderr == expected, "{stdout}\n{stderr}");
    let bundle = bundle_in(root.path())?;
    Ok((root, bundle))
}

/// Exports a bundle to a receiver, and returns what the receiver got.
async fn export_bundle(bundle: &Path, receives: Receives, protocol: Protocol) -> Result<Vec<Span>> {
    let (server, url) = receiver(receives).await?;
    let (reader, graph) = graph_of(bundle)?;
    let options = ExportOptions::new().endpoint(url).protocol(protocol).service_name("coder");
    let exported = tokio::task::spawn_blocking(move || export(&reader, &graph, &options, |_| {})).await??;
    let received = spans(&server).await;
    server.shutdown().await?;
    assert_eq!(exported.spans, received.len());
    Ok(received)
}

fn graph_of(bundle: &Path) -> Result<(Reader, Graph)> {
    let reader = Reader::open(bundle)?;
    let graph = reduce(&reader, &Options::default())?.graph;
    Ok((reader, graph))
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::ArrayValue(ArrayValue { values })) => {
            values.iter().map(|value| text(Some(value))).collect::<Vec<_>>().join(",")
        }
        other => format!("{other:?}"),
    }
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let attributes_by_key: BTreeMap<_, _> =
        attributes.iter().map(|it| (it.key.clone(), text(it.value.as_ref()))).collect();
    assert_eq!(attributes_by_key.len(), attributes.len(), "each key once: {attributes:?}");
    attributes_by_key
}

/// Returns the id of a span, and all its data that must be equal live and exported: everything except times and the
/// counters of the protocol.
fn comparable(span: &Span) -> (Vec<u8>, impl PartialEq + std::fmt::Debug + use<>) {
    let links: BTreeSet<_> = span
        .links
        .iter()
        .map(|link| (link.trace_id.clone(), link.span_id.clone(), attributes(&link.attributes)))
        .collect();
    let status = span.status.clone().unwrap_or_default();
    let comparable = (
        (span.trace_id.clone(), span.parent_span_id.clone(), span.name.clone(), span.kind),
        (status.code, status.message),
        attributes(&span.attributes),
        links,
        span.events.len(),
    );
    (span.span_id.clone(), comparable)
}

async fn check(receives: Receives, protocol: Protocol, name: &str) -> Result<()> {
    let (server, url) = receiver(receives).await?;
    let (_root, bundle) = record(&url, name).await?;
    let live = spans(&server).await;
    server.shutdown().await?;

    let afterwards = export_bundle(&bundle, receives, protocol).await?;
    let is_of_the_run = |span: &&Span| attributes(&span.attributes).contains_key("otel_trace.object_id");
    let others: Vec<_> = live.iter().filter(|span| !is_of_the_run(span)).map(|span| &span.name).collect();
    assert_eq!(others, Vec::<&String>::new(), "spans of the exporter are not exported");
    let live: BTreeMap<_, _> = live.iter().map(comparable).collect();
    let afterwards: BTreeMap<_, _> = afterwards.iter().map(comparable).collect();
    assert_eq!(live.keys().collect::<Vec<_>>(), afterwards.keys().collect::<Vec<_>>());
    for (id, live) in &live {
        assert_eq!(Some(live), afterwards.get(id), "live, then exported");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn run_matches_its_export_over_http() -> Result<()> {
    check(Receives::HttpBinary, Protocol::HttpProtobuf, "http/protobuf").await
}

#[tokio::test(flavor = "multi_thread")]
async fn run_matches_its_export_over_grpc() -> Result<()> {
    check(Receives::Grpc, Protocol::Grpc, "grpc").await
}

#[tokio::test(flavor = "multi_thread")]
async fn run_is_one_trace_with_all_objects_and_usage() -> Result<()> {
    let (server, url) = receiver(Receives::HttpBinary).await?;
    let (_root, bundle) = record(&url, "http/protobuf").await?;
    let live = spans(&server).await;
    let (_, graph) = graph_of(&bundle)?;
    let traces: BTreeSet<_> = live.iter().map(|span| span.trace_id.clone()).collect();
    assert_eq!(traces.len(), 1, "one trace, the one of the caller");
    let caller_trace_id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
    assert!(traces.iter().all(|trace| *trace == caller_trace_id));

    let objects = graph.threads.len() + graph.turns.len() + graph.inference_calls.len() + graph.tool_calls.len();
    let objects = objects + graph.code_cells.len() + graph.compaction_requests.len();
    assert_eq!(live.len(), objects);
    let ids: BTreeSet<_> = live.iter().map(|span| span.span_id.clone()).collect();
    let outside: Vec<_> = live.iter().filter(|span| !ids.contains(&span.parent_span_id)).map(|it| &it.name).collect();
    assert_eq!(outside, ["invoke_agent coder"], "all spans except the root have a parent");

    let sum = |key: &str| -> i64 {
        let all = live.iter().flat_map(|span| &span.attributes).filter(|it| it.key == key);
        let counts = all.filter_map(|it| {
            let Value::IntValue(count) = it.value.as_ref()?.value.as_ref()? else { return None };
            Some(*count)
        });
        counts.sum()
    };
    let used = [graph.totals.input_tokens, graph.totals.output_tokens].map(i64::try_from);
    assert_eq!([sum("gen_ai.usage.input_tokens"), sum("gen_ai.usage.output_tokens")].map(Ok), used);
    server.shutdown().await?;
    Ok(())
}
