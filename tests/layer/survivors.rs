//! Tests of spans and handles that outlive their run, the operating system thread that created them, or the recording.

use std::cell::RefCell;
use std::thread;

use otel_trace::event::{CellStatus, ExecutionStatus, RolloutStatus};
use otel_trace::{
    AgentThread, CodeCell, CodeCellMeta, Compaction, Inference, Json, Model, Operation, PayloadKind, Recorder, SpanExt,
    ThreadMeta, ToolCall, ToolCallMeta, Turn, Usage,
};
use serde_json::json;
use tracing::field::Empty;
use tracing::{Dispatch, Level, Span, dispatcher, event, info_span};

use crate::common::{Bundle, bundles, count_running, graph, recorder, run_alone, run_recorded};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// Returns the names of the events after the end of the run.
fn events_after_the_end(bundle: &Bundle) -> Vec<&str> {
    let mut names = bundle.event_names().into_iter();
    names.find(|name| *name == "rollout_ended").unwrap();
    names.collect()
}

#[test]
fn operations_outliving_their_thread_follow_the_run_end() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        let inference = turn.inference(MODEL);
        inference.request(Json(&json!({ "input": [] })));
        let tool = turn.tool_call(ToolCallMeta::new("n").id("c"));
        turn.complete();
        thread.complete();
        assert!(turn.is_recording(), "operations inside the turn may still be recorded");
        tool.output("r");
        tool.complete();
        inference.response(Json(&json!({ "output_items": [] })));
        inference.complete();
        // Operations that start after the end of the thread.
        let child = tool.spawn_thread(ThreadMeta::new().id("child"));
        child.turn(None).tool_call(ToolCallMeta::new("n")).output("r");
        drop(turn.tool_call(ToolCallMeta::new("after")));
        turn.span().in_scope(|| info_span!("tool", otel_trace.kind = "tool").in_scope(|| {}));
    });
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundle = &bundles(root.path())[0];
    let expected = [
        "tool_call_ended",
        "inference_completed",
        "thread_started",
        "codex_turn_started",
        "tool_call_started",
        "tool_call_ended",
        "codex_turn_ended",
        "tool_call_started",
        "tool_call_ended",
        "tool_call_started",
        "tool_call_ended",
        "thread_ended",
    ];
    let mut after = events_after_the_end(bundle);
    after.sort_unstable();
    let mut sorted = expected;
    sorted.sort_unstable();
    assert_eq!(after, sorted);
    let graph = graph(&bundle.path);
    assert_eq!((count_running(&graph), graph.status), (0, RolloutStatus::Completed));
    assert_eq!((graph.threads.len(), graph.tool_calls.len()), (2, 4));
    let status = |id: &str| graph.tool_calls.get(id).unwrap().execution.status;
    assert_eq!(status("c"), ExecutionStatus::Completed);
}

#[test]
fn plain_span_outliving_its_thread_records_its_result() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let thread = info_span!("thread", otel_trace.kind = "thread", gen_ai.conversation.id = "t");
        let turn = thread.in_scope(|| info_span!("turn", otel_trace.kind = "turn", otel_trace.turn.id = "u"));
        let tool = turn.in_scope(|| {
            info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.name = "n", gen_ai.tool.call.result = Empty)
        });
        tool.in_scope(|| {});
        turn.otel_trace().complete();
        thread.otel_trace().complete();
        tool.in_scope(|| {
            event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_ended");
            info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = "[]").in_scope(|| {});
        });
        tool.record("gen_ai.tool.call.result", "r");
    });
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundle = &bundles(root.path())[0];
    let expected = ["tool_call_runtime_ended", "inference_started", "inference_cancelled", "tool_call_ended"];
    assert_eq!(events_after_the_end(bundle), expected);
    let graph = graph(&bundle.path);
    assert_eq!(count_running(&graph), 0);
    assert_eq!(graph.tool_calls.iter().next().unwrap().execution.status, ExecutionStatus::Completed);
}

#[test]
fn work_racing_with_the_end_of_its_thread_is_complete() {
    let (root, recorder, guard) = recorder();
    let subscriber = run_recorded(&recorder, || dispatcher::get_default(Dispatch::clone));
    let (threads, each) = (6, 100);
    let agent = dispatcher::with_default(&subscriber, || AgentThread::start(ThreadMeta::new().id("t")));
    let turn = agent.turn(None);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (turn, subscriber) = (turn.clone(), &subscriber);
            scope.spawn(move || {
                dispatcher::with_default(subscriber, || {
                    for _ in 0..each {
                        turn.tool_call(ToolCallMeta::new("n")).output("r");
                        turn.span().in_scope(|| info_span!("tool", otel_trace.kind = "tool").in_scope(|| {}));
                    }
                });
            });
        }
        crate::common::wait_until(|| {
            recorder.stats().events.get("tool_call_started").is_some_and(|count| *count > each)
        });
        turn.complete();
        agent.complete();
    });
    drop((turn, agent));
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let [bundle] = &bundles(root.path())[..] else { panic!("expected one bundle") };
    bundle.event("rollout_ended");
    let graph = graph(&bundle.path);
    assert_eq!((count_running(&graph), graph.tool_calls.len() as u64), (0, 2 * threads * each));
}

/// Handles of every kind and a plain span. The fields are dropped in this order.
struct OpenOperations {
    plain: Span,
    inference: Inference,
    tool: ToolCall,
    cell: CodeCell,
    compaction: Compaction,
    turn: Turn,
    thread: AgentThread,
}

impl OpenOperations {
    /// Opens an operation of every kind.
    fn open() -> Self {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        let (inference, compaction) = (turn.inference(MODEL), turn.compaction(MODEL));
        inference.request(Json(&json!({ "input": [] })));
        compaction.request(Json(&json!({ "input": [] })));
        let (tool, cell) = (turn.tool_call(ToolCallMeta::new("n").id("c")), turn.code_cell(CodeCellMeta::new("run()")));
        let plain = turn.span().in_scope(|| {
            info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.id = "p", gen_ai.tool.call.result = Empty)
        });
        plain.in_scope(|| {});
        Self { thread, turn, inference, tool, cell, compaction, plain }
    }

    /// Reports twelve facts and payloads of these operations.
    fn report(&self) {
        let Self { thread, turn, inference, tool, cell, compaction, plain } = self;
        inference.first_token();
        inference.usage(Usage::default());
        inference.response_id("id");
        inference.response(Json(&json!({ "output_items": [] })));
        compaction.response(Json(&json!({ "output_items": [] })));
        tool.output("r");
        cell.responded(CellStatus::Completed, Json(&1));
        plain.in_scope(|| {
            event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started");
        });
        plain.otel_trace().record_payload(PayloadKind::TerminalRuntimeEvent, Json(&1));
        plain.record("gen_ai.tool.call.result", "r");
        turn.record_payload(PayloadKind::ProtocolEvent, Json(&1));
        thread.protocol_event("warning", Json(&1));
    }
}

#[test]
fn handles_and_spans_may_outlive_their_os_thread() {
    let (root, recorder, guard) = recorder();
    let make =
        |recorder: Recorder| thread::spawn(move || run_recorded(&recorder, OpenOperations::open)).join().unwrap();
    let operations = make(recorder.clone());
    let subscriber = operations.plain.with_subscriber(|(_, subscriber)| subscriber.clone()).unwrap();
    let end = move || {
        operations.report();
        drop(operations);
    };
    thread::spawn(move || dispatcher::with_default(&subscriber, end)).join().unwrap();
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundle = &bundles(root.path())[0];
    let graph = graph(&bundle.path);
    assert_eq!((count_running(&graph), graph.status), (0, RolloutStatus::Completed));
    let completed = |status: ExecutionStatus| assert_eq!(status, ExecutionStatus::Completed);
    graph.tool_calls.iter().for_each(|tool| completed(tool.execution.status));
    graph.inference_calls.iter().for_each(|call| completed(call.execution.status));
    graph.code_cells.iter().for_each(|cell| completed(cell.execution.status));
    assert_eq!((graph.tool_calls.len(), bundle.events("tool_call_runtime_started").len()), (2, 1));
}

#[test]
fn each_call_after_shutdown_is_counted() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let operations = OpenOperations::open();
        drop(guard);
        let lines = bundles(root.path())[0].lines.len();
        operations.report();
        assert_eq!(recorder.stats().late, 12, "every call of `report` counts");
        let subscriber = dispatcher::get_default(Dispatch::clone);
        thread::scope(|scope| {
            scope.spawn(|| dispatcher::with_default(&subscriber, || operations.report()));
        });
        assert_eq!(recorder.stats().late, 24, "calls from another thread count, too");
        drop(operations);
        assert_eq!(recorder.stats().late, 24, "the drop of a handle does not count");
        drop(OpenOperations::open());
        assert!(recorder.stats().late > 24);
        assert_eq!(bundles(root.path())[0].lines.len(), lines);
    });
    assert_eq!(recorder.stats().lost(), 0);
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 1);
    assert_eq!(
        (count_running(&graph(&bundles[0].path)), *bundles[0].event_names().last().unwrap()),
        (0, "rollout_ended")
    );
}

/// Enters shared spans in several threads, and opens spans below them that further threads enter.
fn pass_between_threads() {
    let thread = info_span!("thread", otel_trace.kind = "thread", gen_ai.conversation.id = "t");
    let turn = thread.in_scope(|| info_span!("turn", otel_trace.kind = "turn", otel_trace.turn.id = "u"));
    let handle = turn.in_scope(|| AgentThread::start(ThreadMeta::new().id("h"))).turn(None);
    let subscriber = dispatcher::get_default(Dispatch::clone);
    thread::scope(|scope| {
        for n in 0..4 {
            let (turn, handle, subscriber) = (&turn, &handle, &subscriber);
            scope.spawn(move || {
                dispatcher::with_default(subscriber, || {
                    for k in 0..50 {
                        let id = format!("{n}-{k}");
                        let span = if k % 2 == 0 { turn } else { handle.span() };
                        let _entered = span.enter();
                        let tool = info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.id = id);
                        thread::scope(|scope| {
                            scope.spawn(|| dispatcher::with_default(subscriber, || tool.in_scope(|| {})));
                        });
                    }
                });
            });
        }
    });
}

/// Checks the bundle of [`pass_between_threads`].
fn check_passed(bundles: &[Bundle]) {
    let [bundle] = bundles else { panic!("{} bundles", bundles.len()) };
    let graph = graph(&bundle.path);
    assert_eq!((count_running(&graph), graph.tool_calls.len()), (0, 200));
    for tool in graph.tool_calls.iter() {
        let is_even = tool.tool_call_id.as_str().ends_with(['0', '2', '4', '6', '8']);
        assert_eq!(tool.thread_id.as_str(), if is_even { "t" } else { "h" });
    }
}

#[test]
fn spans_may_be_entered_on_several_threads() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, pass_between_threads);
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    check_passed(&bundles(root.path()));
    let root = run_alone("survivors::spans_may_be_entered_on_several_threads", |recorder, guard| {
        pass_between_threads();
        drop(guard);
        assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    });
    if let Some(root) = root {
        check_passed(&bundles(root.path()));
    }
}

thread_local! {
    static STORED: RefCell<Option<OpenOperations>> = const { RefCell::new(None) };
}

/// Runs a thread that stores handles in its thread-local storage. With `stored_first`, the storage is initialized before
/// that of `tracing`, which changes the order of the destructors.
fn end_with_the_thread(stored_first: bool, subscriber: Option<Dispatch>) {
    thread::spawn(move || {
        // The thread-local value that is initialized last is dropped first.
        if stored_first {
            STORED.with(|stored| drop(stored.borrow_mut().take()));
        }
        let fill = || {
            let operations = OpenOperations::open();
            operations.report();
            STORED.with(|stored| *stored.borrow_mut() = Some(operations));
        };
        match &subscriber {
            Some(subscriber) => dispatcher::with_default(subscriber, fill),
            None => fill(),
        }
    })
    .join()
    .unwrap();
}

#[test]
fn handles_in_thread_locals_end_with_their_thread() {
    let check = |recorder: &Recorder, rollouts: u64| {
        let ended = ["rollout_ended", "codex_turn_ended", "inference_completed", "code_cell_ended"];
        assert_eq!(ended.map(|event| recorder.stats().events[event]), [rollouts; 4], "before the shutdown");
        assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    };
    if crate::common::role().is_none() {
        let (root, recorder, guard) = recorder();
        for (stored_first, rollouts) in [(false, 1), (true, 2)] {
            let subscriber = run_recorded(&recorder, || dispatcher::get_default(Dispatch::clone));
            end_with_the_thread(stored_first, Some(subscriber));
            check(&recorder, rollouts);
        }
        drop(guard);
        assert_eq!(bundles(root.path()).iter().map(|bundle| count_running(&graph(&bundle.path))).sum::<usize>(), 0);
    }
    let root = run_alone("survivors::handles_in_thread_locals_end_with_their_thread", |recorder, guard| {
        for (stored_first, rollouts) in [(false, 1), (true, 2)] {
            end_with_the_thread(stored_first, None);
            check(&recorder, rollouts);
        }
        drop(guard);
    });
    if let Some(root) = root {
        assert_eq!(
            bundles(root.path()).iter().map(|bundle| count_running(&graph(&bundle.path))).collect::<Vec<_>>(),
            [0; 2]
        );
    }
}
