//! `otel-trace show`: what it prints of a run, in three widths, and how its options select from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::copy;

/// Runs the command in a time zone that does not depend on the machine.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otel-trace"));
    command.args(args).env("TZ", "UTC").env_remove("HOME").env_remove("XDG_CACHE_HOME");
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "OTEL_TRACE_ROOT"] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

#[track_caller]
pub(crate) fn stdout(output: &Output) -> &str {
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    std::str::from_utf8(&output.stdout).unwrap()
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name)
}

/// Compares an output with a file below `tests/cli/snapshots`. Writes the file if it does not exist: to accept a new output,
/// remove the file, run the test, and read the difference.
#[track_caller]
fn assert_snapshot(name: &str, output: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/snapshots").join(name);
    match fs::read_to_string(&path) {
        Ok(expected) => assert!(expected == output, "{} is not the output:\n{output}", path.display()),
        Err(_) => {
            fs::write(&path, output).unwrap();
            panic!("{} was written; read it, and run the test again", path.display());
        }
    }
}

#[test]
fn runs_look_the_same_as_before_in_three_widths() {
    for width in ["60", "100", "160"] {
        let output = run(&["show", "--width", width, case("everything").to_str().unwrap()]);
        assert_snapshot(&format!("everything-{width}.txt"), stdout(&output));
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn options_select_a_part_and_wrong_names_are_explained() {
    let everything = case("everything");
    let show = |args: &[&str]| run(&[&["show", everything.to_str().unwrap()], args].concat());
    let agents = show(&["--depth", "1", "--width", "100"]);
    assert_snapshot("agents.txt", stdout(&agents));
    let scripts = show(&["--kind", "script,tool", "--thread", "W1", "--width", "100"]);
    assert_snapshot("tools-of-an-agent.txt", stdout(&scripts));
    let unknown = show(&["--thread", "nobody"]);
    assert_eq!((unknown.status.code(), unknown.stdout.len()), (Some(1), 0));
    let error = String::from_utf8(unknown.stderr).unwrap();
    assert!(error.contains("nobody") && error.contains("W1"), "{error}");
    assert_eq!(show(&["--kind", "nothing"]).status.code(), Some(2));
    assert_eq!(show(&["--limit", "1"]).status.code(), Some(2), "--limit is an option of the JSON");
}

#[test]
fn without_a_bundle_the_newest_run_of_the_root_is_shown() {
    let root = tempfile::tempdir().unwrap();
    for (name, started_at) in [("old", 1_000), ("new", 3_000), ("older", 500)] {
        let bundle = root.path().join(format!("trace-{name}"));
        copy(&case("chat"), &bundle);
        let manifest = fs::read_to_string(bundle.join("manifest.json")).unwrap();
        let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
        manifest["started_at_unix_ms"] = started_at.into();
        manifest["trace_id"] = format!("{name}-trace").into();
        fs::write(bundle.join("manifest.json"), manifest.to_string()).unwrap();
    }
    let started = |output: &Output| -> Value {
        let json: Value = serde_json::from_str(stdout(output)).unwrap();
        json["summary"]["started_at"].clone()
    };
    let newest = "1970-01-01T00:00:03.000Z";
    let by_variable = command(&["show", "--json"]).env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    assert_eq!(started(&by_variable), newest);
    assert_eq!(started(&run(&["show", "--json", root.path().to_str().unwrap()])), newest);
    let by_id = command(&["show", "--json", "older-"]).env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    assert_eq!(started(&by_id), "1970-01-01T00:00:00.500Z");

    let traces = tempfile::tempdir().unwrap();
    let without = command(&["show"]).current_dir(&traces).output().unwrap();
    let error = String::from_utf8(without.stderr).unwrap();
    assert!(without.status.code() == Some(1) && error.contains("traces is no directory"), "{error}");
    assert!(error.contains("OTEL_TRACE_ROOT"), "{error}");
    let not_a_root = run(&["show", traces.path().to_str().unwrap()]);
    assert_eq!(not_a_root.status.code(), Some(1));
}

#[test]
fn archives_and_damaged_runs_are_shown_and_nothing_is_written_into_a_bundle() {
    let root = tempfile::tempdir().unwrap();
    let bundle = root.path().join("trace-1");
    copy(&case("tools"), &bundle);
    let path = bundle.to_str().unwrap();
    let whole = run(&["show", path]);

    let archive = root.path().join("trace-1.zst");
    assert!(run(&["pack", "--zstd", path, archive.to_str().unwrap()]).status.success());
    assert_eq!(stdout(&run(&["show", archive.to_str().unwrap()])), stdout(&whole));

    // A state.json is no evidence.
    fs::write(bundle.join("state.json"), "{}").unwrap();
    let before = files(&bundle);
    for command in ["show", "cost"] {
        stdout(&run(&[command, path]));
    }
    assert_eq!(stdout(&run(&["show", path])), stdout(&whole));
    assert_eq!(files(&bundle), before);

    let log = fs::read_to_string(bundle.join("trace.jsonl")).unwrap();
    let half = log.lines().take(log.lines().count() / 2).map(|line| format!("{line}\n")).collect::<String>();
    fs::write(bundle.join("trace.jsonl"), format!("{half}{{\"damaged\n{{}}\n")).unwrap();
    let damaged = run(&["show", path]);
    assert_eq!(damaged.status.code(), Some(3));
    let text = String::from_utf8(damaged.stdout).unwrap();
    assert!(text.contains("no end") && text.contains("evidence: damaged · left out: "), "{text}");
    assert!(String::from_utf8(damaged.stderr).unwrap().contains("skipped: "));
}

#[test]
fn shells_can_complete_every_command() {
    let help = run(&["--help"]);
    let help = stdout(&help);
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let named = commands.lines().filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let commands: Vec<_> = named.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"show") && commands.len() > 9, "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        let script = stdout(&script);
        assert!(commands.iter().all(|command| script.contains(command)), "{shell}");
        assert!(script.contains("--failed") || script.contains("-l failed"), "{shell}");
    }
    assert_eq!(run(&["completions", "cmd"]).status.code(), Some(2));
}

#[test]
fn bash_completes_options_and_their_values_behind_a_command() {
    let script = run(&["completions", "bash"]);
    let complete = |words: &str| {
        let program = format!(
            "{}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             _otel__trace otel-trace \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
             echo \"${{COMPREPLY[@]}}\"",
            stdout(&script)
        );
        let output = Command::new("bash").args(["-c", &program]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("otel-trace sho"), "show");
    assert_eq!(complete("otel-trace show --th"), "--thread");
    assert_eq!(complete("otel-trace ls --sort fail"), "failures");
}

/// Returns the names and sizes of all files of a directory.
pub(crate) fn files(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut files = Vec::new();
    for entry in directory.read_dir().unwrap().map(Result::unwrap) {
        match entry.metadata().unwrap() {
            found if found.is_dir() => files.extend(self::files(&entry.path())),
            found => files.push((entry.path(), found.len())),
        }
    }
    files.sort();
    files
}
