//! Shared code of the fuzz targets: a bundle whose files are replaced for each input, and the checks of its reduction.

use std::fs;
use std::path::Path;

use otel_trace::bundle::Reader;
use otel_trace::graph::Snapshots;
use otel_trace::reduce::{Options, Reduction, reduce};
use serde_json::Value;
use tempfile::TempDir;

/// Separates the files of a bundle in one input. No JSON contains it.
pub const SEPARATOR: &[u8] = b"\n\xff\n";

const MANIFEST: &str = r#"{"schema_version":1,"trace_id":"fuzz","rollout_id":"r","root_thread_id":"t","started_at_unix_ms":0,"raw_event_log":"trace.jsonl","payloads_dir":"payloads"}"#;

/// Creates a temporary directory, below `/dev/shm` if that exists.
pub fn temporary_directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    directory.expect("cannot create a temporary directory")
}

/// A bundle in a temporary directory, below `/dev/shm` if that exists.
pub struct Bundle(TempDir);

impl Bundle {
    /// Creates a bundle without a log and without payloads.
    pub fn new() -> Self {
        let directory = temporary_directory();
        fs::create_dir(directory.path().join("payloads")).expect("cannot create the payload directory");
        fs::write(directory.path().join("manifest.json"), MANIFEST).expect("cannot write a file of the bundle");
        Self(directory)
    }

    /// Replaces the log.
    pub fn log(&self, log: &[u8]) {
        fs::write(self.0.path().join("trace.jsonl"), log).expect("cannot write a file of the bundle");
    }

    /// Replaces the payload with this number.
    pub fn payload(&self, number: usize, body: &[u8]) {
        fs::write(self.0.path().join(format!("payloads/{number}.json")), body).expect("cannot write a file of the bundle");
    }

    /// Removes the payloads from this number on.
    pub fn end_payloads(&self, mut number: usize) {
        while fs::remove_file(self.0.path().join(format!("payloads/{number}.json"))).is_ok() {
            number += 1;
        }
    }

    /// Reduces the bundle leniently, twice, and strictly.
///
/// Panics unless the states are JSON, both lenient reductions are equal, and the strict reduction fails whenever a
/// diagnostic requires it.
    pub fn check(&self) {
        let reader = Reader::open(self.0.path()).expect("a manifest and a log");
        let Reduction { graph, work, .. } = reduce(&reader, &Options::default().every_body(true)).expect("not strict");
        let mut shared = Vec::new();
        for (state, form) in [(&mut Vec::new(), Snapshots::Expanded), (&mut shared, Snapshots::Shared)] {
            graph.write_state(&mut *state, form).expect("memory");
            serde_json::from_slice::<Value>(state).expect("a state is JSON");
        }
        let again = reduce(&reader, &Options::default().every_body(true)).expect("not strict");
        assert_eq!(again.work, work);
        let mut state = Vec::new();
        again.graph.write_state(&mut state, Snapshots::Shared).expect("memory");
        assert!(state == shared, "the same bytes give the same state");
        let stops = graph.diagnostics.iter().any(|found| found.code.stops_strict());
        let strict = reduce(&reader, &Options::default().strict(true).every_body(true));
        // A strict reduction may also fail without such a diagnostic: only it reports uses before a start.
        assert!(!stops || strict.is_err(), "{:?}", graph.diagnostics);
    }
}

impl Default for Bundle {
    fn default() -> Self {
        Self::new()
    }
}
