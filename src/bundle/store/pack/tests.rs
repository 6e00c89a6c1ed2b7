//! Tests of packs: payloads read back, and damage.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::thread;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::PayloadStore;
use super::*;
use crate::event::RawPayloadId;

const KINDS: [PayloadKind; 3] =
    [PayloadKind::InferenceRequest, PayloadKind::CompactionRequest, PayloadKind::ToolResult];

struct Fixture {
    directory: TempDir,
    pack: Pack,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pack = open(directory.path());
        Self { directory, pack }
    }

    fn file(&self) -> std::path::PathBuf {
        self.directory.path().join(PACK)
    }

    fn put(&self, thread: &str, kind: PayloadKind, bytes: &[u8]) -> PayloadRef {
        let mut body = BodyBuf::from_bytes(bytes.to_vec(), bytes.first() == Some(&b'{'));
        let location = self.pack.put(1, &thread.into(), Some(kind), &mut body).unwrap();
        reference(kind, location)
    }

    fn request(&self, bytes: &[u8]) -> PayloadRef {
        self.put("t", PayloadKind::InferenceRequest, bytes)
    }

    fn length(&self) -> u64 {
        fs::metadata(self.file()).unwrap().len()
    }
}

fn open(bundle: &Path) -> Pack {
    Pack::new(BundleDirectory::new(bundle).into())
}

fn reference(kind: PayloadKind, location: Location) -> PayloadRef {
    let Location { path, offset, length, hash } = location;
    PayloadRef {
        raw_payload_id: RawPayloadId::numbered(1),
        kind: kind.into(),
        path,
        offset,
        length,
        hash,
        truncated: None,
    }
}

/// Returns pseudorandom bytes, which share no runs with those of other seeds.
fn unique(seed: usize, length: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Returns requests that hold the whole history before them, between a constant start and a constant end.
fn session(calls: usize) -> Vec<Vec<u8>> {
    let mut history = unique(0, 3000);
    let grow = |call| {
        history.extend(unique(call, 700));
        [&history[..], &[b'}'; 500]].concat()
    };
    (1..=calls).map(grow).collect()
}

#[test]
fn repeated_history_is_stored_once() {
    let fixture = Fixture::new();
    let bodies = session(500);
    let references: Vec<_> = bodies.iter().map(|body| fixture.request(body)).collect();
    let unique = 3000 + 500 + 500 * 700;
    assert!(fixture.length() < unique * 11 / 10, "{} bytes for {unique}", fixture.length());
    for (reference, body) in references.iter().zip(&bodies) {
        let stored = fixture.pack.get(reference).unwrap();
        assert_eq!((&stored.bytes, stored.is_json, stored.kind), (body, false, reference.kind.known()));
    }
}

#[test]
fn session_is_read_with_two_reads_per_payload() {
    let fixture = Fixture::new();
    let bodies = session(400);
    let references: Vec<_> = bodies.iter().map(|body| fixture.request(body)).collect();
    for (reference, body) in references.iter().zip(&bodies) {
        assert_eq!(&fixture.pack.get(reference).unwrap().bytes, body);
    }
    let reads = fixture.pack.reader.reads.load(Ordering::Relaxed);
    assert!(reads <= 2 * 400, "{reads} reads for 400 bodies");

    // Only the last payload, without a cache: reads the header and the bytes of each record in the chain. The bytes may
    // be in two parts if they happen to begin or end like the bytes that follow.
    let cold = open(fixture.directory.path());
    assert_eq!(&cold.get(references.last().unwrap()).unwrap().bytes, bodies.last().unwrap());
    let reads = cold.reader.reads.load(Ordering::Relaxed);
    assert!(reads <= 3 * 400, "{reads} reads for one body on 399 others");
}

#[test]
fn payload_is_stored_whole_after_the_maximum_depth() {
    let fixture = Fixture::new();
    let body = unique(7, 1000);
    let references: Vec<_> = (0..usize::from(MAX_DEPTH) + 3).map(|_| fixture.request(&body)).collect();
    let bytes = fs::read(fixture.file()).unwrap();
    let at = |reference: &PayloadRef| usize::try_from(reference.offset.unwrap()).unwrap();
    let stored = |reference: &PayloadRef| &bytes[at(reference)..(at(reference) + 1000).min(bytes.len())];
    let whole: Vec<_> = (0..references.len()).filter(|place| stored(&references[*place]) == body).collect();
    assert_eq!(whole, [0, usize::from(MAX_DEPTH) + 1]);
    assert_eq!(open(fixture.directory.path()).get(references.last().unwrap()).unwrap().bytes, body);
    assert_eq!(open(fixture.directory.path()).get(&references[usize::from(MAX_DEPTH)]).unwrap().bytes, body);
}

#[test]
fn whole_payload_is_at_the_offset_of_its_reference() {
    let fixture = Fixture::new();
    let reference = fixture.put("t", PayloadKind::ToolResult, br#"{"ok":true}"#);
    let offset = usize::try_from(reference.offset.unwrap()).unwrap();
    let bytes = fs::read(fixture.file()).unwrap();
    assert_eq!(&bytes[offset..], br#"{"ok":true}"#);
    assert_eq!(bytes[..12], *b"OTELPACK\x01\0\0\0");
    assert!(fixture.pack.get(&reference).unwrap().is_json);
}

#[test]
fn concurrent_writers_damage_no_payload() {
    let fixture = Fixture::new();
    let start = Barrier::new(8);
    let written: Vec<_> = thread::scope(|scope| {
        let write = |writer: usize| {
            let (fixture, start) = (&fixture, &start);
            scope.spawn(move || {
                start.wait();
                // Two writers share one agent thread.
                let id = format!("t{}", writer / 2);
                let put = |body: Vec<u8>| (fixture.put(&id, PayloadKind::InferenceRequest, &body), body);
                session(50).into_iter().chain([unique(writer, 100_000)]).map(put).collect::<Vec<_>>()
            })
        };
        let writers: Vec<_> = (0..8).map(write).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let offsets: HashSet<_> = written.iter().map(|(reference, _)| reference.offset).collect();
    assert_eq!(offsets.len(), 8 * 51);
    for (reference, body) in &written {
        assert_eq!(&fixture.pack.get(reference).unwrap().bytes, body);
    }
}

#[test]
fn closed_pack_is_reopened_unless_it_was_replaced() {
    let fixture = Fixture::new();
    let first = fixture.request(&unique(1, 1000));
    fixture.pack.release();
    let second = fixture.request(&unique(2, 1000));
    for (reference, seed) in [(first, 1), (second, 2)] {
        assert_eq!(fixture.pack.get(&reference).unwrap().bytes, unique(seed, 1000));
    }
    fixture.pack.release();
    fs::rename(fixture.file(), fixture.directory.path().join("elsewhere")).unwrap();
    fs::write(fixture.file(), "another").unwrap();
    let mut body = BodyBuf::from_bytes(vec![1; 100], false);
    let error = fixture.pack.put(1, &"t".into(), Some(PayloadKind::ToolResult), &mut body).unwrap_err();
    assert!(error.to_string().contains("replaced"), "{error}");
    assert_eq!(fs::read(fixture.file()).unwrap(), b"another");
}

#[test]
fn wrong_references_are_rejected() {
    let fixture = Fixture::new();
    let good = fixture.request(&unique(1, 1000));
    fixture.request(&unique(2, 1000));
    let refused = |change: &dyn Fn(&mut PayloadRef)| {
        let mut reference = good.clone();
        change(&mut reference);
        fixture.pack.get(&reference).unwrap_err().to_string()
    };
    assert!(refused(&|it| it.hash = None).contains("named without"));
    assert!(refused(&|it| it.offset = None).contains("named without"));
    assert!(refused(&|it| it.length = Some(999)).contains("another payload"));
    assert!(refused(&|it| it.hash = Some("0".repeat(32).into())).contains("another payload"));
    assert!(refused(&|it| it.hash = Some("+".repeat(32).into())).contains("another payload"));
    for offset in [0, 1, 16, 40, u64::MAX] {
        assert!(refused(&|it| it.offset = Some(offset)).contains("no record at this offset"), "{offset}");
    }
    for offset in [42, 1041, 1041 + 25 + 999] {
        assert!(refused(&|it| it.offset = Some(offset)).contains("damaged header"), "{offset}");
    }
}

/// Writes a record with a forged header and returns the error of reading its payload.
fn forged(fixture: &Fixture, header: Header, stored: &[u8]) -> String {
    let offset = fixture.pack.file.append(&header, stored).unwrap();
    let hash = Some(format!("{:032x}", header.hash).into());
    let location =
        Location { path: PACK.to_owned(), offset: Some(offset), length: Some(u64::from(header.length)), hash };
    fixture.pack.get(&reference(PayloadKind::InferenceRequest, location)).unwrap_err().to_string()
}

#[test]
fn forged_records_are_rejected_without_allocation() {
    let fixture = Fixture::new();
    let base = fixture.request(&unique(1, 1000)).offset.unwrap();
    let flags = Flags { is_json: false };
    let kind = Some(PayloadKind::InferenceRequest);
    let whole = |length| Header { kind, flags, length, hash: 5, base: None };
    assert!(forged(&fixture, whole(u32::MAX), b"x").contains("cut short"));
    assert!(forged(&fixture, whole(1), b"x").contains("does not match its hash"));

    let on = |offset, prefix, suffix, depth, length| Header {
        base: Some(Base { offset, prefix, suffix, depth }),
        ..whole(length)
    };
    let two_gib = 1 << 31;
    assert!(forged(&fixture, on(base, two_gib, 0, 1, two_gib), b"").contains("shorter"));
    assert!(forged(&fixture, on(base, 600, 600, 1, 1200), b"").contains("shorter"));
    assert!(forged(&fixture, on(base, 600, 600, 1, 1000), b"").contains("impossible base"));
    assert!(forged(&fixture, on(base, u32::MAX, 2, 1, 1), b"").contains("impossible base"));
    assert!(forged(&fixture, on(base, 1000, 0, 0, 1000), b"").contains("impossible base"));
    assert!(forged(&fixture, on(base, 1000, 0, MAX_DEPTH + 1, 1000), b"").contains("impossible base"));
    assert!(forged(&fixture, on(base, 1000, 0, 2, 1000), b"").contains("was replaced"));
    assert!(forged(&fixture, on(base + 1, 1000, 0, 1, 1000), b"").contains("damaged header"));
    assert!(forged(&fixture, on(3, 1000, 0, 1, 1000), b"").contains("no record at this offset"));
    for ahead in [0, 1, 1 << 40] {
        let offset = fixture.length() + 41 + ahead;
        assert!(forged(&fixture, on(offset, 1000, 0, 1, 1000), b"").contains("impossible base"));
    }
}

#[test]
fn error_names_an_unknown_version_or_a_foreign_file() {
    let fixture = Fixture::new();
    let reference = fixture.request(&unique(1, 1000));
    let file = fs::OpenOptions::new().write(true).open(fixture.file()).unwrap();
    let error = || open(fixture.directory.path()).get(&reference).unwrap_err().to_string();
    file.write_all_at(&[2], 8).unwrap();
    assert!(error().contains("of a version"), "{}", error());
    file.write_all_at(b"X", 0).unwrap();
    assert!(error().contains("not a pack"), "{}", error());
    file.set_len(3).unwrap();
    assert!(error().contains("not a pack"), "{}", error());
    fs::remove_file(fixture.file()).unwrap();
    assert!(open(fixture.directory.path()).get(&reference).unwrap_err().is_missing());
}

/// An edit that makes a payload from the previous payload of its thread.
#[derive(Debug, Clone)]
struct Edit {
    thread: u8,
    kind: usize,
    from: prop::sample::Index,
    to: prop::sample::Index,
    new: Vec<u8>,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let new = prop_oneof![prop::collection::vec(any::<u8>(), 0..40), prop::collection::vec(any::<u8>(), 300..900)];
    let edit = (0u8..3, 0..KINDS.len(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), new);
    prop::collection::vec(edit.prop_map(|(thread, kind, from, to, new)| Edit { thread, kind, from, to, new }), 1..40)
}

fn bodies_of(edits: &[Edit]) -> Vec<(String, PayloadKind, Vec<u8>)> {
    let mut last: HashMap<u8, Vec<u8>> = HashMap::new();
    let apply = |edit: &Edit| {
        let body = last.entry(edit.thread).or_insert_with(|| unique(usize::from(edit.thread), 2000));
        let (from, to) = (edit.from.index(body.len() + 1), edit.to.index(body.len() + 1));
        body.splice(from.min(to)..from.max(to), edit.new.iter().copied());
        (format!("t{}", edit.thread), KINDS[edit.kind], body.clone())
    };
    edits.iter().map(apply).collect()
}

/// Returns the ranges of the file with the records that a payload is assembled from.
fn built_on(bytes: &[u8], reference: &PayloadRef) -> Vec<std::ops::Range<u64>> {
    let mut offset = reference.offset.unwrap();
    let mut records = Vec::new();
    loop {
        let before = bytes[..usize::try_from(offset).unwrap()].last_chunk().unwrap();
        let header = Header::parse(before, offset).unwrap();
        records.push(offset - header.size() as u64..offset + u64::from(header.stored()));
        match header.base {
            Some(base) => offset = base.offset,
            None => return records,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_payload_is_read_back_unchanged(edits in edits(), order in any::<u64>()) {
        let fixture = Fixture::new();
        let bodies = bodies_of(&edits);
        let references: Vec<_> =
            bodies.iter().map(|(thread, kind, body)| fixture.put(thread, *kind, body)).collect();
        let mut places: Vec<_> = (0..bodies.len()).collect();
        places.sort_by_key(|place| xxhash_rust::xxh3::xxh3_64_with_seed(&place.to_le_bytes(), order));
        for place in places {
            let stored = fixture.pack.get(&references[place]).unwrap();
            prop_assert_eq!(&stored.bytes, &bodies[place].2);
            prop_assert_eq!(stored.kind, Some(bodies[place].1));
        }
    }

    #[test]
    fn damage_affects_only_payloads_built_on_it(
        edits in edits(), damage in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let fixture = Fixture::new();
        let bodies = bodies_of(&edits);
        let references: Vec<_> =
            bodies.iter().map(|(thread, kind, body)| fixture.put(thread, *kind, body)).collect();
        let whole = fs::read(fixture.file()).unwrap();
        let mut bytes = whole.clone();
        let mut damaged = HashSet::new();
        for (place, flip) in damage {
            // After the file header: without a valid one nothing is read.
            let place = 16 + place.index(bytes.len() - 16);
            bytes[place] ^= flip;
            damaged.insert(place as u64);
        }
        if let Some(cut) = cut {
            let end = 16 + cut.index(bytes.len() - 16);
            bytes.truncate(end);
            damaged.extend(end as u64..whole.len() as u64);
        }
        damaged.retain(|place| bytes.get(*place as usize) != whole.get(*place as usize));
        fs::write(fixture.file(), &bytes).unwrap();
        let pack = open(fixture.directory.path());
        for (reference, (_, _, body)) in references.iter().zip(&bodies) {
            let is_harmed = built_on(&whole, reference).iter().any(|it| damaged.iter().any(|place| it.contains(place)));
            match pack.get(reference) {
                Ok(stored) => prop_assert_eq!(&stored.bytes, body),
                Err(why) => prop_assert!(is_harmed, "{}", why),
            }
        }
    }

    #[test]
    fn arbitrary_bytes_and_references_cause_no_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400), offset in 0u64..500, length in any::<u64>(),
    ) {
        let fixture = Fixture::new();
        fs::write(fixture.file(), [&header::FILE_HEADER[..], &bytes].concat()).unwrap();
        let location = Location {
            path: PACK.to_owned(), offset: Some(offset), length: Some(length), hash: Some("0".repeat(32).into()),
        };
        prop_assert!(fixture.pack.get(&reference(PayloadKind::ToolResult, location)).is_err());
    }
}
