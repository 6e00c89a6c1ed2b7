//! Verification of the bundles that a dead or interrupted process left.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use otel_trace::bundle::{LineError, Reader};
use otel_trace::event::Record;
use otel_trace::graph::Code;
use serde_json::Value;

use crate::common::graph;
use crate::seal;

/// The contents of all bundles under a root.
#[derive(Default)]
pub(crate) struct Recovered {
    /// Pairs of an event type and a text that occurs in an event of this type or in one of its payloads.
    recorded: HashSet<(String, String)>,
    /// Number of complete lines.
    pub(crate) lines: usize,
    /// Number of truncated lines, each the last of its log.
    pub(crate) torn: usize,
    /// Losses by kind, according to the `recording_gap` events.
    pub(crate) gaps: BTreeMap<String, u64>,
    /// Number of gaps among the diagnostics of the graphs.
    pub(crate) gaps_in_graphs: usize,
}

impl Recovered {
    /// Reads all bundles under a root.
    ///
    /// Panics if a line other than the last is incomplete, if `seq` does not count from 1, if a referenced payload is
    /// incomplete, or if the graph leaves anything out.
    pub(crate) fn read(root: &Path) -> Self {
        let mut recovered = Self::default();
        bundles(root).iter().for_each(|bundle| recovered.add(bundle));
        recovered
    }

    fn add(&mut self, bundle: &Path) {
        let reader = Reader::open(bundle).unwrap();
        let lines: Vec<_> = reader.lines().unwrap().map(|line| line.unwrap().content).collect();
        let count = lines.len();
        for (line, number) in lines.into_iter().zip(1..) {
            match line {
                Ok(record) => {
                    assert_eq!(record.seq.0, number as u64, "{}", bundle.display());
                    self.add_record(&reader, &record);
                }
                Err(LineError::Torn) => {
                    assert_eq!(number, count);
                    self.torn += 1;
                }
                Err(other) => panic!("{}, line {number}: {other}", bundle.display()),
            }
        }
        let log = fs::read(bundle.join("trace.jsonl")).unwrap();
        let is_cut = log.last().is_some_and(|last| *last != b'\n');
        assert!(!is_cut || log.ends_with(b"}") || self.torn > 0, "{}", bundle.display());
        let diagnostics = graph(bundle).diagnostics;
        self.gaps_in_graphs += diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::RecordingGap).count();
    }

    fn add_record(&mut self, reader: &Reader, record: &Record) {
        self.lines += 1;
        let event = serde_json::to_value(&record.event).unwrap();
        let kind = record.event.kind().name();
        let mut texts = Vec::new();
        collect_texts(&event, &mut texts);
        record.event.for_each_payload(|reference| {
            let payload =
                reader.payload(reference).unwrap_or_else(|error| panic!("{}: {error}", reader.path().display()));
            seal::collect_names(&serde_json::from_slice(&payload).unwrap(), &mut texts);
        });
        self.recorded.extend(texts.into_iter().map(|text| (kind.to_owned(), text)));
        if event["kind"] == "recording_gap" {
            for (name, count) in event["metadata"]["by"].as_object().unwrap() {
                *self.gaps.entry(name.clone()).or_default() += count.as_u64().unwrap();
            }
        }
    }

    /// Panics if a reported event is not in a bundle.
    #[track_caller]
    pub(crate) fn assert_contains(&self, reports: &[(String, String)]) {
        for report in reports {
            assert!(self.recorded.contains(report), "{report:?} was reported but is not in a bundle");
        }
    }
}

/// Returns the paths of the bundles under a root. A directory with a hidden name is an unfinished bundle and is left out.
pub(crate) fn bundles(root: &Path) -> Vec<PathBuf> {
    let entries = root.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let is_hidden = |path: &PathBuf| path.file_name().unwrap().as_encoded_bytes().starts_with(b".");
    entries.filter(|path| !is_hidden(path)).collect()
}

/// Collects all strings of a JSON value.
fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect_texts(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| collect_texts(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
