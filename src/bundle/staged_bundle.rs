//! A bundle that is being created, under a temporary name until its manifest and log exist.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::{BundleError, ErrorKind, Manifest};

/// The directory of a new bundle under a temporary name. It is removed on drop unless it has been published.
pub(super) struct StagedBundle<'a> {
    disk: &'a dyn Disk,
    directory: PathBuf,
    log: Option<Arc<dyn DiskFile>>,
}

/// Returns the temporary name for the directory of a bundle, from its final name and a random number.
fn staged_name(bundle: &str, number: u64) -> String {
    format!(".{bundle}.{number:x}.tmp")
}

/// Parses the temporary name of a directory, and returns the final name of its bundle. Returns `None` if the name is
/// not such a temporary name.
pub(super) fn parse_staged_name(name: &str) -> Option<&str> {
    let (bundle, number) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
    let is_ours = bundle.starts_with("trace-") && u64::from_str_radix(number, 16).is_ok();
    is_ours.then_some(bundle)
}

/// Returns a random number that makes the temporary name of a directory unique.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

impl<'a> StagedBundle<'a> {
    /// Creates the temporary directory under `root`, with the manifest and an empty log. If `is_fsync` is set, syncs
    /// the files and the directory to the disk.
    pub(super) fn create(
        disk: &'a Arc<dyn Disk>,
        root: &Path,
        manifest: &Manifest,
        is_fsync: bool,
    ) -> Result<Self, BundleError> {
        let name = staged_name(&manifest.directory_name(), random());
        let mut staged = Self { disk: &**disk, directory: root.join(name), log: None };
        let written = staged.write_files(manifest, is_fsync);
        written.map_err(|error| BundleError::io(root, "cannot create a bundle in this directory", error))?;
        Ok(staged)
    }

    fn write_files(&mut self, manifest: &Manifest, is_fsync: bool) -> io::Result<()> {
        let payloads = self.directory.join(Manifest::PAYLOADS);
        self.disk.create_dirs(&payloads)?;
        let manifest_file = self.disk.create(&self.directory.join(Manifest::FILE))?;
        manifest_file.write_all(&serde_json::to_vec_pretty(manifest)?)?;
        let log = self.disk.create(&self.directory.join(Manifest::LOG))?;
        if is_fsync {
            manifest_file.sync()?;
            log.sync()?;
            self.disk.sync_dir(&payloads)?;
            self.disk.sync_dir(&self.directory)?;
        }
        self.log = Some(log);
        Ok(())
    }

    /// Renames the directory to its final path, and returns the open log.
    pub(super) fn publish(mut self, path: &Path) -> Result<Arc<dyn DiskFile>, BundleError> {
        match (self.disk.rename(&self.directory, path), self.log.take()) {
            (Ok(()), Some(log)) => Ok(log),
            (Ok(()), None) => Err(BundleError::new(ErrorKind::Io, path, "the bundle has no log")),
            (Err(_), _) if self.disk.identity(path).is_ok() => {
                let message = "a bundle is already here; a bundle has one writer, so every run needs its own trace id";
                Err(BundleError::new(ErrorKind::Exists, path, message))
            }
            (Err(error), _) => Err(BundleError::io(path, "cannot move the new bundle here", error)),
        }
    }
}

impl Drop for StagedBundle<'_> {
    fn drop(&mut self) {
        // Does nothing after `publish`. Removes by name, because listing a directory needs a file descriptor, and the
        // process may have none left.
        for file in [Manifest::FILE, Manifest::LOG] {
            let _ = self.disk.remove_file(&self.directory.join(file));
        }
        let _ = self.disk.remove_dir(&self.directory.join(Manifest::PAYLOADS));
        let _ = self.disk.remove_dir(&self.directory);
    }
}
