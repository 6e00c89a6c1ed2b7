//! Tests that disabled recording reads no clock and takes no lock.

use tracing::info_span;
use tracing_subscriber::Layer;
use tracing_subscriber::prelude::*;

use crate::bundle::{Exact, Json};
use crate::event::{ExecutionStatus, PayloadKind, READS, Usage};
use crate::layer::session::reentrancy::LOCKS;
use crate::layer::{AgentThread, CodeCellMeta, Model, Operation, Recorder, SpanExt, ThreadMeta, ToolCallMeta};

/// Runs an agent that uses every handle.
fn work() {
    let thread = AgentThread::start(ThreadMeta::new().id("t"));
    let turn = thread.turn(None);
    let inference = turn.inference(Model { name: "m", provider: "p" });
    inference.request(Exact(b"{}"));
    inference.first_token();
    inference.usage(Usage::default());
    inference.response(Json(&1));
    let other = inference.clone();
    other.complete();
    inference.complete();
    let tool = turn.tool_call(ToolCallMeta::new("n").id("call_1").arguments("{}"));
    tool.runtime_started(Json(&1));
    tool.runtime_ended(ExecutionStatus::Completed, Json(&1));
    tool.result(Json(&1));
    drop(tool.spawn_thread(ThreadMeta::new()));
    tool.complete();
    turn.code_cell(CodeCellMeta::new("run()")).complete();
    turn.compaction(Model { name: "m", provider: "p" }).complete();
    let plain = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = "[]");
    plain.otel_trace().record_payload(PayloadKind::InferenceResponse, Json(&1));
    plain.in_scope(|| info_span!("other").in_scope(|| {}));
    assert!(!thread.is_recording());
}

/// Returns the number of clock reads and of locks taken during `work`.
fn counted(work: impl FnOnce()) -> (u64, u64) {
    let now = || (READS.get(), LOCKS.get());
    let before = now();
    work();
    let after = now();
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn a_disabled_recorder_reads_no_clock_and_takes_no_lock() {
    let no_subscriber = tracing::subscriber::NoSubscriber::new();
    assert_eq!(tracing::subscriber::with_default(no_subscriber, || counted(work)), (0, 0));
    let no_layer = None::<Recorder>.map(|recorder| recorder.layer().with_filter(recorder.filter()));
    let off = tracing_subscriber::registry().with(no_layer);
    assert_eq!(tracing::subscriber::with_default(off, || counted(work)), (0, 0));
    // Check that the counters work at all.
    let root = tempfile::tempdir().expect("a directory");
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().expect("a recorder");
    let on = tracing_subscriber::registry().with(recorder.layer());
    let (clocks, locks) =
        tracing::subscriber::with_default(on, || counted(|| drop(AgentThread::start(ThreadMeta::new()))));
    assert!(clocks > 0 && locks > 0);
    drop(guard);
}
