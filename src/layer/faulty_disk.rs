//! Tests of recording to a disk that stalls, fails or panics.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use tracing_subscriber::prelude::*;

use super::{AgentThread, Model, Operation, Recorder, RecorderBuilder, RecorderGuard, ThreadMeta, ToolCallMeta};
use crate::bundle::tests::mem_disk::{DiskOp, MemDisk};
use crate::bundle::{Durability, Json, Limits, Manifest, Reader, Store};
use crate::event::PayloadKind;
use crate::graph::{Code, Graph};
use crate::reduce::{Options, reduce};

const ROOT: &str = "/traces";
pub(super) const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// A recorder whose disk can be made to fail.
pub(super) struct Fixture {
    pub(super) disk: MemDisk,
    pub(super) recorder: Recorder,
    guard: Option<RecorderGuard>,
}

impl Fixture {
    pub(super) fn new(set: impl FnOnce(RecorderBuilder) -> RecorderBuilder) -> Self {
        let disk = MemDisk::default();
        let builder = set(Recorder::builder().root(ROOT).no_parent().disk(disk.clone()));
        let (recorder, guard) = builder.build().expect("a recorder");
        Self { disk, recorder, guard: Some(guard) }
    }

    fn buffered(limits: Limits) -> Self {
        Self::new(|builder| builder.durability(Durability::Buffered).limits(limits))
    }

    /// Runs `program` under a subscriber with the layer of the recorder.
    pub(super) fn under<T>(&self, program: impl FnOnce() -> T) -> T {
        let layer = self.recorder.layer().with_filter(self.recorder.filter());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), program)
    }

    /// Ends the recording, and reduces the only bundle on the disk to a graph.
    pub(super) fn graph(&mut self) -> Graph {
        drop(self.guard.take());
        let directory = tempfile::tempdir().expect("a directory");
        self.disk.copy_to(directory.path());
        let root = directory.path().join(ROOT.trim_start_matches('/'));
        let mut bundles = root.read_dir().expect("a root").map(|entry| entry.expect("an entry").path());
        let bundle = bundles.next().expect("a bundle");
        assert_eq!(bundles.next(), None);
        reduce(&Reader::open(&bundle).expect("a bundle"), &Options::default()).expect("a graph").graph
    }
}

/// Returns the number of recording gaps that the graph reports.
fn gaps(graph: &Graph) -> usize {
    graph.diagnostics.iter().filter(|reported| reported.code == Code::RecordingGap).count()
}

/// A gate that a disk waits at until it is opened.
#[derive(Default)]
pub(super) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Waits until the gate is open.
    pub(super) fn pass(&self) {
        let is_open = self.is_open.lock().expect("unpoisoned");
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).expect("unpoisoned"));
    }

    pub(super) fn open(&self) {
        *self.is_open.lock().expect("unpoisoned") = true;
        self.opened.notify_all();
    }
}

/// Makes every operation of the disk stall until the returned gate is opened.
fn stall(disk: &MemDisk) -> Arc<Gate> {
    let gate = Arc::<Gate>::default();
    let waiter = Arc::clone(&gate);
    disk.inject_fault(move |_, _| {
        waiter.pass();
        Ok(())
    });
    gate
}

/// Returns `true` if the path is that of a payload or of the pack.
fn is_body(path: &Path) -> bool {
    path.parent().is_some_and(|parent| parent.ends_with(Manifest::PAYLOADS)) || path.ends_with("payloads.pack")
}

const STORES: [Store; 2] = [Store::Files, Store::Pack];

#[test]
fn a_stalled_body_blocks_only_the_call_that_records_it() {
    STORES.into_iter().for_each(check_stalled_body);
}

fn check_stalled_body(store: Store) {
    let mut fixture = Fixture::new(|builder| builder.store(store));
    let gate = Arc::<Gate>::default();
    let (reached, is_reached) = mpsc::channel();
    fixture.under(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        // The pack is created with its first body, so that one must not stall.
        turn.tool_call(ToolCallMeta::new("n").arguments("{}")).complete();
        let slow = turn.inference(MODEL);
        let waiter = Arc::clone(&gate);
        let is_stalled = AtomicBool::new(false);
        fixture.disk.inject_fault(move |path, doing| {
            // Only the next body stalls.
            if doing == DiskOp::Write && is_body(path) && !is_stalled.swap(true, Ordering::Relaxed) {
                let _ = reached.send(());
                waiter.pass();
            }
            Ok(())
        });
        thread::scope(|scope| {
            let stalled = scope.spawn(|| slow.request(Json(&serde_json::json!({ "input": [] }))));
            is_reached.recv().expect("stalled");
            // These operations are in the same turn and have bodies of their own.
            for _ in 0..10 {
                let tool = turn.tool_call(ToolCallMeta::new("n").arguments("{}"));
                tool.output("done");
                tool.complete();
                turn.inference(MODEL).request(Json(&serde_json::json!({ "input": [] })));
            }
            assert_eq!(fixture.recorder.stats().events["tool_call_ended"], 11);
            assert!(!stalled.is_finished());
            gate.open();
        });
    });
    let graph = fixture.graph();
    assert_eq!((graph.tool_calls.len(), graph.inference_calls.len()), (11, 11));
}

/// Records a run of `calls` tool calls with bodies.
fn run(calls: usize) {
    let thread = AgentThread::start(ThreadMeta::new());
    let turn = thread.turn(None);
    for _ in 0..calls {
        let tool = turn.tool_call(ToolCallMeta::new("n").arguments("{}"));
        tool.output("done");
        tool.complete();
    }
}

#[test]
fn a_queued_recording_never_waits_for_a_stalled_disk() {
    let mut fixture = Fixture::buffered(Limits::default());
    let gate = stall(&fixture.disk);
    // Returns although the disk stalls.
    fixture.under(|| run(1_000));
    assert_eq!(fixture.recorder.stats().events.len(), 0);
    gate.open();
    let graph = fixture.graph();
    assert_eq!((graph.tool_calls.len(), gaps(&graph)), (1_000, 0));
    assert_eq!(fixture.recorder.stats().lost(), 0);
}

#[test]
fn queue_overflow_is_counted_reported_and_in_the_graph() {
    for limits in [Limits::default().queue_events(20), Limits::default().queue_bytes(8_000)] {
        let reported = Arc::new(Mutex::new(BTreeMap::<&str, u64>::new()));
        let counter = Arc::clone(&reported);
        let mut fixture = Fixture::new(|builder| {
            builder.durability(Durability::Buffered).limits(limits).on_loss(move |loss| {
                *counter.lock().expect("unpoisoned").entry(loss.kind.name()).or_default() += 1;
            })
        });
        let gate = stall(&fixture.disk);
        fixture.under(|| run(100));
        gate.open();
        let graph = fixture.graph();
        let stats = fixture.recorder.stats();
        assert!(stats.lost_events["tool_call_started"] > 0 && stats.lost_payloads["tool_invocation"] > 0, "{stats:?}");
        let lost = stats.lost_events.iter().chain(&stats.lost_payloads).map(|(name, count)| (*name, *count)).collect();
        assert_eq!(*reported.lock().expect("unpoisoned"), lost, "reported once each");
        assert!(graph.tool_calls.len() < 100);
        assert_eq!(gaps(&graph), 1, "{:?}", graph.diagnostics);
    }
}

/// Records a request of `bytes` bytes.
fn ask(turn: &super::Turn, bytes: usize) {
    turn.inference(MODEL).request(Json(&serde_json::json!({ "input": "x".repeat(bytes) })));
}

#[test]
fn one_oversized_body_is_queued_and_the_next_is_truncated() {
    let mut fixture = Fixture::buffered(Limits::default().queue_bytes(100_000));
    let gate = stall(&fixture.disk);
    fixture.under(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        (0..2).for_each(|_| ask(&turn, 300_000));
    });
    gate.open();
    let graph = fixture.graph();
    assert_eq!(fixture.recorder.stats().lost(), 0);
    let requests = graph.raw_payloads.iter().filter(|body| body.kind == PayloadKind::InferenceRequest);
    let lengths: Vec<_> = requests.map(|body| body.truncated.as_ref().map(|whole| whole.length)).collect();
    assert_eq!(lengths, [None, Some(300_012)]);
}

#[test]
fn bundles_beyond_the_queue_limit_are_counted_as_lost() {
    let fixture = Fixture::buffered(Limits::default().queue_events(20));
    let gate = stall(&fixture.disk);
    fixture.under(|| (0..1_000).for_each(|_| drop(AgentThread::start(ThreadMeta::new()))));
    let stats = fixture.recorder.stats();
    assert!(stats.lost_bundles >= 960, "{stats:?}");
    gate.open();
}

#[test]
fn shutdown_gives_up_on_a_disk_that_stalls_forever() {
    let fixture = Fixture::buffered(Limits::default());
    let gate = stall(&fixture.disk);
    fixture.under(|| run(10));
    fixture.recorder.0.shut_down();
    fixture.recorder.0.options.worker.finish(Duration::from_millis(20));
    let stats = fixture.recorder.stats();
    assert_eq!(stats.lost_events["tool_call_started"], 10, "{stats:?}");
    assert_eq!((stats.lost_payloads["tool_invocation"], stats.lost_payloads["tool_result"]), (10, 10), "{stats:?}");
    // The entry that the writer thread held when it was given up may still be written.
    gate.open();
}

/// Makes writes of lines and bodies fail with `fault` until the disk is mended.
fn plant(disk: &MemDisk, fault: impl Fn() -> io::Result<()> + Send + Sync + 'static) {
    disk.inject_fault(move |path, doing| match doing {
        DiskOp::Write if is_body(path) || path.ends_with(Manifest::LOG) => fault(),
        DiskOp::Write | DiskOp::Create | DiskOp::Truncate | DiskOp::Sync | DiskOp::Other => Ok(()),
    });
}

/// Checks that a temporary fault loses only the affected lines and bodies, and that they are counted and reported as a
/// gap in the log.
fn check_recovery(fault: fn() -> io::Result<()>) {
    for store in STORES {
        [Durability::PageCache, Durability::Buffered].into_iter().for_each(|it| check_recovery_with(it, store, fault));
    }
}

/// Checks recovery for one durability and one store.
fn check_recovery_with(durability: Durability, store: Store, fault: fn() -> io::Result<()>) {
    let mut fixture = Fixture::new(|builder| builder.durability(durability).store(store));
    let fixture_disk = fixture.disk.clone();
    let written = |fixture: &Fixture| fixture.recorder.stats().events.get("tool_call_ended").copied().unwrap_or(0);
    let until = |is_met: &dyn Fn() -> bool| {
        while !is_met() {
            thread::yield_now();
        }
    };
    fixture.under(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let call = || {
            let tool = turn.tool_call(ToolCallMeta::new("n").arguments("{}"));
            tool.output("done");
            tool.complete();
        };
        call();
        until(&|| written(&fixture) == 1);
        plant(&fixture_disk, fault);
        call();
        until(&|| fixture.recorder.stats().lost_events.contains_key("tool_call_started"));
        // With a queue, the end of the call may still be queued.
        until(&|| durability != Durability::Buffered || fixture.recorder.stats().lost() == 4);
        fixture_disk.clear_fault();
        call();
    });
    let graph = fixture.graph();
    let stats = fixture.recorder.stats();
    assert_eq!(stats.lost_events["tool_call_started"], 1, "{stats:?}");
    assert_eq!((graph.tool_calls.len(), gaps(&graph)), (2, 1), "{:?}", graph.diagnostics);
}

#[test]
fn recording_continues_after_a_disk_error() {
    check_recovery(|| Err(io::Error::from_raw_os_error(5)));
}

#[test]
fn recording_continues_after_a_full_disk() {
    check_recovery(|| Err(io::ErrorKind::StorageFull.into()));
}

#[test]
fn recording_continues_after_a_panic_while_writing() {
    check_recovery(|| panic!("planted"));
}
