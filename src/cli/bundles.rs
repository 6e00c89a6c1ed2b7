//! Which bundles are meant.

use std::path::{Path, PathBuf};

use otel_trace::bundle::Manifest;

/// The bundles that the paths name: a bundle itself, and for a directory that holds bundles all of them, by name. A
/// path that is neither stands for itself, so that opening it says what is wrong.
pub(super) fn named(paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().flat_map(|path| bundles_at(path)).collect()
}

fn bundles_at(path: &Path) -> Vec<PathBuf> {
    if is_bundle(path) {
        return vec![path.to_owned()];
    }
    let entries = path.read_dir().into_iter().flatten().filter_map(Result::ok);
    // A hidden one is being made, and is none yet.
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let paths = entries.map(|entry| entry.path()).filter(|path| !is_hidden(path) && is_bundle(path));
    let mut bundles: Vec<_> = paths.collect();
    bundles.sort();
    if bundles.is_empty() { vec![path.to_owned()] } else { bundles }
}

/// Whether it is one, or what is left of one.
fn is_bundle(path: &Path) -> bool {
    path.join(Manifest::FILE).exists() || path.join(Manifest::LOG).exists()
}
