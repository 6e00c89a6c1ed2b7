//! Asynchronous runtimes that go away with spans open. Each under a global subscriber, in a process of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::panic::panic_any;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use common::{Bundle, alone, bundles, graph, running, until};
use otel_trace::event::{ExecutionStatus, RolloutStatus};
use otel_trace::{AgentThread, Json, Model, Operation, Recorder, ThreadMeta, ToolCallMeta, Turn};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tracing::{Instrument, info_span, instrument};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };
const TASKS: usize = 100;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

/// A task with an inference call and a tool call of handles, and one of each of plain spans, that `then` leaves open.
async fn work(turn: Turn, then: impl Future<Output = ()>) {
    let inference = turn.inference(MODEL);
    inference.request(Json(&json!({ "input": [] })));
    let tool = turn.tool_call(ToolCallMeta::new("by handle"));
    let span = turn.span().clone();
    call_tool(then).instrument(span).await;
    drop((inference, tool));
}

#[instrument(skip_all, fields(gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "by span"))]
async fn call_tool(then: impl Future<Output = ()>) {
    let chat = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = "[]");
    then.instrument(chat).await;
}

/// So many tasks of [`work`], each stuck in the midst of its calls.
fn spawn_stuck(runtime: &Runtime, turn: &Turn, recorder: &Recorder) -> Vec<JoinHandle<()>> {
    let started = || ["inference_started", "tool_call_started"].map(|event| count(recorder, event));
    let all = started().map(|before| before + 2 * TASKS);
    let tasks = (0..TASKS).map(|_| runtime.spawn(work(turn.clone(), std::future::pending()))).collect();
    until(|| started() == all);
    tasks
}

fn count(recorder: &Recorder, event: &str) -> usize {
    recorder.stats().events.get(event).map_or(0, |count| usize::try_from(*count).unwrap())
}

/// Waits until every call of the stuck tasks was cancelled.
fn until_cancelled(recorder: &Recorder) {
    until(|| count(recorder, "inference_cancelled") == 2 * TASKS && count(recorder, "tool_call_ended") == 2 * TASKS);
}

/// The one bundle, whose calls all were cancelled.
fn check_cancelled(bundles: &[Bundle], rollout: RolloutStatus) {
    let [bundle] = bundles else { panic!("{} bundles", bundles.len()) };
    let graph = graph(&bundle.path);
    assert_eq!((running(&graph), graph.status), (0, rollout));
    assert_eq!((graph.inference_calls.len(), graph.tool_calls.len()), (2 * TASKS, 2 * TASKS));
    let calls = graph.inference_calls.iter().map(|call| call.execution.status);
    let tools = graph.tool_calls.iter().map(|tool| tool.execution.status);
    assert!(calls.chain(tools).all(|status| status == ExecutionStatus::Cancelled));
}

#[test]
fn a_runtime_that_is_dropped_cancels_what_its_tasks_were_at() {
    let root = alone("a_runtime_that_is_dropped_cancels_what_its_tasks_were_at", |recorder, guard| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let runtime = runtime();
        spawn_stuck(&runtime, &turn, &recorder);
        drop(runtime);
        let counts = ["inference_cancelled", "tool_call_ended"].map(|event| count(&recorder, event));
        assert_eq!(counts, [2 * TASKS; 2], "when the runtime is gone");
        drop((turn, thread, guard));
        assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    });
    if let Some(root) = root {
        check_cancelled(&bundles(root.path()), RolloutStatus::Completed);
    }
}

#[test]
fn tasks_that_are_aborted_cancel_what_they_were_at() {
    let root = alone("tasks_that_are_aborted_cancel_what_they_were_at", |recorder, guard| {
        let runtime = runtime();
        let thread = AgentThread::start(ThreadMeta::new());
        let tasks = spawn_stuck(&runtime, &thread.turn(None), &recorder);
        tasks.iter().for_each(JoinHandle::abort);
        for task in tasks {
            assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        }
        until_cancelled(&recorder);
        drop((thread, guard));
        assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    });
    if let Some(root) = root {
        check_cancelled(&bundles(root.path()), RolloutStatus::Completed);
    }
}

#[test]
fn a_runtime_that_outlives_the_recording_writes_nothing_more() {
    let root = alone("a_runtime_that_outlives_the_recording_writes_nothing_more", |recorder, guard| {
        let runtime = runtime();
        let thread = AgentThread::start(ThreadMeta::new());
        spawn_stuck(&runtime, &thread.turn(None), &recorder);
        drop(guard);
        let at_shutdown = recorder.stats().events;
        runtime.block_on(work(thread.turn(None), async {}));
        drop(runtime);
        assert_eq!(recorder.stats().events, at_shutdown);
        // A turn, an inference and a tool call of handles, the request, and one of each of plain spans.
        assert!(recorder.stats().late >= 5, "{:?}", recorder.stats());
    });
    if let Some(root) = root {
        check_cancelled(&bundles(root.path()), RolloutStatus::Aborted);
    }
}

#[test]
fn blocking_work_goes_on_when_its_runtime_is_shut_down_in_the_background() {
    let root = alone("blocking_work_goes_on_when_its_runtime_is_shut_down_in_the_background", |recorder, guard| {
        let runtime = runtime();
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let (go_on, is_told) = mpsc::channel::<()>();
        let (own, span) = (turn.tool_call(ToolCallMeta::new("by handle")), turn.span().clone());
        let blocking = move || {
            let _turn = span.entered();
            info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.result = "r").in_scope(|| {
                is_told.recv_timeout(Duration::from_secs(60)).unwrap();
                own.output("r");
            });
        };
        runtime.spawn_blocking(blocking);
        until(|| count(&recorder, "tool_call_started") == 2);
        spawn_stuck(&runtime, &turn, &recorder);
        runtime.shutdown_background();
        until(|| count(&recorder, "inference_cancelled") == 2 * TASKS);
        go_on.send(()).unwrap();
        until(|| count(&recorder, "tool_call_ended") == 2 * TASKS + 2);
        drop((turn, thread, guard));
        assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    });
    let Some(root) = root else { return };
    let bundle = &bundles(root.path())[0];
    let graph = graph(&bundle.path);
    let completed = graph.tool_calls.iter().filter(|tool| tool.execution.status == ExecutionStatus::Completed);
    assert_eq!((running(&graph), completed.count()), (0, 2), "those of the blocking work");
}

/// What is thrown. Nobody could make it anew.
#[derive(Debug, PartialEq, Eq)]
struct Planted(usize);

#[test]
fn a_task_that_panics_tells_its_runtime_as_ever() {
    let root = alone("a_task_that_panics_tells_its_runtime_as_ever", |recorder, guard| {
        let runtime = runtime();
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let throw = |n| async move {
            tokio::task::yield_now().await;
            panic_any(Planted(n))
        };
        let tasks: Vec<_> = (0..TASKS).map(|n| runtime.spawn(work(turn.clone(), throw(n)))).collect();
        for (n, task) in tasks.into_iter().enumerate() {
            let thrown = runtime.block_on(task).unwrap_err().into_panic();
            assert_eq!(thrown.downcast_ref::<Planted>(), Some(&Planted(n)));
        }
        until_cancelled(&recorder);
        turn.complete();
        drop((turn, thread, guard));
        assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    });
    if let Some(root) = root {
        check_cancelled(&bundles(root.path()), RolloutStatus::Completed);
    }
}

#[test]
fn a_future_that_is_dropped_cancels_its_call_wherever_it_had_come() {
    let root = alone("a_future_that_is_dropped_cancels_its_call_wherever_it_had_come", |recorder, guard| {
        let runtime = runtime();
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        // One that is never polled, and one that the runtime polls once and another thread drops.
        drop(work(turn.clone(), std::future::pending()));
        let (send, polled) = mpsc::channel();
        let mut stuck = Box::pin(work(turn.clone(), std::future::pending()));
        let poll_once = async move {
            std::future::poll_fn(|context| {
                assert!(stuck.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
            send.send(stuck).unwrap();
        };
        runtime.block_on(runtime.spawn(poll_once)).unwrap();
        let stuck = polled.recv().unwrap();
        std::thread::spawn(move || drop(stuck)).join().unwrap();
        assert_eq!(["inference_cancelled", "tool_call_ended"].map(|event| count(&recorder, event)), [2; 2]);
        drop((turn, thread, guard));
    });
    let Some(root) = root else { return };
    let graph = graph(&bundles(root.path())[0].path);
    assert_eq!((running(&graph), graph.inference_calls.len(), graph.tool_calls.len()), (0, 2, 2));
}
