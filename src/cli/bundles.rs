//! Which bundles are meant.

use std::path::{Path, PathBuf};

use otel_trace::bundle::Manifest;

/// A bundle that is meant.
pub(super) struct Bundle {
    pub(super) path: PathBuf,
    /// The root directory it was found in, of those that were named.
    pub(super) root: Option<usize>,
}

impl AsRef<Path> for Bundle {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// What the paths name.
#[derive(Default)]
pub(super) struct Named {
    pub(super) bundles: Vec<Bundle>,
    /// Directories that hold bundles.
    pub(super) roots: Vec<PathBuf>,
}

/// The bundles that the paths name: a bundle itself, and for a directory that holds bundles all of them, by name. A
/// path that is neither stands for itself, so that opening it says what is wrong.
pub(super) fn named(paths: &[PathBuf]) -> Named {
    let mut named = Named::default();
    for path in paths {
        let below = if is_bundle(path) { Vec::new() } else { bundles_in(path) };
        if below.is_empty() {
            named.bundles.push(Bundle { path: path.clone(), root: None });
            continue;
        }
        let root = Some(named.roots.len());
        named.roots.push(path.clone());
        named.bundles.extend(below.into_iter().map(|path| Bundle { path, root }));
    }
    named
}

fn bundles_in(root: &Path) -> Vec<PathBuf> {
    let entries = root.read_dir().into_iter().flatten().filter_map(Result::ok);
    // A hidden one is being made, and is none yet.
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let paths = entries.map(|entry| entry.path()).filter(|path| !is_hidden(path) && is_bundle(path));
    let mut bundles: Vec<_> = paths.collect();
    bundles.sort();
    bundles
}

/// Whether it is one, or what is left of one.
fn is_bundle(path: &Path) -> bool {
    path.join(Manifest::FILE).exists() || path.join(Manifest::LOG).exists()
}
