//! What a recording costs its host when the disk stalls, errs or panics, and what it says of it afterwards.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use tracing_subscriber::prelude::*;

use super::{AgentThread, Model, Operation, Recorder, RecorderBuilder, RecorderGuard, ThreadMeta, ToolCallMeta};
use crate::bundle::mem_disk::{Doing, MemDisk};
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

    pub(super) fn under<T>(&self, program: impl FnOnce() -> T) -> T {
        let layer = self.recorder.layer().with_filter(self.recorder.filter());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), program)
    }

    /// The one graph of what is on the disk when the recording is over.
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

fn gaps(graph: &Graph) -> usize {
    graph.diagnostics.iter().filter(|told| told.code == Code::RecordingGap).count()
}

/// A door that a disk waits at.
#[derive(Default)]
pub(super) struct Door {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Door {
    pub(super) fn pass(&self) {
        let is_open = self.is_open.lock().expect("unpoisoned");
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).expect("unpoisoned"));
    }

    pub(super) fn open(&self) {
        *self.is_open.lock().expect("unpoisoned") = true;
        self.opened.notify_all();
    }
}

/// Makes the disk stall at everything until the door is opened.
fn stall(disk: &MemDisk) -> Arc<Door> {
    let door = Arc::<Door>::default();
    let waits = Arc::clone(&door);
    disk.plant(move |_, _| {
        waits.pass();
        Ok(())
    });
    door
}

fn is_body(path: &Path) -> bool {
    path.parent().is_some_and(|parent| parent.ends_with(Manifest::PAYLOADS)) || path.ends_with("payloads.pack")
}

const STORES: [Store; 2] = [Store::Files, Store::Pack];

#[test]
fn a_stalled_body_holds_the_call_that_records_it_and_no_other_span() {
    STORES.into_iter().for_each(a_body_stalls);
}

fn a_body_stalls(store: Store) {
    let mut fixture = Fixture::new(|builder| builder.store(store));
    let door = Arc::<Door>::default();
    let (reached, is_reached) = mpsc::channel();
    fixture.under(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        // A pack is made with its first body.
        turn.tool_call(ToolCallMeta::new("n").arguments("{}")).complete();
        let slow = turn.inference(MODEL);
        let waits = Arc::clone(&door);
        let is_stalled = AtomicBool::new(false);
        fixture.disk.plant(move |path, doing| {
            // The next body, and only that.
            if doing == Doing::Write && is_body(path) && !is_stalled.swap(true, Ordering::Relaxed) {
                let _ = reached.send(());
                waits.pass();
            }
            Ok(())
        });
        thread::scope(|scope| {
            let stalled = scope.spawn(|| slow.request(Json(&serde_json::json!({ "input": [] }))));
            is_reached.recv().expect("stalled");
            // All of it in the same turn, with bodies of its own.
            for _ in 0..10 {
                let tool = turn.tool_call(ToolCallMeta::new("n").arguments("{}"));
                tool.output("done");
                tool.complete();
                turn.inference(MODEL).request(Json(&serde_json::json!({ "input": [] })));
            }
            assert_eq!(fixture.recorder.stats().events["tool_call_ended"], 11);
            assert!(!stalled.is_finished());
            door.open();
        });
    });
    let graph = fixture.graph();
    assert_eq!((graph.tool_calls.len(), graph.inference_calls.len()), (11, 11));
}

/// A run of so many tool calls with bodies.
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
fn with_a_queue_a_host_never_waits_for_a_stalled_disk_and_nothing_is_lost_that_fits() {
    let mut fixture = Fixture::buffered(Limits::default());
    let door = stall(&fixture.disk);
    // Returns though the disk does nothing.
    fixture.under(|| run(1_000));
    assert_eq!(fixture.recorder.stats().events.len(), 0);
    door.open();
    let graph = fixture.graph();
    assert_eq!((graph.tool_calls.len(), gaps(&graph)), (1_000, 0));
    assert_eq!(fixture.recorder.stats().lost(), 0);
}

#[test]
fn what_does_not_fit_into_the_queue_is_counted_by_kind_told_and_named_by_the_graph() {
    for limits in [Limits::default().queue_events(20), Limits::default().queue_bytes(8_000)] {
        let told = Arc::new(Mutex::new(BTreeMap::<&str, u64>::new()));
        let listener = Arc::clone(&told);
        let mut fixture = Fixture::new(|builder| {
            builder.durability(Durability::Buffered).limits(limits).on_loss(move |loss| {
                *listener.lock().expect("unpoisoned").entry(loss.what.name()).or_default() += 1;
            })
        });
        let door = stall(&fixture.disk);
        fixture.under(|| run(100));
        door.open();
        let graph = fixture.graph();
        let stats = fixture.recorder.stats();
        assert!(stats.lost_events["tool_call_started"] > 0 && stats.lost_payloads["tool_invocation"] > 0, "{stats:?}");
        let lost = stats.lost_events.iter().chain(&stats.lost_payloads).map(|(name, count)| (*name, *count)).collect();
        assert_eq!(*told.lock().expect("unpoisoned"), lost, "told once each");
        assert!(graph.tool_calls.len() < 100);
        assert_eq!(gaps(&graph), 1, "{:?}", graph.diagnostics);
    }
}

/// Records a request of so many bytes.
fn ask(turn: &super::Turn, bytes: usize) {
    turn.inference(MODEL).request(Json(&serde_json::json!({ "input": "x".repeat(bytes) })));
}

#[test]
fn a_body_that_is_larger_than_the_queue_is_taken_alone_and_the_next_by_its_ends() {
    let mut fixture = Fixture::buffered(Limits::default().queue_bytes(100_000));
    let door = stall(&fixture.disk);
    fixture.under(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        (0..2).for_each(|_| ask(&turn, 300_000));
    });
    door.open();
    let graph = fixture.graph();
    assert_eq!(fixture.recorder.stats().lost(), 0);
    let requests = graph.raw_payloads.iter().filter(|body| body.kind == PayloadKind::InferenceRequest);
    let lengths: Vec<_> = requests.map(|body| body.truncated.as_ref().map(|whole| whole.length)).collect();
    assert_eq!(lengths, [None, Some(300_012)]);
}

#[test]
fn a_queue_holds_no_more_bundles_than_it_may_and_tells_of_the_others() {
    let fixture = Fixture::buffered(Limits::default().queue_events(20));
    let door = stall(&fixture.disk);
    fixture.under(|| (0..1_000).for_each(|_| drop(AgentThread::start(ThreadMeta::new()))));
    let stats = fixture.recorder.stats();
    assert!(stats.lost_bundles >= 960, "{stats:?}");
    door.open();
}

#[test]
fn what_a_disk_that_never_comes_back_holds_is_lost_in_time_and_the_host_ends() {
    let fixture = Fixture::buffered(Limits::default());
    let door = stall(&fixture.disk);
    fixture.under(|| run(10));
    fixture.recorder.0.shut_down();
    fixture.recorder.0.options.queue.finish(Duration::from_millis(20));
    let stats = fixture.recorder.stats();
    assert_eq!(stats.lost_events["tool_call_started"], 10, "{stats:?}");
    assert_eq!((stats.lost_payloads["tool_invocation"], stats.lost_payloads["tool_result"]), (10, 10), "{stats:?}");
    // What the thread held when it was given up may still come.
    door.open();
}

/// Plants what happens to lines and bodies until the disk is mended.
fn plant(disk: &MemDisk, fault: impl Fn() -> io::Result<()> + Send + Sync + 'static) {
    disk.plant(move |path, doing| match doing {
        Doing::Write if is_body(path) || path.ends_with(Manifest::LOG) => fault(),
        Doing::Write | Doing::Create | Doing::Truncate | Doing::Sync | Doing::Other => Ok(()),
    });
}

/// What goes wrong for a while is lost, counted, told, and said by the log afterwards; the rest is there.
fn goes_on_after(fault: fn() -> io::Result<()>) {
    for store in STORES {
        [Durability::PageCache, Durability::Buffered].into_iter().for_each(|it| goes_on_with(it, store, fault));
    }
}

fn goes_on_with(durability: Durability, store: Store, fault: fn() -> io::Result<()>) {
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
        // Its end is on its way, where it has one.
        until(&|| durability != Durability::Buffered || fixture.recorder.stats().lost() == 4);
        fixture_disk.mend();
        call();
    });
    let graph = fixture.graph();
    let stats = fixture.recorder.stats();
    assert_eq!(stats.lost_events["tool_call_started"], 1, "{stats:?}");
    assert_eq!((graph.tool_calls.len(), gaps(&graph)), (2, 1), "{:?}", graph.diagnostics);
}

#[test]
fn an_error_of_the_disk_costs_what_it_hit_and_the_graph_names_it() {
    goes_on_after(|| Err(io::Error::from_raw_os_error(5)));
}

#[test]
fn a_full_disk_costs_what_it_hit_and_the_graph_names_it() {
    goes_on_after(|| Err(io::ErrorKind::StorageFull.into()));
}

#[test]
fn a_panic_of_what_writes_costs_what_it_hit_and_neither_host_nor_queue_goes_down() {
    goes_on_after(|| panic!("planted"));
}
