//! Checks that ended runs, operations and recorders retain no heap memory.

use std::fs::DirEntry;
use std::thread;
use std::time::Duration;

use otel_trace::{AgentThread, Bounds, Limits, Operation, Recorder, ThreadMeta, ToolCallMeta, Turn};
use tracing::dispatcher::{self, Dispatch};
use tracing::subscriber::with_default;
use tracing::{Span, info_span};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, registry, reload};

use super::{disk, workload};
use crate::common::{recorder, wait_until};
use crate::heap;

/// Number of actions before the first measurement. It exceeds the number of logs that may hold a file open.
const FEW: u64 = 70;

/// A number of calls that is not exceeded by that of the ended calls which a turn keeps.
const FINDABLE: u64 = 1100;

/// Allowed growth of the heap between both measurements, in bytes, independent of the number of actions.
const SLACK: usize = 1024;

/// Checks that `many` more actions grow the heap by at most `each` bytes per action.
#[track_caller]
fn check(name: &str, many: u64, each: usize, mut act: impl FnMut(u64)) {
    (0..FEW).for_each(&mut act);
    let before = heap::live();
    (FEW..FEW + many).for_each(&mut act);
    let grown = heap::live().saturating_sub(before);
    let most = SLACK + each * usize::try_from(many).unwrap();
    assert!(grown <= most, "{many} more {name} retain {grown} bytes; at most {most} are allowed");
}

/// Runs [`check`] under a subscriber with a recorder.
#[track_caller]
fn check_recorded(name: &str, many: u64, each: usize, act: impl FnMut(u64)) {
    let (root, recorder, guard) = recorder();
    let subscriber = registry().with(recorder.layer().with_filter(recorder.filter()));
    with_default(subscriber, || check(name, many, each, act));
    assert!(recorder.stats().events.values().sum::<u64>() > FEW + many, "{name}: nothing was recorded");
    drop(guard);
    disk::clear(root.path());
}

/// Checks whole runs, each of which is a bundle or a turn of a conversation.
pub(crate) fn check_runs() {
    let check = |name, run: fn(u64)| check_recorded(name, 2 * FEW, 0, run);
    check("handles", workload::handles);
    check("dropped futures", workload::dropped_future);
    check("losses", workload::loss);
    check("panics", workload::panic);
    check("framework runs", workload::framework);
    check("turns of conversations", workload::conversation);
}

fn tool(turn: &Turn) {
    drop(turn.tool_call(ToolCallMeta::new("n")));
    turn.span().in_scope(|| info_span!("tool", otel_trace.kind = "tool").in_scope(|| {}));
}

/// Checks conversations that end because they are idle, while the recorder goes on, under a root with bounds.
pub(crate) fn check_idle_conversations() {
    /// Conversations of each action.
    const CONVERSATIONS: u64 = 10;
    let root = tempfile::tempdir().unwrap();
    let builder = Recorder::builder().root(root.path()).no_parent().conversation_idle(Duration::from_millis(4));
    let (recorder, guard) = builder.limits(Limits::default().root(Bounds::new().count(20))).build().unwrap();
    let subscriber = registry().with(recorder.layer().with_filter(recorder.filter()));
    let ended = || recorder.stats().events.get("rollout_ended").copied().unwrap_or(0);
    with_default(subscriber, || {
        // Some bundles are being ended and removed at any time. A conversation that was kept would take kilobytes.
        check("idle conversations", 2 * FEW, 64 * usize::try_from(CONVERSATIONS).unwrap(), |n| {
            for conversation in 0..CONVERSATIONS {
                let id = format!("conversation {n:06} {conversation}");
                let chat = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.conversation.id = id);
                chat.in_scope(|| {});
            }
            wait_until(|| ended() == (n + 1) * CONVERSATIONS);
        });
    });
    drop(guard);
    let is_bundle = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with("trace-");
    let bundles = std::fs::read_dir(root.path()).unwrap().map(Result::unwrap).filter(is_bundle).count();
    assert!(bundles <= 20 + usize::try_from(CONVERSATIONS).unwrap(), "{bundles} bundles are left");
    disk::clear(root.path());
}

/// Checks operations that start and end in a thread that stays open.
pub(crate) fn check_open_run() {
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
            // The calls that have ended last stay findable in an open turn.
            (0..FINDABLE).for_each(|_| tool(&turn));
            (thread, turn)
        });
        tool(turn);
        drop(turn.inference(otel_trace::Model { name: "m", provider: "p" }));
    });
    let mut open: Option<Span> = None;
    check_recorded("unrecorded spans", many, 0, |_| {
        let root = open.get_or_insert_with(|| {
            let root = info_span!("root");
            root.in_scope(|| (0..FINDABLE).for_each(|_| info_span!("tool", otel_trace.kind = "tool").in_scope(|| {})));
            root
        });
        root.in_scope(|| info_span!("http", otel_trace.kind = "none").in_scope(|| info_span!("tcp").in_scope(|| {})));
        root.in_scope(|| info_span!("tool", otel_trace.kind = "tool").in_scope(|| {}));
    });
    // An id from the program is kept until its bundle ends, so that no other call gets it.
    let mut open = None;
    check_recorded("call ids", many, 128, |n| {
        let turn = open.get_or_insert_with(|| {
            let turn = AgentThread::start(ThreadMeta::new()).turn(None);
            let id = |n: u64| format!("earlier_{n:024}");
            (0..FINDABLE).for_each(|n| drop(turn.tool_call(ToolCallMeta::new("n").id(&id(n)))));
            turn
        });
        drop(turn.tool_call(ToolCallMeta::new("n").id(&format!("call_{n:024}"))));
    });
}

/// Checks operations that the program records after the shutdown.
pub(crate) fn check_late_operations() {
    let (_root, recorder, guard) = recorder();
    with_default(registry().with(recorder.layer()), || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        drop(guard);
        check("late calls", 20 * FEW, 0, |n| {
            tool(&turn);
            workload::anything(n);
        });
    });
    assert!(recorder.stats().late > 20 * FEW);
}

/// Checks spans that close while the layer that recorded their start is removed from the subscriber.
pub(crate) fn check_removed_layer() {
    let (root, recorder, guard) = recorder();
    let (layer, handle) = reload::Layer::<_, Registry>::new(Some(recorder.layer()));
    with_default(registry().with(layer), || {
        check("spans of a removed layer", 2 * FEW, 0, |_| {
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

/// Checks recorders, each with its own subscriber and with spans that are still open when the recorder ends.
pub(crate) fn check_recorders() {
    let root = tempfile::tempdir().unwrap();
    check("recorders", 2 * FEW, 0, |n| {
        let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
        with_default(registry().with(recorder.layer().with_filter(recorder.filter())), || {
            let thread = AgentThread::start(ThreadMeta::new().id(&n.to_string()));
            let turn = thread.turn(None);
            tool(&turn);
            workload::conversation(n);
            drop(guard);
            tool(&turn);
        });
    });
}

/// Checks recorders that end while threads record conversations.
pub(crate) fn check_recorders_amid_work() {
    let root = tempfile::tempdir().unwrap();
    check("recorders that end amid workload", FEW, 0, |_| {
        let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
        let subscriber = Dispatch::new(registry().with(recorder.layer()));
        let converse = || {
            for n in 0.. {
                let id = format!("c-{n}");
                info_span!("chat", gen_ai.operation.name = "chat", gen_ai.conversation.id = id).in_scope(|| {});
                if recorder.stats().late > 0 {
                    break;
                }
            }
        };
        thread::scope(|scope| {
            let threads = [(), ()].map(|()| scope.spawn(|| dispatcher::with_default(&subscriber, converse)));
            while recorder.stats().events.is_empty() {
                thread::yield_now();
            }
            drop(guard);
            threads.map(|thread| thread.join().unwrap())
        });
    });
}
