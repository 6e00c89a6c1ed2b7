//! The contents of a root directory: bundles, and leftovers of dead processes.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::bundle::{Directory, EntryKind, Manifest, parse_staged_name};

/// Number of bytes at the end of a log in which its end event is searched for.
const TAIL: u64 = 4096;

/// Depth to which the directories of a bundle are measured. A recorder nests none in the directory of payloads; each level
/// is an open directory.
const MAX_DEPTH: usize = 8;

/// Prefix of the name of a bundle's directory that is being removed. The dot hides the directory, and the prefix marks
/// it as created by this crate.
const HIDDEN: &str = ".trace-";

/// Suffix of the name of a bundle's directory that is being removed.
const REMOVED: &str = ".removed";

/// The contents of a root directory.
#[derive(Default)]
pub(super) struct RootListing {
    pub(super) bundles: Vec<BundleEntry>,
    /// Directories in which bundles are or were staged.
    pub(super) temporaries: Vec<TemporaryDirectory>,
    /// Bundles whose removal was not completed.
    pub(super) leftovers: Vec<PathBuf>,
}

/// A bundle under the root.
pub(super) struct BundleEntry {
    pub(super) path: PathBuf,
    /// Time of the last write to the log.
    pub(super) last_write: SystemTime,
    /// Total length of the bundle's files in bytes, or 0 if it was not measured.
    pub(super) bytes: u64,
}

/// A directory in which a bundle is or was staged before it got its name.
pub(super) struct TemporaryDirectory {
    pub(super) path: PathBuf,
    /// The final name of the bundle.
    pub(super) bundle: String,
    pub(super) modified: SystemTime,
}

impl RootListing {
    /// Lists a root directory. Measures the length of the bundles only if `with_bytes` is `true`.
    pub(super) fn read(root: &Path, with_bytes: bool) -> io::Result<Self> {
        let mut found = Self::default();
        for entry in root.read_dir()? {
            let entry = entry?;
            // A symbolic link is not a bundle of this root.
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let (path, name) = (entry.path(), entry.file_name());
            match name.to_str() {
                Some(name) if name.starts_with(HIDDEN) && name.ends_with(REMOVED) => found.leftovers.push(path),
                Some(name) if name.starts_with('.') => found.temporaries.extend(TemporaryDirectory::new(path, name)),
                _ => found.bundles.extend(BundleEntry::new(path, with_bytes)),
            }
        }
        Ok(found)
    }
}

impl TemporaryDirectory {
    fn new(path: PathBuf, name: &str) -> Option<Self> {
        let bundle = parse_staged_name(name)?.to_owned();
        let modified = fs::symlink_metadata(&path).and_then(|found| found.modified()).ok()?;
        Some(Self { path, bundle, modified })
    }
}

impl BundleEntry {
    /// Inspects a directory. Returns `None` if it is not a bundle or no longer exists.
    fn new(path: PathBuf, with_bytes: bool) -> Option<Self> {
        let bundle = Directory::open_unlinked(&path).ok()?;
        bundle.status(OsStr::new(Manifest::FILE)).ok().filter(|found| found.kind == EntryKind::File)?;
        let last_write = bundle.open_file(Manifest::LOG).and_then(|log| log.metadata()?.modified()).ok()?;
        let bytes = if with_bytes { bytes_below(&bundle, MAX_DEPTH) } else { 0 };
        Some(Self { path, last_write, bytes })
    }

    /// Returns the name of the directory.
    pub(super) fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Returns `true` if another process has removed the bundle.
    pub(super) fn is_gone(&self) -> bool {
        self.path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Returns `true` if the bundle's log ends with the end event of the run.
    pub(super) fn is_ended(&self) -> bool {
        let log = Directory::open_unlinked(&self.path).and_then(|bundle| bundle.open_file(Manifest::LOG));
        let tail = log.and_then(|mut log| {
            let length = log.metadata()?.len();
            log.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            let mut tail = Vec::new();
            log.take(TAIL).read_to_end(&mut tail)?;
            Ok(tail)
        });
        tail.is_ok_and(|tail| String::from_utf8_lossy(&tail).contains(r#""type":"rollout_ended""#))
    }

    /// Removes the bundle's directory. Renames it first, so that no reader finds an incomplete bundle, and a later pass
    /// recognises the remaining files if the removal is interrupted.
    pub(super) fn remove(&self) -> io::Result<()> {
        let name = self.name();
        // Names of bundles are short enough for the suffix.
        let hidden = format!("{HIDDEN}{}{REMOVED}", name.strip_prefix("trace-").unwrap_or(name));
        let hidden = self.path.with_file_name(hidden);
        fs::rename(&self.path, &hidden)?;
        // If files remain, the pass for the next bundle removes them.
        let _ = fs::remove_dir_all(&hidden);
        Ok(())
    }
}

/// Returns the total length of all files below an open directory, as far as it is nested no deeper than `depth`. Files that
/// cannot be inspected count as empty.
fn bytes_below(directory: &Directory, depth: usize) -> u64 {
    let entries = directory.entries().unwrap_or_default();
    let bytes = entries.into_iter().map(|(name, kind)| match kind {
        EntryKind::File => directory.status(&name).map_or(0, |found| found.length),
        EntryKind::Directory if depth > 0 => {
            directory.open_directory(&name).map_or(0, |below| bytes_below(&below, depth - 1))
        }
        EntryKind::Directory | EntryKind::Link | EntryKind::Special => 0,
    });
    bytes.sum()
}
