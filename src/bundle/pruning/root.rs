//! What is under a root: bundles, and what was left of others.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::bundle::Manifest;
use crate::bundle::prepared::bundle_of_temporary;

/// What a bundle's last line is looked for in, in bytes from the end.
const TAIL: u64 = 4096;

/// What the name of a bundle that is being removed begins with, so that it is hidden and known to be ours, …
const HIDDEN: &str = ".trace-";

/// … and ends with.
const REMOVED: &str = ".removed";

/// What is under a root.
#[derive(Default)]
pub(super) struct Root {
    pub(super) bundles: Vec<Kept>,
    /// What bundles were made in that never got their names.
    pub(super) temporaries: Vec<Temporary>,
    /// Bundles that were being removed when their remover died.
    pub(super) leftovers: Vec<PathBuf>,
}

/// A bundle.
pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) last_write: SystemTime,
    pub(super) bytes: u64,
}

/// A directory that a bundle is or was made in.
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    /// The name that the bundle will have.
    pub(super) bundle: String,
    pub(super) made: SystemTime,
}

impl Root {
    /// Looks at all of it; how long the bundles are only where that is asked for.
    pub(super) fn read(root: &Path, with_bytes: bool) -> io::Result<Self> {
        let mut found = Self::default();
        for entry in root.read_dir()? {
            let entry = entry?;
            // A link is no bundle of this root.
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let (path, name) = (entry.path(), entry.file_name());
            match name.to_str() {
                Some(name) if name.starts_with(HIDDEN) && name.ends_with(REMOVED) => found.leftovers.push(path),
                Some(name) if name.starts_with('.') => found.temporaries.extend(Temporary::of(path, name)),
                _ => found.bundles.extend(Kept::of(path, with_bytes)),
            }
        }
        Ok(found)
    }
}

impl Temporary {
    fn of(path: PathBuf, name: &str) -> Option<Self> {
        let bundle = bundle_of_temporary(name)?.to_owned();
        let made = fs::symlink_metadata(&path).and_then(|found| found.modified()).ok()?;
        Some(Self { path, bundle, made })
    }
}

impl Kept {
    /// None where it is no bundle, or gone by now.
    fn of(path: PathBuf, with_bytes: bool) -> Option<Self> {
        let file = |name| fs::symlink_metadata(path.join(name)).ok().filter(|found| found.is_file());
        file(Manifest::FILE)?;
        let last_write = file(Manifest::LOG)?.modified().ok()?;
        let bytes = if with_bytes { bytes_below(&path) } else { 0 };
        Some(Self { path, last_write, bytes })
    }

    /// The name of its directory.
    pub(super) fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Whether another has removed it meanwhile.
    pub(super) fn is_gone(&self) -> bool {
        self.path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Whether its log says how the run ended, whatever still came after that.
    pub(super) fn is_ended(&self) -> bool {
        let tail = File::open(self.path.join(Manifest::LOG)).and_then(|mut log| {
            let length = log.metadata()?.len();
            log.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            let mut tail = Vec::new();
            log.take(TAIL).read_to_end(&mut tail)?;
            Ok(tail)
        });
        tail.is_ok_and(|tail| String::from_utf8_lossy(&tail).contains(r#""type":"rollout_ended""#))
    }

    /// Takes its name from it first: nobody reads a half of it, and what is left of it is known by its new name.
    pub(super) fn remove(&self) -> io::Result<()> {
        let name = self.name();
        // The names of our bundles leave room for this.
        let hidden = format!("{HIDDEN}{}{REMOVED}", name.strip_prefix("trace-").unwrap_or(name));
        let hidden = self.path.with_file_name(hidden);
        fs::rename(&self.path, &hidden)?;
        // What stays of it goes with the next bundle.
        let _ = fs::remove_dir_all(&hidden);
        Ok(())
    }
}

/// How long its files are together; what can't be looked at counts nothing.
fn bytes_below(directory: &Path) -> u64 {
    let entries = directory.read_dir().into_iter().flatten().filter_map(Result::ok);
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
