//! Tests of subscribers and layers that are replaced while spans and handles are open.

use std::sync::Mutex;
use std::thread;

use otel_trace::event::{ExecutionStatus, RolloutStatus};
use otel_trace::{AgentThread, Json, Model, Operation, Recorder, RecorderGuard, ThreadMeta, ToolCallMeta, Turn};
use serde_json::json;
use tracing::dispatcher::with_default as within;
use tracing::field::Empty;
use tracing::subscriber::with_default;
use tracing::{Level, Span, event, info_span};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry, registry, reload};

use crate::common::{Bundle, bundles, child, count_running, graph, recorder, role, run_recorded};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// Records a tool call with a handle and a tool call with a plain span, each with a result.
fn call_both(turn: &Turn, id: &str) {
    turn.tool_call(ToolCallMeta::new("by handle").id(&format!("handle-{id}"))).output(id);
    turn.span().in_scope(|| plain_tool(&format!("plain-{id}")).in_scope(|| {}));
}

/// Opens the span of a tool call.
fn plain_tool(id: &str) -> Span {
    info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.id = id, gen_ai.tool.call.result = "r")
}

/// Opens the spans of a thread and its turn.
fn plain_turn(thread: &str) -> (Span, Span) {
    let thread = info_span!("thread", otel_trace.kind = "thread", gen_ai.conversation.id = thread);
    let turn = thread.in_scope(|| info_span!("turn", otel_trace.kind = "turn", otel_trace.turn.id = "u"));
    (thread, turn)
}

/// Returns the sorted ids of the tool calls. Panics unless each has one start and one end event.
fn tool_ids(bundle: &Bundle) -> Vec<String> {
    let ids = |name: &str| -> Vec<String> {
        let mut ids: Vec<_> =
            bundle.events(name).iter().map(|event| event["tool_call_id"].as_str().unwrap().to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    let started = ids("tool_call_started");
    assert_eq!(started, ids("tool_call_ended"));
    started
}

/// Ends a recording and returns its bundles. Panics if anything was lost or late, or if an operation has no end.
fn finish(root: &std::path::Path, recorder: &Recorder, guard: RecorderGuard) -> Vec<Bundle> {
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0), "{:?}", recorder.stats());
    let bundles = bundles(root);
    assert!(bundles.iter().all(|bundle| count_running(&graph(&bundle.path)) == 0));
    bundles
}

#[test]
fn alternating_subscriber_scopes_record_separately() {
    let ((root_a, a, guard_a), (root_b, b, guard_b)) = (recorder(), recorder());
    let dispatch = |recorder: &Recorder| tracing::Dispatch::new(registry().with(recorder.layer()));
    let (in_a, in_b) = (dispatch(&a), dispatch(&b));
    let mut handles = Vec::new();
    within(&in_a, || handles.push(AgentThread::start(ThreadMeta::new().id("a")).turn(None)));
    within(&in_b, || handles.push(AgentThread::start(ThreadMeta::new().id("b")).turn(None)));
    for n in 0..20 {
        // Both handles are used in the scope of each subscriber, and plain spans in a nested scope as well.
        let id = n.to_string();
        within(&in_a, || handles.iter().for_each(|turn| turn.tool_call(ToolCallMeta::new("n").id(&id)).output("r")));
        within(&in_b, || {
            handles.iter().for_each(|turn| turn.tool_call(ToolCallMeta::new("n").id(&id)).output("r"));
            within(&in_a, || handles[0].span().in_scope(|| plain_tool(&id).in_scope(|| {})));
            handles[1].span().in_scope(|| plain_tool(&id).in_scope(|| {}));
        });
    }
    drop(handles);
    for (bundles, id) in [(finish(root_a.path(), &a, guard_a), "a"), (finish(root_b.path(), &b, guard_b), "b")] {
        assert_eq!((bundles.len(), bundles[0].event("thread_started")["thread_id"].clone()), (1, json!(id)));
        assert_eq!(tool_ids(&bundles[0]).len(), 60);
    }
}

/// Runs the program of a child process: it opens handles and plain spans under a scoped subscriber, and sets a global
/// subscriber later.
fn set_global_subscriber_later() {
    let (root_a, a, guard_a) = recorder();
    let (b, guard_b) = Recorder::from_env().unwrap().unwrap();
    let (thread, turn, plain) = run_recorded(&a, || {
        let thread = AgentThread::start(ThreadMeta::new().id("a"));
        let turn = thread.turn(None);
        (thread, turn, plain_turn("plain a"))
    });
    registry().with(b.layer().with_filter(b.filter())).init();
    // A handle belongs to the subscriber under which it was created, wherever it is used.
    for n in 0..20 {
        turn.tool_call(ToolCallMeta::new("n").id(&n.to_string())).output("r");
        turn.inference(MODEL).request(Json(&json!({ "input": [] })));
        let other = AgentThread::start(ThreadMeta::new().id(&format!("b-{n}")));
        drop(other.turn(None).tool_call(ToolCallMeta::new("n")));
        // The context of a plain span is that of the current subscriber: a span of another subscriber is not part of it.
        plain.1.in_scope(|| plain_tool("x").in_scope(|| {}));
    }
    drop((turn, thread));
    run_recorded(&a, || plain.1.in_scope(|| {}));
    // The registry releases the parent of a closed span through the current subscriber.
    let own = plain.0.with_subscriber(|(_, own)| own.clone()).unwrap();
    within(&own, || drop(plain));
    let bundles = finish(root_a.path(), &a, guard_a);
    let ids: Vec<_> = bundles.iter().map(|bundle| bundle.event("thread_started")["thread_id"].clone()).collect();
    assert_eq!(ids, ["a", "plain a"]);
    assert_eq!([tool_ids(&bundles[0]).len(), tool_ids(&bundles[1]).len()], [20, 0]);
    assert_eq!(bundles[1].event("codex_turn_ended")["status"], "completed");
    drop(guard_b);
    assert_eq!((b.stats().lost(), b.stats().late), (0, 0));
}

#[test]
fn later_global_subscriber_takes_nothing_from_a_scoped_one() {
    if role().is_some() {
        return set_global_subscriber_later();
    }
    let root = tempfile::tempdir().unwrap();
    let mut child = child("reloads::later_global_subscriber_takes_nothing_from_a_scoped_one", "later");
    let output = child.env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // One run for each thread of a handle, and one for each plain span without a recorded parent.
    assert_eq!(bundles(root.path()).len(), 40);
}

/// The type of a reloadable layer of the recorder, with a filter or without. `None` removes the layer.
type Reloaded = Option<Box<dyn Layer<Registry> + Send + Sync>>;

#[test]
fn reinserted_layer_continues_its_spans() {
    let (root, recorder, guard) = recorder();
    let (layer, handle) =
        reload::Layer::<Reloaded, Registry>::new(Some(recorder.layer().with_filter(recorder.filter()).boxed()));
    with_default(registry().with(layer), || {
        let thread = AgentThread::start(ThreadMeta::new().id("handles"));
        let turn = thread.turn(None);
        let (plain, plain_turn) = plain_turn("spans");
        let across = turn.tool_call(ToolCallMeta::new("n").id("across"));
        let plain_across = plain_turn.in_scope(|| {
            info_span!(
                "tool",
                otel_trace.kind = "tool",
                gen_ai.tool.call.id = "across",
                gen_ai.tool.call.result = Empty
            )
        });
        plain_across.in_scope(|| {});
        let closed_meanwhile = plain_turn.in_scope(|| plain_tool("closed meanwhile"));
        closed_meanwhile.in_scope(|| {});
        let mut spare = None;
        for n in 0..5 {
            call_both(&turn, &format!("with-{n}"));
            handle.modify(|layer| std::mem::swap(layer, &mut spare)).unwrap();
            // These operations are not recorded, because the layer is removed.
            call_both(&turn, &format!("without-{n}"));
            assert!(!AgentThread::start(ThreadMeta::new()).is_recording());
            assert!(turn.is_recording(), "an open operation continues without the layer");
            handle.modify(|layer| std::mem::swap(layer, &mut spare)).unwrap();
        }
        handle.modify(|layer| std::mem::swap(layer, &mut spare)).unwrap();
        across.output("written while the layer was removed");
        drop(closed_meanwhile);
        let ended = recorder.stats().events["tool_call_ended"];
        assert_eq!(
            ended,
            recorder.stats().events["tool_call_started"] - 2,
            "the span that closed without the layer did not end its tool call"
        );
        handle.modify(|layer| std::mem::swap(layer, &mut spare)).unwrap();
        plain_across.record("gen_ai.tool.call.result", "r");
        plain_across
            .in_scope(|| event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_ended"));
        drop((plain_across, plain_turn, plain));
        drop((across, turn, thread));
    });
    assert_eq!(recorder.stats().events["rollout_ended"], 2, "before the shutdown");
    let bundles = finish(root.path(), &recorder, guard);
    let [handles, spans] = &bundles[..] else { panic!("{} bundles", bundles.len()) };
    let called = |n: u32| [format!("handle-with-{n}"), format!("plain-with-{n}")];
    let mut expected: Vec<_> = (0..5).flat_map(called).chain(["across".to_owned()]).collect();
    expected.sort_unstable();
    assert_eq!(tool_ids(handles), expected);
    assert_eq!(tool_ids(spans), ["across", "closed meanwhile"]);
    spans.event("tool_call_runtime_ended");
    let graph = graph(&spans.path);
    assert!(graph.tool_calls.iter().all(|tool| tool.execution.status == ExecutionStatus::Completed));
    assert_eq!(graph.status, RolloutStatus::Completed);
}

#[test]
fn layer_of_another_recorder_takes_over_new_operations() {
    let ((root_a, a, guard_a), (root_b, b, guard_b)) = (recorder(), recorder());
    let (layer, handle) = reload::Layer::<_, Registry>::new(a.layer());
    with_default(registry().with(layer), || {
        let thread = AgentThread::start(ThreadMeta::new().id("a"));
        let turn = thread.turn(None);
        let (plain, plain_turn) = plain_turn("plain a");
        let open = plain_turn.in_scope(|| plain_tool("open"));
        open.in_scope(|| {});
        handle.reload(b.layer()).unwrap();
        // Recorder `b` does not know the enclosing spans, so that the operations below have no parent.
        call_both(&turn, "below a");
        open.in_scope(|| {});
        drop((open, plain_turn, plain));
        let other = AgentThread::start(ThreadMeta::new().id("b"));
        call_both(&other.turn(None), "below b");
        drop((other, turn, thread));
    });
    assert_eq!(a.stats().events["rollout_ended"], 2, "before the shutdown");
    let [a, b] = [finish(root_a.path(), &a, guard_a), finish(root_b.path(), &b, guard_b)];
    assert_eq!(a.len(), 2);
    assert_eq!([tool_ids(&a[0]), tool_ids(&a[1])], [vec![], vec!["open".to_owned()]]);
    let implicit = b.iter().find(|bundle| !bundle.events("other").is_empty()).unwrap();
    assert_eq!((tool_ids(implicit), b.len()), (vec!["plain-below a".to_owned()], 2));
    let own = b.iter().find(|bundle| bundle.event("thread_started")["thread_id"] == "b").unwrap();
    assert_eq!(tool_ids(own), ["handle-below b", "plain-below b"]);
}

#[test]
fn layer_swapped_amid_work_leaves_no_operation_open() {
    let (root, recorder, guard) = recorder();
    let (layer, handle) = reload::Layer::<Reloaded, Registry>::new(Some(recorder.layer().boxed()));
    let subscriber = tracing::Dispatch::new(registry().with(layer));
    let spare = Mutex::new(None);
    let swap = || handle.modify(|layer| std::mem::swap(layer, &mut spare.lock().unwrap())).unwrap();
    let round = || {
        within(&subscriber, || {
            let agent = AgentThread::start(ThreadMeta::new());
            call_both(&agent.turn(None), "1");
            let (thread, turn) = plain_turn("t");
            turn.in_scope(|| plain_tool("1").in_scope(|| {}));
            drop((turn, thread));
            u64::from(agent.is_recording())
        })
    };
    // Each thread removes or restores the layer after each of its rounds, while other threads are inside of a round.
    let work = || (0..60).map(|_| round()).inspect(|_| swap()).sum::<u64>();
    let recorded: u64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    // After an even number of swaps the layer is installed again.
    let recorded = recorded + round();
    let events = recorder.stats().events;
    for operation in ["rollout", "thread", "codex_turn", "tool_call"] {
        let [started, ended] = ["started", "ended"].map(|phase| events[&*format!("{operation}_{phase}")]);
        assert_eq!(started, ended, "{operation}, before the shutdown");
    }
    // A handle creates a thread with a generated id. The thread of a plain span has a given id, and an implicit thread
    // has a notice.
    let is_of_a_handle = |bundle: &&Bundle| {
        bundle.event("thread_started")["thread_id"].as_str().unwrap().len() == 36 && bundle.events("other").is_empty()
    };
    let bundles = finish(root.path(), &recorder, guard);
    assert_eq!(bundles.iter().filter(is_of_a_handle).count() as u64, recorded);
}

#[test]
fn two_layers_of_one_recorder_record_concurrent_work_once() {
    let (root, recorder, guard) = recorder();
    let stack = registry().with(recorder.layer().with_filter(recorder.filter())).with(recorder.layer());
    let subscriber = tracing::Dispatch::new(stack);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| within(&subscriber, || (0..20).for_each(|_| record_run())));
        }
    });
    let bundles = finish(root.path(), &recorder, guard);
    assert_eq!(bundles.len(), 120);
    bundles.chunks(1).for_each(check_run);
}

/// Records a run whose events do not depend on the layers of the recorders.
fn record_run() {
    let thread = AgentThread::start(ThreadMeta::new().id("t"));
    let turn = thread.turn(None);
    call_both(&turn, "1");
    turn.span().in_scope(|| {
        let tool = plain_tool("2");
        tool.in_scope(|| event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started"));
    });
}

/// Checks that the only bundle is that of [`record_run`].
#[track_caller]
fn check_run(bundles: &[Bundle]) {
    let [bundle] = bundles else { panic!("{} bundles", bundles.len()) };
    assert_eq!(tool_ids(bundle), ["2", "handle-1", "plain-1"]);
    bundle.event("tool_call_runtime_started");
    assert_eq!(bundle.lines.len(), 13);
}

#[test]
fn recorder_installed_twice_records_once_in_any_wrapping() {
    macro_rules! check {
        ($recorder:ident => $($layer:expr),+) => {{
            let (root, $recorder, guard) = recorder();
            with_default(registry()$(.with($layer))+, record_run);
            check_run(&finish(root.path(), &$recorder, guard));
        }};
    }
    check!(r => r.layer().with_filter(r.filter()), r.layer().with_filter(r.filter()));
    check!(r => r.layer().with_filter(r.filter()), r.layer());
    check!(r => r.layer(), r.layer().with_filter(LevelFilter::TRACE));
    check!(r => reload::Layer::new(r.layer()).0, reload::Layer::new(r.layer()).0);
    check!(r => reload::Layer::new(r.layer()).0, r.layer().with_filter(r.filter()));
    check!(r => vec![r.layer(), r.layer()], Some(r.layer()));
    // One of the layers is disabled by its filter.
    check!(r => r.layer().with_filter(filter_fn(|_| false)), r.layer());
    check!(r => r.layer(), r.layer().with_filter(filter_fn(|_| false)));
}

#[test]
fn recorder_installed_twice_continues_with_either_layer() {
    let (root, recorder, guard) = recorder();
    let (first, handle) = reload::Layer::<_, Registry>::new(Some(recorder.layer()));
    with_default(registry().with(first).with(recorder.layer()), || {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        let tool = turn.span().in_scope(|| plain_tool("2"));
        tool.in_scope(|| {});
        handle.reload(None).unwrap();
        tool.in_scope(|| event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started"));
        drop(tool);
        call_both(&turn, "1");
    });
    check_run(&finish(root.path(), &recorder, guard));
}

#[test]
fn two_recorders_record_equal_events_in_any_wrapping() {
    macro_rules! check {
        ($a:ident, $b:ident => $($layer:expr),+) => {{
            let ((root_a, $a, guard_a), (root_b, $b, guard_b)) = (recorder(), recorder());
            with_default(registry()$(.with($layer))+, record_run);
            check_run(&finish(root_a.path(), &$a, guard_a));
            check_run(&finish(root_b.path(), &$b, guard_b));
        }};
    }
    check!(a, b => a.layer().with_filter(a.filter()), b.layer().with_filter(b.filter()));
    check!(a, b => reload::Layer::new(a.layer()).0, reload::Layer::new(b.layer().with_filter(b.filter()).boxed()).0);
    check!(a, b => vec![a.layer().boxed(), b.layer().boxed()], a.layer(), Some(b.layer()));
    check!(a, b => a.layer(), b.layer(), b.layer().with_filter(b.filter()), a.layer().with_filter(a.filter()));
}
