//! Thousands of concurrent runs in one process: every event is recorded, and in the bundle of its own run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::thread;

use otel_trace::event::RolloutStatus;
use otel_trace::{AgentThread, Json, Model, Operation, Recorder, ThreadMeta, ToolCallMeta, Turn};
use serde_json::json;
use tracing::dispatcher::{Dispatch, with_default};
use tracing::{Instrument, Span, info_span};
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, count_running, graph, recorder, run_alone};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// Number of operating system threads.
const THREADS: usize = 8;

/// Number of runs that each OS thread keeps open at the same time.
const RUNS_PER_THREAD: usize = 250;
const RUNS: usize = THREADS * RUNS_PER_THREAD;

/// Number of events of a run by name: a turn with two inference calls and two tool calls, one of each by a handle and
/// one by a plain span.
const EVENTS: [(&str, u64); 10] = [
    ("rollout_started", 1),
    ("thread_started", 1),
    ("codex_turn_started", 1),
    ("inference_started", 2),
    ("inference_completed", 2),
    ("tool_call_started", 2),
    ("tool_call_ended", 2),
    ("codex_turn_ended", 1),
    ("thread_ended", 1),
    ("rollout_ended", 1),
];

/// Records an inference call with a handle. Its payloads contain the id of the run.
fn inference(turn: &Turn, id: &str) {
    let inference = turn.inference(MODEL);
    inference.request(Json(&json!({ "input": [{ "role": "user", "content": id }] })));
    inference.response(Json(&json!({ "output_items": [{ "role": "assistant", "content": id }] })));
    inference.complete();
}

/// Records a tool call with a handle.
fn tool(turn: &Turn, id: &str) {
    let tool = turn.tool_call(ToolCallMeta::new("n"));
    tool.output(id);
    tool.complete();
}

/// Records an inference call with a plain span.
fn plain_inference(turn: &Span, id: &str) {
    let messages = json!([{ "role": "user", "parts": [{ "type": "text", "content": id }] }]).to_string();
    info_span!(
        parent: turn,
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.input.messages = messages,
        gen_ai.output.messages = messages,
    )
    .in_scope(|| {});
}

/// Opens the span of a tool call.
fn plain_tool(turn: &Span, id: &str) -> Span {
    info_span!(
        parent: turn,
        "tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "n",
        gen_ai.tool.call.result = id,
    )
}

/// Checks that the statistics count every event and payload of all runs.
fn check_stats(recorder: &Recorder) {
    let stats = recorder.stats();
    assert_eq!((stats.lost(), stats.late), (0, 0), "{stats:?}");
    let all = |each: u64| each * RUNS as u64;
    assert_eq!(stats.events, EVENTS.map(|(name, each)| (name, all(each))).into());
    let bodies = ["inference_request", "inference_response", "tool_result"];
    assert_eq!(stats.payloads, bodies.map(|name| (name, all(2))).into());
}

/// Checks that there is a complete bundle for each run, with the payloads of this run alone.
fn check_bundles(root: &Path) {
    let paths: Vec<PathBuf> = root.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(paths.len(), RUNS);
    let check = |paths: &[PathBuf]| paths.iter().map(|path| check_bundle(path)).collect::<Vec<_>>();
    let (first, second) = paths.split_at(RUNS / 2);
    let ids = thread::scope(|scope| {
        let other = scope.spawn(|| check(first));
        let mut ids = check(second);
        ids.extend(other.join().unwrap());
        ids
    });
    let expected: BTreeSet<_> = (0..RUNS).map(name).collect();
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// Checks a bundle and returns the id of its run.
fn check_bundle(path: &Path) -> String {
    let bundle = Bundle::read(path);
    for (name, count) in EVENTS {
        assert_eq!(bundle.events(name).len() as u64, count, "{name} in {}", path.display());
    }
    assert_eq!(bundle.lines.len() as u64, EVENTS.iter().map(|(_, count)| count).sum::<u64>());
    let id = bundle.event("thread_started")["thread_id"].as_str().unwrap();
    let fields = ["request_payload", "response_payload", "result_payload"];
    let named = bundle.lines.iter().flat_map(|line| fields.map(|field| &line["payload"][field]));
    let bodies: Vec<_> =
        named.filter(|body| body.is_object()).map(|body| bundle.payload_json(body).to_string()).collect();
    assert_eq!(bodies.len(), 6);
    assert!(bodies.iter().all(|body| body.contains(id)), "{id}: {bodies:?}");
    let graph = graph(path);
    assert_eq!((count_running(&graph), graph.status), (0, RolloutStatus::Completed));
    assert_eq!([graph.turns.len(), graph.inference_calls.len(), graph.tool_calls.len()], [1, 2, 2]);
    assert_eq!(graph.diagnostics, []);
    id.to_owned()
}

/// Returns the id of a run. No id is part of another id.
fn name(run: usize) -> String {
    format!("<{run}>")
}

#[test]
fn concurrent_runs_of_several_threads_are_complete() {
    let (root, recorder, guard) = recorder();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    let barrier = Barrier::new(THREADS);
    let rows: Vec<Vec<(String, AgentThread, Turn)>> = thread::scope(|scope| {
        let open = |row: usize| {
            let ids = (row * RUNS_PER_THREAD..(row + 1) * RUNS_PER_THREAD).map(name);
            let start = |id: String| {
                let thread = AgentThread::start(ThreadMeta::new().id(&id));
                let turn = thread.turn(None);
                (id, thread, turn)
            };
            with_default(&subscriber, || ids.map(start).collect())
        };
        let threads: Vec<_> = (0..THREADS).map(|row| scope.spawn(move || open(row))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(recorder.stats().events["thread_started"], RUNS as u64);
    assert!(!recorder.stats().events.contains_key("thread_ended"));
    // Every thread records one half of the operations of its own runs, and the other half in the runs of the next thread.
    thread::scope(|scope| {
        for n in 0..THREADS {
            let (own, next) = (&rows[n], &rows[(n + 1) % THREADS]);
            let (subscriber, barrier) = (&subscriber, &barrier);
            scope.spawn(move || {
                barrier.wait();
                with_default(subscriber, || {
                    for ((own_id, _, own), (next_id, _, next)) in own.iter().zip(next) {
                        inference(own, own_id);
                        plain_inference(next.span(), next_id);
                        tool(next, next_id);
                        plain_tool(own.span(), own_id).in_scope(|| {});
                    }
                });
            });
        }
    });
    thread::scope(|scope| {
        rows.into_iter()
            .for_each(|row| drop(scope.spawn(move || row.into_iter().for_each(|row| drop((row.2, row.1))))));
    });
    check_stats(&recorder);
    drop(guard);
    check_bundles(root.path());
}

/// Records a run in an async task. Its operations are recorded by further tasks once all runs are open.
async fn run(n: usize, all_open: Arc<tokio::sync::Barrier>) {
    let id = name(n);
    let thread = AgentThread::start(ThreadMeta::new().id(&id));
    let turn = thread.turn(None);
    all_open.wait().await;
    let [for_inference, for_tool, for_spans] = std::array::from_fn(|_| (turn.clone(), id.clone()));
    let tasks = [
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            inference(&for_inference.0, &for_inference.1);
        }),
        tokio::spawn(async move {
            tool(&for_tool.0, &for_tool.1);
            tokio::task::yield_now().await;
        }),
        tokio::spawn(async move {
            let (turn, id) = for_spans;
            plain_inference(turn.span(), &id);
            tokio::task::yield_now().instrument(plain_tool(turn.span(), &id)).await;
        }),
    ];
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn concurrent_runs_of_async_tasks_are_complete() {
    let root = run_alone("concurrent_runs::concurrent_runs_of_async_tasks_are_complete", |recorder, guard| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        let all_open = Arc::new(tokio::sync::Barrier::new(RUNS));
        let tasks: Vec<_> = (0..RUNS).map(|n| runtime.spawn(run(n, Arc::clone(&all_open)))).collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        check_stats(&recorder);
        drop(guard);
        check_stats(&recorder);
    });
    if let Some(root) = root {
        check_bundles(root.path());
    }
}

#[test]
fn concurrent_runs_without_threads_get_a_bundle_each() {
    let (root, recorder, guard) = recorder();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    // All spans are open before the first run ends.
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for row in 0..THREADS {
            let (subscriber, barrier) = (&subscriber, &barrier);
            scope.spawn(move || {
                with_default(subscriber, || {
                    let roots: Vec<_> = (row * RUNS_PER_THREAD..(row + 1) * RUNS_PER_THREAD)
                        .map(|n| (name(n), info_span!("run")))
                        .collect();
                    roots.iter().for_each(|(id, root)| plain_tool(root, id).in_scope(|| {}));
                    barrier.wait();
                    roots.iter().for_each(|(id, root)| plain_inference(root, id));
                });
            });
        }
    });
    assert_eq!(recorder.stats().events["rollout_ended"], RUNS as u64, "before the shutdown");
    drop(guard);
    let paths: Vec<_> = root.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut ids = BTreeSet::new();
    for path in &paths {
        let bundle = Bundle::read(path);
        let result = bundle.payload_json(&bundle.event("tool_call_ended")["result_payload"]);
        let id = result["response_item"]["output"].as_str().unwrap().to_owned();
        let request = bundle.payload_json(&bundle.event("inference_started")["request_payload"]);
        assert_eq!(request["gen_ai.input.messages"][0]["parts"][0]["content"], id);
        assert_eq!(bundle.lines.len(), 10);
        ids.insert(id);
    }
    assert_eq!((paths.len(), ids.len()), (RUNS, RUNS));
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
}
