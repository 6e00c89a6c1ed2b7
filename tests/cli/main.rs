//! The `otel-trace` command from the outside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod costs;
mod hostile_names;
mod hostile_texts;
mod loops;
mod ls;
mod pack;
mod reduce_and_check;
mod show;
#[cfg(unix)]
mod signals;
#[cfg(target_os = "linux")]
mod sizes;
#[cfg(target_os = "linux")]
mod swapped_links;
mod terminal;
mod views;

use std::fs;
use std::path::Path;

use otel_trace::Recorder;
use tempfile::TempDir;
use tracing_subscriber::prelude::*;

/// Records a program into a new root directory.
pub(crate) fn record(program: impl FnOnce()) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    let subscriber = tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter()));
    tracing::subscriber::with_default(subscriber, program);
    drop(guard);
    root
}

/// Copies a directory with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
