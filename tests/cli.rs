//! The `otel-trace` command as a shell sees it: what it writes, what it prints, how it exits.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn otel_trace(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_otel-trace")).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A copy of the conformance case `chat`, to be written to and damaged.
struct Bundle {
    _directory: TempDir,
    path: PathBuf,
}

impl Bundle {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace-1");
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/chat");
        copy(&case, &path);
        fs::remove_file(path.join("expected.json")).unwrap();
        Self { _directory: directory, path }
    }

    fn arg(&self) -> &str {
        self.path.to_str().unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn has_state(&self) -> bool {
        self.file("state.json").exists()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn reduce_writes_the_state_and_prints_its_path() {
    let bundle = Bundle::new();
    let output = otel_trace(&["reduce", bundle.arg()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), format!("{}/state.json\n", bundle.arg()));
    assert_eq!(
        stderr(&output),
        format!("{}: 1 thread, 2 turns, 4 inference calls, 2 tool calls, 14 conversation items\n", bundle.arg())
    );
    let state: Value = serde_json::from_slice(&fs::read(bundle.file("state.json")).unwrap()).unwrap();
    assert_eq!(state["schema_version"], 1);
    assert_eq!(state["inference_calls"].as_object().unwrap().len(), 4);
}

#[test]
fn reducing_again_writes_the_same_bytes() {
    let bundle = Bundle::new();
    otel_trace(&["reduce", bundle.arg()]);
    let first = fs::read(bundle.file("state.json")).unwrap();
    otel_trace(&["reduce", bundle.arg()]);
    assert!(fs::read(bundle.file("state.json")).unwrap() == first);
}

#[test]
fn the_state_goes_where_it_is_asked_to() {
    let bundle = Bundle::new();
    let elsewhere = bundle.file("../graph.json");
    let output = otel_trace(&["reduce", bundle.arg(), "-o", elsewhere.to_str().unwrap()]);
    assert_eq!(stdout(&output), format!("{}\n", elsewhere.display()));
    assert!(elsewhere.is_file() && !bundle.has_state());

    let output = otel_trace(&["reduce", bundle.arg(), "--output", "-"]);
    assert!(output.stdout == fs::read(&elsewhere).unwrap() && !bundle.has_state());
}

#[test]
fn a_state_that_cannot_be_written_is_an_error_and_leaves_nothing_behind() {
    let bundle = Bundle::new();
    let before = fs::read_dir(&bundle.path).unwrap().count();
    for (target, expected) in
        [("payloads", "is not a regular file"), ("missing/state.json", "can't be written"), ("/dev/null", "regular")]
    {
        let target = bundle.file(target);
        let output = otel_trace(&["reduce", bundle.arg(), "-o", target.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{}", target.display());
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    assert_eq!(fs::read_dir(&bundle.path).unwrap().count(), before);
}

#[test]
fn shared_snapshots_say_less_of_the_same() {
    let bundle = Bundle::new();
    let expanded = stdout(&otel_trace(&["reduce", bundle.arg(), "-o", "-"]));
    let shared = stdout(&otel_trace(&["reduce", bundle.arg(), "-o", "-", "--snapshots", "shared"]));
    assert!(shared.contains("request_prefix") && !expanded.contains("request_prefix"));
}

#[test]
fn something_left_out_is_said_and_exits_with_3() {
    let bundle = Bundle::new();
    fs::remove_file(bundle.file("payloads/4.json")).unwrap();
    let output = otel_trace(&["reduce", bundle.arg()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(bundle.has_state());
    let stderr = stderr(&output);
    assert!(stderr.contains("skipped: seq 6, line 6, bad_payload:") && stderr.contains("payloads/4.json"), "{stderr}");
}

#[test]
fn a_notice_is_said_and_exits_with_0() {
    let bundle = Bundle::new();
    let log = fs::read_to_string(bundle.file("trace.jsonl")).unwrap();
    fs::write(bundle.file("trace.jsonl"), &log[..log.len() - 40]).unwrap();
    let output = otel_trace(&["reduce", bundle.arg()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("notice: line 26, torn_line:"), "{}", stderr(&output));
}

#[test]
fn strict_stops_at_the_first_broken_rule_and_writes_nothing() {
    let bundle = Bundle::new();
    fs::remove_file(bundle.file("payloads/13.json")).unwrap();
    fs::remove_file(bundle.file("payloads/4.json")).unwrap();
    let output = otel_trace(&["reduce", "--strict", bundle.arg()]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    assert!(!bundle.has_state());
    let stderr = stderr(&output);
    assert!(stderr.contains("seq 6") && stderr.contains("line 6"), "{stderr}");
}

#[test]
fn a_path_that_is_no_bundle_gets_told_what_was_looked_for() {
    let bundle = Bundle::new();
    let root = bundle.path.parent().unwrap().to_str().unwrap();
    let manifest = bundle.file("manifest.json");
    let wanted = "a bundle is a directory with manifest.json and trace.jsonl";
    for (path, expected) in [
        ("/nowhere/at/all", ["there is nothing here", wanted]),
        (manifest.to_str().unwrap(), ["is a file, not a bundle", wanted]),
        (bundle.file("payloads").to_str().unwrap(), ["has no manifest.json", wanted]),
        (root, ["name one of them", bundle.arg()]),
    ] {
        let output = otel_trace(&["reduce", path]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""), "{path}");
        let stderr = stderr(&output);
        assert!(stderr.contains(path) && expected.iter().all(|text| stderr.contains(text)), "{stderr}");
    }
}

#[test]
fn a_bundle_of_another_version_is_refused() {
    let bundle = Bundle::new();
    let manifest = fs::read_to_string(bundle.file("manifest.json")).unwrap();
    fs::write(bundle.file("manifest.json"), manifest.replace("\"schema_version\": 1", "\"schema_version\": 2"))
        .unwrap();
    let output = otel_trace(&["reduce", bundle.arg()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("schema_version is 2"), "{}", stderr(&output));
}

#[test]
fn wrong_usage_exits_with_2_and_help_teaches() {
    for args in [&[][..], &["reduce"], &["reduce", "--bogus"], &["bogus"], &["reduce", "a", "b"]] {
        assert_eq!(otel_trace(args).status.code(), Some(2), "{args:?}");
    }
    let help = stdout(&otel_trace(&["reduce", "--help"]));
    for word in ["state.json", "Exit status", "Examples", "--strict", "--snapshots"] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
}
