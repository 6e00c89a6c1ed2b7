//! Subscribers that are replaced and layers that come and go, with spans and handles that live across it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Mutex;
use std::thread;

use common::{Bundle, bundles, child, graph, recorder, role, running, under};
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

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// A tool call of a handle, and one of a plain span, each with a result.
fn call_both(turn: &Turn, id: &str) {
    turn.tool_call(ToolCallMeta::new("by handle").id(&format!("handle-{id}"))).output(id);
    turn.span().in_scope(|| plain_tool(&format!("plain-{id}")).in_scope(|| {}));
}

fn plain_tool(id: &str) -> Span {
    info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.id = id, gen_ai.tool.call.result = "r")
}

fn plain_turn(thread: &str) -> (Span, Span) {
    let thread = info_span!("thread", otel_trace.kind = "thread", gen_ai.conversation.id = thread);
    let turn = thread.in_scope(|| info_span!("turn", otel_trace.kind = "turn", otel_trace.turn.id = "u"));
    (thread, turn)
}

/// The ids of the tool calls, each of which has one start and one end in the bundle.
fn tools(bundle: &Bundle) -> Vec<String> {
    let ids = |name: &str| -> Vec<String> {
        let mut ids: Vec<_> =
            bundle.all(name).iter().map(|event| event["tool_call_id"].as_str().unwrap().to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    let started = ids("tool_call_started");
    assert_eq!(started, ids("tool_call_ended"));
    started
}

/// A recording is over: nothing was lost or late in it, and all its bundles are whole.
fn finish(root: &std::path::Path, recorder: &Recorder, guard: RecorderGuard) -> Vec<Bundle> {
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0), "{:?}", recorder.stats());
    let bundles = bundles(root);
    assert!(bundles.iter().all(|bundle| running(&graph(&bundle.path)) == 0));
    bundles
}

#[test]
fn scopes_of_two_subscribers_in_turns_record_each_their_own() {
    let ((root_a, a, guard_a), (root_b, b, guard_b)) = (recorder(), recorder());
    let dispatch = |recorder: &Recorder| tracing::Dispatch::new(registry().with(recorder.layer()));
    let (in_a, in_b) = (dispatch(&a), dispatch(&b));
    let mut handles = Vec::new();
    within(&in_a, || handles.push(AgentThread::start(ThreadMeta::new().id("a")).turn(None)));
    within(&in_b, || handles.push(AgentThread::start(ThreadMeta::new().id("b")).turn(None)));
    for n in 0..20 {
        // Each in its own scope, in the other's, and in its own inside the other's.
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
        assert_eq!((bundles.len(), bundles[0].one("thread_started")["thread_id"].clone()), (1, json!(id)));
        assert_eq!(tools(&bundles[0]).len(), 60);
    }
}

/// What a child does: handles and plain spans that were made in a scope, and a global subscriber that comes later.
fn set_a_global_one_later() {
    let (root_a, a, guard_a) = recorder();
    let (b, guard_b) = Recorder::from_env().unwrap().unwrap();
    let (thread, turn, plain) = under(&a, || {
        let thread = AgentThread::start(ThreadMeta::new().id("a"));
        let turn = thread.turn(None);
        (thread, turn, plain_turn("plain a"))
    });
    registry().with(b.layer().with_filter(b.filter())).init();
    // A handle stays with the subscriber that it was made under, wherever it is used.
    for n in 0..20 {
        turn.tool_call(ToolCallMeta::new("n").id(&n.to_string())).output("r");
        turn.inference(MODEL).request(Json(&json!({ "input": [] })));
        let other = AgentThread::start(ThreadMeta::new().id(&format!("b-{n}")));
        drop(other.turn(None).tool_call(ToolCallMeta::new("n")));
        // A plain span's context is that of the subscriber that is asked: one that is entered there is none here.
        plain.1.in_scope(|| plain_tool("x").in_scope(|| {}));
    }
    drop((turn, thread));
    under(&a, || plain.1.in_scope(|| {}));
    // What it was in is let go of through the current subscriber, in `tracing` itself.
    let own = plain.0.with_subscriber(|(_, own)| own.clone()).unwrap();
    within(&own, || drop(plain));
    let bundles = finish(root_a.path(), &a, guard_a);
    let ids: Vec<_> = bundles.iter().map(|bundle| bundle.one("thread_started")["thread_id"].clone()).collect();
    assert_eq!(ids, ["a", "plain a"]);
    assert_eq!([tools(&bundles[0]).len(), tools(&bundles[1]).len()], [20, 0]);
    assert_eq!(bundles[1].one("codex_turn_ended")["status"], "completed");
    drop(guard_b);
    assert_eq!((b.stats().lost(), b.stats().late), (0, 0));
}

#[test]
fn a_global_subscriber_that_comes_later_takes_nothing_from_the_one_before() {
    if role().is_some() {
        return set_a_global_one_later();
    }
    let root = tempfile::tempdir().unwrap();
    let mut child = child("a_global_subscriber_that_comes_later_takes_nothing_from_the_one_before", "later");
    let output = child.env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // A run of each handle, and an orphan of each plain span.
    assert_eq!(bundles(root.path()).len(), 40);
}

/// Our layer as it is reloaded: with its filter, and there or not.
type Reloaded = Option<Box<dyn Layer<Registry> + Send + Sync>>;

#[test]
fn a_layer_that_is_taken_out_and_brought_back_knows_its_spans_again() {
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
            // Nobody is told of these.
            call_both(&turn, &format!("without-{n}"));
            assert!(!AgentThread::start(ThreadMeta::new()).is_recording());
            assert!(turn.is_recording(), "what was begun goes on");
            handle.modify(|layer| std::mem::swap(layer, &mut spare)).unwrap();
        }
        handle.modify(|layer| std::mem::swap(layer, &mut spare)).unwrap();
        across.output("said while the layer was out");
        drop(closed_meanwhile);
        let ended = recorder.stats().events["tool_call_ended"];
        assert_eq!(ended, recorder.stats().events["tool_call_started"] - 2, "ended by its close, told or not");
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
    assert_eq!(tools(handles), expected);
    assert_eq!(tools(spans), ["across", "closed meanwhile"]);
    spans.one("tool_call_runtime_ended");
    let graph = graph(&spans.path);
    assert!(graph.tool_calls.iter().all(|tool| tool.execution.status == ExecutionStatus::Completed));
    assert_eq!(graph.status, RolloutStatus::Completed);
}

#[test]
fn a_layer_of_another_recorder_takes_over_what_begins_then() {
    let ((root_a, a, guard_a), (root_b, b, guard_b)) = (recorder(), recorder());
    let (layer, handle) = reload::Layer::<_, Registry>::new(a.layer());
    with_default(registry().with(layer), || {
        let thread = AgentThread::start(ThreadMeta::new().id("a"));
        let turn = thread.turn(None);
        let (plain, plain_turn) = plain_turn("plain a");
        let open = plain_turn.in_scope(|| plain_tool("open"));
        open.in_scope(|| {});
        handle.reload(b.layer()).unwrap();
        // Of a span that `b` never saw nothing is above them.
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
    assert_eq!([tools(&a[0]), tools(&a[1])], [vec![], vec!["open".to_owned()]]);
    let supplied = b.iter().find(|bundle| !bundle.all("other").is_empty()).unwrap();
    assert_eq!((tools(supplied), b.len()), (vec!["plain-below a".to_owned()], 2));
    let own = b.iter().find(|bundle| bundle.one("thread_started")["thread_id"] == "b").unwrap();
    assert_eq!(tools(own), ["handle-below b", "plain-below b"]);
}

#[test]
fn a_layer_that_comes_and_goes_amid_work_leaves_no_window_open() {
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
    // Each of the threads takes the layer out, or puts it back, after each of its rounds: in the midst of the others'.
    let work = || (0..60).map(|_| round()).inspect(|_| swap()).sum::<u64>();
    let recorded: u64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    // It is back.
    let recorded = recorded + round();
    let events = recorder.stats().events;
    for what in ["rollout", "thread", "codex_turn", "tool_call"] {
        let [started, ended] = ["started", "ended"].map(|when| events[&*format!("{what}_{when}")]);
        assert_eq!(started, ended, "{what}, before the shutdown");
    }
    // Of a plain span's thread the id is known, and one that had to be supplied is told of.
    let is_a_handles = |bundle: &&Bundle| {
        bundle.one("thread_started")["thread_id"].as_str().unwrap().len() == 36 && bundle.all("other").is_empty()
    };
    let bundles = finish(root.path(), &recorder, guard);
    assert_eq!(bundles.iter().filter(is_a_handles).count() as u64, recorded);
}

#[test]
fn two_layers_of_one_recorder_record_once_what_many_threads_do() {
    let (root, recorder, guard) = recorder();
    let stack = registry().with(recorder.layer().with_filter(recorder.filter())).with(recorder.layer());
    let subscriber = tracing::Dispatch::new(stack);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| within(&subscriber, || (0..20).for_each(|_| run())));
        }
    });
    let bundles = finish(root.path(), &recorder, guard);
    assert_eq!(bundles.len(), 120);
    bundles.chunks(1).for_each(check_run);
}

/// What one run leaves whatever layers of the recorders there are.
fn run() {
    let thread = AgentThread::start(ThreadMeta::new().id("t"));
    let turn = thread.turn(None);
    call_both(&turn, "1");
    turn.span().in_scope(|| {
        let tool = plain_tool("2");
        tool.in_scope(|| event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started"));
    });
}

#[track_caller]
fn check_run(bundles: &[Bundle]) {
    let [bundle] = bundles else { panic!("{} bundles", bundles.len()) };
    assert_eq!(tools(bundle), ["2", "handle-1", "plain-1"]);
    bundle.one("tool_call_runtime_started");
    assert_eq!(bundle.lines.len(), 13);
}

#[test]
fn one_recorder_twice_records_once_whatever_is_around_its_layers() {
    macro_rules! check {
        ($recorder:ident => $($layer:expr),+) => {{
            let (root, $recorder, guard) = recorder();
            with_default(registry()$(.with($layer))+, run);
            check_run(&finish(root.path(), &$recorder, guard));
        }};
    }
    check!(r => r.layer().with_filter(r.filter()), r.layer().with_filter(r.filter()));
    check!(r => r.layer().with_filter(r.filter()), r.layer());
    check!(r => r.layer(), r.layer().with_filter(LevelFilter::TRACE));
    check!(r => reload::Layer::new(r.layer()).0, reload::Layer::new(r.layer()).0);
    check!(r => reload::Layer::new(r.layer()).0, r.layer().with_filter(r.filter()));
    check!(r => vec![r.layer(), r.layer()], Some(r.layer()));
    // One of them is told of nothing that the other has.
    check!(r => r.layer().with_filter(filter_fn(|_| false)), r.layer());
    check!(r => r.layer(), r.layer().with_filter(filter_fn(|_| false)));
}

#[test]
fn one_recorder_twice_goes_on_with_either_of_its_layers() {
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
fn two_recorders_record_the_same_whatever_is_around_their_layers() {
    macro_rules! check {
        ($a:ident, $b:ident => $($layer:expr),+) => {{
            let ((root_a, $a, guard_a), (root_b, $b, guard_b)) = (recorder(), recorder());
            with_default(registry()$(.with($layer))+, run);
            check_run(&finish(root_a.path(), &$a, guard_a));
            check_run(&finish(root_b.path(), &$b, guard_b));
        }};
    }
    check!(a, b => a.layer().with_filter(a.filter()), b.layer().with_filter(b.filter()));
    check!(a, b => reload::Layer::new(a.layer()).0, reload::Layer::new(b.layer().with_filter(b.filter()).boxed()).0);
    check!(a, b => vec![a.layer().boxed(), b.layer().boxed()], a.layer(), Some(b.layer()));
    check!(a, b => a.layer(), b.layer(), b.layer().with_filter(b.filter()), a.layer().with_filter(a.filter()));
}
