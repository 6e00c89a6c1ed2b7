//! `otel-trace ls`: order, selection, and what it keeps between two lists.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::copy;
use crate::show::{command, files};

/// Sets the start of a recording.
fn set_start(bundle: &Path, started_at: u64) {
    let path = bundle.join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    manifest["started_at_unix_ms"] = started_at.into();
    fs::write(path, manifest.to_string()).unwrap();
}

/// Bundles of three conformance cases, with an own cache directory.
struct Runs {
    root: TempDir,
    cache: TempDir,
}

impl Runs {
    fn new() -> Self {
        let runs = Self { root: tempfile::tempdir().unwrap(), cache: tempfile::tempdir().unwrap() };
        for (name, started_at) in [("chat", 1_000_000), ("tools", 3_000_000), ("agents", 2_000_000)] {
            let bundle = runs.bundle(name);
            copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name), &bundle);
            for file in ["manifest.json", "trace.jsonl"] {
                let text = fs::read_to_string(bundle.join(file)).unwrap();
                assert!(text.contains("trace-gen"));
                fs::write(bundle.join(file), text.replace("trace-gen", name)).unwrap();
            }
            set_start(&bundle, started_at);
        }
        runs
    }

    fn bundle(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(format!("trace-{name}"))
    }

    fn ls(&self, args: &[&str]) -> Output {
        let mut command = command(&[&["ls"], args].concat());
        command.env("OTEL_TRACE_ROOT", self.root.path()).env("XDG_CACHE_HOME", self.cache.path()).output().unwrap()
    }

    /// Returns the trace ids of a list.
    #[track_caller]
    fn ids(&self, args: &[&str]) -> Vec<String> {
        self.json(args).iter().map(|run| run["trace_id"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Vec<Value> {
        let output = self.ls(&[args, &["--json"]].concat());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        json["runs"].as_array().unwrap().clone()
    }
}

#[test]
fn runs_are_listed_in_the_wanted_order() {
    let runs = Runs::new();
    assert_eq!(runs.ids(&[]), ["tools", "agents", "chat"]);
    assert_eq!(runs.ids(&["--sort", "tokens"]), ["agents", "tools", "chat"]);
    assert_eq!(runs.ids(&["--sort", "duration"]), ["chat", "agents", "tools"], "by the start that was set");
    assert_eq!(runs.ids(&["--sort", "size", "--limit", "1"]).len(), 1);
    let list = runs.ls(&["--width", "160"]);
    let text = String::from_utf8(list.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    for header in [
        "run", "started", "status", "time", "agents", "turns", "calls", "failed", "tokens", "cost", "size", "model",
        "title",
    ] {
        assert!(lines[0].contains(header), "{header}: {text}");
    }
    assert!(lines[1].starts_with("tools   1970-01-01 00:50  completed"), "{text}");
    assert!(lines[1].contains("gpt-gen") && lines[1].contains("request 1: "), "{text}");
    let limited = runs.ls(&["--limit", "2"]);
    assert!(String::from_utf8(limited.stderr).unwrap().contains("1 more"));
}

#[test]
fn runs_are_selected_by_status_time_and_text() {
    let runs = Runs::new();
    let log = fs::read_to_string(runs.bundle("tools").join("trace.jsonl")).unwrap();
    let cut = log.lines().take(20).map(|line| format!("{line}\n")).collect::<String>();
    fs::write(runs.bundle("tools").join("trace.jsonl"), cut).unwrap();
    assert_eq!(runs.ids(&["--status", "running"]), ["tools"]);
    assert_eq!(runs.ids(&["--status", "completed"]), ["agents", "chat"]);
    assert_eq!(runs.ids(&["--status", "failed,running"]), ["tools"]);
    assert_eq!(runs.ids(&["--since", "1970-01-01T00:30"]), ["tools", "agents"]);
    assert_eq!(runs.ids(&["--since", "1970-01-01T00:40:00Z"]), ["tools"]);
    assert_eq!(runs.ids(&["--since", "2d"]), Vec::<String>::new());
    assert_eq!(runs.ids(&["--since", "1970-01-01"]).len(), 3);
    let wrong = runs.ls(&["--since", "soon"]);
    let error = String::from_utf8(wrong.stderr).unwrap();
    assert!(wrong.status.code() == Some(2) && error.contains("2d") && error.contains("2026-11-30"), "{error}");

    let message = |name: &str| runs.json(&[]).into_iter().find(|run| run["trace_id"] == name).unwrap()["title"].clone();
    let words = message("agents").as_str().unwrap().to_uppercase();
    assert!(runs.ids(&["--grep", &words]).contains(&"agents".to_owned()));
    assert_eq!(runs.ids(&["--grep", "nobody wrote this"]), Vec::<String>::new());
}

#[test]
fn second_list_reads_no_payload_and_a_changed_log_is_read_again() {
    let runs = Runs::new();
    let before = files(runs.root.path());
    let first = runs.json(&[]);
    assert_eq!(files(runs.root.path()), before, "something was written into a bundle");
    assert_eq!(files(runs.cache.path()).len(), 1);
    for name in ["chat", "tools", "agents"] {
        fs::remove_dir_all(runs.bundle(name).join("payloads")).unwrap();
    }
    assert_eq!(runs.json(&[]), first, "the entries are those of the first list");

    let log = runs.bundle("chat").join("trace.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replacen("\"completed\"", "\"cancelled\"", 1)).unwrap();
    let output = runs.ls(&["--json"]);
    assert_eq!(output.status.code(), Some(3), "the payloads of the changed run are missing");
    let changed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let chat = changed["runs"].as_array().unwrap().iter().find(|run| run["trace_id"] == "chat").unwrap();
    assert!(chat["skipped"].as_u64().unwrap() > 0, "{chat}");

    // A damaged cache is an empty one.
    let runs = Runs::new();
    let first = runs.json(&[]);
    let (cache, _) = files(runs.cache.path()).pop().unwrap();
    fs::write(&cache, "{\"damaged").unwrap();
    assert_eq!(runs.json(&[]), first);
    fs::remove_dir_all(runs.bundle("chat")).unwrap();
    assert_eq!(runs.json(&[]).len(), 2);
    assert!(!fs::read_to_string(&cache).unwrap().contains("\"chat"), "the entry of a removed run was kept");
}

#[cfg(unix)]
#[test]
fn cache_is_readable_by_its_user_alone_and_no_reason_to_fail() {
    use std::os::unix::fs::PermissionsExt;

    let runs = Runs::new();
    runs.json(&[]);
    let (cache, _) = files(runs.cache.path()).pop().unwrap();
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o600);
    fs::remove_file(&cache).unwrap();
    fs::create_dir(&cache).unwrap();
    assert_eq!(runs.json(&[]).len(), 3);
    let without = command(&["ls", "--json", runs.root.path().to_str().unwrap()]).output().unwrap();
    assert_eq!(without.status.code(), Some(0));
}

#[test]
fn runs_that_cannot_be_read_are_reported_and_the_others_listed() {
    let runs = Runs::new();
    fs::write(runs.bundle("chat").join("manifest.json"), "{").unwrap();
    let output = runs.ls(&["--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("trace-chat"));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["total"], 2);
}
