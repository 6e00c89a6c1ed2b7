//! A bundle before it has its name.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::{BundleError, ErrorKind, Manifest};

/// A bundle's directory under a temporary name, removed again unless it is published.
pub(super) struct Prepared<'a> {
    disk: &'a dyn Disk,
    directory: PathBuf,
    log: Option<Arc<dyn DiskFile>>,
}

fn temporary(bundle: &str, number: u64) -> String {
    format!(".{bundle}.{number:x}.tmp")
}

/// The bundle that is or was made in a directory of this name, if it is such a name.
pub(super) fn bundle_of_temporary(name: &str) -> Option<&str> {
    let (bundle, number) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
    let is_ours = bundle.starts_with("trace-") && u64::from_str_radix(number, 16).is_ok();
    is_ours.then_some(bundle)
}

/// Makes temporary names unique in this process.
fn unique() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

impl<'a> Prepared<'a> {
    /// Makes it under `root`; forced to the disk where it must survive the death of the machine.
    pub(super) fn make(
        disk: &'a Arc<dyn Disk>,
        root: &Path,
        manifest: &Manifest,
        syncs: bool,
    ) -> Result<Self, BundleError> {
        let name = temporary(&manifest.directory_name(), unique());
        let mut prepared = Self { disk: &**disk, directory: root.join(name), log: None };
        prepared.fill(manifest, syncs).map_err(|error| BundleError::io(root, "a bundle can't be made here", error))?;
        Ok(prepared)
    }

    fn fill(&mut self, manifest: &Manifest, syncs: bool) -> io::Result<()> {
        let payloads = self.directory.join(Manifest::PAYLOADS);
        self.disk.create_dirs(&payloads)?;
        let manifest_file = self.disk.create(&self.directory.join(Manifest::FILE))?;
        manifest_file.write_all(&serde_json::to_vec_pretty(manifest)?)?;
        let log = self.disk.create(&self.directory.join(Manifest::LOG))?;
        if syncs {
            manifest_file.sync()?;
            log.sync()?;
            self.disk.sync_dir(&payloads)?;
            self.disk.sync_dir(&self.directory)?;
        }
        self.log = Some(log);
        Ok(())
    }

    /// Gives it its name, and gives its log.
    pub(super) fn publish(mut self, path: &Path) -> Result<Arc<dyn DiskFile>, BundleError> {
        match (self.disk.rename(&self.directory, path), self.log.take()) {
            (Ok(()), Some(log)) => Ok(log),
            (Ok(()), None) => Err(BundleError::new(ErrorKind::Io, path, "the bundle has no log")),
            (Err(_), _) if self.disk.identity(path).is_ok() => {
                let message =
                    "a bundle is already here; a bundle has one writer, so give every run a trace id of its own";
                Err(BundleError::new(ErrorKind::Exists, path, message))
            }
            (Err(error), _) => Err(BundleError::io(path, "the bundle can't be put in its place", error)),
        }
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        // Gone already where it was published. By name: to list a directory needs a file that may not be had.
        for file in [Manifest::FILE, Manifest::LOG] {
            let _ = self.disk.remove_file(&self.directory.join(file));
        }
        let _ = self.disk.remove_dir(&self.directory.join(Manifest::PAYLOADS));
        let _ = self.disk.remove_dir(&self.directory);
    }
}
