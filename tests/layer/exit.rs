//! Tests of process exits with open spans: the log reduces, with operations that are running or aborted.

use std::process::{Output, exit};
use std::sync::{Mutex, mpsc};
use std::thread;

use otel_trace::event::{ExecutionStatus, RolloutStatus};
use otel_trace::graph::Graph;
use otel_trace::{
    AgentThread, CodeCellMeta, Inference, Json, Model, Operation, Recorder, RecorderGuard, ThreadMeta, ToolCall,
    ToolCallMeta, Turn,
};
use serde_json::json;
use tempfile::TempDir;
use tracing::span::EnteredSpan;
use tracing::{Span, info_span};
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, bundles, child, count_running, graph, role, wait_until};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// Handles and spans that are not dropped when `main` returns.
static LEAKED: Mutex<Vec<OpenOperations>> = Mutex::new(Vec::new());

thread_local! {
    static ENTERED: Mutex<Vec<EnteredSpan>> = const { Mutex::new(Vec::new()) };
}

/// Open handles and spans, optionally with the guard of the recorder.
struct OpenOperations {
    _guard: Option<RecorderGuard>,
    _handles: Vec<(AgentThread, Turn, Inference, ToolCall)>,
    _spans: Vec<Span>,
}

/// Opens a thread, a turn and operations inside it, once with typed handles and once with plain spans.
fn open_everything() -> OpenOperations {
    let thread = AgentThread::start(ThreadMeta::new().id("handles"));
    let turn = thread.turn(None);
    let inference = turn.inference(MODEL);
    inference.request(Json(&json!({ "input": [] })));
    let tool = turn.tool_call(ToolCallMeta::new("n"));
    tool.runtime_started(Json(&json!({})));
    std::mem::forget(turn.code_cell(CodeCellMeta::new("run()")));
    let span = info_span!("thread", otel_trace.kind = "thread", gen_ai.conversation.id = "spans");
    let inner = span.in_scope(|| info_span!("turn", otel_trace.kind = "turn", otel_trace.turn.id = "u"));
    let chat = inner.in_scope(|| {
        info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = "[]", gen_ai.request.model = "m")
    });
    chat.in_scope(|| {});
    let plain = inner.in_scope(|| info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.name = "n"));
    plain.in_scope(|| {});
    OpenOperations {
        _guard: None,
        _handles: vec![(thread, turn, inference, tool)],
        _spans: vec![span, inner, chat, plain],
    }
}

/// Starts an operating system thread that never ends and stays inside a span.
fn park_in_a_span() {
    let (entered, wait) = mpsc::channel();
    thread::spawn(move || {
        let span = info_span!("tool", otel_trace.kind = "tool").entered();
        ENTERED.with(|entered| entered.lock().unwrap().push(span));
        entered.send(()).unwrap();
        loop {
            thread::park();
        }
    });
    wait.recv().unwrap();
}

/// Runs the program of a child process with this role. Three bundles are open when it ends, whatever the role.
fn program(role: &str) {
    let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
    let open = open_everything();
    park_in_a_span();
    match role {
        "exit" => exit(7),
        "exit after the recording" => {
            drop(guard);
            exit(7)
        }
        "exit from another thread" => {
            // This thread stays inside a span meanwhile.
            let _entered = open._spans[0].enter();
            drop(thread::spawn(|| exit(7)));
            loop {
                thread::park();
            }
        }
        "abort" => std::process::abort(),
        "return" => LEAKED.lock().unwrap().push(OpenOperations { _guard: Some(guard), ..open }),
        "return after the recording" => {
            drop(guard);
            LEAKED.lock().unwrap().push(open);
        }
        // The spans are dropped with the thread-local storage, after the guard.
        "return with the last handles in a thread's storage" => {
            for span in open._spans {
                ENTERED.with(|entered| entered.lock().unwrap().push(span.entered()));
            }
        }
        other => panic!("unknown role {other:?}"),
    }
}

/// Runs a child process with this role. Returns its output and the root directory of its recording.
fn run_child(role: &str) -> (Output, TempDir) {
    let root = tempfile::tempdir().unwrap();
    let mut child = child("exit::open_operations_at_process_exit_are_readable", role);
    let output = child.env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked") && !stderr.contains("otel-trace:"), "{role}: {stderr}");
    (output, root)
}

/// Checks the bundles of [`program`]: one of the handles, one of the spans, and one of the parked thread.
fn check(bundles: &[Bundle], role: &str, status: RolloutStatus) {
    let graphs: Vec<_> = bundles.iter().map(|bundle| graph(&bundle.path)).collect();
    assert_eq!(graphs.len(), 3, "{role}");
    let sum = |count: fn(&Graph) -> usize| graphs.iter().map(count).sum::<usize>();
    let counts = [
        sum(|graph| graph.threads.len()),
        sum(|graph| graph.turns.len()),
        sum(|graph| graph.inference_calls.len()),
        sum(|graph| graph.tool_calls.len()),
        sum(|graph| graph.code_cells.len()),
    ];
    assert_eq!(counts, [3, 3, 2, 3, 1], "{role}");
    let expected = if status == RolloutStatus::Running { counts.iter().sum() } else { 0 };
    assert_eq!(sum(count_running), expected, "{role}");
    for graph in &graphs {
        assert_eq!(graph.status, status, "{role}");
        let is_incomplete = |status: ExecutionStatus| status != ExecutionStatus::Completed;
        assert!(graph.turns.iter().all(|turn| is_incomplete(turn.execution.status)), "{role}");
        assert!(graph.tool_calls.iter().all(|tool| is_incomplete(tool.execution.status)), "{role}");
    }
}

#[test]
fn open_operations_at_process_exit_are_readable() {
    if let Some(role) = role() {
        return program(&role);
    }
    let (running, aborted) = (RolloutStatus::Running, RolloutStatus::Aborted);
    let roles = [
        ("exit", Some(7), running),
        ("exit after the recording", Some(7), aborted),
        ("exit from another thread", Some(7), running),
        ("abort", None, running),
        ("return", Some(0), running),
        ("return after the recording", Some(0), aborted),
    ];
    for (role, code, status) in roles {
        let (output, root) = run_child(role);
        assert_eq!(output.status.code(), code, "{role}");
        check(&bundles(root.path()), role, status);
    }
    // The guard is dropped before the spans here, at the end of its scope.
    let (output, root) = run_child("return with the last handles in a thread's storage");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(bundles(root.path()).len(), 3);
    for bundle in bundles(root.path()) {
        assert_eq!(crate::common::count_running(&graph(&bundle.path)), 0);
    }
}

#[test]
fn exit_amid_work_leaves_whole_lines() {
    if role().is_some() {
        let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
        tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
        for n in 0..4_u32 {
            thread::spawn(move || {
                loop {
                    let thread = AgentThread::start(ThreadMeta::new().id(&n.to_string()));
                    let turn = thread.turn(None);
                    let inference = turn.inference(MODEL);
                    inference.request(Json(&json!({ "input": [] })));
                    inference.response(Json(&json!({ "output_items": [] })));
                    drop(inference);
                    turn.span().in_scope(|| info_span!("tool", otel_trace.kind = "tool").in_scope(|| {}));
                }
            });
        }
        wait_until(|| recorder.stats().events.values().sum::<u64>() > 2_000);
        exit(7);
    }
    let root = tempfile::tempdir().unwrap();
    let mut child = child("exit::exit_amid_work_leaves_whole_lines", "amid work");
    let output = child.env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = 0;
    for entry in root.path().read_dir().unwrap() {
        let path = entry.unwrap().path();
        // A directory with a hidden name is an unfinished bundle.
        if !path.file_name().unwrap().as_encoded_bytes().starts_with(b".") {
            graph(&path);
            lines += std::fs::read_to_string(path.join("trace.jsonl")).unwrap().lines().count();
        }
    }
    assert!(lines > 2_000, "{lines}");
}
