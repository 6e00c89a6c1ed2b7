//! Tests of panics that unwind through spans and handles: they reach the host unchanged, and the operations end.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;

use otel_trace::bundle::Reader;
use otel_trace::event::{ExecutionStatus, RolloutStatus};
use otel_trace::reduce::{Options, reduce};
use otel_trace::{
    AgentThread, CodeCellMeta, Json, Model, Operation, PayloadKind, Recorder, Redactor, ThreadMeta, ToolCallMeta,
};
use serde_json::json;
use tracing::{Dispatch, info_span, instrument};
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, bundles, count_running, graph, record_one, recorder, role, run_alone, run_recorded};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// The payload of a planted panic. Its type is private, so that no other code can create it.
#[derive(Debug, PartialEq, Eq)]
struct Planted(u64);

const PLANTED: Planted = Planted(7);

/// Panics inside an operation of every kind, opened with handles.
fn panic_through_handles() {
    let thread = AgentThread::start(ThreadMeta::new().id("handles"));
    let turn = thread.turn(None);
    let _turn = turn.span().enter();
    let unanswered = turn.inference(MODEL);
    unanswered.request(Json(&json!({ "input": [] })));
    let with_response = turn.inference(MODEL);
    with_response.request(Json(&json!({ "input": [] })));
    with_response.response(Json(&json!({ "output_items": [] })));
    let cell = turn.code_cell(CodeCellMeta::new("run()"));
    let compaction = turn.compaction(MODEL);
    compaction.request(Json(&json!({ "input": [] })));
    let tool = cell.tool_call(ToolCallMeta::new("n"));
    tool.span().in_scope(|| panic_any(PLANTED));
}

/// Panics inside an operation of every kind, opened with plain spans.
fn panic_through_spans() {
    let _thread = info_span!("thread", otel_trace.kind = "thread", gen_ai.conversation.id = "spans").entered();
    let _turn = info_span!("turn", otel_trace.kind = "turn").entered();
    info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = "[]").in_scope(|| {});
    let _chat = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = "[]").entered();
    let _cell = info_span!("cell", otel_trace.kind = "code_cell").entered();
    let _compaction = info_span!("compaction", otel_trace.kind = "compaction").entered();
    instrumented_tool();
}

#[instrument(fields(gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "n"))]
fn instrumented_tool() {
    panic_any(PLANTED);
}

#[instrument(fields(otel_trace.kind = "thread", gen_ai.conversation.id = "futures"))]
async fn agent() {
    turn().await;
}

#[instrument(fields(otel_trace.kind = "turn"))]
async fn turn() {
    let handle = AgentThread::start(ThreadMeta::new().id("spawned"));
    let spawned = handle.turn(None);
    call_model().await;
    drop((spawned, handle));
}

#[instrument(fields(gen_ai.operation.name = "chat", gen_ai.input.messages = "[]"))]
async fn call_model() {
    // The span is exited and entered again before the panic.
    let mut polls = 0;
    std::future::poll_fn(move |_| {
        polls += 1;
        match polls {
            1 | 2 => std::task::Poll::<()>::Pending,
            _ => panic_any(PLANTED),
        }
    })
    .await;
}

/// Panics inside of instrumented futures.
fn panic_through_futures() {
    let mut agent = pin!(agent());
    while agent.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
}

const PROGRAMS: [fn(); 3] = [panic_through_futures, panic_through_handles, panic_through_spans];

/// Checks that the host receives the payload of the planted panic.
#[track_caller]
fn check_panic(result: thread::Result<()>) {
    assert_eq!(result.unwrap_err().downcast_ref::<Planted>(), Some(&PLANTED));
}

/// Checks that each operation in the bundles of [`PROGRAMS`] has ended with the expected status.
fn check_bundles(bundles: &[Bundle]) {
    let graphs: Vec<_> = bundles.iter().map(|bundle| graph(&bundle.path)).collect();
    let [futures, handles, spans] = &graphs[..] else { panic!("{}", graphs.len()) };
    for graph in &graphs {
        assert_eq!(count_running(graph), 0, "{}", graph.root_thread_id);
        assert_eq!(graph.status, RolloutStatus::Failed);
        assert!(graph.threads.iter().all(|thread| thread.execution.status == ExecutionStatus::Failed));
        assert!(graph.turns.iter().all(|turn| turn.execution.status == ExecutionStatus::Failed));
        assert!(graph.turns.iter().all(|turn| turn.error.as_deref() == Some("a panic unwound through it")));
    }
    assert_eq!((futures.threads.len(), futures.turns.len()), (2, 2));
    use ExecutionStatus::{Cancelled, Completed, Failed};
    let calls = |graph: &otel_trace::graph::Graph| -> Vec<_> {
        graph.inference_calls.iter().map(|call| call.execution.status).collect()
    };
    assert_eq!(calls(futures), [Failed]);
    assert_eq!(calls(handles), [Failed, Completed]);
    // The first call closed before the panic.
    assert_eq!(calls(spans), [Cancelled, Failed]);
    for graph in [handles, spans] {
        assert!(graph.tool_calls.iter().all(|tool| tool.execution.status == Failed));
        let rest = [graph.tool_calls.len(), graph.code_cells.len(), graph.compaction_requests.len()];
        assert_eq!(rest, [1, 1, 1]);
    }
}

#[test]
fn caught_panic_is_unchanged_and_ends_open_operations() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || PROGRAMS.map(|program| check_panic(catch_unwind(program))));
    assert_eq!(recorder.stats().events["rollout_ended"], 3, "before the shutdown");
    drop(guard);
    check_bundles(&bundles(root.path()));
}

#[test]
fn panic_that_ends_its_thread_ends_open_operations() {
    let (root, recorder, guard) = recorder();
    for program in PROGRAMS {
        let recorder = recorder.clone();
        check_panic(thread::spawn(move || run_recorded(&recorder, program)).join());
    }
    assert_eq!(recorder.stats().events["rollout_ended"], 3, "before the shutdown");
    drop(guard);
    check_bundles(&bundles(root.path()));
}

#[test]
fn panic_under_a_global_subscriber_ends_open_operations() {
    let root = run_alone("unwinding::panic_under_a_global_subscriber_ends_open_operations", |recorder, guard| {
        for program in PROGRAMS {
            check_panic(thread::spawn(program).join());
        }
        assert_eq!(recorder.stats().events["rollout_ended"], 3, "before the shutdown");
        drop(guard);
    });
    if let Some(root) = root {
        check_bundles(&bundles(root.path()));
    }
}

#[test]
fn operations_surviving_a_panic_elsewhere_continue() {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let tool = turn.tool_call(ToolCallMeta::new("n"));
        let clones = (thread.clone(), turn.clone(), tool.clone());
        let subscriber = tracing::dispatcher::get_default(Dispatch::clone);
        let panics = move || {
            tracing::dispatcher::with_default(&subscriber, || {
                let (_thread, turn, tool) = clones;
                let _own = turn.tool_call(ToolCallMeta::new("own").id("own"));
                tool.span().in_scope(|| panic_any(PLANTED))
            })
        };
        check_panic(thread::spawn(panics).join());
        tool.output("r");
        drop(tool);
        assert!(catch_unwind(AssertUnwindSafe(|| turn.span().in_scope(|| panic_any(PLANTED)))).is_err());
        drop(turn);
        drop(thread);
    });
    let ends: Vec<_> = bundle.events("tool_call_ended").iter().map(|ended| ended["status"].clone()).collect();
    assert_eq!(ends, ["failed", "completed"]);
    assert_eq!(
        [bundle.event("codex_turn_ended"), bundle.event("thread_ended")].map(|end| &end["status"]),
        ["completed"; 2]
    );
}

/// A redactor that panics at each body.
struct PanickingRedactor;

impl Redactor for PanickingRedactor {
    fn redact(&self, _: PayloadKind, _: &mut Vec<u8>, _: bool) {
        panic!("planted in the redactor");
    }
}

#[test]
fn callbacks_panicking_during_unwinding_are_contained() {
    let root = tempfile::tempdir().unwrap();
    let on_loss = |_: &otel_trace::Loss| panic!("planted in the callback");
    let builder = Recorder::builder().root(root.path()).redact(PanickingRedactor).on_loss(on_loss);
    let (recorder, guard) = builder.build().unwrap();
    run_recorded(&recorder, || {
        check_panic(catch_unwind(panic_through_handles));
    });
    drop(guard);
    let [bundle] = &bundles(root.path())[..] else { panic!("expected one bundle") };
    let graph = reduce(&Reader::open(&bundle.path).unwrap(), &Options::default()).unwrap().graph;
    assert_eq!((count_running(&graph), graph.tool_calls.len()), (0, 1));
    // Two requests, one response and one compaction request. Unwinding encodes no further body.
    assert_eq!(recorder.stats().lost_bodies.values().sum::<u64>(), 4, "{:?}", recorder.stats());
}

#[test]
fn panic_out_of_main_keeps_its_exit_status() {
    if role().is_some() {
        let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
        tracing_subscriber::registry().with(recorder.layer()).init();
        return panic_through_handles();
    }
    let root = tempfile::tempdir().unwrap();
    let mut child = crate::common::child("unwinding::panic_out_of_main_keeps_its_exit_status", "main");
    let status = child.env("OTEL_TRACE_ROOT", root.path()).output().unwrap().status;
    assert_eq!(status.code(), Some(101));
    let [bundle] = &bundles(root.path())[..] else { panic!("expected one bundle") };
    assert_eq!(graph(&bundle.path).status, RolloutStatus::Failed);
}

#[test]
fn concurrent_panics_end_the_operations_of_each_thread() {
    let (root, recorder, guard) = recorder();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    let (threads, each) = (8, 15);
    thread::scope(|scope| {
        for n in 0..threads {
            let subscriber = &subscriber;
            scope.spawn(move || {
                let run = |k: usize| tracing::dispatcher::with_default(subscriber, || PROGRAMS[k % PROGRAMS.len()]());
                (n..n + each).for_each(|k| check_panic(catch_unwind(AssertUnwindSafe(|| run(k)))));
            });
        }
    });
    let ended = recorder.stats().events;
    let runs = threads * each;
    assert_eq!((ended["rollout_started"], ended["rollout_ended"]), (runs as u64, runs as u64), "before the shutdown");
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), runs);
    for bundle in bundles {
        let graph = graph(&bundle.path);
        assert_eq!((count_running(&graph), graph.status), (0, RolloutStatus::Failed));
    }
}

#[test]
fn operations_of_a_destructor_during_unwinding_complete() {
    /// A guard that records a run when it is dropped.
    struct Cleanup;
    impl Drop for Cleanup {
        fn drop(&mut self) {
            drop(AgentThread::start(ThreadMeta::new().id("cleanup")).turn(None));
        }
    }
    let bundle = record_one(|| {
        let caught = catch_unwind(|| {
            let _cleanup = Cleanup;
            panic_any(PLANTED);
        });
        assert!(caught.is_err());
    });
    assert_eq!(bundle.event("codex_turn_ended")["status"], "completed");
    assert_eq!(bundle.event("thread_ended")["status"], "completed");
}
