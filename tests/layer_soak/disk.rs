//! Bundles that were looked at make room for others.

use std::fs;
use std::path::{Path, PathBuf};

/// The bundles under a root.
pub(crate) fn bundles(root: &Path) -> Vec<PathBuf> {
    root.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

/// Removes all of them. The recorder is done with them.
pub(crate) fn clear(root: &Path) {
    bundles(root).iter().for_each(|bundle| fs::remove_dir_all(bundle).unwrap());
}

/// Removes the bodies of a bundle that is still written: nobody looks at them any more.
pub(crate) fn clear_bodies(bundle: &Path) {
    for entry in bundle.join("payloads").read_dir().unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
}
