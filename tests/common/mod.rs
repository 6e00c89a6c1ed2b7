//! Records a program and reads back what it left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use otel_trace::bundle::Reader;
use otel_trace::event::{ExecutionStatus, Record};
use otel_trace::graph::{Graph, Severity};
use otel_trace::reduce::{Options, reduce};
use otel_trace::{Recorder, RecorderGuard};
use serde_json::Value;
use tempfile::TempDir;
use tracing_subscriber::prelude::*;

/// A bundle that keeps what every bundle promises: each line can be read, `seq` counts from 1 without gaps, and each
/// payload that an event names is there.
pub(crate) struct Bundle {
    pub(crate) path: PathBuf,
    /// The lines, as JSON.
    pub(crate) lines: Vec<Value>,
    /// By where they are.
    bodies: BTreeMap<(String, Option<u64>), Vec<u8>>,
    pub(crate) manifest: Value,
}

impl Bundle {
    pub(crate) fn read(path: &Path) -> Self {
        let reader = Reader::open(path).unwrap();
        let mut bodies = BTreeMap::new();
        let records: Vec<Record> = reader.lines().unwrap().map(|line| line.unwrap().content.unwrap()).collect();
        for (record, place) in records.iter().zip(1..) {
            assert_eq!(record.seq.0, place, "{}", path.display());
            record.event.for_each_payload(|reference| {
                let body = reader.payload(reference).unwrap();
                if reference.path.ends_with(".json") {
                    serde_json::from_slice::<Value>(&body).unwrap();
                }
                bodies.insert((reference.path.clone(), reference.offset), body);
            });
        }
        let lines = records.iter().map(|record| serde_json::to_value(record).unwrap()).collect();
        let manifest = serde_json::from_slice(&std::fs::read(path.join("manifest.json")).unwrap()).unwrap();
        Self { path: path.to_owned(), lines, bodies, manifest }
    }

    /// The events' names, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line["payload"]["type"].as_str().unwrap()).collect()
    }

    /// The events of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&Value> {
        self.lines.iter().map(|line| &line["payload"]).filter(|event| event["type"] == name).collect()
    }

    /// The event of this name, of which there is one.
    #[track_caller]
    pub(crate) fn one(&self, name: &str) -> &Value {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {:#?}", self.names());
        all[0]
    }

    /// The bytes of the body that an event names here.
    pub(crate) fn bytes(&self, reference: &Value) -> &[u8] {
        &self.bodies[&(reference["path"].as_str().unwrap().to_owned(), reference["offset"].as_u64())]
    }

    /// The body that an event names here.
    pub(crate) fn body(&self, reference: &Value) -> Value {
        serde_json::from_slice(self.bytes(reference)).unwrap()
    }
}

/// The bundles under a directory, in the order of their root threads' ids.
pub(crate) fn bundles(root: &Path) -> Vec<Bundle> {
    let entries = root.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut bundles: Vec<_> = entries.filter(|path| path.is_dir()).map(|path| Bundle::read(&path)).collect();
    bundles.sort_by_key(|bundle| bundle.manifest["root_thread_id"].to_string());
    bundles
}

/// A recorder with a directory of its own.
pub(crate) fn recorder() -> (TempDir, Recorder, RecorderGuard) {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    (root, recorder, guard)
}

/// Runs `program` under a subscriber that records it, and nothing else.
pub(crate) fn under<T>(recorder: &Recorder, program: impl FnOnce() -> T) -> T {
    let layer = recorder.layer().with_filter(recorder.filter());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), program)
}

/// What `program` leaves. Nothing may be lost.
pub(crate) fn record(program: impl FnOnce()) -> Vec<Bundle> {
    let (root, recorder, guard) = recorder();
    under(&recorder, program);
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0, "{:?}", recorder.stats());
    bundles(root.path())
}

/// What `program` leaves, which is one bundle.
#[track_caller]
pub(crate) fn record_one(program: impl FnOnce()) -> Bundle {
    let mut bundles = record(program);
    assert_eq!(bundles.len(), 1);
    bundles.remove(0)
}

/// The graph of a bundle, of which nothing may be left out.
#[track_caller]
pub(crate) fn graph(bundle: &Path) -> Graph {
    let graph = reduce(&Reader::open(bundle).unwrap(), &Options::default()).unwrap().graph;
    for told in &graph.diagnostics {
        assert_eq!(told.severity, Severity::Notice, "{}: {told}", bundle.display());
    }
    graph
}

/// How many windows of a graph have not ended, the rollout itself aside.
pub(crate) fn running(graph: &Graph) -> usize {
    let threads = graph.threads.iter().map(|thread| thread.execution.status);
    let turns = graph.turns.iter().map(|turn| turn.execution.status);
    let calls = graph.inference_calls.iter().map(|call| call.execution.status);
    let tools = graph.tool_calls.iter().map(|tool| tool.execution.status);
    let cells = graph.code_cells.iter().map(|cell| cell.execution.status);
    let requests = graph.compaction_requests.iter().map(|request| request.execution.status);
    let all = threads.chain(turns).chain(calls).chain(tools).chain(cells).chain(requests);
    all.filter(|status| *status == ExecutionStatus::Running).count()
}

/// How long anything here may take before it is held to hang: a deadlock would last for ever.
const DEADLINE: Duration = Duration::from_secs(600);

/// Waits for a condition.
#[track_caller]
pub(crate) fn until(mut is_met: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_met() {
        assert!(started.elapsed() < DEADLINE, "it does not come to that");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `program` in a process of its own, under a global subscriber that records it. Gives what that left, to the
/// parent; the child is given nothing and is to return.
#[track_caller]
pub(crate) fn alone(test: &str, program: impl FnOnce(Recorder, RecorderGuard)) -> Option<TempDir> {
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

const ROLE: &str = "OTEL_TRACE_TEST_ROLE";

/// This test once more, in a process of its own, where [`role`] is `role`.
pub(crate) fn child(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command.env_remove("OTEL_TRACE_ROOT").env_remove("OTEL_TRACE_PARENT");
    command
}

/// What this process is to do, if it is a child. One that hangs fails.
pub(crate) fn role() -> Option<String> {
    let role = std::env::var(ROLE).ok()?;
    std::thread::spawn(|| {
        std::thread::sleep(DEADLINE);
        std::process::abort();
    });
    Some(role)
}

// No test file needs all of it.
const _: () = {
    let _ = (Bundle::body, Bundle::bytes, Bundle::all, Bundle::one, Bundle::names, child, role);
    let _ = |bundle: Bundle| (bundle.path, bundle.lines, bundle.manifest);
    let _ = (graph, running, |program: fn()| record_one(program));
    let _ = |is_met: fn() -> bool, program: fn(Recorder, RecorderGuard)| (until(is_met), alone("", program));
};
