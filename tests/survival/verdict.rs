//! Whether bundles hold what was said of them.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use otel_trace::bundle::{LineError, Reader};
use otel_trace::event::Record;
use otel_trace::graph::Code;
use serde_json::Value;

use crate::common::graph;
use crate::seal;

/// What is in the bundles under a root.
#[derive(Default)]
pub(crate) struct Verdict {
    /// Event types with each text that one of them holds, or names a body with.
    recorded: HashSet<(String, String)>,
    pub(crate) lines: usize,
    /// Lines that were cut short, each the last of its log.
    pub(crate) torn: usize,
    /// The events lost by kind, as the gaps say.
    pub(crate) gaps: BTreeMap<String, u64>,
    /// How many gaps the graphs name.
    pub(crate) gaps_in_graphs: usize,
}

impl Verdict {
    /// Reads all bundles. Each line is whole or the last, their places count from 1, each body that is named is whole, and
    /// the graph has all of it.
    pub(crate) fn of(root: &Path) -> Self {
        let mut verdict = Self::default();
        bundles(root).iter().for_each(|bundle| verdict.add(bundle));
        verdict
    }

    fn add(&mut self, bundle: &Path) {
        let reader = Reader::open(bundle).unwrap();
        let lines: Vec<_> = reader.lines().unwrap().map(|line| line.unwrap().content).collect();
        let count = lines.len();
        for (line, place) in lines.into_iter().zip(1..) {
            match line {
                Ok(record) => {
                    assert_eq!(record.seq.0, place as u64, "{}", bundle.display());
                    self.add_record(&reader, &record);
                }
                Err(LineError::Torn) => {
                    assert_eq!(place, count);
                    self.torn += 1;
                }
                Err(other) => panic!("{}, line {place}: {other}", bundle.display()),
            }
        }
        let log = fs::read(bundle.join("trace.jsonl")).unwrap();
        let is_cut = log.last().is_some_and(|last| *last != b'\n');
        assert!(!is_cut || log.ends_with(b"}") || self.torn > 0, "{}", bundle.display());
        let told = graph(bundle).diagnostics;
        self.gaps_in_graphs += told.iter().filter(|told| told.code == Code::RecordingGap).count();
    }

    fn add_record(&mut self, reader: &Reader, record: &Record) {
        self.lines += 1;
        let event = serde_json::to_value(&record.event).unwrap();
        let kind = record.event.kind().name();
        let mut texts = Vec::new();
        texts_of(&event, &mut texts);
        record.event.for_each_payload(|reference| {
            let body = reader.payload(reference).unwrap_or_else(|bad| panic!("{}: {bad}", reader.path().display()));
            seal::names(&serde_json::from_slice(&body).unwrap(), &mut texts);
        });
        self.recorded.extend(texts.into_iter().map(|text| (kind.to_owned(), text)));
        if event["kind"] == "recording_gap" {
            for (name, count) in event["metadata"]["by"].as_object().unwrap() {
                *self.gaps.entry(name.clone()).or_default() += count.as_u64().unwrap();
            }
        }
    }

    /// Everything that was said to be recorded is.
    #[track_caller]
    pub(crate) fn holds(&self, said: &[(String, String)]) {
        for recorded in said {
            assert!(self.recorded.contains(recorded), "{recorded:?} was recorded and is not there");
        }
    }
}

/// The bundles under a root. One that was being made has a hidden name, and is none.
pub(crate) fn bundles(root: &Path) -> Vec<PathBuf> {
    let entries = root.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let is_hidden = |path: &PathBuf| path.file_name().unwrap().as_encoded_bytes().starts_with(b".");
    entries.filter(|path| !is_hidden(path)).collect()
}

fn texts_of(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts_of(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| texts_of(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
