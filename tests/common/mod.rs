//! Helpers that record a program under a temporary root and read the resulting bundles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use otel_trace::bundle::Reader;
use otel_trace::event::{ExecutionStatus, Record};
use otel_trace::graph::{Graph, Severity};
use otel_trace::reduce::{Options, reduce};
use otel_trace::{Recorder, RecorderGuard};
use serde_json::Value;
use tempfile::TempDir;
use tracing_subscriber::prelude::*;

/// A parsed bundle that was checked for the invariants of every bundle: each line is readable, `seq` counts from 1
/// without gaps, and each referenced payload exists.
pub(crate) struct Bundle {
    pub(crate) path: PathBuf,
    /// Lines of the log, as JSON.
    pub(crate) lines: Vec<Value>,
    /// Payloads by the path and offset of their references.
    payloads: BTreeMap<(String, Option<u64>), Vec<u8>>,
    pub(crate) manifest: Value,
}

impl Bundle {
    /// Reads a bundle with all its payloads and panics if it violates an invariant.
    pub(crate) fn read(path: &Path) -> Self {
        let reader = Reader::open(path).unwrap();
        let mut payloads = BTreeMap::new();
        let records: Vec<Record> = reader.lines().unwrap().map(|line| line.unwrap().content.unwrap()).collect();
        for (record, seq) in records.iter().zip(1..) {
            assert_eq!(record.seq.0, seq, "{}", path.display());
            record.event.for_each_payload(|reference| {
                let payload = reader.payload(reference).unwrap();
                if reference.path.ends_with(".json") {
                    serde_json::from_slice::<Value>(&payload).unwrap();
                }
                payloads.insert((reference.path.clone(), reference.offset), payload);
            });
        }
        let lines = records.iter().map(|record| serde_json::to_value(record).unwrap()).collect();
        let manifest = serde_json::from_slice(&std::fs::read(path.join("manifest.json")).unwrap()).unwrap();
        Self { path: path.to_owned(), lines, payloads, manifest }
    }

    /// Returns the names of all events, in the order of the log.
    pub(crate) fn event_names(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line["payload"]["type"].as_str().unwrap()).collect()
    }

    /// Returns the events with this name.
    pub(crate) fn events(&self, name: &str) -> Vec<&Value> {
        self.lines.iter().map(|line| &line["payload"]).filter(|event| event["type"] == name).collect()
    }

    /// Returns the only event with this name and panics if there is none or more than one.
    #[track_caller]
    pub(crate) fn event(&self, name: &str) -> &Value {
        let events = self.events(name);
        assert_eq!(events.len(), 1, "{name} in {:#?}", self.event_names());
        events[0]
    }

    /// Returns the bytes of the payload behind a reference.
    pub(crate) fn payload_bytes(&self, reference: &Value) -> &[u8] {
        &self.payloads[&(reference["path"].as_str().unwrap().to_owned(), reference["offset"].as_u64())]
    }

    /// Parses the payload behind a reference as JSON.
    pub(crate) fn payload_json(&self, reference: &Value) -> Value {
        serde_json::from_slice(self.payload_bytes(reference)).unwrap()
    }
}

/// Reads the bundles in a directory, sorted by the ids of their root threads.
pub(crate) fn bundles(root: &Path) -> Vec<Bundle> {
    let entries = root.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut bundles: Vec<_> = entries.filter(|path| path.is_dir()).map(|path| Bundle::read(&path)).collect();
    bundles.sort_by_key(|bundle| bundle.manifest["root_thread_id"].to_string());
    bundles
}

/// Creates a recorder with a temporary root directory.
pub(crate) fn recorder() -> (TempDir, Recorder, RecorderGuard) {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    (root, recorder, guard)
}

/// Runs `program` under a subscriber that consists of the layer of this recorder.
pub(crate) fn run_recorded<T>(recorder: &Recorder, program: impl FnOnce() -> T) -> T {
    let layer = recorder.layer().with_filter(recorder.filter());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), program)
}

/// Records `program` and returns its bundles. Panics if anything was lost.
pub(crate) fn record(program: impl FnOnce()) -> Vec<Bundle> {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, program);
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0, "{:?}", recorder.stats());
    bundles(root.path())
}

/// Records `program` and returns its only bundle.
#[track_caller]
pub(crate) fn record_one(program: impl FnOnce()) -> Bundle {
    let mut bundles = record(program);
    assert_eq!(bundles.len(), 1);
    bundles.remove(0)
}

/// Reduces a bundle and panics on any diagnostic other than a notice.
#[track_caller]
pub(crate) fn graph(bundle: &Path) -> Graph {
    let graph = reduce(&Reader::open(bundle).unwrap(), &Options::default()).unwrap().graph;
    for diagnostic in &graph.diagnostics {
        assert_eq!(diagnostic.severity, Severity::Notice, "{}: {diagnostic}", bundle.display());
    }
    graph
}

/// Counts the operations of a graph that have not ended. The run itself does not count.
pub(crate) fn count_running(graph: &Graph) -> usize {
    let threads = graph.threads.iter().map(|thread| thread.execution.status);
    let turns = graph.turns.iter().map(|turn| turn.execution.status);
    let calls = graph.inference_calls.iter().map(|call| call.execution.status);
    let tools = graph.tool_calls.iter().map(|tool| tool.execution.status);
    let cells = graph.code_cells.iter().map(|cell| cell.execution.status);
    let requests = graph.compaction_requests.iter().map(|request| request.execution.status);
    let all = threads.chain(turns).chain(calls).chain(tools).chain(cells).chain(requests);
    all.filter(|status| *status == ExecutionStatus::Running).count()
}

/// Maximum duration of a wait or of a child process. A deadlock would otherwise block the test suite forever.
const DEADLINE: Duration = Duration::from_secs(600);

/// Polls a condition until it is met and panics after [`DEADLINE`].
#[track_caller]
pub(crate) fn wait_until(mut is_met: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_met() {
        assert!(started.elapsed() < DEADLINE, "the condition was not met within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `program` in a child process, under a global subscriber with a recorder, by executing `test` again.
///
/// Returns the root directory of the recording in the parent process. Returns `None` in the child process, which must
/// then return from the test.
#[track_caller]
pub(crate) fn run_alone(test: &str, program: impl FnOnce(Recorder, RecorderGuard)) -> Option<TempDir> {
    if role().is_some() {
        let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
        tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
        program(recorder, guard);
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    let output = child(test, "alone").env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(root)
}

/// Runs `program` in a child process by executing `test` again, where no other test has a subscriber, allocates memory
/// or opens files. Panics if the child process fails.
#[track_caller]
pub(crate) fn run_in_child(test: &str, program: impl FnOnce()) {
    if role().is_some() {
        return program();
    }
    let output = child(test, "alone").output().unwrap();
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{stdout}{stderr}");
}

const ROLE: &str = "OTEL_TRACE_TEST_ROLE";

/// Names of all tests of this binary, with the modules that they are in.
static TESTS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let output = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let list = String::from_utf8(output.stdout).unwrap();
    list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
});

/// Returns a command that runs exactly one test, `test`, in a child process, where [`role`] returns `role`.
///
/// Panics if this binary has no test with this name, because the child process would then succeed without a test.
#[track_caller]
pub(crate) fn child(test: &str, role: &str) -> Command {
    assert!(TESTS.contains(test), "this binary has no test {test:?}; expected `module::name`");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command.env_remove("OTEL_TRACE_ROOT").env_remove("OTEL_TRACE_PARENT");
    command
}

/// Returns the role of this process if it is a child process, and aborts it if it runs longer than [`DEADLINE`].
///
/// Returns `None` in the process of the test harness.
pub(crate) fn role() -> Option<String> {
    let role = std::env::var(ROLE).ok()?;
    std::thread::spawn(|| {
        std::thread::sleep(DEADLINE);
        std::process::abort();
    });
    Some(role)
}

// Each test binary uses a part of these helpers: this use of all of them avoids warnings about dead code.
const _: () = {
    let _ =
        (Bundle::payload_json, Bundle::payload_bytes, Bundle::events, Bundle::event, Bundle::event_names, child, role);
    let _ = |bundle: Bundle| (bundle.path, bundle.lines, bundle.manifest);
    let _ = (graph, count_running, |program: fn()| record_one(program));
    let _ = |is_met: fn() -> bool, program: fn(Recorder, RecorderGuard)| (wait_until(is_met), run_alone("", program));
    let _ = |program: fn()| run_in_child("", program);
};
