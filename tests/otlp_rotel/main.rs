//! What a collector that nobody here wrote prints of the spans it receives: rotel, which `just otlp` installs.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod collector;
mod exported;
mod printed;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use collector::Collector;
use printed::Span;

/// Bundles to send: those of the directory that the environment names, beside the conformance cases.
fn bundles() -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let recorded = std::env::var_os("OTEL_TRACE_ROTEL_RUNS").map(PathBuf::from);
    let entries = [Some(cases), recorded].into_iter().flatten().flat_map(|root| root.read_dir().unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.join("manifest.json").is_file()).collect()
}

/// One by one: a difference is easier to see.
#[track_caller]
fn check(printed: &BTreeMap<String, Span>, expected: &BTreeMap<String, Span>) {
    for (id, expected) in expected {
        assert_eq!(printed.get(id), Some(expected));
    }
    assert_eq!(printed.len(), expected.len());
}

fn every_span_is_printed_as_it_was_exported(protocol: &str) {
    let bundles = bundles();
    assert!(!bundles.is_empty());
    for bundle in bundles {
        let expected = exported::spans(&exported::as_json(&bundle));
        let collector = Collector::start();
        let url = collector.url(protocol);
        exported::otel_trace(&["export", bundle.to_str().unwrap(), "--endpoint", &url, "--protocol", protocol]);
        let log = collector.log_with(expected.len());
        check(&printed::spans(&log), &expected);
    }
}

#[test]
#[ignore = "needs the binary of rotel: `just otlp`"]
fn over_http_every_span_is_printed_as_it_was_exported() {
    every_span_is_printed_as_it_was_exported("http/protobuf");
}

#[test]
#[ignore = "needs the binary of rotel: `just otlp`"]
fn over_grpc_every_span_is_printed_as_it_was_exported() {
    every_span_is_printed_as_it_was_exported("grpc");
}
