//! The three-line set-up and the typed handles, end to end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use otel_trace::bundle::Reader;
use otel_trace::event::Event;
use otel_trace::{Call, ExecutionStatus, Json, Model, Recorder, Thread, ThreadMeta, Window};
use serde_json::json;
use tracing_subscriber::prelude::*;

#[test]
fn a_thread_of_typed_handles_leaves_a_bundle() {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).build().unwrap();
    let subscriber = tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter()));
    tracing::subscriber::with_default(subscriber, || {
        let thread = Thread::start(ThreadMeta::new().id("t-1").model("m", "p"));
        assert!(thread.is_recording());
        let turn = thread.turn(None);
        let inference = turn.inference(Model { name: "m", provider: "p" });
        inference.request(Json(&json!({ "input": [] })));
        inference.first_token();
        inference.response(Json(&json!({ "output_items": [] })));
        inference.completed();
        let tool = turn.tool(Call::new("exec_command").id("c-1").arguments("{}"));
        tool.runtime_started(Json(&json!({})));
        tool.runtime_ended(ExecutionStatus::Completed, Json(&json!({})));
        tool.output("ok");
        drop(tool);
    });
    drop(guard);
    let bundle = root.path().read_dir().unwrap().next().unwrap().unwrap().path();
    let reader = Reader::open(&bundle).unwrap();
    let events: Vec<_> = reader.lines().unwrap().map(|line| line.unwrap().content.unwrap().event).collect();
    let names: Vec<_> = events.iter().map(|event| event.kind().name()).collect();
    assert_eq!(
        names,
        [
            "rollout_started",
            "thread_started",
            "codex_turn_started",
            "inference_started",
            "inference_completed",
            "tool_call_started",
            "tool_call_runtime_started",
            "tool_call_runtime_ended",
            "tool_call_ended",
            "codex_turn_ended",
            "thread_ended",
            "rollout_ended",
        ]
    );
    assert!(matches!(&events[8], Event::ToolCallEnded(e) if e.status == ExecutionStatus::Completed));
    assert_eq!(recorder.stats().lost(), 0);
}
