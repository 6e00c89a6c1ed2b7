//! Exporting a finished bundle: its spans, sending them to a receiver, writing them to a file, and `otel-trace locate`.

mod command;
mod comparable;
mod everything;
mod file;
mod live;
mod locate;
mod log;
mod receivers;
mod refusals;
mod scripted;
mod sent;
mod small;
mod trace_views;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use opentelemetry_sdk::trace::SpanData;
use otel_trace::bundle::Reader;
use otel_trace::graph::Graph;
use otel_trace::otlp::export::spans;
use otel_trace::otlp::{ContentPolicy, Mapping};
use otel_trace::reduce::{Options, reduce};
use tempfile::TempDir;

/// The conformance cases.
const CASES: [&str; 8] =
    ["agents", "chat", "code-cells", "compaction", "everything", "everything-incremental", "incremental", "tools"];

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name)
}

fn mapping(content: ContentPolicy) -> Mapping {
    Mapping { content, ..Mapping::default() }
}

/// A bundle with its graph.
struct Run {
    reader: Reader,
    graph: Graph,
}

impl Run {
    fn open(path: &Path) -> Self {
        let reader = Reader::open(path).unwrap();
        let graph = reduce(&reader, &Options::default()).unwrap().graph;
        Self { reader, graph }
    }

    fn spans(&self, content: ContentPolicy) -> Vec<SpanData> {
        spans(&self.reader, &self.graph, &mapping(content)).collect()
    }
}

/// Creates a command of `otel-trace` without the `OTEL_` variables of this process.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otel-trace"));
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.as_encoded_bytes().starts_with(b"OTEL_")) {
        command.env_remove(name);
    }
    command.args(args);
    command
}

fn otel_trace(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs the command, checks that it succeeds and returns its stdout.
#[track_caller]
fn ok(args: &[&str]) -> String {
    let output = otel_trace(args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

/// Copies a conformance case to a temporary directory.
fn copy_case(name: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join(name);
    fs::create_dir_all(bundle.join("payloads")).unwrap();
    for file in ["manifest.json", "trace.jsonl"] {
        fs::copy(case(name).join(file), bundle.join(file)).unwrap();
    }
    for entry in case(name).join("payloads").read_dir().unwrap().map(|entry| entry.unwrap()) {
        fs::copy(entry.path(), bundle.join("payloads").join(entry.file_name())).unwrap();
    }
    (directory, bundle)
}
