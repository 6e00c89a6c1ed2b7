//! Listing and removal of bundles, so that a long run does not fill the disk.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the paths of the bundles under a root.
pub(crate) fn bundles(root: &Path) -> Vec<PathBuf> {
    root.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

/// Removes all bundles under a root. The recorder must have ended them.
pub(crate) fn clear(root: &Path) {
    bundles(root).iter().for_each(|bundle| fs::remove_dir_all(bundle).unwrap());
}

/// Removes the payloads of a bundle that is still being written. The writer never reads them again.
pub(crate) fn clear_payloads(bundle: &Path) {
    for entry in bundle.join("payloads").read_dir().unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
}
