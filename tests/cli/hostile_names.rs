//! Ids and names of files from a bundle that would control a terminal are escaped in the output of every command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Sets the title of a terminal, turns the text around, ends the line and forges one.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{202e}\nerror: forged\u{9b}31m\u{2028}";

/// Appends [`HOSTILE`] to every id in a value.
fn poison(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let Value::String(text) = member
                    && is_poisoned(name)
                {
                    text.push_str(HOSTILE);
                }
                poison(member);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(poison),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Returns `true` for the name of a member that is shown, and by which nothing else is found.
fn is_poisoned(name: &str) -> bool {
    matches!(name, "agent_path" | "error") || (name.ends_with("_id") && name != "raw_payload_id")
}

/// Copies the conformance case that has everything, with hostile ids, a line that is damaged and one that is unknown.
fn hostile_bundle(root: &Path) -> PathBuf {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/everything");
    let bundle = root.join(format!("trace-{}", HOSTILE.replace('/', "")));
    fs::create_dir_all(bundle.join("payloads")).unwrap();
    for entry in case.join("payloads").read_dir().unwrap().map(Result::unwrap).skip(3) {
        fs::copy(entry.path(), bundle.join("payloads").join(entry.file_name())).unwrap();
    }
    fs::copy(case.join("manifest.json"), bundle.join("manifest.json")).unwrap();
    let mut log = String::new();
    for line in fs::read_to_string(case.join("trace.jsonl")).unwrap().lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        if event["payload"]["type"] != "rollout_started" {
            poison(&mut event["payload"]);
        }
        log.push_str(&format!("{event}\n"));
    }
    log.push_str(&format!("{{\"damaged\":\"{HOSTILE}\n"));
    log.push_str(
        "{\"schema_version\":1,\"seq\":9999,\"wall_time_unix_ms\":1,\"payload\":{\"type\":\"\\u001b[31mnew\"}}\n",
    );
    fs::write(bundle.join("trace.jsonl"), log).unwrap();
    bundle
}

fn run(args: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otel-trace"));
    // The list of runs keeps nothing without a cache directory.
    command.args(args).env_remove("XDG_CACHE_HOME").env_remove("HOME").output().unwrap()
}

/// Checks that no character of an output controls a terminal, and that no line was forged.
#[track_caller]
fn assert_harmless(output: &Output) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let is_hostile = |c: char| {
            (c.is_control() && c != '\n' && c != '\t')
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!text.contains(is_hostile), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{text:?}");
    }
}

#[test]
fn names_and_ids_of_a_bundle_are_escaped_by_every_command() {
    let root = tempfile::tempdir().unwrap();
    let bundle = hostile_bundle(root.path());
    let (packed, copy) = (root.path().join("packed\u{1b}[31m"), root.path().join("copy\u{1b}[31m"));
    let unpacked = root.path().join("unpacked\u{1b}[31m");
    let missing = root.path().join("missing\u{1b}[31m\n");
    let path = Path::new;
    let mut shown = 0;
    for args in [
        vec![path("reduce"), &bundle],
        vec![path("reduce"), root.path()],
        vec![path("reduce"), path("--strict"), &bundle],
        vec![path("check"), &bundle],
        vec![path("check"), path("--json"), &bundle],
        vec![path("check"), root.path()],
        vec![path("locate"), path("01900000-0000-7000-8000-000000000001"), root.path()],
        vec![path("export"), path("--dry-run"), &bundle],
        vec![path("pack"), &bundle, &packed],
        vec![path("unpack"), &packed, &unpacked],
        vec![path("redact"), &bundle, &copy],
        vec![path("show"), &bundle],
        vec![path("show"), path("--json"), &bundle],
        vec![path("show"), path("--failed"), path("--full"), root.path()],
        vec![path("show"), path("--thread"), path("\u{1b}[31m"), &bundle],
        vec![path("ls"), root.path()],
        vec![path("ls"), path("--json"), root.path()],
        vec![path("cost"), &bundle],
        vec![path("cost"), path("--json"), &bundle],
        vec![path("reduce"), &missing],
        vec![path("show"), &missing],
        vec![path("ls"), &missing],
        vec![path("check"), &missing],
        vec![path("pack"), &missing, &packed],
        vec![path("redact"), &missing, &copy],
        vec![path("export"), path("--dry-run"), &missing],
        vec![path("locate"), path("01900000-0000-7000-8000-000000000001"), &missing],
    ] {
        let output = run(&args);
        assert_harmless(&output);
        shown += String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).matches("\\u001b").count();
    }
    assert!(shown > 20, "{shown} escapes were shown");
}

#[test]
fn only_one_file_of_the_command_writes_to_the_terminal() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let mut files: Vec<_> = sources.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push(sources.with_file_name("main.rs"));
    files.push(sources.with_file_name("cli.rs"));
    assert!(files.len() > 10, "{files:?}");
    for file in files.iter().filter(|file| !file.ends_with("output.rs")) {
        let text = fs::read_to_string(file).unwrap();
        for output in ["io::stdout", "io::stderr", "println!", "print!"] {
            assert!(!text.contains(output), "{} has {output}; use output.rs", file.display());
        }
    }
}
