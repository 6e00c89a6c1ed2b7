//! A process that `fork`s while it records keeps its bundle whole, and its copies write nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use otel_trace::bundle::Reader;
use otel_trace::graph::Severity;
use otel_trace::reduce::{Options, reduce};

/// Runs the program, and returns its only bundle and what it printed to stderr.
fn run(root: &Path, way: &str) -> (PathBuf, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_forking-tests")).arg(root).arg(way).output().expect("the program runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{way}: {stderr}");
    let entries = root.read_dir().expect("a root").map(|entry| entry.expect("an entry").path());
    let bundles: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    // The two threads of the program are roots, with a bundle each; a copy has begun none.
    assert_eq!(bundles.len(), 2, "{way}: {bundles:?}");
    let is_first =
        |path: &PathBuf| std::fs::read_to_string(path.join("trace.jsonl")).expect("a log").contains("before 0");
    (bundles.into_iter().find(is_first).expect("the bundle of the first thread"), stderr)
}

/// Returns the files of a bundle that contain a text.
fn files_with(directory: &Path, text: &str) -> Vec<PathBuf> {
    let entries = directory.read_dir().expect("a directory").map(|entry| entry.expect("an entry").path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let contains = |path: &PathBuf| {
        let bytes = std::fs::read(path).expect("a file");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    let inside = directories.iter().flat_map(|path| files_with(path, text));
    files.into_iter().filter(contains).chain(inside).collect()
}

#[test]
fn bundle_stays_whole_and_copies_write_nothing() {
    for way in ["files", "pack", "buffered", "fsync"] {
        let root = tempfile::tempdir().expect("a directory");
        let (bundle, stderr) = run(root.path(), way);
        let written = files_with(&bundle, "copy");
        assert!(written.is_empty(), "{way}: {written:?}");
        let reader = Reader::open(&bundle).expect("a bundle");
        let reduction = reduce(&reader, &Options::default()).expect("a graph");
        let skipped = reduction.diagnostics().iter().find(|diagnostic| diagnostic.severity == Severity::Skipped);
        assert!(skipped.is_none(), "{way}: {skipped:?}");
        // Before and after the copies: 40 calls by handles and 40 by spans, and 40 tools; one of each was open meanwhile.
        let counts = (reduction.graph.inference_calls.len(), reduction.graph.tool_calls.len());
        assert_eq!(counts, (161, 81), "{way}");
        let reports = stderr.lines().filter(|line| line.contains("made by `fork`")).count();
        assert_eq!(reports, 8, "{way}: each copy reports once: {stderr}");
    }
}
