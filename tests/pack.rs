//! Bundles whose bodies are kept in another store than they were: nothing is lost either way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use otel_trace::bundle::{Converted, ErrorKind, Reader, Unconverted, convert};
use otel_trace::event::RawPayloadId;
use otel_trace::graph::Snapshots;
use otel_trace::reduce::{Options, reduce};
use otel_trace::{AgentThread, Json, Model, Operation, Recorder, Store, ThreadMeta};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A bundle, packed, and unpacked again.
struct Both {
    directory: TempDir,
    done: Converted,
    told: Vec<Unconverted>,
}

impl Both {
    fn of(bundle: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut told = Vec::new();
        let path = |name: &str| directory.path().join(name);
        let done = convert(&Reader::open(bundle).unwrap(), &path("packed"), Store::Pack, |it| told.push(it)).unwrap();
        let packed = Reader::open(&path("packed")).unwrap();
        let back = convert(&packed, &path("unpacked"), Store::Files, |_| ()).unwrap();
        assert_eq!(done, back, "what can be read of a bundle can be read of its copy, and no more");
        Self { directory, done, told }
    }

    fn packed(&self) -> PathBuf {
        self.directory.path().join("packed")
    }

    fn unpacked(&self) -> PathBuf {
        self.directory.path().join("unpacked")
    }
}

fn conformance() -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    cases.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

fn state(bundle: &Path) -> String {
    let graph = reduce(&Reader::open(bundle).unwrap(), &Options::default().every_body(true)).unwrap().graph;
    let mut bytes = Vec::new();
    graph.write_state(&mut bytes, Snapshots::Expanded).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A state without where its bodies are.
fn without_places(state: &str) -> Value {
    let mut state: Value = serde_json::from_str(state).unwrap();
    for payload in state["raw_payloads"].as_object_mut().unwrap().values_mut() {
        let payload = payload.as_object_mut().unwrap();
        ["path", "offset", "length", "hash"].iter().for_each(|member| drop(payload.remove(*member)));
    }
    state
}

/// The bodies by their ids, or that they can't be had.
fn bodies(bundle: &Path) -> BTreeMap<RawPayloadId, Option<Vec<u8>>> {
    let reader = Reader::open(bundle).unwrap();
    let mut bodies = BTreeMap::new();
    for line in reader.lines().unwrap() {
        let line = line.unwrap();
        let mut add = |reference: &otel_trace::event::PayloadRef| {
            bodies.insert(reference.raw_payload_id.clone(), reader.payload(reference).ok());
        };
        line.named.iter().for_each(&mut add);
        if let Ok(record) = &line.content {
            record.event.for_each_payload(add);
        }
    }
    bodies
}

fn log(bundle: &Path) -> String {
    String::from_utf8_lossy(&fs::read(bundle.join("trace.jsonl")).unwrap()).into_owned()
}

fn files(bundle: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = bundle.join("payloads").read_dir().unwrap().map(|entry| entry.unwrap());
    entries.map(|it| (it.file_name().into_string().unwrap(), fs::read(it.path()).unwrap())).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("payloads")).unwrap();
    for name in ["manifest.json", "trace.jsonl"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    for (name, body) in files(from) {
        fs::write(to.join("payloads").join(name), body).unwrap();
    }
}

#[test]
fn sound_bundles_come_back_byte_for_byte() {
    assert_eq!(conformance().len(), 8);
    for bundle in conformance() {
        let both = Both::of(&bundle);
        assert_eq!(both.done.bodies as usize, files(&bundle).len(), "{}", bundle.display());
        assert_eq!(files(&both.packed()), BTreeMap::new());
        assert_eq!(log(&both.unpacked()), log(&bundle));
        assert_eq!(files(&both.unpacked()), files(&bundle));
        let manifests = [&both.packed(), &both.unpacked()].map(|it| fs::read(it.join("manifest.json")).unwrap());
        assert_eq!(manifests, [(); 2].map(|()| fs::read(bundle.join("manifest.json")).unwrap()));
        assert_eq!(state(&both.unpacked()), state(&bundle));
        assert_eq!(without_places(&state(&both.packed())), without_places(&state(&bundle)));
        assert_eq!(bodies(&both.packed()), bodies(&bundle));
    }
}

/// A bundle of lines and of bodies.
fn bundle_of(log: &str, bodies: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("payloads")).unwrap();
    let manifest = json!({
        "schema_version": 1, "trace_id": "trace", "rollout_id": "r", "root_thread_id": "t",
        "started_at_unix_ms": 1000, "raw_event_log": "trace.jsonl", "payloads_dir": "payloads", "of_tomorrow": [1],
    });
    fs::write(directory.path().join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(directory.path().join("trace.jsonl"), log).unwrap();
    for (path, body) in bodies {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, body).unwrap();
    }
    directory
}

/// A line with this `payload`.
fn line(seq: u64, payload: &str) -> String {
    format!(
        r#"{{"schema_version":1,"seq":{seq},"wall_time_unix_ms":1,"rollout_id":"r","thread_id":"t","payload":{payload}}}"#
    )
}

fn protocol_event(reference: &str) -> String {
    format!(r#"{{"type":"protocol_event_observed","event_type":"e","event_payload":{reference}}}"#)
}

#[test]
fn whatever_a_log_has_survives() {
    let usual = r#"{"raw_payload_id":"raw_payload:1","kind":{"type":"protocol_event"},"path":"payloads/1.json"}"#;
    let spaced = "{ \"path\" : \"./payloads\\/1.json\" ,\t\"kind\": {\"type\":\"protocol_event\"}, \"of_tomorrow\": [ {} ],\"raw_payload_id\":\"raw_payload:2\" }";
    let elsewhere = r#"{"raw_payload_id":"of my own","kind":{"type":"protocol_event"},"path":"bodies/é/one","length":3,"hash":null}"#;
    let wire = r#"{"raw_payload_id":"raw_payload:3","kind":{"type":"protocol_event"},"path":"payloads/3.bin"}"#;
    let escaped =
        r#"{"raw\u005fpayload_id":"raw_payload:4","kind":{"type":"protocol_event"},"path":"payloads/4.json"}"#;
    let gone = r#"{"raw_payload_id":"raw_payload:5","kind":{"type":"protocol_event"},"path":"payloads/5.json"}"#;
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
        line(7, &protocol_event(gone)),
        line(8, &protocol_event(outside)),
        line(
            9,
            &format!(r#"{{"type":"other","kind":"k","summary":"s","payloads":[{usual}],"metadata":{{"d":{deep}}}}}"#),
        ),
        line(10, &protocol_event(usual))[..120].to_owned(),
    ];
    let text = "\u{feff}".to_owned() + &lines.join("\n");
    let bodies_there = [
        ("payloads/1.json", "{\"one\":1}"),
        ("bodies/é/one", "[1]"),
        ("payloads/3.bin", "data: 1\n\n"),
        ("payloads/4.json", "4"),
        ("payloads/99.json", "\"nobody names it\""),
    ];
    let bundle = bundle_of(&text, &bodies_there);
    let both = Both::of(bundle.path());
    let told: Vec<_> = both.told.iter().map(|it| (it.line, it.raw_payload_id.as_str())).collect();
    assert_eq!(told, [(8, "raw_payload:5"), (9, "raw_payload:6")]);
    assert_eq!((both.done.bodies, both.done.unread), (4, 2));

    assert_eq!(log(&both.unpacked()).replace("\r", "\\r"), text.replace("\r", "\\r"));
    assert_eq!(bodies(&both.packed()), bodies(bundle.path()));
    assert_eq!(state(&both.unpacked()), state(bundle.path()));
    assert_eq!(files(&both.unpacked()), files(bundle.path()));
    assert_eq!(fs::read(both.unpacked().join("bodies/é/one")).unwrap(), b"[1]");
    // What no line names went along, so that a body of a line that can't be read is where that line says.
    assert_eq!(files(&both.packed()).into_keys().collect::<Vec<_>>(), ["99.json"]);
    let lines_packed: Vec<_> = log(&both.packed()).split('\n').map(str::to_owned).collect();
    for same in [1, 5, 7, 8, 10] {
        assert_eq!(lines_packed[same], lines[same]);
    }
}

#[test]
fn what_was_packed_is_packed_again_and_mixed_bundles_are_read() {
    for bundle in conformance() {
        let both = Both::of(&bundle);
        let path = |name: &str| both.directory.path().join(name);
        convert(&Reader::open(&both.packed()).unwrap(), &path("again"), Store::Pack, |_| panic!("all is there"))
            .unwrap();
        assert_eq!(log(&path("again")), log(&both.packed()));
        assert_eq!(
            fs::read(path("again").join("payloads.pack")).unwrap(),
            fs::read(both.packed().join("payloads.pack")).unwrap()
        );

        // Half of the lines from one, half from the other.
        copy(&bundle, &path("mixed"));
        fs::copy(both.packed().join("payloads.pack"), path("mixed").join("payloads.pack")).unwrap();
        let (files, packed) = (log(&bundle), log(&both.packed()));
        let lines = files.lines().zip(packed.lines()).enumerate();
        let mixed: Vec<_> = lines.map(|(place, (file, pack))| if place % 2 == 0 { file } else { pack }).collect();
        fs::write(path("mixed").join("trace.jsonl"), mixed.join("\n") + "\n").unwrap();
        assert_eq!(bodies(&path("mixed")), bodies(&bundle));
        convert(&Reader::open(&path("mixed")).unwrap(), &path("unmixed"), Store::Files, |_| panic!("all is there"))
            .unwrap();
        assert_eq!(log(&path("unmixed")), log(&bundle));
        assert_eq!(state(&path("unmixed")), state(&bundle));
    }
}

#[test]
fn ids_and_paths_that_are_used_twice_lose_no_body() {
    let named = |id: &str, path: &str| {
        format!(r#"{{"raw_payload_id":"{id}","kind":{{"type":"protocol_event"}},"path":"{path}"}}"#)
    };
    let packed = |reference: &str| {
        let directory = bundle_of(&line(1, &protocol_event(reference)), &[("payloads/1.json", "1"), ("a", "2")]);
        let both = Both::of(directory.path());
        log(&both.packed())
    };
    // A pack that says of two bodies that they were one file, and of one that it was the log.
    let bundle = bundle_of("", &[("payloads/1.json", "1"), ("payloads/2.json", "2"), ("payloads/3.json", "3")]);
    let lines =
        [1, 2, 3].map(|n| line(n, &protocol_event(&named(&format!("raw_payload:{n}"), &format!("payloads/{n}.json")))));
    fs::write(bundle.path().join("trace.jsonl"), lines.join("\n")).unwrap();
    let both = Both::of(bundle.path());
    let claims = log(&both.packed())
        .replacen(r#""hash":"#, r#""unpacked":{"path":"payloads/2.json"},"hash":"#, 1)
        .replace("raw_payload:3", "../../raw");
    let claims = claims.replacen("\"../../raw\"", r#""../../raw","unpacked":{"path":"./trace.jsonl"}"#, 1);
    fs::write(both.packed().join("trace.jsonl"), claims).unwrap();
    let dest = both.directory.path().join("claimed");
    let done =
        convert(&Reader::open(&both.packed()).unwrap(), &dest, Store::Files, |_| panic!("all is there")).unwrap();
    assert_eq!(done.bodies, 3);
    let bodies: Vec<_> = bodies(&dest).into_values().map(Option::unwrap).collect();
    assert_eq!(bodies, [b"3", b"1", b"2"]);
    let there: Vec<_> = files(&dest).into_keys().collect();
    assert_eq!(there, ["2.json", "unpacked-2.json", "unpacked-3.json"]);
    assert!(packed(&named("x", "a")).contains(r#""unpacked":{"path":"a"}"#));
}

#[test]
fn nothing_is_written_where_something_is_and_nothing_stays_of_a_failure() {
    let bundle = &conformance()[0];
    let directory = tempfile::tempdir().unwrap();
    let to = |dest: &Path| convert(&Reader::open(bundle).unwrap(), dest, Store::Pack, |_| ()).unwrap_err();
    let dest = directory.path().join("dest");
    fs::write(&dest, "mine").unwrap();
    let error = to(&dest);
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert!(error.to_string().contains("something is already here"), "{error}");
    assert_eq!(fs::read(&dest).unwrap(), b"mine");
    assert_eq!(to(&directory.path().join("no/such/dest")).kind(), ErrorKind::Io);
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
}

/// A bundle of one thread whose requests repeat its history, recorded in a pack.
fn recorded(calls: usize) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().store(Store::Pack).build().unwrap();
    common::under(&recorder, || {
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
    let path = common::bundles(root.path()).remove(0).path;
    (root, path)
}

#[test]
fn what_was_recorded_in_a_pack_is_unpacked_to_what_files_would_have_been() {
    let (_root, path) = recorded(30);
    assert_eq!(files(&path), BTreeMap::new());
    let unpacked = path.with_extension("unpacked");
    let done = convert(&Reader::open(&path).unwrap(), &unpacked, Store::Files, |_| panic!("all is there")).unwrap();
    assert_eq!(done.bodies as usize, files(&unpacked).len());
    assert!(files(&unpacked).contains_key("1.json"));
    assert_eq!(bodies(&unpacked), bodies(&path));
    assert_eq!(without_places(&state(&unpacked)), without_places(&state(&path)));
    for text in ["payloads.pack", "\"offset\"", "\"hash\"", "unpacked"] {
        assert!(!log(&unpacked).contains(text), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn damaged_bundles_come_back_as_damaged_as_they_were(
        which in 0usize..8, flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
        lost in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path().join("bundle");
        copy(&conformance()[which], &bundle);
        let mut bytes = fs::read(bundle.join("trace.jsonl")).unwrap();
        for (place, flip) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        fs::write(bundle.join("trace.jsonl"), bytes).unwrap();
        let names: Vec<_> = files(&bundle).into_keys().collect();
        for lost in lost {
            let _ = fs::remove_file(bundle.join("payloads").join(&names[lost.index(names.len())]));
        }
        let both = Both::of(&bundle);
        prop_assert_eq!(fs::read(both.unpacked().join("trace.jsonl")).unwrap(), fs::read(bundle.join("trace.jsonl")).unwrap());
        prop_assert_eq!(files(&both.unpacked()), files(&bundle));
        prop_assert_eq!(state(&both.unpacked()), state(&bundle));
        prop_assert_eq!(bodies(&both.packed()), bodies(&bundle));
    }

    #[test]
    fn a_damaged_pack_reduces_and_unpacks_without_what_is_damaged(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
    ) {
        let (root, path) = recorded(6);
        let whole = bodies(&path);
        let mut bytes = fs::read(path.join("payloads.pack")).unwrap();
        for (place, flip) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        fs::write(path.join("payloads.pack"), bytes).unwrap();
        let damaged = bodies(&path);
        for (id, body) in &damaged {
            prop_assert!(body.is_none() || *body == whole[id]);
        }
        let missing = damaged.values().filter(|body| body.is_none()).count();
        let mut told = 0;
        let unpacked = root.path().join("unpacked");
        let done = convert(&Reader::open(&path).unwrap(), &unpacked, Store::Files, |_| told += 1).unwrap();
        prop_assert_eq!((done.unread as usize, told), (missing, missing));
        prop_assert_eq!(bodies(&unpacked), damaged);
        state(&path);
    }
}
