//! A lock that lets one process at a time remove bundles from a root.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::disk::FileIdentity;
use crate::bundle::file;

/// Name of the file in the root directory that is locked during a pruning pass.
const NAME: &str = ".otel-trace-prune";

/// A lock on a root directory, held until it is dropped or the process dies. Only its holder removes bundles.
#[derive(Debug)]
pub(super) struct PruneLock {
    path: PathBuf,
    _file: File,
}

impl PruneLock {
    /// Acquires the lock on a root directory. Returns `None` if another process holds it.
    pub(super) fn acquire(root: &Path) -> io::Result<Option<Self>> {
        let path = root.join(NAME);
        let file = match file::create_for_write_at(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => file::open_for_write_at(&path)?,
            made => made?,
        };
        // If the file was removed before it was locked, another process may hold the lock on a new file.
        let is_there = || {
            path.symlink_metadata().is_ok_and(|found| Some(FileIdentity::from_metadata(&found)) == identity_of(&file))
        };
        let is_ours = file.try_lock().is_ok() && is_there();
        Ok(is_ours.then_some(Self { path, _file: file }))
    }
}

fn identity_of(file: &File) -> Option<FileIdentity> {
    file.metadata().ok().map(|metadata| FileIdentity::from_metadata(&metadata))
}

impl Drop for PruneLock {
    fn drop(&mut self) {
        // Removed before it is unlocked, so that a process that locks it afterwards notices that it is gone.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_is_exclusive_and_its_file_is_removed() {
        let root = tempfile::tempdir().expect("a directory");
        let lock = || PruneLock::acquire(root.path()).expect("made");
        let first = lock().expect("ours");
        assert!(lock().is_none());
        drop(first);
        assert_eq!(root.path().read_dir().expect("read").count(), 0);
        // The file that a killed process has left is not locked.
        fs::write(root.path().join(NAME), "").expect("written");
        assert!(lock().is_some());
    }
}
