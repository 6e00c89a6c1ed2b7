//! Torn, missing and invalid evidence.

use std::fs;
use std::path::{Path, PathBuf};

use otel_trace::bundle::Reader;
use otel_trace::graph::{Code, Snapshots, write_state_file};
use otel_trace::reduce::{Options, reduce};
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use crate::case::{Case, assistant, request_items, user};

#[test]
fn missing_body_affects_only_its_call() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    case.request("b", [user("1"), user("3")]);
    fs::remove_file(case.path().join("payloads/2.json")).unwrap();
    let graph = case.check(&[Code::BadPayload]);
    assert_eq!(request_items(&graph, "b"), [1, 2]);
    assert_eq!(graph.raw_payloads.len(), 3);
}

#[test]
fn body_outside_the_bundle_is_refused() {
    let mut case = Case::new();
    let body = json!({ "raw_payload_id": "raw_payload:9", "kind": { "type": "inference_request" }, "path": "../manifest.json" });
    case.event(json!({ "type": "inference_started", "inference_call_id": "a", "thread_id": "t", "codex_turn_id": "u",
        "model": "m", "provider_name": "p", "request_payload": body }));
    let graph = case.check(&[Code::RefusedPath]);
    assert_eq!(graph.inference_calls.len(), 1);
}

#[test]
fn unused_body_is_not_checked() {
    let mut case = Case::new();
    case.tool("x", None, json!({ "type": "web" }), Some(json!("not an invocation")));
    let body = case.body("tool_runtime_event", "garbage");
    case.event(json!({ "type": "tool_call_runtime_started", "tool_call_id": "x", "runtime_payload": body }));
    let body = case.body("protocol_event", "garbage");
    case.event(json!({ "type": "protocol_event_observed", "event_type": "e", "event_payload": body }));
    assert_eq!(case.check(&[]).raw_payloads.len(), 3);
}

#[test]
fn losses_recorded_in_the_log_are_reported() {
    let mut case = Case::new();
    for kind in ["recording_gap", "orphan_span", "anything"] {
        case.event(json!({ "type": "other", "kind": kind, "summary": "s", "payloads": [], "metadata": { "lost": 1 } }));
    }
    case.check(&[Code::RecordingGap, Code::OrphanSpan]);
    assert!(case.try_reduce(&Options::default().strict(true)).is_ok());
}

#[test]
fn lines_without_an_event_are_left_out() {
    let mut case = Case::new();
    case.line("{}");
    case.line(json!({ "schema_version": 1, "seq": 5, "wall_time_unix_ms": 1, "rollout_id": "r", "payload": { "type": "new" } }));
    case.line(json!({ "schema_version": 2, "seq": 6 }));
    case.bytes(b"");
    case.skip_seq();
    case.request("a", [user("1")]);
    case.bytes(b"{\"schema_ver");
    use Code::{BadLine, SeqGap, TornLine, UnknownSchema, UnknownVariant};
    let graph = case.check(&[BadLine, TornLine, SeqGap, UnknownVariant, UnknownSchema, SeqGap]);
    assert_eq!(request_items(&graph, "a"), [1]);
}

#[test]
fn events_are_read_in_order_of_seq() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.request("b", [user("1"), user("2")]);
    case.swap_last();
    let graph = case.check(&[Code::SeqDisorder]);
    assert_eq!(request_items(&graph, "b"), [1, 2]);
}

#[test]
fn reduction_is_deterministic() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/everything");
    let state = || {
        let mut bytes = Vec::new();
        let reduction = reduce(&Reader::open(&case).unwrap(), &Options::default()).unwrap();
        reduction.graph.write_state(&mut bytes, Snapshots::Expanded).unwrap();
        (bytes, reduction.work)
    };
    assert_eq!(state(), state());
}

#[test]
fn state_file_is_written_atomically() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    let graph = case.check(&[]);
    let path = case.path().join("state.json");
    fs::write(&path, "old").unwrap();
    write_state_file(&graph, &path, Snapshots::Expanded).unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with("{\"schema_version\":1,"));
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);

    let error = write_state_file(&graph, &case.path().join("payloads"), Snapshots::Expanded).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
    assert!(write_state_file(&graph, &case.path().join("no/such/state.json"), Snapshots::Expanded).is_err());
    let left: Vec<_> = fs::read_dir(case.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

fn chat() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/chat")
}

/// Copies the chat bundle to a temporary directory.
fn copy() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("payloads")).unwrap();
    let payloads = fs::read_dir(chat().join("payloads")).unwrap();
    let payloads = payloads.map(|entry| Path::new("payloads").join(entry.unwrap().file_name()));
    for file in payloads.chain(["manifest.json", "trace.jsonl"].map(PathBuf::from)) {
        fs::copy(chat().join(&file), dir.path().join(&file)).unwrap();
    }
    dir
}

fn assert_reduces(dir: &Path) {
    let graph = reduce(&Reader::open(dir).unwrap(), &Options::default()).unwrap().graph;
    graph.write_state(std::io::sink(), Snapshots::Shared).unwrap();
    graph.write_state(std::io::sink(), Snapshots::Expanded).unwrap();
}

#[test]
fn log_truncated_anywhere_reduces() {
    let dir = copy();
    let log = fs::read(dir.path().join("trace.jsonl")).unwrap();
    // Every byte near the end of a line, and a sample of the bytes inside lines, where all cuts are alike.
    let near_newline = |end: usize| log[end.saturating_sub(3)..log.len().min(end + 3)].contains(&b'\n');
    for end in (0..log.len()).filter(|&end| end % 17 == 0 || near_newline(end)) {
        fs::write(dir.path().join("trace.jsonl"), &log[..end]).unwrap();
        let graph = reduce(&Reader::open(dir.path()).unwrap(), &Options::default()).unwrap().graph;
        let torn = graph.diagnostics.iter().filter(|found| found.code == Code::TornLine).count();
        // The payloads of the lines that were cut off are still there.
        let unnamed = graph.diagnostics.iter().filter(|found| found.code == Code::UnnamedPayload).count();
        let others = graph.diagnostics.len() - torn - unnamed;
        assert!(torn <= 1 && others == 0, "cut at {end}: {:?}", graph.diagnostics);
    }
}

/// Generates bytes that turn JSON into other JSON more often than uniformly random bytes do.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), proptest::sample::select(b"\"{}[]:,0-e\\u\n".to_vec())]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bundle_damaged_anywhere_reduces(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), byte()), 1..40)) {
        let dir = copy();
        let mut files: Vec<_> = fs::read_dir(dir.path().join("payloads")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        // The log is listed once per payload, so that it is damaged as often as all payloads together.
        files.extend(std::iter::repeat_n(dir.path().join("trace.jsonl"), files.len()));
        for (file, at, byte) in hits {
            let file = file.get(&files);
            let mut bytes = fs::read(file).unwrap();
            *at.get_mut(&mut bytes) = byte;
            fs::write(file, bytes).unwrap();
        }
        assert_reduces(dir.path());
    }
}
