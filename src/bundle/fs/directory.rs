//! Directories that are open: [`Directory`].

#[cfg(any(not(unix), test))]
mod by_path;
#[cfg(unix)]
mod handle;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Component, Path};

#[cfg(not(unix))]
use by_path::PathHandle as Handle;
#[cfg(unix)]
use handle::Handle;

use crate::bundle::manifest::Manifest;

/// An open directory, through which its files are opened and created.
///
/// On Unix it is a handle: what is opened through it is in the directory that was opened, whatever takes the place of the
/// directory or of a part of the path meanwhile, and no link is followed on the way. On other systems it is a path, of which
/// every part is checked for links before it is used.
#[derive(Debug)]
pub struct Directory(Handle);

/// The kind of an entry of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    Directory,
    Link,
    /// A pipe, a socket or a device.
    Special,
}

/// What a file system says of an entry of a directory, and not of what a link leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryStatus {
    pub(crate) kind: EntryKind,
    /// Length in bytes.
    pub(crate) length: u64,
}

/// The error of a file in a bundle that is not opened for reading.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The path leaves the bundle, or is not the path of a regular file. Contains the reason, for an error message.
    Path(&'static str),
    /// The error of the file system.
    Io(io::Error),
}

const LINK: OpenError = OpenError::Path("goes through a symbolic link");
const NOT_A_FILE: OpenError = OpenError::Path("is not a regular file");

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Path(reason) => Self::new(io::ErrorKind::InvalidInput, reason),
            OpenError::Io(error) => error,
        }
    }
}

impl Directory {
    /// Opens the directory at a path that the user has named, which may be a link.
    ///
    /// # Errors
    /// Returns the error of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Handle::open(path).map(Self)
    }

    /// Opens the directory at a path that was found in a listing, so that it must not be a link.
    pub(crate) fn open_unlinked(path: &Path) -> io::Result<Self> {
        Handle::open_unlinked(path).map(Self)
    }

    /// Opens the regular file at a relative path for reading.
    ///
    /// # Errors
    /// Returns an error if the path leaves the directory, goes through a link or is not the path of a regular file, and
    /// the error of the file system.
    pub fn open_file(&self, path: &str) -> io::Result<File> {
        Ok(self.open_inside(path)?)
    }

    /// Creates a file at a relative path for appending, accessible to the owner only, and the directories on the way to
    /// it.
    ///
    /// # Errors
    /// Returns an error if the path leaves the directory, goes through a link or is taken, and the error of the file
    /// system.
    pub fn create_file(&self, path: &str) -> io::Result<File> {
        let steps = plain_steps(path)?;
        let Some((name, directories)) = steps.split_last() else { return Err(NOT_A_FILE.into()) };
        let open = |directory: &Self, name: &OsStr| Ok(directory.open_or_create_directory(name)?);
        Ok(self.walk(directories, open, |last| Ok(last.0.create_file(name)?))?)
    }

    /// Creates a directory in this one, accessible to the owner only.
    ///
    /// # Errors
    /// Returns the error of the file system.
    pub fn create_directory(&self, name: &str) -> io::Result<()> {
        self.0.create_directory(name.as_ref())
    }

    /// Returns the names of all entries of the directory `name` in this one, sorted. Returns an empty list if there is no
    /// such directory.
    ///
    /// # Errors
    /// Returns an error if `name` is a link or no directory, and the error of the file system.
    pub fn names_in(&self, name: &str) -> io::Result<Vec<OsString>> {
        let directory = match self.open_directory(name.as_ref()) {
            Ok(directory) => directory,
            Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut names: Vec<_> = directory.entries()?.into_iter().map(|(name, _)| name).collect();
        names.sort();
        Ok(names)
    }

    /// Opens the regular file at a relative path for reading. A bundle is untrusted: only plain relative paths are
    /// accepted, no link is followed, and only regular files are opened, because opening a FIFO could block.
    pub(crate) fn open_inside(&self, path: &str) -> Result<File, OpenError> {
        let steps = plain_steps(path)?;
        let Some((name, directories)) = steps.split_last() else { return Err(NOT_A_FILE) };
        self.walk(directories, Self::open_directory, |last| last.open_regular(name))
    }

    /// Opens the directories at `steps`, one inside of the other, and calls `act` with the last one. Holds no more than two
    /// of them open, however many there are.
    fn walk<T>(
        &self,
        steps: &[&OsStr],
        open: impl Fn(&Self, &OsStr) -> Result<Self, OpenError>,
        act: impl FnOnce(&Self) -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        let mut opened: Option<Self> = None;
        for step in steps {
            opened = Some(open(opened.as_ref().unwrap_or(self), step)?);
        }
        act(opened.as_ref().unwrap_or(self))
    }

    /// Opens a directory in this one.
    pub(crate) fn open_directory(&self, name: &OsStr) -> Result<Self, OpenError> {
        self.0.open_directory(name).map(Self).map_err(|error| self.open_error(name, error))
    }

    fn open_or_create_directory(&self, name: &OsStr) -> io::Result<Self> {
        match self.0.open_directory(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.0.create_directory(name)?;
                self.0.open_directory(name).map(Self)
            }
            opened => opened.map(Self),
        }
    }

    /// Opens a regular file in this directory for reading.
    pub(crate) fn open_regular(&self, name: &OsStr) -> Result<File, OpenError> {
        // Opening a device can have effects, so its kind is looked up before. The file that is opened decides.
        match self.0.status(name).map_err(|error| self.open_error(name, error))?.kind {
            EntryKind::File => {}
            EntryKind::Link => return Err(LINK),
            EntryKind::Directory | EntryKind::Special => return Err(NOT_A_FILE),
        }
        let file = self.0.open_file(name).map_err(|error| self.open_error(name, error))?;
        if file.metadata().map_err(OpenError::Io)?.is_file() { Ok(file) } else { Err(NOT_A_FILE) }
    }

    /// Returns the error of an entry that was not opened: the system's for a link is one of several.
    fn open_error(&self, name: &OsStr, error: io::Error) -> OpenError {
        if error.kind() == io::ErrorKind::InvalidInput {
            return OpenError::Path("is not a valid file name");
        }
        if self.0.status(name).is_ok_and(|found| found.kind == EntryKind::Link) { LINK } else { OpenError::Io(error) }
    }

    /// Returns the name and kind of every entry, in any order.
    pub(crate) fn entries(&self) -> io::Result<Vec<(OsString, EntryKind)>> {
        self.0.entries()
    }

    /// Returns the kind and the length of an entry.
    pub(crate) fn status(&self, name: &OsStr) -> io::Result<EntryStatus> {
        self.0.status(name)
    }

    /// Renames an entry of the directory to another name in it. Replaces an existing file.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.0.rename(from, to)
    }

    /// Removes an entry that is not a directory.
    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        self.0.remove_file(name)
    }

    /// Returns the number of bytes that the file system of the directory has left for this user. Returns `None` if the
    /// system does not say.
    pub fn free_bytes(&self) -> Option<u64> {
        self.0.free_bytes()
    }
}

/// Returns the names in a relative path.
///
/// # Errors
/// Returns an error if the path has any other part than names, or is that of a file that is no evidence.
pub(crate) fn plain_steps(path: &str) -> Result<Vec<&OsStr>, OpenError> {
    let path = Path::new(path);
    if path.components().next().is_none() {
        return Err(OpenError::Path("is empty"));
    }
    if path.ends_with(Manifest::STATE) {
        return Err(OpenError::Path("is the output of a reducer, not evidence"));
    }
    let steps = path.components().filter(|step| *step != Component::CurDir);
    let names = steps.map(|step| match step {
        Component::Normal(name) => Ok(name),
        Component::ParentDir => Err(OpenError::Path("contains `..`")),
        Component::RootDir | Component::Prefix(_) | Component::CurDir => Err(OpenError::Path("is absolute")),
    });
    names.collect()
}

#[cfg(test)]
mod tests;
