//! The span tree that a viewer draws for a run of two processes, exported live and from its bundles.

use mock_collector::{MockServer, Protocol, ServerHandle};
use opentelemetry_proto::tonic::trace::v1::Span;
use otel_trace::otlp::Otlp;
use otel_trace::{AgentThread, Json, Model, Operation, Recorder, ThreadMeta, ToolCallMeta};
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use crate::common::{child, role};
use crate::family::otel_trace;
use crate::trace_tree::{Drawing, assert_drawn};

/// The test function that runs as parent and as child process.
const PROCESS: &str = "trace_views::process_role";

/// Records and exports a thread with an inference call and a tool call, inside which `work` runs.
fn record(name: &str, work: impl FnOnce(&otel_trace::ToolCall)) {
    let (recorder, _recording) = Recorder::from_env().unwrap().unwrap();
    let (otlp, _exporting) = Otlp::from_env().unwrap().unwrap();
    let bridge = otlp.bridge(&recorder).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(bridge).with(recorder.layer().with_filter(recorder.filter())).init();
    let thread = AgentThread::start(ThreadMeta::new().agent_name(name));
    let turn = thread.turn(None);
    let inference = turn.inference(Model { name: "m", provider: "p" });
    inference.request(Json(&json!({ "input": [] })));
    let call = json!({ "type": "function_call", "call_id": "call_1", "name": "delegate", "arguments": "{}" });
    inference.response(Json(&json!({ "response_id": "resp_1", "output_items": [call] })));
    inference.complete();
    let tool = turn.tool_call(ToolCallMeta::new("delegate").id("call_1"));
    work(&tool);
    tool.complete();
}

#[test]
fn process_role() {
    match role().as_deref() {
        Some("parent") => record("parent", |tool| {
            let process = tool.child_process();
            let mut command = child(PROCESS, "child");
            command.envs(process.env());
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }),
        Some("child") => record("child", |_| {}),
        Some(unknown) => panic!("unknown role {unknown:?}"),
        None => {}
    }
}

async fn receiver() -> (ServerHandle, String) {
    let server = MockServer::builder().protocol(Protocol::HttpBinary).start().await.unwrap();
    let url = format!("http://{}", server.addr());
    (server, url)
}

async fn drawn(server: ServerHandle) -> Drawing {
    let spans: Vec<Span> =
        server.with_collector(|collector| collector.spans().iter().map(|span| span.span().clone()).collect()).await;
    server.shutdown().await.unwrap();
    let mut drawings = assert_drawn(&spans);
    assert_eq!(drawings.len(), 1, "both processes are in one trace");
    drawings.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn run_of_two_processes_is_one_tree() {
    let root = tempfile::tempdir().unwrap();
    let (server, url) = receiver().await;
    let mut parent = child(PROCESS, "parent");
    parent.env("OTEL_TRACE_ROOT", root.path()).env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    let output = tokio::task::spawn_blocking(move || parent.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let live = drawn(server).await;
    assert_eq!(live.lines.len(), 8, "{live:?}");
    assert_eq!(live.levels(), 6, "the child is below the parent's tool call: {live:?}");

    let (server, url) = receiver().await;
    let path = root.path().to_str().unwrap().to_owned();
    let output = tokio::task::spawn_blocking(move || otel_trace(&["export", &path, "--endpoint", &url]));
    let output = output.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(drawn(server).await.lines, live.lines);
}
