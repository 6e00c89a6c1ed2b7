//! A directory as a path, on systems where the standard library has no handles of directories. An entry is checked before it
//! is used, so that a link is not followed unless it is swapped in between.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::{EntryKind, EntryStatus};
use crate::bundle::fs::file;

/// The path of a directory.
#[derive(Debug)]
pub(super) struct PathHandle(PathBuf);

impl PathHandle {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if path.metadata()?.is_dir() { Ok(Self(path.to_owned())) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    pub(super) fn open_unlinked(path: &Path) -> io::Result<Self> {
        let is_directory = path.symlink_metadata()?.is_dir();
        if is_directory { Ok(Self(path.to_owned())) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    pub(super) fn open_directory(&self, name: &OsStr) -> io::Result<Self> {
        Self::open_unlinked(&self.0.join(name))
    }

    pub(super) fn open_file(&self, name: &OsStr) -> io::Result<File> {
        if self.status(name)?.kind == EntryKind::Link {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        File::open(self.0.join(name))
    }

    pub(super) fn create_file(&self, name: &OsStr) -> io::Result<File> {
        file::create(&self.0.join(name))
    }

    pub(super) fn create_directory(&self, name: &OsStr) -> io::Result<()> {
        fs::create_dir(self.0.join(name))
    }

    pub(super) fn status(&self, name: &OsStr) -> io::Result<EntryStatus> {
        let found = self.0.join(name).symlink_metadata()?;
        Ok(EntryStatus { kind: kind_of(&found), length: found.len() })
    }

    pub(super) fn entries(&self) -> io::Result<Vec<(OsString, EntryKind)>> {
        let entries = self.0.read_dir()?.map(|entry| {
            let entry = entry?;
            Ok((entry.file_name(), kind_of(&entry.metadata()?)))
        });
        entries.collect()
    }

    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    pub(super) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    /// Returns `None`: the standard library has no call for it.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        None
    }
}

fn kind_of(found: &Metadata) -> EntryKind {
    let kind = found.file_type();
    match (kind.is_file(), kind.is_dir(), kind.is_symlink()) {
        (true, ..) => EntryKind::File,
        (_, true, _) => EntryKind::Directory,
        (.., true) => EntryKind::Link,
        (false, false, false) => EntryKind::Special,
    }
}
