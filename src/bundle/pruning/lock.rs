//! One process at a time removes bundles from a root.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::disk::Identity;
use crate::bundle::file;

/// The file that is locked meanwhile.
const NAME: &str = ".otel-trace-prune";

/// The right to remove bundles from a root, until this is dropped or the process dies.
#[derive(Debug)]
pub(super) struct PruneLock {
    path: PathBuf,
    _file: File,
}

impl PruneLock {
    /// None where another has it.
    pub(super) fn of(root: &Path) -> io::Result<Option<Self>> {
        let path = root.join(NAME);
        let file = match file::create_for_places(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => file::open_for_places(&path)?,
            made => made?,
        };
        // One that was removed before it could be locked is not the lock any more.
        let is_there = || path.symlink_metadata().is_ok_and(|found| Some(Identity::of(&found)) == identity_of(&file));
        let is_ours = file.try_lock().is_ok() && is_there();
        Ok(is_ours.then_some(Self { path, _file: file }))
    }
}

fn identity_of(file: &File) -> Option<Identity> {
    file.metadata().ok().map(|metadata| Identity::of(&metadata))
}

impl Drop for PruneLock {
    fn drop(&mut self) {
        // Before it is unlocked: who locks it after that sees that it is gone.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_it_and_nothing_of_it_stays() {
        let root = tempfile::tempdir().expect("a directory");
        let lock = || PruneLock::of(root.path()).expect("made");
        let first = lock().expect("ours");
        assert!(lock().is_none());
        drop(first);
        assert_eq!(root.path().read_dir().expect("read").count(), 0);
        // What a process left that was killed is no lock.
        fs::write(root.path().join(NAME), "").expect("written");
        assert!(lock().is_some());
    }
}
