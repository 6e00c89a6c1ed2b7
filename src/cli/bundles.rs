//! Finds the bundles that the command-line arguments name.

use std::path::{Path, PathBuf};

use otel_trace::bundle::Manifest;

/// A bundle that an argument names.
pub(super) struct Bundle {
    pub(super) path: PathBuf,
    /// Index of the root directory that contains the bundle, in [`BundleList::roots`]. `None` if the argument names the
    /// bundle itself.
    pub(super) root: Option<usize>,
}

impl AsRef<Path> for Bundle {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// The bundles and root directories that the arguments name.
#[derive(Default)]
pub(super) struct BundleList {
    pub(super) bundles: Vec<Bundle>,
    /// Directories that contain bundles.
    pub(super) roots: Vec<PathBuf>,
}

/// Finds the bundles at the paths: a bundle itself, and all bundles of a directory that contains bundles, sorted by
/// name. A path that is neither is returned as a bundle, so that opening it reports the error.
pub(super) fn find(paths: &[PathBuf]) -> BundleList {
    let mut named = BundleList::default();
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
    // A hidden directory is a staged bundle, which is not complete yet.
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let paths = entries.map(|entry| entry.path()).filter(|path| !is_hidden(path) && is_bundle(path));
    let mut bundles: Vec<_> = paths.collect();
    bundles.sort();
    bundles
}

/// Returns `true` if the directory has a manifest or a log: it is a bundle or the rest of one.
fn is_bundle(path: &Path) -> bool {
    path.join(Manifest::FILE).exists() || path.join(Manifest::LOG).exists()
}
