//! Tests of the conversion of bundles between payload stores, which loses nothing in either direction.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use otel_trace::bundle::{ErrorKind, Reader};
use otel_trace::event::RawPayloadId;
use otel_trace::graph::Snapshots;
use otel_trace::reduce::{Options, reduce};
use otel_trace::rewrite::{Converted, Unconverted, convert};
use otel_trace::{AgentThread, Json, Model, Operation, Recorder, Store, ThreadMeta};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The packed and unpacked copies of a bundle.
struct RoundTrip {
    directory: TempDir,
    converted: Converted,
    unconverted: Vec<Unconverted>,
}

impl RoundTrip {
    /// Packs a bundle and unpacks the result.
    fn new(bundle: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut unconverted = Vec::new();
        let path = |name: &str| directory.path().join(name);
        let converted =
            convert(&Reader::open(bundle).unwrap(), &path("packed"), Store::Pack, |payload| unconverted.push(payload))
                .unwrap();
        let packed = Reader::open(&path("packed")).unwrap();
        let converted_back = convert(&packed, &path("unpacked"), Store::Files, |_| ()).unwrap();
        assert_eq!(converted, converted_back, "exactly the readable payloads of a bundle are readable in its copy");
        Self { directory, converted, unconverted }
    }

    fn packed(&self) -> PathBuf {
        self.directory.path().join("packed")
    }

    fn unpacked(&self) -> PathBuf {
        self.directory.path().join("unpacked")
    }
}

/// Returns the paths of the conformance cases.
fn conformance() -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    cases.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

/// Reduces a bundle and returns its `state.json`.
fn state(bundle: &Path) -> String {
    let graph = reduce(&Reader::open(bundle).unwrap(), &Options::default().every_body(true)).unwrap().graph;
    let mut bytes = Vec::new();
    graph.write_state(&mut bytes, Snapshots::Expanded).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Parses a `state.json` and removes the locations of its payloads.
fn without_locations(state: &str) -> Value {
    let mut state: Value = serde_json::from_str(state).unwrap();
    for payload in state["raw_payloads"].as_object_mut().unwrap().values_mut() {
        let payload = payload.as_object_mut().unwrap();
        ["path", "offset", "length", "hash"].iter().for_each(|member| drop(payload.remove(*member)));
    }
    state
}

/// Reads the payloads of a bundle by their ids. The value is `None` if a payload is not readable.
fn payloads(bundle: &Path) -> BTreeMap<RawPayloadId, Option<Vec<u8>>> {
    let reader = Reader::open(bundle).unwrap();
    let mut payloads = BTreeMap::new();
    for line in reader.lines().unwrap() {
        let line = line.unwrap();
        let mut add = |reference: &otel_trace::event::PayloadRef| {
            payloads.insert(reference.raw_payload_id.clone(), reader.payload(reference).ok());
        };
        line.named.iter().for_each(&mut add);
        if let Ok(record) = &line.content {
            record.event.for_each_payload(add);
        }
    }
    payloads
}

/// Returns the log of a bundle.
fn log(bundle: &Path) -> String {
    String::from_utf8_lossy(&fs::read(bundle.join("trace.jsonl")).unwrap()).into_owned()
}

/// Returns the contents of the payload files of a bundle by their names.
fn files(bundle: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = bundle.join("payloads").read_dir().unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Copies a bundle with payload files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("payloads")).unwrap();
    for name in ["manifest.json", "trace.jsonl"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    for (name, payload) in files(from) {
        fs::write(to.join("payloads").join(name), payload).unwrap();
    }
}

#[test]
fn intact_bundles_survive_pack_and_unpack_byte_for_byte() {
    assert_eq!(conformance().len(), 8);
    for bundle in conformance() {
        let copies = RoundTrip::new(&bundle);
        assert_eq!(copies.converted.bodies as usize, files(&bundle).len(), "{}", bundle.display());
        assert_eq!(files(&copies.packed()), BTreeMap::new());
        assert_eq!(log(&copies.unpacked()), log(&bundle));
        assert_eq!(files(&copies.unpacked()), files(&bundle));
        let manifests =
            [&copies.packed(), &copies.unpacked()].map(|copy| fs::read(copy.join("manifest.json")).unwrap());
        assert_eq!(manifests, [(); 2].map(|()| fs::read(bundle.join("manifest.json")).unwrap()));
        assert_eq!(state(&copies.unpacked()), state(&bundle));
        assert_eq!(without_locations(&state(&copies.packed())), without_locations(&state(&bundle)));
        assert_eq!(payloads(&copies.packed()), payloads(&bundle));
    }
}

/// Creates a bundle with this log and these payload files.
fn create_bundle(log: &str, payloads: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("payloads")).unwrap();
    let manifest = json!({
        "schema_version": 1, "trace_id": "trace", "rollout_id": "r", "root_thread_id": "t",
        "started_at_unix_ms": 1000, "raw_event_log": "trace.jsonl", "payloads_dir": "payloads", "of_tomorrow": [1],
    });
    fs::write(directory.path().join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(directory.path().join("trace.jsonl"), log).unwrap();
    for (path, payload) in payloads {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, payload).unwrap();
    }
    directory
}

/// Returns a line with this `payload`, which is the event in the format of the log.
fn line(seq: u64, payload: &str) -> String {
    format!(
        r#"{{"schema_version":1,"seq":{seq},"wall_time_unix_ms":1,"rollout_id":"r","thread_id":"t","payload":{payload}}}"#
    )
}

/// Returns a protocol event with this payload reference.
fn protocol_event(reference: &str) -> String {
    format!(r#"{{"type":"protocol_event_observed","event_type":"e","event_payload":{reference}}}"#)
}

#[test]
fn unusual_log_content_survives_pack_and_unpack() {
    let usual = r#"{"raw_payload_id":"raw_payload:1","kind":{"type":"protocol_event"},"path":"payloads/1.json"}"#;
    let spaced = "{ \"path\" : \"./payloads\\/1.json\" ,\t\"kind\": {\"type\":\"protocol_event\"}, \"of_tomorrow\": [ {} ],\"raw_payload_id\":\"raw_payload:2\" }";
    let elsewhere = r#"{"raw_payload_id":"of my own","kind":{"type":"protocol_event"},"path":"bodies/é/one","length":3,"hash":null}"#;
    let wire = r#"{"raw_payload_id":"raw_payload:3","kind":{"type":"protocol_event"},"path":"payloads/3.bin"}"#;
    let escaped =
        r#"{"raw\u005fpayload_id":"raw_payload:4","kind":{"type":"protocol_event"},"path":"payloads/4.json"}"#;
    let missing_payload =
        r#"{"raw_payload_id":"raw_payload:5","kind":{"type":"protocol_event"},"path":"payloads/5.json"}"#;
    let outside = r#"{"raw_payload_id":"raw_payload:6","kind":{"type":"protocol_event"},"path":"../x"}"#;
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let lines = [
        line(1, &protocol_event(usual)),
        String::new(),
        line(2, &protocol_event(spaced)) + "\r",
        "  ".to_owned() + &line(3, &protocol_event(elsewhere)) + " ",
        line(4, &format!(r#"{{"type":"of_tomorrow","in":[[{{"a":{wire}}}]],"also":{wire}}}"#)),
        r#"{"schema_version":1,"seq":5,"payload":{"broken": "#.to_owned() + usual,
        line(6, &protocol_event(escaped)),
        line(7, &protocol_event(missing_payload)),
        line(8, &protocol_event(outside)),
        line(
            9,
            &format!(r#"{{"type":"other","kind":"k","summary":"s","payloads":[{usual}],"metadata":{{"d":{deep}}}}}"#),
        ),
        line(10, &protocol_event(usual))[..120].to_owned(),
    ];
    let text = "\u{feff}".to_owned() + &lines.join("\n");
    let payload_files = [
        ("payloads/1.json", "{\"one\":1}"),
        ("bodies/é/one", "[1]"),
        ("payloads/3.bin", "data: 1\n\n"),
        ("payloads/4.json", "4"),
        ("payloads/99.json", "\"unreferenced\""),
    ];
    let bundle = create_bundle(&text, &payload_files);
    let copies = RoundTrip::new(bundle.path());
    let unconverted = copies.unconverted.iter().map(|part| {
        let Unconverted::Payload { line, raw_payload_id, .. } = part else { panic!("{part}") };
        (*line, raw_payload_id.as_str())
    });
    assert_eq!(unconverted.collect::<Vec<_>>(), [(8, "raw_payload:5"), (9, "raw_payload:6")]);
    assert_eq!((copies.converted.bodies, copies.converted.unread), (4, 2));

    assert_eq!(log(&copies.unpacked()).replace("\r", "\\r"), text.replace("\r", "\\r"));
    assert_eq!(payloads(&copies.packed()), payloads(bundle.path()));
    assert_eq!(state(&copies.unpacked()), state(bundle.path()));
    assert_eq!(files(&copies.unpacked()), files(bundle.path()));
    assert_eq!(fs::read(copies.unpacked().join("bodies/é/one")).unwrap(), b"[1]");
    // Unreferenced files are copied, too, so that the payload of an unreadable line stays at its path.
    assert_eq!(files(&copies.packed()).into_keys().collect::<Vec<_>>(), ["99.json"]);
    let lines_packed: Vec<_> = log(&copies.packed()).split('\n').map(str::to_owned).collect();
    for unchanged in [1, 5, 7, 8, 10] {
        assert_eq!(lines_packed[unchanged], lines[unchanged]);
    }
}

#[test]
fn packed_bundle_repacks_and_mixed_bundle_is_read() {
    for bundle in conformance() {
        let copies = RoundTrip::new(&bundle);
        let path = |name: &str| copies.directory.path().join(name);
        convert(&Reader::open(&copies.packed()).unwrap(), &path("again"), Store::Pack, |_| {
            panic!("every payload is readable")
        })
        .unwrap();
        assert_eq!(log(&path("again")), log(&copies.packed()));
        assert_eq!(
            fs::read(path("again").join("payloads.pack")).unwrap(),
            fs::read(copies.packed().join("payloads.pack")).unwrap()
        );

        // Takes the lines from the original bundle and from the packed copy in turns.
        copy(&bundle, &path("mixed"));
        fs::copy(copies.packed().join("payloads.pack"), path("mixed").join("payloads.pack")).unwrap();
        let (files, packed) = (log(&bundle), log(&copies.packed()));
        let lines = files.lines().zip(packed.lines()).enumerate();
        let mixed: Vec<_> = lines.map(|(index, (file, pack))| if index % 2 == 0 { file } else { pack }).collect();
        fs::write(path("mixed").join("trace.jsonl"), mixed.join("\n") + "\n").unwrap();
        assert_eq!(payloads(&path("mixed")), payloads(&bundle));
        convert(&Reader::open(&path("mixed")).unwrap(), &path("unmixed"), Store::Files, |_| {
            panic!("every payload is readable")
        })
        .unwrap();
        assert_eq!(log(&path("unmixed")), log(&bundle));
        assert_eq!(state(&path("unmixed")), state(&bundle));
    }
}

#[test]
fn duplicate_ids_and_paths_lose_no_payload() {
    let named = |id: &str, path: &str| {
        format!(r#"{{"raw_payload_id":"{id}","kind":{{"type":"protocol_event"}},"path":"{path}"}}"#)
    };
    let packed = |reference: &str| {
        let directory = create_bundle(&line(1, &protocol_event(reference)), &[("payloads/1.json", "1"), ("a", "2")]);
        let copies = RoundTrip::new(directory.path());
        log(&copies.packed())
    };
    // A pack that claims that two payloads came from the same file, and that one came from the log.
    let bundle = create_bundle("", &[("payloads/1.json", "1"), ("payloads/2.json", "2"), ("payloads/3.json", "3")]);
    let lines =
        [1, 2, 3].map(|n| line(n, &protocol_event(&named(&format!("raw_payload:{n}"), &format!("payloads/{n}.json")))));
    fs::write(bundle.path().join("trace.jsonl"), lines.join("\n")).unwrap();
    let copies = RoundTrip::new(bundle.path());
    let claims = log(&copies.packed())
        .replacen(r#""hash":"#, r#""unpacked":{"path":"payloads/2.json"},"hash":"#, 1)
        .replace("raw_payload:3", "../../raw");
    let claims = claims.replacen("\"../../raw\"", r#""../../raw","unpacked":{"path":"./trace.jsonl"}"#, 1);
    fs::write(copies.packed().join("trace.jsonl"), claims).unwrap();
    let dest = copies.directory.path().join("claimed");
    let done =
        convert(&Reader::open(&copies.packed()).unwrap(), &dest, Store::Files, |_| panic!("every payload is readable"))
            .unwrap();
    assert_eq!(done.bodies, 3);
    let payloads: Vec<_> = payloads(&dest).into_values().map(Option::unwrap).collect();
    assert_eq!(payloads, [b"3", b"1", b"2"]);
    let names: Vec<_> = files(&dest).into_keys().collect();
    assert_eq!(names, ["2.json", "unpacked-2.json", "unpacked-3.json"]);
    assert!(packed(&named("x", "a")).contains(r#""unpacked":{"path":"a"}"#));
}

#[test]
fn existing_destination_is_kept_and_failure_leaves_nothing() {
    let bundle = &conformance()[0];
    let directory = tempfile::tempdir().unwrap();
    let convert_to = |dest: &Path| convert(&Reader::open(bundle).unwrap(), dest, Store::Pack, |_| ()).unwrap_err();
    let dest = directory.path().join("dest");
    fs::write(&dest, "mine").unwrap();
    let error = convert_to(&dest);
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert!(error.to_string().contains("something is already here"), "{error}");
    assert_eq!(fs::read(&dest).unwrap(), b"mine");
    assert_eq!(convert_to(&directory.path().join("no/such/dest")).kind(), ErrorKind::Io);
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
}

/// Records a thread whose requests repeat its history into a pack. Returns the root directory and the bundle.
fn record_pack(calls: usize) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().store(Store::Pack).build().unwrap();
    crate::common::run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        let mut history = Vec::new();
        for call in 0..calls {
            history.push(json!({ "role": "user", "content": format!("question {call}") }));
            let inference = turn.inference(Model { name: "m", provider: "p" });
            inference.request(Json(&json!({ "input": history, "tools": ["x".repeat(300)] })));
            let answer = json!({ "role": "assistant", "content": format!("answer {call}") });
            inference.response(Json(&json!({ "output_items": [answer] })));
            inference.complete();
            history.push(answer);
        }
    });
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    let path = crate::common::bundles(root.path()).remove(0).path;
    (root, path)
}

#[test]
fn recorded_pack_unpacks_to_a_bundle_of_files() {
    let (_root, path) = record_pack(30);
    assert_eq!(files(&path), BTreeMap::new());
    let unpacked = path.with_extension("unpacked");
    let done = convert(&Reader::open(&path).unwrap(), &unpacked, Store::Files, |_| panic!("every payload is readable"))
        .unwrap();
    assert_eq!(done.bodies as usize, files(&unpacked).len());
    assert!(files(&unpacked).contains_key("1.json"));
    assert_eq!(payloads(&unpacked), payloads(&path));
    assert_eq!(without_locations(&state(&unpacked)), without_locations(&state(&path)));
    for text in ["payloads.pack", "\"offset\"", "\"hash\"", "unpacked"] {
        assert!(!log(&unpacked).contains(text), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn damaged_bundles_survive_pack_and_unpack_unchanged(
        which in 0usize..8, flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
        lost in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path().join("bundle");
        copy(&conformance()[which], &bundle);
        let mut bytes = fs::read(bundle.join("trace.jsonl")).unwrap();
        for (index, flip) in flips {
            let index = index.index(bytes.len());
            bytes[index] ^= flip;
        }
        fs::write(bundle.join("trace.jsonl"), bytes).unwrap();
        let names: Vec<_> = files(&bundle).into_keys().collect();
        for lost in lost {
            let _ = fs::remove_file(bundle.join("payloads").join(&names[lost.index(names.len())]));
        }
        let copies = RoundTrip::new(&bundle);
        prop_assert_eq!(fs::read(copies.unpacked().join("trace.jsonl")).unwrap(), fs::read(bundle.join("trace.jsonl")).unwrap());
        prop_assert_eq!(files(&copies.unpacked()), files(&bundle));
        prop_assert_eq!(state(&copies.unpacked()), state(&bundle));
        prop_assert_eq!(payloads(&copies.packed()), payloads(&bundle));
    }

    #[test]
    fn damaged_pack_reduces_and_unpacks_its_intact_payloads(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
    ) {
        let (root, path) = record_pack(6);
        let intact = payloads(&path);
        let mut bytes = fs::read(path.join("payloads.pack")).unwrap();
        for (index, flip) in flips {
            let index = index.index(bytes.len());
            bytes[index] ^= flip;
        }
        fs::write(path.join("payloads.pack"), bytes).unwrap();
        let damaged = payloads(&path);
        for (id, payload) in &damaged {
            prop_assert!(payload.is_none() || *payload == intact[id]);
        }
        let missing = damaged.values().filter(|payload| payload.is_none()).count();
        let mut reported = 0;
        let unpacked = root.path().join("unpacked");
        let done = convert(&Reader::open(&path).unwrap(), &unpacked, Store::Files, |_| reported += 1).unwrap();
        prop_assert_eq!((done.unread as usize, reported), (missing, missing));
        prop_assert_eq!(payloads(&unpacked), damaged);
        state(&path);
    }
}
