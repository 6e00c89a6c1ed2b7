//! Tests of [`Durability::Fsync`]: the events and payloads that survive a power cut at a random moment.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::mem_disk::{DiskOp, MemDisk};
use crate::bundle::durability::{Durability, SyncEvery};
use crate::bundle::manifest::Manifest;
use crate::bundle::payload::Json;
use crate::bundle::read::Reader;
use crate::bundle::store::Store;
use crate::bundle::write::{Writer, WriterOptions};
use crate::event::{Event, EventContext, PayloadKind, ProtocolEventObserved, Timestamp, UnixMillis};

/// Root directory of the bundles, which the writer has to create.
const ROOT: &str = "/nested/root/directory";

const STORES: [Store; 2] = [Store::Files, Store::Pack];

/// Returns a pseudo-random number generator.
fn random(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 29)
    }
}

fn seed() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

fn body(number: u64) -> serde_json::Value {
    let letters = random(number);
    let mut letters = std::iter::repeat_with(letters).map(|n| char::from(b'a' + (n % 26) as u8));
    serde_json::json!({ "number": number, "text": letters.by_ref().take((number as usize * 37) % 700).collect::<String>() })
}

struct Program {
    disk: MemDisk,
    options: WriterOptions,
    /// Numbers of the events that have been synced to the disk, and must survive.
    safe: Arc<Mutex<BTreeSet<u64>>>,
}

impl Program {
    fn new(durability: Durability, store: Store) -> Self {
        let disk = MemDisk::default();
        let options = WriterOptions { durability, store, disk: Arc::new(disk.clone()), ..WriterOptions::default() };
        Self { disk, options, safe: Arc::default() }
    }

    fn writer(&self) -> Writer {
        let manifest = Manifest::new("trace".into(), "rollout".into(), "thread".into(), UnixMillis(5));
        Writer::create(Path::new(ROOT), manifest, self.options.clone()).expect("created")
    }

    /// Cuts the power after `count` more operations of the disk. Returns the numbers of the events that have been
    /// synced by then.
    fn cut_power_after(&self, count: u64) -> Arc<Mutex<BTreeSet<u64>>> {
        let (safe, at_cut) = (Arc::clone(&self.safe), Arc::<Mutex<BTreeSet<u64>>>::default());
        let then = Arc::clone(&at_cut);
        self.disk.cut_power_after(count, move || {
            let safe = safe.lock().unwrap_or_else(PoisonError::into_inner).clone();
            *then.lock().unwrap_or_else(PoisonError::into_inner) = safe;
        });
        at_cut
    }
}

/// Records an event and a payload that both contain `number`. A pack stores payloads of this kind as a delta to the
/// previous one.
fn record(writer: &Writer, number: u64) {
    let stored = writer.put(&"t".into(), PayloadKind::InferenceRequest, &Json(&body(number))).expect("stored");
    let event = ProtocolEventObserved { event_type: number.to_string(), event_payload: stored.reference };
    writer.append(Timestamp::now(), &EventContext::default(), &event.into()).expect("written");
}

/// The events that survived a power cut.
#[derive(Default)]
struct Survivors {
    /// Numbers of the events whose payloads survived whole.
    whole: BTreeSet<u64>,
    /// Numbers of the events whose payloads the reader reports as missing or damaged.
    without_payload: BTreeSet<u64>,
}

fn survivors(disk: &MemDisk, seed: u64) -> Survivors {
    let directory = tempfile::tempdir().expect("a directory");
    disk.write_survivors(directory.path(), &mut random(seed));
    let mut survivors = Survivors::default();
    let bundle = directory.path().join("nested/root/directory/trace-trace-thread");
    let Ok(reader) = Reader::open(&bundle) else { return survivors };
    for line in reader.lines().expect("opened") {
        let Ok(record) = line.expect("read").content else { continue };
        let Event::ProtocolEventObserved(event) = record.event else { continue };
        let number: u64 = event.event_type.parse().expect("a number");
        match reader.payload(&event.event_payload) {
            Ok(found) => {
                let found: serde_json::Value = serde_json::from_slice(&found).expect("JSON");
                assert_eq!(found, body(number), "the reader returned a damaged payload");
                survivors.whole.insert(number);
            }
            Err(_) => drop(survivors.without_payload.insert(number)),
        }
    }
    survivors
}

/// Cuts the power while several threads record events, each of which is synced.
fn cut_amid_events(seed: u64, threads: u64, store: Store) {
    let program = Program::new(Durability::Fsync(SyncEvery::Event), store);
    let mut numbers = random(seed);
    let at_cut = program.cut_power_after(numbers() % (threads * 80));
    let writer = program.writer();
    thread::scope(|scope| {
        for thread in 0..threads {
            let (writer, safe) = (&writer, &program.safe);
            scope.spawn(move || {
                for number in 0..10 {
                    let number = thread * 1_000 + number;
                    record(writer, number);
                    safe.lock().expect("unpoisoned").insert(number);
                }
            });
        }
    });
    assert_eq!(program.options.tally.stats().unsynced, 0);
    let survivors = survivors(&program.disk, numbers());
    let safe = at_cut.lock().expect("unpoisoned");
    assert!(safe.is_subset(&survivors.whole), "{safe:?} were synced, {:?} survived", survivors.whole);
    // Other events may survive too, but only with their payloads.
    assert!(survivors.without_payload.is_empty(), "{:?}", survivors.without_payload);
}

#[test]
fn events_synced_per_call_survive_any_power_cut() {
    let first = seed();
    for seed in (0..60).map(|n| first.wrapping_add(n)) {
        for (threads, store) in [1, 3].into_iter().flat_map(|threads| STORES.map(|store| (threads, store))) {
            let cut = std::panic::catch_unwind(|| cut_amid_events(seed, threads, store));
            assert!(cut.is_ok(), "the seed was {seed}, with {threads} threads, {store:?}");
        }
    }
}

/// Records events, syncs them as the sync thread does, records more events, and cuts the power. Returns the number of
/// events that survived without their payloads.
fn cut_after_a_pass(seed: u64, store: Store) -> usize {
    let program = Program::new(Durability::Fsync(SyncEvery::Millis(1_000_000)), store);
    let mut numbers = random(seed);
    let writer = program.writer();
    (0..10).for_each(|number| record(&writer, number));
    program.options.sync_scheduler.flush();
    let (before, after) = ((0..10).collect::<BTreeSet<_>>(), numbers() % 30);
    program.safe.lock().expect("unpoisoned").clone_from(&before);
    let at_cut = program.cut_power_after(after);
    (10..20).for_each(|number| record(&writer, number));
    program.options.sync_scheduler.flush();
    assert_eq!(program.options.tally.stats().unsynced, 0);
    // With a pack, lines survive without their payloads less often, and checking it takes fewer files.
    let checks = if store == Store::Pack { 4 } else { 1 };
    let outcomes = (0..checks).map(|_| {
        let survivors = survivors(&program.disk, numbers());
        assert!(before.is_subset(&survivors.whole), "{:?} of {:?}", survivors.whole, at_cut.lock());
        survivors.without_payload.len()
    });
    outcomes.sum()
}

#[test]
fn periodically_synced_events_survive_and_losses_are_detected() {
    let first = seed();
    for store in STORES {
        let mut without_payload = 0;
        for cuts in 0.. {
            let seed = first.wrapping_add(cuts);
            let cut = std::panic::catch_unwind(|| cut_after_a_pass(seed, store));
            without_payload += cut.unwrap_or_else(|_| panic!("the seed was {seed}, {store:?}"));
            // A line survives without its payload only where the cut falls between both, which 120 cuts may all miss.
            if cuts >= 120 && without_payload > 0 {
                break;
            }
            assert!(cuts < 10_000, "the disk loses nothing");
        }
    }
}

#[test]
fn the_sync_thread_syncs_bundles_within_the_interval() {
    let program = Program::new(Durability::Fsync(SyncEvery::Millis(1)), Store::Files);
    let writer = program.writer();
    let (synced, is_synced) = std::sync::mpsc::channel();
    program.disk.inject_fault(move |path, op| {
        if op == DiskOp::Sync && path.ends_with(Manifest::LOG) {
            let _ = synced.send(());
        }
        Ok(())
    });
    record(&writer, 1);
    // Only the sync thread can have synced the log. The flush waits for the end of its pass.
    is_synced.recv().expect("synced");
    program.options.sync_scheduler.flush();
    assert_eq!(survivors(&program.disk, 1).whole, BTreeSet::from([1]));
}

#[test]
fn failed_syncs_are_reported_and_lose_nothing_without_a_crash() {
    let all = [SyncEvery::Event, SyncEvery::Millis(1_000_000)];
    for (every, store) in all.into_iter().flat_map(|every| STORES.map(|store| (every, store))) {
        let program = Program::new(Durability::Fsync(every), store);
        let writer = program.writer();
        program.disk.inject_fault(|_, op| if op == DiskOp::Sync { Err(io_error()) } else { Ok(()) });
        record(&writer, 1);
        writer.finish(Timestamp::now());
        let stats = program.options.tally.stats();
        assert!(stats.unsynced > 0 && stats.lost() == 0, "{stats:?}");
        program.disk.clear_fault();
        let directory = tempfile::tempdir().expect("a directory");
        program.disk.copy_to(directory.path());
        let reader =
            Reader::open(&directory.path().join("nested/root/directory/trace-trace-thread")).expect("a bundle");
        assert_eq!(reader.lines().expect("opened").count(), 1);
    }
}

#[test]
fn a_payload_that_fails_to_sync_is_retried_and_blocks_no_other() {
    let program = Program::new(Durability::Fsync(SyncEvery::Millis(1_000_000)), Store::Files);
    let writer = program.writer();
    (0..10).for_each(|number| record(&writer, number));
    // EMFILE: the process has no file descriptor left.
    program.disk.inject_fault(|path, op| match op {
        DiskOp::Other if path.ends_with("payloads/3.json") => Err(std::io::Error::from_raw_os_error(24)),
        DiskOp::Other | DiskOp::Create | DiskOp::Write | DiskOp::Truncate | DiskOp::Sync => Ok(()),
    });
    (0..3).for_each(|_| program.options.sync_scheduler.flush());
    assert_eq!(program.options.tally.stats().unsynced, 1, "reported once");
    let all: BTreeSet<_> = (0..10).collect();
    let whole = survivors(&program.disk, 1).whole;
    assert!(all.difference(&whole).all(|number| *number == 2), "{whole:?}");
    program.disk.clear_fault();
    // The retry needs no new event.
    program.options.sync_scheduler.flush();
    for seed in 0..20 {
        assert_eq!(survivors(&program.disk, seed).whole, all);
    }
}

fn io_error() -> std::io::Error {
    std::io::Error::from_raw_os_error(5)
}
