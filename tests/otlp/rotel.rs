//! Checks that rotel, an independent collector, prints the spans that it receives as they were exported.
//!
//! `just otlp` installs rotel.

mod collector;
mod exported;
mod printed;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use collector::Collector;
use printed::Span;

/// Returns the bundles to send: the conformance cases and the bundles below `OTEL_TRACE_ROTEL_RUNS`.
fn bundles() -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let recorded = std::env::var_os("OTEL_TRACE_ROTEL_RUNS").map(PathBuf::from);
    let entries = [Some(cases), recorded].into_iter().flatten().flat_map(|root| root.read_dir().unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.join("manifest.json").is_file()).collect()
}

/// Compares spans one by one, so that a failure shows only the span that differs.
#[track_caller]
fn check(printed: &BTreeMap<String, Span>, expected: &BTreeMap<String, Span>) {
    for (id, expected) in expected {
        assert_eq!(printed.get(id), Some(expected));
    }
    assert_eq!(printed.len(), expected.len());
}

fn check_bundles(protocol: &str) {
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
fn spans_over_http_are_printed_as_exported() {
    check_bundles("http/protobuf");
}

#[test]
#[ignore = "needs the binary of rotel: `just otlp`"]
fn spans_over_grpc_are_printed_as_exported() {
    check_bundles("grpc");
}

/// Checks that the live spans of the agent example equal the spans exported from its bundle, except for times.
fn check_live_run(protocol: &str) {
    let agent =
        std::env::var_os("OTEL_TRACE_ROTEL_AGENT").expect("OTEL_TRACE_ROTEL_AGENT names the binary of the example");
    let traces = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let mut run = Command::new(agent);
    run.env("OTEL_TRACE_ROOT", traces.path()).env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url(protocol));
    let output = run.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let start = format!("otel-trace: exporting spans to {}/", collector.url(protocol));
    assert!(output.status.success() && stderr.starts_with(&start) && stderr.lines().count() == 1, "{stderr}");
    let bundle = traces.path().read_dir().unwrap().next().unwrap().unwrap().path();
    let exported = exported::spans(&exported::as_json(&bundle));
    let log = collector.log_with(exported.len());
    check(&without_times(printed::spans(&log)), &without_times(exported));
}

fn without_times(spans: BTreeMap<String, Span>) -> BTreeMap<String, Span> {
    let timeless = |mut span: Span| {
        let times = ["Start time", "End time"].map(|name| span.remove(name));
        assert!(times.iter().all(Option::is_some));
        span
    };
    spans.into_iter().map(|(id, span)| (id, timeless(span))).collect()
}

#[test]
#[ignore = "needs the binary of rotel: `just otlp`"]
fn live_run_over_http_matches_its_bundle() {
    check_live_run("http/protobuf");
}

#[test]
#[ignore = "needs the binary of rotel: `just otlp`"]
fn live_run_over_grpc_matches_its_bundle() {
    check_live_run("grpc");
}
