//! `otel-trace redact`: copies of a finished bundle without its secrets, or without its content.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use otel_trace::bundle::Reader;
use otel_trace::graph::Snapshots;
use otel_trace::reduce::{Options, reduce};
use otel_trace::{Masking, Recorder};
use serde_json::{Value, json};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_128;

use crate::common::run_recorded;
use crate::recording::{all_bytes, assert_lacks, placeholders, record_secret_everywhere};
use crate::secrets::characters;

const CASES: [&str; 8] =
    ["agents", "chat", "code-cells", "compaction", "everything", "everything-incremental", "incremental", "tools"];

pub(crate) fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name)
}

fn redact(bundle: &Path, to: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_otel-trace")).arg("redact").args([bundle, to]).args(options).output().unwrap()
}

/// Redacts a bundle into a temporary directory and checks that the command succeeds.
#[track_caller]
pub(crate) fn redacted(bundle: &Path, options: &[&str]) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let to = root.path().join("copy");
    let output = redact(bundle, &to, options);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), to.to_str().unwrap());
    (root, to)
}

/// Reduces a bundle and returns its `state.json`.
pub(crate) fn graph(bundle: &Path) -> Value {
    let graph = reduce(&Reader::open(bundle).unwrap(), &Options::default()).unwrap().graph;
    let mut state = Vec::new();
    graph.write_state(&mut state, Snapshots::Expanded).unwrap();
    serde_json::from_slice(&state).unwrap()
}

/// Records a run with masking off and returns its bundles.
fn unmasked(secret: &str) -> (TempDir, Vec<PathBuf>) {
    let root = tempfile::tempdir().unwrap();
    let builder = Recorder::builder().root(root.path()).no_parent().mask(Masking::off());
    let (recorder, guard) = builder.build().unwrap();
    run_recorded(&recorder, || record_secret_everywhere(secret));
    drop(guard);
    let bundles = root.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    (root, bundles)
}

#[test]
fn bundle_without_secrets_is_copied_byte_for_byte() {
    for name in CASES {
        let (_root, copy) = redacted(&case(name), &[]);
        for file in ["manifest.json", "trace.jsonl"] {
            assert_eq!(fs::read(copy.join(file)).unwrap(), fs::read(case(name).join(file)).unwrap(), "{name}/{file}");
        }
        for payload in copy.join("payloads").read_dir().unwrap() {
            let payload = payload.unwrap();
            let original = case(name).join("payloads").join(payload.file_name());
            assert_eq!(fs::read(payload.path()).unwrap(), fs::read(original).unwrap());
        }
        assert_eq!(graph(&copy), graph(&case(name)));
    }
}

#[test]
fn masked_copy_has_no_secrets_and_an_equal_graph() {
    let secret = format!("sk-ant-api03-{}", characters(60));
    let (_source, bundles) = unmasked(&secret);
    for bundle in bundles {
        let (_root, copy) = redacted(&bundle, &[]);
        assert_lacks(&copy, &secret);
        assert!(!placeholders(&copy).is_empty());
        assert_differs_only_by(&graph(&copy), &graph(&bundle), "[masked:", "");
    }
}

/// Checks that a copied graph equals the original, except for texts that contain `mark`.
#[track_caller]
fn assert_differs_only_by(copy: &Value, original: &Value, mark: &str, path: &str) {
    match (copy, original) {
        (Value::Array(copies), Value::Array(originals)) => {
            assert_eq!(copies.len(), originals.len(), "{path}");
            copies
                .iter()
                .zip(originals)
                .for_each(|(copy, original)| assert_differs_only_by(copy, original, mark, path));
        }
        (Value::Object(copies), Value::Object(originals)) => {
            let names = |fields: &serde_json::Map<String, Value>| fields.keys().cloned().collect::<Vec<_>>();
            // Length and hash of a changed body are left out of the copy.
            let names_of =
                |fields| names(fields).into_iter().filter(|name| !["length", "hash"].contains(&name.as_str()));
            assert_eq!(names_of(copies).collect::<Vec<_>>(), names_of(originals).collect::<Vec<_>>(), "{path}");
            for (name, copy) in copies {
                assert_differs_only_by(copy, &originals[name], mark, &format!("{path}/{name}"));
            }
        }
        (Value::String(copy), Value::String(original)) => {
            let name = path.rsplit('/').next().unwrap();
            let is_id = name.ends_with("_id")
                || name.ends_with("_ids")
                || ["type", "status", "role", "kind", "channel"].contains(&name);
            assert!(copy == original || (copy.contains(mark) && !is_id), "{path}: {original:?} became {copy:?}");
        }
        (copy, original) => assert_eq!(copy, original, "{path}"),
    }
}

/// Returns the texts of messages, commands, outputs and errors in a graph.
fn content_texts(graph: &Value) -> Vec<String> {
    fn collect(value: &Value, name: &str, content_texts: &mut Vec<String>) {
        const CONTENT_FIELDS: [&str; 16] = [
            "text",
            "source",
            "source_js",
            "stdout",
            "stderr",
            "stdin",
            "formatted_output",
            "command",
            "display_command",
            "cwd",
            "error",
            "input_preview",
            "message_preview",
            "summary",
            "nickname",
            "value",
        ];
        match value {
            Value::Array(values) => values.iter().for_each(|value| collect(value, name, content_texts)),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| collect(value, name, content_texts)),
            Value::String(text) if CONTENT_FIELDS.contains(&name) => content_texts.extend(pieces(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut content_texts = Vec::new();
    collect(graph, "", &mut content_texts);
    content_texts.retain(|text| text.len() >= 8);
    content_texts
}

/// Returns a text, or the texts of a JSON text without its ids.
fn pieces(text: &str) -> Vec<String> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => {
            let texts = fields
                .iter()
                .filter(|(name, _)| !name.ends_with("_id") && !["author", "recipient"].contains(&name.as_str()));
            texts.flat_map(|(_, value)| value.as_str().map(pieces).unwrap_or_default()).collect()
        }
        Ok(Value::String(text)) => vec![text],
        Ok(_) => Vec::new(),
        // Truncated JSON, and names of tools.
        Err(_) if text.starts_with('{') || text.starts_with('[') || !text.contains(' ') => Vec::new(),
        Err(_) => vec![text.to_owned()],
    }
}

#[track_caller]
fn check_content(bundle: &Path) {
    let (_root, copy) = redacted(bundle, &["--content"]);
    let original = graph(bundle);
    assert_differs_only_by(&graph(&copy), &original, "[text:", "");
    let bytes = String::from_utf8_lossy(&all_bytes(&copy)).into_owned();
    let content_texts = content_texts(&original);
    assert!(!content_texts.is_empty());
    for text in content_texts {
        let escaped = serde_json::to_string(&text).unwrap();
        for text in [&text, &escaped[1..escaped.len() - 1]] {
            assert!(!bytes.contains(text), "{}: {text:?}", bundle.display());
        }
    }
    assert!(bytes.contains("[text:"));
}

#[test]
fn copy_without_content_reduces_to_a_graph_of_equal_shape() {
    for name in CASES {
        check_content(&case(name));
    }
}

#[test]
fn every_kind_of_event_loses_its_content() {
    let (_source, bundles) = unmasked("somebody's very own words");
    for bundle in bundles {
        check_content(&bundle);
        let (_root, copy) = redacted(&bundle, &["--content"]);
        // The agent path is an id and stays, although it is derived from the name.
        assert_lacks(&copy, "very own words");
    }
}

/// Copies the case `chat` and appends these lines to its log.
pub(crate) fn with_lines(lines: &str) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let bundle = root.path().join("bundle");
    fs::create_dir_all(bundle.join("payloads")).unwrap();
    for payload in case("chat").join("payloads").read_dir().unwrap() {
        let payload = payload.unwrap();
        fs::copy(payload.path(), bundle.join("payloads").join(payload.file_name())).unwrap();
    }
    fs::copy(case("chat").join("manifest.json"), bundle.join("manifest.json")).unwrap();
    let log = fs::read_to_string(case("chat").join("trace.jsonl")).unwrap();
    fs::write(bundle.join("trace.jsonl"), format!("{log}{lines}")).unwrap();
    (root, bundle)
}

#[test]
fn unknown_events_are_kept_and_torn_lines_masked_as_text() {
    let unknown = "{ \"schema_version\":1, \"seq\": 900,\"wall_time_unix_ms\":1,\"rollout_id\":\"r\",\t\"payload\": {\"type\":\"new\",\"n\":1.50,\"password\":\"hunter2\"}}\r\n\n";
    let torn = "{\"schema_version\":1,\"payload\":{\"password\":\"hunter2\",\"x\":";
    let (_source, bundle) = with_lines(&format!("{unknown}{torn}"));
    let (_root, copy) = redacted(&bundle, &[]);
    let log = fs::read_to_string(copy.join("trace.jsonl")).unwrap();
    let placeholder = format!("[masked:{}]", placeholders(&copy)[0]);
    let expected = format!("{unknown}{torn}").replace("hunter2", &placeholder);
    assert!(log.ends_with(&expected), "{log}");
    let (_root, copy) = redacted(&bundle, &["--content"]);
    let log = fs::read_to_string(copy.join("trace.jsonl")).unwrap();
    assert!(log.lines().last().unwrap().starts_with("[text:") && !log.contains("hunter2"), "{log}");
    assert_differs_only_by(&graph(&copy), &graph(&bundle), "[text:", "");
}

#[test]
fn damaged_bundle_is_copied_as_far_as_readable() {
    let reference = json!({ "raw_payload_id": "raw_payload:77", "kind": { "type": "protocol_event" }, "path": "payloads/none.json" });
    let event = json!({ "type": "protocol_event_observed", "event_type": "x", "event_payload": reference });
    let line = json!({ "schema_version": 1, "seq": 901, "wall_time_unix_ms": 1, "rollout_id": "r", "payload": event });
    let (_source, bundle) = with_lines(&format!("no json\n{line}\n"));
    let root = tempfile::tempdir().unwrap();
    let output = redact(&bundle, &root.path().join("copy"), &[]);
    assert_eq!(output.status.code(), Some(3));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("skipped: 1 line not JSON") && stderr.contains("skipped: 1 payload reference"), "{stderr}");
    assert_eq!(graph(&root.path().join("copy")), graph(&bundle));
}

#[test]
fn changed_payload_is_written_to_its_own_file() {
    let body = br#"{"password":"hunter2"}"#;
    let hash = format!("{:032x}", xxh3_128(body));
    let reference = |id: u32, path: &str| {
        json!({ "raw_payload_id": format!("raw_payload:{id}"), "kind": { "type": "protocol_event" }, "path": path,
            "length": body.len(), "hash": hash, "offset": 0 })
    };
    let line = |seq: u32, path: &str| {
        let event =
            json!({ "type": "protocol_event_observed", "event_type": "x", "event_payload": reference(seq, path) });
        json!({ "schema_version": 1, "seq": seq, "wall_time_unix_ms": 1, "rollout_id": "r", "payload": event })
            .to_string()
    };
    let (_source, bundle) =
        with_lines(&format!("{}\n{}\n", line(910, "elsewhere.json"), line(911, "payloads/mine.json")));
    fs::write(bundle.join("elsewhere.json"), body).unwrap();
    fs::write(bundle.join("payloads/mine.json"), body).unwrap();
    let (_root, copy) = redacted(&bundle, &[]);
    assert_lacks(&copy, "hunter2");
    let reader = Reader::open(&copy).unwrap();
    let mut masked_payloads = 0;
    for line in reader.lines().unwrap() {
        let record = line.unwrap().content.unwrap();
        record.event.for_each_payload(|reference| {
            let body = reader.payload(reference).unwrap();
            masked_payloads += usize::from(String::from_utf8(body).unwrap().contains("[masked:"));
        });
    }
    assert_eq!(masked_payloads, 2);
}

#[test]
fn options_add_names_and_patterns() {
    let (_source, bundles) = unmasked("ACME-12345678");
    let has_cwd = |bundle: &&PathBuf| String::from_utf8_lossy(&all_bytes(bundle)).contains(r#""cwd":"it is"#);
    let bundle = bundles.iter().find(has_cwd).unwrap();
    let (_root, copy) = redacted(bundle, &[]);
    assert!(String::from_utf8_lossy(&all_bytes(&copy)).contains("ACME-12345678"));
    let (_root, copy) = redacted(bundle, &["--pattern", "ACME-[0-9]+", "--name", "cwd"]);
    assert_lacks(&copy, "ACME-12345678");
    assert!(String::from_utf8_lossy(&all_bytes(&copy)).contains(r#""cwd":"[masked:"#));
}

#[test]
fn existing_target_is_kept_and_failure_leaves_no_file() {
    let root = tempfile::tempdir().unwrap();
    let there = root.path().join("there");
    fs::create_dir(&there).unwrap();
    let fails = |bundle: &Path, to: &Path, options: &[&str], expected: &str| {
        let output = redact(bundle, to, options);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && stderr.contains(expected), "{stderr}");
    };
    fails(&case("chat"), &there, &[], "the path already exists; the last argument is the destination");
    fails(&there, &root.path().join("new"), &[], "a bundle is a directory");
    fails(&case("chat"), &root.path().join("new"), &["--pattern", "("], "not a valid regular expression");
    assert_eq!(root.path().read_dir().unwrap().count(), 1);
    let help = Command::new(env!("CARGO_BIN_EXE_otel-trace")).args(["redact", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("Exit status") && help.contains("--content") && help.contains("otel-trace redact traces/"),
        "{help}"
    );
}
