//! Tests of async runtimes that end with open spans, each under a global subscriber in a child process.

use std::panic::panic_any;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use otel_trace::event::{ExecutionStatus, RolloutStatus};
use otel_trace::{AgentThread, Json, Model, Operation, Recorder, ThreadMeta, ToolCallMeta, Turn};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tracing::{Instrument, info_span, instrument};

use crate::common::{Bundle, bundles, count_running, graph, run_alone, wait_until};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };
const TASKS: usize = 100;

/// Creates a runtime with two worker threads.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

/// Opens an inference call and a tool call, once with handles and once with plain spans, and awaits `then` inside them.
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

/// Spawns [`TASKS`] tasks of [`work`] and waits until all of them are pending with open operations.
fn spawn_pending(runtime: &Runtime, turn: &Turn, recorder: &Recorder) -> Vec<JoinHandle<()>> {
    let started = || ["inference_started", "tool_call_started"].map(|event| count(recorder, event));
    let all = started().map(|before| before + 2 * TASKS);
    let tasks = (0..TASKS).map(|_| runtime.spawn(work(turn.clone(), std::future::pending()))).collect();
    wait_until(|| started() == all);
    tasks
}

/// Returns the number of written events with this name.
fn count(recorder: &Recorder, event: &str) -> usize {
    recorder.stats().events.get(event).map_or(0, |count| usize::try_from(*count).unwrap())
}

/// Waits until every operation of the tasks has ended, its calls of a model with this event.
fn wait_until_ended(recorder: &Recorder, call_end: &str) {
    wait_until(|| count(recorder, call_end) == 2 * TASKS && count(recorder, "tool_call_ended") == 2 * TASKS);
}

/// Checks that there is one bundle, in which all operations of the tasks were cancelled.
fn check_cancelled(bundles: &[Bundle], rollout: RolloutStatus) {
    check_ended(bundles, rollout, ExecutionStatus::Cancelled);
}

/// Checks that there is one bundle, in which all operations of the tasks have this status.
fn check_ended(bundles: &[Bundle], rollout: RolloutStatus, expected: ExecutionStatus) {
    let [bundle] = bundles else { panic!("{} bundles", bundles.len()) };
    let graph = graph(&bundle.path);
    assert_eq!((count_running(&graph), graph.status), (0, rollout));
    assert_eq!((graph.inference_calls.len(), graph.tool_calls.len()), (2 * TASKS, 2 * TASKS));
    let calls = graph.inference_calls.iter().map(|call| call.execution.status);
    let tools = graph.tool_calls.iter().map(|tool| tool.execution.status);
    assert!(calls.chain(tools).all(|status| status == expected));
}

#[test]
fn dropped_runtime_cancels_the_operations_of_its_tasks() {
    let root = run_alone("runtimes::dropped_runtime_cancels_the_operations_of_its_tasks", |recorder, guard| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let runtime = runtime();
        spawn_pending(&runtime, &turn, &recorder);
        drop(runtime);
        let counts = ["inference_cancelled", "tool_call_ended"].map(|event| count(&recorder, event));
        assert_eq!(counts, [2 * TASKS; 2], "after the drop of the runtime");
        drop((turn, thread, guard));
        assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    });
    if let Some(root) = root {
        check_cancelled(&bundles(root.path()), RolloutStatus::Aborted);
    }
}

#[test]
fn aborted_tasks_cancel_their_operations() {
    let root = run_alone("runtimes::aborted_tasks_cancel_their_operations", |recorder, guard| {
        let runtime = runtime();
        let thread = AgentThread::start(ThreadMeta::new());
        let tasks = spawn_pending(&runtime, &thread.turn(None), &recorder);
        tasks.iter().for_each(JoinHandle::abort);
        for task in tasks {
            assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        }
        wait_until_ended(&recorder, "inference_cancelled");
        drop((thread, guard));
        assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    });
    if let Some(root) = root {
        check_cancelled(&bundles(root.path()), RolloutStatus::Aborted);
    }
}

#[test]
fn runtime_outliving_the_recording_writes_nothing() {
    let root = run_alone("runtimes::runtime_outliving_the_recording_writes_nothing", |recorder, guard| {
        let runtime = runtime();
        let thread = AgentThread::start(ThreadMeta::new());
        spawn_pending(&runtime, &thread.turn(None), &recorder);
        drop(guard);
        let at_shutdown = recorder.stats().events;
        runtime.block_on(work(thread.turn(None), async {}));
        drop(runtime);
        assert_eq!(recorder.stats().events, at_shutdown);
        // Late calls: a turn, an inference call, its request and a tool call by handles, and two plain spans.
        assert!(recorder.stats().late >= 5, "{:?}", recorder.stats());
    });
    if let Some(root) = root {
        check_cancelled(&bundles(root.path()), RolloutStatus::Aborted);
    }
}

#[test]
fn blocking_work_continues_after_a_background_shutdown() {
    let root = run_alone("runtimes::blocking_work_continues_after_a_background_shutdown", |recorder, guard| {
        let runtime = runtime();
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let (release, released) = mpsc::channel::<()>();
        let (own, span) = (turn.tool_call(ToolCallMeta::new("by handle")), turn.span().clone());
        let blocking = move || {
            let _turn = span.entered();
            info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.result = "r").in_scope(|| {
                released.recv_timeout(Duration::from_secs(60)).unwrap();
                own.output("r");
            });
        };
        runtime.spawn_blocking(blocking);
        wait_until(|| count(&recorder, "tool_call_started") == 2);
        spawn_pending(&runtime, &turn, &recorder);
        runtime.shutdown_background();
        wait_until(|| count(&recorder, "inference_cancelled") == 2 * TASKS);
        release.send(()).unwrap();
        wait_until(|| count(&recorder, "tool_call_ended") == 2 * TASKS + 2);
        drop((turn, thread, guard));
        assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    });
    let Some(root) = root else { return };
    let bundle = &bundles(root.path())[0];
    let graph = graph(&bundle.path);
    let completed = graph.tool_calls.iter().filter(|tool| tool.execution.status == ExecutionStatus::Completed);
    assert_eq!(
        (count_running(&graph), completed.count()),
        (0, 2),
        "the two tool calls of the blocking work are completed"
    );
}

/// The payload of a planted panic. Its type is private, so that no other code can create it.
#[derive(Debug, PartialEq, Eq)]
struct Planted(usize);

#[test]
fn panic_of_a_task_reaches_its_runtime_unchanged() {
    let root = run_alone("runtimes::panic_of_a_task_reaches_its_runtime_unchanged", |recorder, guard| {
        let runtime = runtime();
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let panic_later = |n| async move {
            tokio::task::yield_now().await;
            panic_any(Planted(n))
        };
        let tasks: Vec<_> = (0..TASKS).map(|n| runtime.spawn(work(turn.clone(), panic_later(n)))).collect();
        for (n, task) in tasks.into_iter().enumerate() {
            let payload = runtime.block_on(task).unwrap_err().into_panic();
            assert_eq!(payload.downcast_ref::<Planted>(), Some(&Planted(n)));
        }
        wait_until_ended(&recorder, "inference_failed");
        turn.complete();
        drop((turn, thread, guard));
        assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    });
    if let Some(root) = root {
        check_ended(&bundles(root.path()), RolloutStatus::Completed, ExecutionStatus::Failed);
    }
}

#[test]
fn future_dropped_at_any_point_cancels_its_call() {
    let root = run_alone("runtimes::future_dropped_at_any_point_cancels_its_call", |recorder, guard| {
        let runtime = runtime();
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        // One future is never polled. Another is polled once by the runtime and dropped by another thread.
        drop(work(turn.clone(), std::future::pending()));
        let (send, polled) = mpsc::channel();
        let mut pending = Box::pin(work(turn.clone(), std::future::pending()));
        let poll_once = async move {
            std::future::poll_fn(|context| {
                assert!(pending.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
            send.send(pending).unwrap();
        };
        runtime.block_on(runtime.spawn(poll_once)).unwrap();
        let pending = polled.recv().unwrap();
        std::thread::spawn(move || drop(pending)).join().unwrap();
        assert_eq!(["inference_cancelled", "tool_call_ended"].map(|event| count(&recorder, event)), [2; 2]);
        drop((turn, thread, guard));
    });
    let Some(root) = root else { return };
    let graph = graph(&bundles(root.path())[0].path);
    assert_eq!((count_running(&graph), graph.inference_calls.len(), graph.tool_calls.len()), (0, 2, 2));
}
