//! What is still on the heap of things that are over.

use std::thread;

use otel_trace::{AgentThread, Operation, Recorder, ThreadMeta, ToolCallMeta, Turn};
use tracing::dispatcher::{self, Dispatch};
use tracing::subscriber::with_default;
use tracing::{Span, info_span};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, registry, reload};

use super::common::recorder;
use super::{disk, heap, work};

/// How often a thing is done before the first look: more often than there are logs that may hold a file open.
const FEW: u64 = 70;

/// How much more may be held at the second look, in bytes, however often it was done in between.
const SLACK: usize = 1024;

/// That `many` times leave no more on the heap than [`FEW`], but for so much each.
#[track_caller]
fn check(what: &str, many: u64, each: usize, mut act: impl FnMut(u64)) {
    (0..FEW).for_each(&mut act);
    let before = heap::live();
    (FEW..FEW + many).for_each(&mut act);
    let grown = heap::live().saturating_sub(before);
    let most = SLACK + each * usize::try_from(many).unwrap();
    assert!(grown <= most, "{many} more of {what} hold {grown} bytes, and may hold {most}");
}

/// The same under a subscriber with a recorder.
#[track_caller]
fn check_recorded(what: &str, many: u64, each: usize, act: impl FnMut(u64)) {
    let (root, recorder, guard) = recorder();
    let subscriber = registry().with(recorder.layer().with_filter(recorder.filter()));
    with_default(subscriber, || check(what, many, each, act));
    assert!(recorder.stats().events.values().sum::<u64>() > FEW + many, "{what}: it was recorded");
    drop(guard);
    disk::clear(root.path());
}

/// Whole runs, each a bundle, or a turn of a conversation.
pub(crate) fn of_runs() {
    let check = |name, run: fn(u64)| check_recorded(name, 2 * FEW, 0, run);
    check("handles", work::handles);
    check("dropped futures", work::dropped);
    check("losses", work::loss);
    check("panics", work::panic);
    check("frameworks' runs", work::framework);
    check("conversations' turns", work::conversation);
}

fn tool(turn: &Turn) {
    drop(turn.tool_call(ToolCallMeta::new("n")));
    turn.span().in_scope(|| info_span!("tool", otel_trace.kind = "tool").in_scope(|| {}));
}

/// What begins and ends in a thread that stays open.
pub(crate) fn of_an_open_run() {
    let many = 20 * FEW;
    let mut open = None;
    check_recorded("turns", many, 0, |_| {
        let thread = open.get_or_insert_with(|| AgentThread::start(ThreadMeta::new()));
        tool(&thread.turn(None));
    });
    let mut open = None;
    check_recorded("calls", many, 0, |_| {
        let (_, turn) = open.get_or_insert_with(|| {
            let thread = AgentThread::start(ThreadMeta::new());
            let turn = thread.turn(None);
            (thread, turn)
        });
        tool(turn);
        drop(turn.inference(otel_trace::Model { name: "m", provider: "p" }));
    });
    let mut open: Option<Span> = None;
    check_recorded("spans of no interest", many, 0, |_| {
        let root = open.get_or_insert_with(|| info_span!("root"));
        root.in_scope(|| info_span!("http", otel_trace.kind = "none").in_scope(|| info_span!("tcp").in_scope(|| {})));
        root.in_scope(|| info_span!("tool", otel_trace.kind = "tool").in_scope(|| {}));
    });
    // An id that the program gave is known until its bundle ends, so that no other gets it.
    let mut open = None;
    check_recorded("call ids", many, 128, |n| {
        let turn = open.get_or_insert_with(|| AgentThread::start(ThreadMeta::new()).turn(None));
        drop(turn.tool_call(ToolCallMeta::new("n").id(&format!("call_{n:024}"))));
    });
}

/// What is begun and said after the shutdown.
pub(crate) fn of_late_things() {
    let (_root, recorder, guard) = recorder();
    with_default(registry().with(recorder.layer()), || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        drop(guard);
        check("late calls", 20 * FEW, 0, |n| {
            tool(&turn);
            work::anything(n);
        });
    });
    assert!(recorder.stats().late > 20 * FEW);
}

/// Spans that are closed while the layer that opened them is out.
pub(crate) fn of_a_layer_that_comes_and_goes() {
    let (root, recorder, guard) = recorder();
    let (layer, handle) = reload::Layer::<_, Registry>::new(Some(recorder.layer()));
    with_default(registry().with(layer), || {
        check("spans of a layer that went", 2 * FEW, 0, |_| {
            let run = info_span!("run");
            let tool = run.in_scope(|| info_span!("tool", otel_trace.kind = "tool"));
            tool.in_scope(|| {});
            handle.reload(None).unwrap();
            drop((tool, run));
            handle.reload(Some(recorder.layer())).unwrap();
        });
    });
    assert_eq!(recorder.stats().events["rollout_ended"], 3 * FEW, "before the shutdown");
    drop(guard);
    disk::clear(root.path());
}

/// Recorders, each with a subscriber of its own, and spans that were left open in it.
pub(crate) fn of_recorders() {
    let root = tempfile::tempdir().unwrap();
    check("recorders", 2 * FEW, 0, |n| {
        let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
        with_default(registry().with(recorder.layer().with_filter(recorder.filter())), || {
            let thread = AgentThread::start(ThreadMeta::new().id(&n.to_string()));
            let turn = thread.turn(None);
            tool(&turn);
            work::conversation(n);
            drop(guard);
            tool(&turn);
        });
    });
}

/// Recorders that end while a thread is in the midst of conversations.
pub(crate) fn of_recorders_amid_work() {
    let root = tempfile::tempdir().unwrap();
    check("recorders that end amid work", FEW, 0, |_| {
        let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
        let subscriber = Dispatch::new(registry().with(recorder.layer()));
        let talk = || {
            for n in 0.. {
                let id = format!("c-{n}");
                info_span!("chat", gen_ai.operation.name = "chat", gen_ai.conversation.id = id).in_scope(|| {});
                if recorder.stats().late > 0 {
                    break;
                }
            }
        };
        thread::scope(|scope| {
            let threads = [(), ()].map(|()| scope.spawn(|| dispatcher::with_default(&subscriber, talk)));
            while recorder.stats().events.is_empty() {
                thread::yield_now();
            }
            drop(guard);
            threads.map(|thread| thread.join().unwrap())
        });
    });
}
