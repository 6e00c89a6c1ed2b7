//! What is there after the power was cut, at any moment, and what of it is whole.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::mem_disk::{Doing, MemDisk};
use super::{Durability, Json, Manifest, Reader, Store, SyncEvery, Writer, WriterOptions};
use crate::event::{Event, EventContext, PayloadKind, ProtocolEventObserved, Timestamp, UnixMillis};

/// The directory of bundles: made with the first.
const ROOT: &str = "/made/on/the/way";

const STORES: [Store; 2] = [Store::Files, Store::Pack];

/// Numbers that a seed decides.
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
    /// Numbers of the events that must survive.
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
        Writer::create(Path::new(ROOT), manifest, self.options.clone()).expect("made")
    }

    /// Gives what is safe when the power is cut, after so many more things were done.
    fn cut_after(&self, count: u64) -> Arc<Mutex<BTreeSet<u64>>> {
        let (safe, at_cut) = (Arc::clone(&self.safe), Arc::<Mutex<BTreeSet<u64>>>::default());
        let then = Arc::clone(&at_cut);
        self.disk.cut_after(count, move || {
            let safe = safe.lock().unwrap_or_else(PoisonError::into_inner).clone();
            *then.lock().unwrap_or_else(PoisonError::into_inner) = safe;
        });
        at_cut
    }
}

/// An event with a body, both of this number. Its kind is one that a pack compares with the one before.
fn record(writer: &Writer, number: u64) {
    let stored = writer.put(&"t".into(), PayloadKind::InferenceRequest, &Json(&body(number))).expect("stored");
    let event = ProtocolEventObserved { event_type: number.to_string(), event_payload: stored.reference };
    writer.append(Timestamp::now(), &EventContext::default(), &event.into()).expect("written");
}

/// What survived.
#[derive(Default)]
struct Survivors {
    /// Events whose bodies are whole.
    whole: BTreeSet<u64>,
    /// Events whose bodies are not there, as the reader says.
    without_body: BTreeSet<u64>,
}

fn survivors(disk: &MemDisk, seed: u64) -> Survivors {
    let directory = tempfile::tempdir().expect("a directory");
    disk.survivors(directory.path(), &mut random(seed));
    let mut survivors = Survivors::default();
    let bundle = directory.path().join("made/on/the/way/trace-trace-thread");
    let Ok(reader) = Reader::open(&bundle) else { return survivors };
    for line in reader.lines().expect("opened") {
        let Ok(record) = line.expect("read").content else { continue };
        let Event::ProtocolEventObserved(event) = record.event else { continue };
        let number: u64 = event.event_type.parse().expect("a number");
        match reader.payload(&event.event_payload) {
            Ok(found) => {
                let found: serde_json::Value = serde_json::from_slice(&found).expect("JSON");
                assert_eq!(found, body(number), "a body that is said to be whole is not");
                survivors.whole.insert(number);
            }
            Err(_) => drop(survivors.without_body.insert(number)),
        }
    }
    survivors
}

/// Cuts the power while events are recorded that are forced to the disk each, in several threads.
fn cut_amid_events(seed: u64, threads: u64, store: Store) {
    let program = Program::new(Durability::Fsync(SyncEvery::Event), store);
    let mut numbers = random(seed);
    let at_cut = program.cut_after(numbers() % (threads * 80));
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
    assert!(safe.is_subset(&survivors.whole), "{safe:?} were safe, {:?} are there", survivors.whole);
    // What was not safe may be there, and then its body is.
    assert!(survivors.without_body.is_empty(), "{:?}", survivors.without_body);
}

#[test]
fn what_a_call_forced_to_the_disk_survives_a_power_cut_at_any_moment_with_its_bodies() {
    let first = seed();
    for seed in (0..60).map(|n| first.wrapping_add(n)) {
        for (threads, store) in [1, 3].into_iter().flat_map(|threads| STORES.map(|store| (threads, store))) {
            let cut = std::panic::catch_unwind(|| cut_amid_events(seed, threads, store));
            assert!(cut.is_ok(), "the seed was {seed}, with {threads} threads, {store:?}");
        }
    }
}

/// Records, forces all to the disk as the thread does, records on, and cuts the power then.
fn cut_after_a_pass(seed: u64, store: Store) -> usize {
    let program = Program::new(Durability::Fsync(SyncEvery::Millis(1_000_000)), store);
    let mut numbers = random(seed);
    let writer = program.writer();
    (0..10).for_each(|number| record(&writer, number));
    program.options.syncs.flush();
    let (before, after) = ((0..10).collect::<BTreeSet<_>>(), numbers() % 30);
    program.safe.lock().expect("unpoisoned").clone_from(&before);
    let at_cut = program.cut_after(after);
    (10..20).for_each(|number| record(&writer, number));
    program.options.syncs.flush();
    assert_eq!(program.options.tally.stats().unsynced, 0);
    // Few lines of a pack survive without their bodies, and few files are to be written for a look at it.
    let looks = if store == Store::Pack { 4 } else { 1 };
    let outcomes = (0..looks).map(|_| {
        let survivors = survivors(&program.disk, numbers());
        assert!(before.is_subset(&survivors.whole), "{:?} of {:?}", survivors.whole, at_cut.lock());
        survivors.without_body.len()
    });
    outcomes.sum()
}

#[test]
fn what_was_forced_to_the_disk_in_time_survives_and_of_the_rest_the_reader_says_what_is_missing() {
    let first = seed();
    for store in STORES {
        let mut without_body = 0;
        for seed in (0..120).map(|n| first.wrapping_add(n)) {
            let cut = std::panic::catch_unwind(|| cut_after_a_pass(seed, store));
            without_body += cut.unwrap_or_else(|_| panic!("the seed was {seed}, {store:?}"));
        }
        assert!(without_body > 0, "the disk loses nothing");
    }
}

#[test]
fn a_thread_forces_all_bundles_to_the_disk_in_time() {
    let program = Program::new(Durability::Fsync(SyncEvery::Millis(1)), Store::Files);
    let writer = program.writer();
    let (tell, told) = std::sync::mpsc::channel();
    program.disk.plant(move |path, doing| {
        if doing == Doing::Sync && path.ends_with(Manifest::LOG) {
            let _ = tell.send(());
        }
        Ok(())
    });
    record(&writer, 1);
    // Nobody but that thread does it, and it comes to an end of it.
    told.recv().expect("forced to the disk");
    program.options.syncs.flush();
    assert_eq!(survivors(&program.disk, 1).whole, BTreeSet::from([1]));
}

#[test]
fn a_disk_that_refuses_to_be_forced_is_told_and_nothing_is_lost_while_it_goes_on() {
    let all = [SyncEvery::Event, SyncEvery::Millis(1_000_000)];
    for (every, store) in all.into_iter().flat_map(|every| STORES.map(|store| (every, store))) {
        let program = Program::new(Durability::Fsync(every), store);
        let writer = program.writer();
        program.disk.plant(|_, doing| if doing == Doing::Sync { Err(io_error()) } else { Ok(()) });
        record(&writer, 1);
        writer.finish(Timestamp::now());
        let stats = program.options.tally.stats();
        assert!(stats.unsynced > 0 && stats.lost() == 0, "{stats:?}");
        program.disk.mend();
        let directory = tempfile::tempdir().expect("a directory");
        program.disk.copy_to(directory.path());
        let reader = Reader::open(&directory.path().join("made/on/the/way/trace-trace-thread")).expect("a bundle");
        assert_eq!(reader.lines().expect("opened").count(), 1);
    }
}

#[test]
fn a_body_that_can_not_be_forced_now_keeps_no_other_from_it_and_is_tried_again() {
    let program = Program::new(Durability::Fsync(SyncEvery::Millis(1_000_000)), Store::Files);
    let writer = program.writer();
    (0..10).for_each(|number| record(&writer, number));
    // As where there is no file left.
    program.disk.plant(|path, doing| match doing {
        Doing::Other if path.ends_with("payloads/3.json") => Err(std::io::Error::from_raw_os_error(24)),
        Doing::Other | Doing::Create | Doing::Write | Doing::Truncate | Doing::Sync => Ok(()),
    });
    (0..3).for_each(|_| program.options.syncs.flush());
    assert_eq!(program.options.tally.stats().unsynced, 1, "told once");
    let all: BTreeSet<_> = (0..10).collect();
    let whole = survivors(&program.disk, 1).whole;
    assert!(all.difference(&whole).all(|number| *number == 2), "{whole:?}");
    program.disk.mend();
    // With nothing new to write.
    program.options.syncs.flush();
    for seed in 0..20 {
        assert_eq!(survivors(&program.disk, seed).whole, all);
    }
}

fn io_error() -> std::io::Error {
    std::io::Error::from_raw_os_error(5)
}
