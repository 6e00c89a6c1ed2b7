//! Thousands of rollouts at once in one process: nothing is missing, and nothing is in another's bundle.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::thread;

use common::{Bundle, alone, graph, recorder, running};
use otel_trace::event::RolloutStatus;
use otel_trace::{AgentThread, Json, Model, Operation, Recorder, ThreadMeta, ToolCallMeta, Turn};
use serde_json::json;
use tracing::dispatcher::{Dispatch, with_default};
use tracing::{Instrument, Span, info_span};
use tracing_subscriber::prelude::*;

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// How many threads of the operating system, and how many rollouts each has open at once.
const THREADS: usize = 8;
const EACH: usize = 250;
const ROLLOUTS: usize = THREADS * EACH;

/// The events of a rollout: a turn with two calls of each kind, one of a handle and one of a plain span.
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

/// The calls of a turn, whose bodies all say which rollout they are of.
fn inference(turn: &Turn, id: &str) {
    let inference = turn.inference(MODEL);
    inference.request(Json(&json!({ "input": [{ "role": "user", "content": id }] })));
    inference.response(Json(&json!({ "output_items": [{ "role": "assistant", "content": id }] })));
    inference.complete();
}

fn tool(turn: &Turn, id: &str) {
    let tool = turn.tool_call(ToolCallMeta::new("n"));
    tool.output(id);
    tool.complete();
}

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

fn plain_tool(turn: &Span, id: &str) -> Span {
    info_span!(
        parent: turn,
        "tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "n",
        gen_ai.tool.call.result = id,
    )
}

fn check_stats(recorder: &Recorder) {
    let stats = recorder.stats();
    assert_eq!((stats.lost(), stats.late), (0, 0), "{stats:?}");
    let all = |each: u64| each * ROLLOUTS as u64;
    assert_eq!(stats.events, EVENTS.map(|(name, each)| (name, all(each))).into());
    let bodies = ["inference_request", "inference_response", "tool_result"];
    assert_eq!(stats.payloads, bodies.map(|name| (name, all(2))).into());
}

/// Every bundle is whole, is of another rollout, and has its own bodies alone.
fn check_bundles(root: &Path) {
    let paths: Vec<PathBuf> = root.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(paths.len(), ROLLOUTS);
    let check = |paths: &[PathBuf]| paths.iter().map(|path| check_bundle(path)).collect::<Vec<_>>();
    let (first, second) = paths.split_at(ROLLOUTS / 2);
    let ids = thread::scope(|scope| {
        let other = scope.spawn(|| check(first));
        let mut ids = check(second);
        ids.extend(other.join().unwrap());
        ids
    });
    let expected: BTreeSet<_> = (0..ROLLOUTS).map(name).collect();
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
}

fn check_bundle(path: &Path) -> String {
    let bundle = Bundle::read(path);
    for (name, count) in EVENTS {
        assert_eq!(bundle.all(name).len() as u64, count, "{name} in {}", path.display());
    }
    assert_eq!(bundle.lines.len() as u64, EVENTS.iter().map(|(_, count)| count).sum::<u64>());
    let id = bundle.one("thread_started")["thread_id"].as_str().unwrap();
    let fields = ["request_payload", "response_payload", "result_payload"];
    let named = bundle.lines.iter().flat_map(|line| fields.map(|field| &line["payload"][field]));
    let bodies: Vec<_> = named.filter(|body| body.is_object()).map(|body| bundle.body(body).to_string()).collect();
    assert_eq!(bodies.len(), 6);
    assert!(bodies.iter().all(|body| body.contains(id)), "{id}: {bodies:?}");
    let graph = graph(path);
    assert_eq!((running(&graph), graph.status), (0, RolloutStatus::Completed));
    assert_eq!([graph.turns.len(), graph.inference_calls.len(), graph.tool_calls.len()], [1, 2, 2]);
    assert_eq!(graph.diagnostics, []);
    id.to_owned()
}

/// None is part of another.
fn name(rollout: usize) -> String {
    format!("<{rollout}>")
}

#[test]
fn two_thousand_rollouts_that_are_open_at_once_in_several_threads_are_all_there() {
    let (root, recorder, guard) = recorder();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    let barrier = Barrier::new(THREADS);
    let rows: Vec<Vec<(String, AgentThread, Turn)>> = thread::scope(|scope| {
        let open = |row: usize| {
            let ids = (row * EACH..(row + 1) * EACH).map(name);
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
    assert_eq!(recorder.stats().events["thread_started"], ROLLOUTS as u64);
    assert!(!recorder.stats().events.contains_key("thread_ended"));
    // Every thread works in the rollouts that it did not start too: half of each in this one, half in the next.
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

/// One rollout of a task, whose calls are made by tasks of their own, once all rollouts are open.
async fn rollout(n: usize, all_open: Arc<tokio::sync::Barrier>) {
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
fn two_thousand_rollouts_of_tasks_are_all_there() {
    let root = alone("two_thousand_rollouts_of_tasks_are_all_there", |recorder, guard| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        let all_open = Arc::new(tokio::sync::Barrier::new(ROLLOUTS));
        let tasks: Vec<_> = (0..ROLLOUTS).map(|n| runtime.spawn(rollout(n, Arc::clone(&all_open)))).collect();
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
fn two_thousand_runs_of_a_framework_that_opens_no_thread_are_a_bundle_each() {
    let (root, recorder, guard) = recorder();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    // All open before the first of them ends.
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for row in 0..THREADS {
            let (subscriber, barrier) = (&subscriber, &barrier);
            scope.spawn(move || {
                with_default(subscriber, || {
                    let roots: Vec<_> = (row * EACH..(row + 1) * EACH).map(|n| (name(n), info_span!("run"))).collect();
                    roots.iter().for_each(|(id, root)| plain_tool(root, id).in_scope(|| {}));
                    barrier.wait();
                    roots.iter().for_each(|(id, root)| plain_inference(root, id));
                });
            });
        }
    });
    assert_eq!(recorder.stats().events["rollout_ended"], ROLLOUTS as u64, "before the shutdown");
    drop(guard);
    let paths: Vec<_> = root.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut ids = BTreeSet::new();
    for path in &paths {
        let bundle = Bundle::read(path);
        let result = bundle.body(&bundle.one("tool_call_ended")["result_payload"]);
        let id = result["response_item"]["output"].as_str().unwrap().to_owned();
        let asked = bundle.body(&bundle.one("inference_started")["request_payload"]);
        assert_eq!(asked["gen_ai.input.messages"][0]["parts"][0]["content"], id);
        assert_eq!(bundle.lines.len(), 10);
        ids.insert(id);
    }
    assert_eq!((paths.len(), ids.len()), (ROLLOUTS, ROLLOUTS));
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
}
