//! What the fuzz targets share: a bundle whose files are written anew for each input, and what must hold of it.

use std::fs;
use std::path::Path;

use otel_trace::bundle::Reader;
use otel_trace::graph::Snapshots;
use otel_trace::reduce::{Options, Reduction, reduce};
use serde_json::Value;
use tempfile::TempDir;

/// What stands between the files of a bundle in one input: no JSON has it.
pub const SEPARATOR: &[u8] = b"\n\xff\n";

const MANIFEST: &str = r#"{"schema_version":1,"trace_id":"fuzz","rollout_id":"r","root_thread_id":"t","started_at_unix_ms":0,"raw_event_log":"trace.jsonl","payloads_dir":"payloads"}"#;

/// A bundle on disk, in memory where the system has a place for that.
pub struct Bundle(TempDir);

impl Bundle {
    /// A bundle with nothing in it.
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let directory = directory.expect("a directory");
        fs::create_dir(directory.path().join("payloads")).expect("made");
        fs::write(directory.path().join("manifest.json"), MANIFEST).expect("written");
        Self(directory)
    }

    /// Replaces the log.
    pub fn log(&self, log: &[u8]) {
        fs::write(self.0.path().join("trace.jsonl"), log).expect("written");
    }

    /// Replaces the payload of this number.
    pub fn payload(&self, number: usize, body: &[u8]) {
        fs::write(self.0.path().join(format!("payloads/{number}.json")), body).expect("written");
    }

    /// Removes the payloads from this number on.
    pub fn end_payloads(&self, mut number: usize) {
        while fs::remove_file(self.0.path().join(format!("payloads/{number}.json"))).is_ok() {
            number += 1;
        }
    }

    /// Reduces the bundle in every way. What comes out is JSON, and the same each time.
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
        // What is used before its start only a strict reduction minds.
        assert!(!stops || strict.is_err(), "{:?}", graph.diagnostics);
    }
}

impl Default for Bundle {
    fn default() -> Self {
        Self::new()
    }
}
