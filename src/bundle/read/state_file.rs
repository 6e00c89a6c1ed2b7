//! Writes `state.json` into a bundle.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;

use crate::bundle::error::{BundleError, ErrorKind};
use crate::bundle::fs::{BundleDirectory, Directory, EntryKind};
use crate::bundle::manifest::Manifest;

/// Writes `state.json` through a temporary file, which replaces an existing one when it is complete. Both are in the
/// directory that was opened, whatever is at its path by now.
pub(super) fn write(bundle: &BundleDirectory, write: impl FnOnce(&File) -> io::Result<()>) -> Result<(), BundleError> {
    let path = bundle.path().join(Manifest::STATE);
    let failed = |message, error| BundleError::io(&path, message, error);
    let directory = bundle.directory().map_err(|error| failed("cannot open the directory", error))?;
    // A rename would replace a device or a pipe by a regular file. A link is replaced, not followed.
    let found = directory.status(Manifest::STATE.as_ref()).map(|found| found.kind);
    if let Ok(EntryKind::Directory | EntryKind::Special) = found {
        let message = "exists and is not a regular file; choose the path of a new or a regular file";
        return Err(BundleError::new(ErrorKind::Io, &path, message));
    }
    let temporary =
        TemporaryFile::create(directory).map_err(|error| failed("cannot create a file in this directory", error))?;
    write(&temporary.file).map_err(|error| failed("cannot write the file", error))?;
    let renamed = temporary.publish(Manifest::STATE.as_ref());
    renamed.map_err(|error| failed("cannot rename the temporary file to this path", error))
}

/// A temporary file of a directory that is removed on drop unless it was renamed.
struct TemporaryFile<'a> {
    directory: &'a Directory,
    file: File,
    name: OsString,
    is_renamed: bool,
}

impl<'a> TemporaryFile<'a> {
    /// Creates a hidden file with a unique name.
    fn create(directory: &'a Directory) -> io::Result<Self> {
        let name = format!(".{}.{}", Manifest::STATE, uuid::Uuid::new_v4().simple());
        Ok(Self { directory, file: directory.create_file(&name)?, name: name.into(), is_renamed: false })
    }

    fn publish(mut self, name: &OsStr) -> io::Result<()> {
        self.directory.rename(&self.name, name)?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for TemporaryFile<'_> {
    fn drop(&mut self) {
        if !self.is_renamed {
            // There is no way to recover from an error here.
            let _ = self.directory.remove_file(&self.name);
        }
    }
}
