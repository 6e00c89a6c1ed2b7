//! Fuzzes packs: arbitrary payloads come back as they were written, and damage costs payloads and nothing else.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use otel_trace::bundle::{Manifest, Reader, Writer, WriterOptions};
use otel_trace::event::{EventContext, PayloadKind, PayloadRef, ProtocolEventObserved, UnixMillis};
use otel_trace::rewrite::convert;
use otel_trace::{Exact, Masking, Store};
use otel_trace_fuzz::{SEPARATOR, temporary_directory};

fuzz_target!(|input: &[u8]| {
    let directory = temporary_directory();
    let (stored, bundle) = write(directory.path(), input);
    check(&bundle, &stored);
    let packed = Reader::open(&bundle).expect("a bundle");
    convert(&packed, &directory.path().join("files"), Store::Files, |unread| panic!("{unread}")).expect("a copy");
    let files = Reader::open(&directory.path().join("files")).expect("a bundle");
    convert(&files, &directory.path().join("again"), Store::Pack, |unread| panic!("{unread}")).expect("a copy");
    let names = |reader: &Reader| {
        let mut bodies = Vec::new();
        for line in reader.lines().expect("a log") {
            let event = line.expect("a line").content.expect("an event").event;
            event.for_each_payload(|reference| bodies.push(reader.payload(reference).expect("a payload")));
        }
        bodies
    };
    let again = Reader::open(&directory.path().join("again")).expect("a bundle");
    assert!(names(&packed) == names(&files) && names(&files) == names(&again), "copies have the same payloads");
    damage(&bundle, input);
    let damaged = Reader::open(&bundle).expect("a bundle");
    for (reference, body) in &stored {
        // The hash of a payload tells one that was damaged.
        assert!(damaged.payload(reference).is_ok_and(|read| read == *body) || damaged.payload(reference).is_err());
    }
    convert(&damaged, &directory.path().join("rest"), Store::Files, |_| ()).expect("a copy of the rest");
});

/// Writes the parts of the input as payloads, the first byte of each of which chooses its thread and kind. Returns the payloads
/// with their references, and the path of the bundle.
fn write(root: &Path, input: &[u8]) -> (Vec<(PayloadRef, Vec<u8>)>, std::path::PathBuf) {
    let mut options = WriterOptions::default();
    options.store = Store::Pack;
    options.masking = Arc::new(Masking::off());
    let manifest = Manifest::new("fuzz".into(), "r".into(), "t".into(), UnixMillis(0));
    let writer = Writer::create(root, manifest, options).expect("a bundle");
    let mut stored = Vec::new();
    let mut rest = input;
    while let Some((choice, body)) = rest.split_first() {
        let end = body.windows(SEPARATOR.len()).position(|bytes| bytes == SEPARATOR);
        let body = &body[..end.unwrap_or(body.len())];
        let kind = if choice & 4 == 0 { PayloadKind::InferenceRequest } else { PayloadKind::ToolResult };
        let put = writer.put(&format!("t{}", choice & 3).as_str().into(), kind, &Exact(body)).expect("stored");
        let event = ProtocolEventObserved { event_type: "e".into(), event_payload: put.reference.clone() };
        writer.append(UnixMillis(0).into(), &EventContext::default(), &event.into()).expect("written");
        stored.push((put.reference, body.to_vec()));
        rest = end.map_or(&[], |end| &rest[1 + end + SEPARATOR.len()..]);
    }
    (stored, writer.path().to_owned())
}

fn check(bundle: &Path, stored: &[(PayloadRef, Vec<u8>)]) {
    let reader = Reader::open(bundle).expect("a bundle");
    for (reference, body) in stored {
        assert_eq!(reader.payload(reference).expect("a payload"), *body);
    }
}

/// Changes bytes of the pack, at places that the input chooses.
fn damage(bundle: &Path, input: &[u8]) {
    let path = bundle.join("payloads.pack");
    let Ok(mut pack) = fs::read(&path) else { return };
    for place in input.chunks_exact(3).take(8) {
        let at = (usize::from(place[0]) << 8 | usize::from(place[1])) % pack.len();
        pack[at] ^= place[2] | 1;
    }
    fs::write(&path, pack).expect("written");
}
