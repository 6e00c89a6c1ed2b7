//! The `otel-trace` command from the outside: files, output and exit status of `reduce` and `check`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::copy;

fn otel_trace(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_otel-trace")).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A copy of the conformance case `chat` that tests may write to and damage.
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

#[test]
fn reduce_writes_the_state_and_prints_its_path() {
    let bundle = Bundle::new();
    let output = otel_trace(&["reduce", bundle.arg()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), format!("{}/state.json\n", bundle.arg()));
    assert_eq!(
        stderr(&output),
        format!(
            "{}: run completed; 1 thread, 2 turns, 4 inference calls, 2 tool calls, 14 conversation items\n",
            bundle.arg()
        )
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
fn output_option_sets_the_path_of_the_state() {
    let bundle = Bundle::new();
    let elsewhere = bundle.file("../graph.json");
    let output = otel_trace(&["reduce", bundle.arg(), "-o", elsewhere.to_str().unwrap()]);
    assert_eq!(stdout(&output), format!("{}\n", elsewhere.display()));
    assert!(elsewhere.is_file() && !bundle.has_state());

    let output = otel_trace(&["reduce", bundle.arg(), "--output", "-"]);
    assert!(output.stdout == fs::read(&elsewhere).unwrap() && !bundle.has_state());
}

#[test]
fn unwritable_state_is_an_error_and_leaves_no_file() {
    let bundle = Bundle::new();
    let before = fs::read_dir(&bundle.path).unwrap().count();
    for (target, expected) in [
        ("payloads", "is not a regular file"),
        ("missing/state.json", "cannot create a file"),
        ("/dev/null", "regular"),
    ] {
        let target = bundle.file(target);
        let output = otel_trace(&["reduce", bundle.arg(), "-o", target.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{}", target.display());
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    assert_eq!(fs::read_dir(&bundle.path).unwrap().count(), before);
}

#[test]
fn shared_snapshots_have_request_prefixes() {
    let bundle = Bundle::new();
    let expanded = stdout(&otel_trace(&["reduce", bundle.arg(), "-o", "-"]));
    let shared = stdout(&otel_trace(&["reduce", bundle.arg(), "-o", "-", "--snapshots", "shared"]));
    assert!(shared.contains("request_prefix") && !expanded.contains("request_prefix"));
}

#[test]
fn skipped_evidence_is_printed_and_exits_with_3() {
    let bundle = Bundle::new();
    fs::remove_file(bundle.file("payloads/4.json")).unwrap();
    let output = otel_trace(&["reduce", bundle.arg()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(bundle.has_state());
    let stderr = stderr(&output);
    assert!(stderr.contains("skipped: seq 6, line 6, bad_payload:") && stderr.contains("payloads/4.json"), "{stderr}");
}

#[test]
fn notice_is_printed_and_exits_with_0() {
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
fn path_that_is_no_bundle_names_the_expected_files() {
    let bundle = Bundle::new();
    let manifest = bundle.file("manifest.json");
    let advice = "a bundle is a directory with manifest.json and trace.jsonl";
    for (path, expected) in [
        ("/nowhere/at/all", ["does not exist", advice]),
        (manifest.to_str().unwrap(), ["is a file, not a bundle", advice]),
        (bundle.file("payloads").to_str().unwrap(), ["has no manifest.json", advice]),
    ] {
        let output = otel_trace(&["reduce", path]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""), "{path}");
        let stderr = stderr(&output);
        assert!(stderr.contains(path) && expected.iter().all(|text| stderr.contains(text)), "{stderr}");
    }
}

/// Creates a root of three bundles, the second without its log, beside an unfinished bundle and an unrelated directory.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/chat");
    for name in ["trace-1", "trace-2", "trace-3", ".trace-4.tmp"] {
        copy(&case, &root.path().join(name));
    }
    fs::remove_file(root.path().join("trace-2/trace.jsonl")).unwrap();
    fs::remove_file(root.path().join("trace-3/payloads/4.json")).unwrap();
    fs::create_dir(root.path().join("elsewhere")).unwrap();
    root
}

#[test]
fn failing_bundle_does_not_stop_the_other_bundles() {
    let root = root();
    let path = |name: &str| root.path().join(name).display().to_string();
    let expected = format!("{}/state.json\n{}/state.json\n", path("trace-1"), path("trace-3"));
    let named: Vec<_> = ["trace-1", "trace-2", "trace-3"].map(path).to_vec();
    let by_name: Vec<_> = std::iter::once("reduce").chain(named.iter().map(String::as_str)).collect();
    for args in [&by_name[..], &["reduce", root.path().to_str().unwrap()]] {
        let output = otel_trace(args);
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), expected.clone()));
        let report = stderr(&output);
        let lines: Vec<_> = report.lines().collect();
        assert_eq!(lines.len(), 4, "{report}");
        assert!(lines[0].starts_with(&path("trace-1")) && lines[1].starts_with("error: "), "{report}");
        assert!(lines[1].contains("has no trace.jsonl") && lines[1].contains(&path("trace-2")), "{report}");
        assert!(lines[2].starts_with(&path("trace-3")) && lines[3].starts_with("skipped: "), "{report}");
        // Progress is shown on a terminal only.
        assert!(!report.contains(['\r', '\u{1b}']), "{report:?}");
        assert!(!root.path().join(".trace-4.tmp/state.json").exists());
        for bundle in ["trace-1", "trace-3"] {
            fs::remove_file(root.path().join(bundle).join("state.json")).unwrap();
        }
    }
    let output = otel_trace(&["reduce", root.path().to_str().unwrap(), "-o", "graph.json"]);
    assert_eq!(output.status.code(), Some(2));
    let expected = "error: --output takes the graph of a single bundle, but 3 are given; \
                    omit --output, or run reduce once per bundle\n\n\
                    Usage: otel-trace reduce [OPTIONS] <BUNDLE>...\n\n\
                    For more information, try 'otel-trace reduce --help'.\n";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn calls_with_an_error_and_cancelled_calls_are_counted() {
    let bundle = Bundle::new();
    let log = fs::read_to_string(bundle.file("trace.jsonl")).unwrap();
    let mut ends = Vec::new();
    let lines: Vec<_> = log
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            let payload = &mut event["payload"];
            if payload["type"] != "inference_completed" {
                return line.to_owned();
            }
            ends.push(payload["response_payload"]["path"].as_str().unwrap().to_owned());
            if ends.len() == 2 {
                *payload = json!({
                    "type": "inference_cancelled",
                    "inference_call_id": payload["inference_call_id"],
                    "reason": "stopped",
                    "partial_response_payload": null,
                });
            }
            event.to_string()
        })
        .collect();
    fs::write(bundle.file("trace.jsonl"), lines.join("\n") + "\n").unwrap();
    let refused = json!({ "error": { "message": "overloaded" } });
    fs::write(bundle.file(ends.last().unwrap()), refused.to_string()).unwrap();
    for command in ["reduce", "check"] {
        let report = stderr(&otel_trace(&[command, bundle.arg()]));
        assert!(report.contains(": run completed; failed: 1 call; cancelled: 1 call; "), "{report}");
    }
}

#[test]
fn check_prints_problems_and_writes_nothing() {
    let bundle = Bundle::new();
    let sound = otel_trace(&["check", bundle.arg()]);
    assert_eq!((sound.status.code(), stdout(&sound).as_str()), (Some(0), ""));
    assert_eq!(stderr(&sound), format!("{}: run completed; no problems\n", bundle.arg()));
    assert!(!bundle.has_state());

    // Damages an invocation that no rule reads, a response, and the end of the log.
    let log = fs::read_to_string(bundle.file("trace.jsonl")).unwrap();
    let unopened = log.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["payload"]["invocation_payload"]["path"].as_str().map(str::to_owned)
    });
    let unopened = unopened.unwrap();
    fs::write(bundle.file(&unopened), "{\"half").unwrap();
    fs::remove_file(bundle.file("payloads/4.json")).unwrap();
    fs::write(bundle.file("trace.jsonl"), &log[..log.len() - 40]).unwrap();

    let output = otel_trace(&["check", bundle.arg()]);
    assert_eq!(output.status.code(), Some(3));
    let report = stdout(&output);
    let lines: Vec<_> = report.lines().collect();
    assert_eq!(lines.len(), 3, "{report}");
    assert!(lines.iter().all(|line| line.starts_with(&format!("{}: ", bundle.arg()))), "{report}");
    assert!(lines[0].contains("notice: line 26, torn_line: "), "{report}");
    assert!(lines[1].contains("skipped: seq 6, line 6, bad_payload: ") && lines[1].ends_with("[raw_payload:4]"));
    assert!(lines[2].contains("bad_payload: ") && lines[2].contains(&unopened), "{report}");
    assert_eq!(stderr(&output), format!("{}: run has no end; 2 damaged or unknown parts, 1 notice\n", bundle.arg()));

    let json = stdout(&otel_trace(&["check", "--json", bundle.arg()]));
    let found: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [torn, bad, _] = &found[..] else { panic!("{json}") };
    assert_eq!([&torn["code"], &torn["severity"], &torn["bundle"]], ["torn_line", "notice", bundle.arg()]);
    assert_eq!((&torn["line"], torn.get("seq")), (&Value::from(26), None));
    assert_eq!((&bad["seq"], &bad["line"], &bad["raw_payload_id"]), (&6.into(), &6.into(), &"raw_payload:4".into()));
    assert!(!bundle.has_state());
}

#[test]
fn outcome_of_a_run_is_printed_with_what_failed() {
    let bundle = Bundle::new();
    let log = fs::read_to_string(bundle.file("trace.jsonl")).unwrap();
    // Every call and one tool fail, and the other tool has no end.
    let has_end = |line: &&str| !(line.contains("tool_call_ended") && line.contains("call_1_3"));
    let fail = |line: &str| match line.contains("tool_call_ended") || line.contains("rollout_ended") {
        true => line.replace(r#""status":"completed""#, r#""status":"failed""#),
        false => line
            .replace("inference_completed", "inference_failed")
            .replace(r#""response_payload""#, r#""error":"no such model","partial_response_payload""#),
    };
    let changed: Vec<_> = log.lines().filter(has_end).map(fail).collect();
    fs::write(bundle.file("trace.jsonl"), changed.join("\n") + "\n").unwrap();
    let outcome = "run failed; failed: 4 calls, 1 tool; running: 1 tool";
    let reduced = stderr(&otel_trace(&["reduce", bundle.arg()]));
    assert!(reduced.starts_with(&format!("{}: {outcome}; 1 thread, 2 turns", bundle.arg())), "{reduced}");
    let checked = stderr(&otel_trace(&["check", bundle.arg()]));
    assert!(checked.starts_with(&format!("{}: {outcome}; nothing damaged", bundle.arg())), "{checked}");
}

#[test]
fn check_reads_every_bundle_of_a_root() {
    let root = root();
    let output = otel_trace(&["check", root.path().to_str().unwrap()]);
    assert_eq!((output.status.code(), stdout(&output).lines().count()), (Some(1), 1));
    assert_eq!(stderr(&output).lines().count(), 3, "{}", stderr(&output));
}

#[test]
fn closed_stdout_is_no_error() {
    let bundle = Bundle::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_otel-trace"))
        .args(["reduce", bundle.arg()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(bundle.has_state());
}

#[test]
fn bundle_of_another_version_is_refused() {
    let bundle = Bundle::new();
    let manifest = fs::read_to_string(bundle.file("manifest.json")).unwrap();
    fs::write(bundle.file("manifest.json"), manifest.replace("\"schema_version\": 1", "\"schema_version\": 2"))
        .unwrap();
    let output = otel_trace(&["reduce", bundle.arg()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("schema_version is 2"), "{}", stderr(&output));
}

#[test]
fn wrong_usage_exits_with_2_and_help_is_complete() {
    for args in [&[][..], &["reduce"], &["reduce", "--bogus"], &["bogus"], &["check"], &["check", "a", "--strict"]] {
        assert_eq!(otel_trace(args).status.code(), Some(2), "{args:?}");
    }
    let expected = [
        ("reduce", &["state.json", "Exit status", "Examples", "--strict", "--snapshots"][..]),
        ("check", &["Exit status", "Examples", "--json", "edge_conflict (skipped, an error with reduce --strict)"]),
    ];
    for (command, words) in expected {
        let help = stdout(&otel_trace(&[command, "--help"]));
        for word in words {
            assert!(help.contains(word), "{word} is not in {help}");
        }
    }
}
