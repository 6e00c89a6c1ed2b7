//! Each call of the file system fails in turn, in each way: the program ends as if it were not recorded, what is on the disk
//! can be reduced, and what is missing is reported.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use otel_trace::bundle::{LineError, Reader};
use otel_trace::event::Event;
use otel_trace::reduce::{Options, reduce};
use tempfile::TempDir;

/// The variable that asks for every fault at every call, and not for one of them at each.
const ALL: &str = "OTEL_TRACE_ALL_FAULTS";

/// Name of the bundle that is in the root before.
const OLD: &str = "trace-old";

const DURABILITIES: [&str; 4] = ["page-cache", "fsync", "fsync-later", "buffered"];

/// Errors by name and number. The number 0 is a write of half of the bytes.
const ERRORS: [(&str, i32); 6] = [
    ("EIO", libc::EIO),
    ("ENOSPC", libc::ENOSPC),
    ("short", 0),
    ("EDQUOT", libc::EDQUOT),
    ("EMFILE", libc::EMFILE),
    ("EROFS", libc::EROFS),
];

/// What fails: from the call `at` on, so many calls.
#[derive(Debug, Clone, Copy)]
struct Fault {
    at: u64,
    calls: u64,
    error: (&'static str, i32),
}

/// A run of the program, and what it left.
struct Run {
    root: TempDir,
    output: Output,
    /// Number of calls that it made.
    calls: u64,
}

impl Run {
    fn new(store: &str, durability: &str, fault: Fault) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let count = tempfile::NamedTempFile::new().expect("a file");
        copy_old_bundle(root.path());
        let output = Command::new(env!("CARGO_BIN_EXE_fault-tests"))
            .args([root.path().as_os_str(), store.as_ref(), durability.as_ref()])
            .env("LD_PRELOAD", library())
            .env("FAULT_ROOT", root.path())
            .env("FAULT_AT", fault.at.to_string())
            .env("FAULT_CALLS", fault.calls.to_string())
            .env("FAULT_ERROR", fault.error.1.to_string())
            .env("FAULT_COUNT", count.path())
            .output()
            .expect("the program runs");
        let calls = fs::read_to_string(count.path()).expect("a count").parse().unwrap_or_default();
        Self { root, output, calls }
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Returns the bundle that the program wrote, if there is one.
    fn bundle(&self) -> Option<PathBuf> {
        let entries = self.root.path().read_dir().expect("a root").map(|entry| entry.expect("an entry").path());
        let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        entries
            .filter(|path| path.is_dir())
            .find(|path| name(path).is_some_and(|it| it.starts_with("trace-") && it != OLD))
    }

    /// Returns what was recorded: the kinds of events with the length of each of their payloads, and whether losses are noted.
    fn recorded(&self) -> (Vec<String>, bool) {
        let Some(bundle) = self.bundle() else { return (Vec::new(), false) };
        let reader = Reader::open(&bundle).unwrap_or_else(|error| panic!("{error}: {}", self.stderr()));
        reduce(&reader, &Options::default()).unwrap_or_else(|error| panic!("{error}: {}", self.stderr()));
        let (mut events, mut is_noted) = (Vec::new(), false);
        for line in reader.lines().expect("a log") {
            let record = match line.expect("a line").content {
                Ok(record) => record,
                // It could neither be finished nor cut off.
                Err(LineError::Torn) => break,
                Err(error) => panic!("{error}: {}", self.stderr()),
            };
            is_noted |= matches!(&record.event, Event::Other(other) if other.kind == "recording_gap");
            let mut event = format!("{:?}", record.event.kind());
            record.event.for_each_payload(|reference| {
                let length = reader.payload(reference).map_or(0, |body| body.len());
                event.push_str(&format!(" {:?} {length}", reference.kind));
            });
            events.push(event);
        }
        (events, is_noted)
    }
}

/// Returns the path of the library that is preloaded, which is built with this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let library = test.with_file_name("libfailing_calls.so");
    assert!(library.exists(), "{} is missing", library.display());
    library
}

/// Puts a finished bundle into the root, which is over the bounds of the recorder.
fn copy_old_bundle(root: &Path) {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/chat");
    let bundle = root.join(OLD);
    fs::create_dir_all(bundle.join("payloads")).expect("a directory");
    for name in ["manifest.json", "trace.jsonl"] {
        fs::copy(case.join(name), bundle.join(name)).expect("a copy");
    }
}

/// Makes calls fail in all runs of a store with a durability, and checks each run.
fn check(store: &str, durability: &str) {
    let none = Fault { at: 0, calls: 0, error: ERRORS[0] };
    let whole = Run::new(store, durability, none);
    let (expected, is_noted) = whole.recorded();
    assert!(!expected.is_empty() && !is_noted && whole.output.stderr.is_empty(), "{}", whole.stderr());
    assert!(!whole.root.path().join(OLD).exists(), "the old bundle is removed");
    assert!(whole.calls > 20, "{}", whole.calls);
    let is_all = std::env::var_os(ALL).is_some();
    let mut reported = BTreeSet::new();
    for at in 1..=whole.calls {
        for (number, error) in ERRORS.into_iter().enumerate() {
            let is_turn = number as u64 == at % ERRORS.len() as u64;
            // One call, and all from there on.
            for calls in [1, u64::MAX] {
                let is_chosen = is_all || (is_turn && (calls == 1) == (at % 2 == 1));
                if is_chosen && check_fault(store, durability, Fault { at, calls, error }, &expected) {
                    reported.insert(at);
                }
            }
        }
    }
    assert!(reported.len() > 5, "hardly any fault cost anything: {reported:?}");
}

/// Checks a run with a fault. Returns `true` if something was lost.
fn check_fault(store: &str, durability: &str, fault: Fault, expected: &[String]) -> bool {
    let run = Run::new(store, durability, fault);
    let stderr = run.stderr();
    let context = format!("{store} {durability} {fault:?}: {stderr}");
    let is_done = run.output.status.success() && run.output.stdout == b"done\n";
    assert!(is_done && !stderr.contains("panicked"), "{context} {:?}", run.output.status);
    let (recorded, is_noted) = run.recorded();
    let is_whole = recorded == expected;
    assert!(
        is_whole || stderr.contains("otel-trace") || is_noted,
        "nothing says what is missing: {context} {recorded:?}"
    );
    !is_whole
}

#[test]
fn files_lose_nothing_without_a_report() {
    DURABILITIES.iter().for_each(|durability| check("files", durability));
}

#[test]
fn pack_loses_nothing_without_a_report() {
    DURABILITIES.iter().for_each(|durability| check("pack", durability));
}
