//! The directory that a copy of a bundle is written to, under a temporary name until the copy is complete.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::bundle::{BundleError, Directory, ErrorKind, Manifest, is_pack};

/// A new directory that is removed on drop unless it has been published. It holds only files created through this type.
pub(super) struct Destination {
    /// Path of the directory under its temporary name.
    path: PathBuf,
    directory: Directory,
    parent: Directory,
    dest: PathBuf,
}

impl Destination {
    /// Creates the directory beside `dest`, under a temporary name. `needed` is the number of bytes that it will hold at
    /// least.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Exists`] if `dest` exists, and [`ErrorKind::Io`] if the directory cannot be created or its file
    /// system has too little space.
    pub(super) fn create(dest: &Path, needed: u64) -> Result<Self, BundleError> {
        if dest.symlink_metadata().is_ok() {
            let message = "something is already here; choose a path that does not exist";
            return Err(BundleError::new(ErrorKind::Exists, dest, message));
        }
        let absolute = std::path::absolute(dest)
            .map_err(|error| BundleError::io(dest, "cannot make this path absolute", error))?;
        let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
            return Err(BundleError::new(ErrorKind::Io, dest, "is not the path of a directory that can be created"));
        };
        let name = format!(".{}.{}.tmp", name.to_string_lossy(), uuid::Uuid::new_v4());
        let path = parent.join(&name);
        let created = Directory::open(parent).and_then(|parent| {
            parent.create_directory(&name)?;
            Ok((parent, Directory::open_unlinked(&path)?))
        });
        let not_created = |error| BundleError::io(dest, "cannot create this directory", error);
        let (parent, directory) = created.map_err(not_created)?;
        let this = Self { path, directory, parent, dest: absolute.clone() };
        check_space(dest, needed, this.directory.free_bytes())?;
        this.directory.create_directory(Manifest::PAYLOADS).map_err(not_created)?;
        Ok(this)
    }

    /// Returns the temporary path of the directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a file at a path relative to the bundle.
    pub(super) fn create_file(&self, path: &str) -> io::Result<File> {
        self.directory.create_file(path)
    }

    /// Creates the file of a payload at the path of its reference in the copied bundle, which may be any string.
    ///
    /// Returns `None` if the path leads out of the directory, names an existing file or is not a valid file name, or if
    /// it is reserved for another file of a bundle.
    pub(super) fn create_payload_file(&self, path: &str) -> io::Result<Option<File>> {
        let steps: PathBuf = Path::new(path).components().filter(|step| *step != Component::CurDir).collect();
        let is_taken = [Manifest::FILE, Manifest::LOG].iter().any(|name| steps == Path::new(name));
        if is_taken || is_pack(path) {
            return Ok(None);
        }
        match self.directory.create_file(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if is_name_error(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Renames the directory to its final path.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Exists`] if the path exists by now, and [`ErrorKind::Io`] if the directory cannot be
    /// renamed.
    pub(super) fn publish(self) -> Result<(), BundleError> {
        if self.dest.symlink_metadata().is_ok() {
            let message = "something was created here meanwhile; choose a path that does not exist";
            return Err(BundleError::new(ErrorKind::Exists, &self.dest, message));
        }
        let names = self.path.file_name().zip(self.dest.file_name());
        let renamed = names.map_or(Ok(()), |(from, to)| self.parent.rename(from, to));
        renamed.map_err(|error| BundleError::io(&self.dest, "cannot move the new bundle here", error))
    }
}

/// Returns an error if a file system has not the space for so many bytes. `free` is `None` if it is not known.
fn check_space(dest: &Path, needed: u64, free: Option<u64>) -> Result<(), BundleError> {
    match free.filter(|free| *free < needed) {
        None => Ok(()),
        Some(free) => {
            let message = format!(
                "the copy needs {needed} bytes, and the file system has {free} left; free some space, or choose a path on \
                 another file system"
            );
            Err(BundleError::new(ErrorKind::Io, dest, message))
        }
    }
}

/// Returns the error of a copy that cannot be written. Nothing of the copy is left.
pub(super) fn write_error(dest: &Path, error: io::Error) -> BundleError {
    let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let message = if is_full {
        "cannot be written, because the file system or the quota is full; free some space, or choose a path on another \
         file system"
    } else {
        "cannot be written"
    };
    BundleError::io(dest, message, error)
}

/// Returns `true` if the error is one of the path, so that a file at another path could be created.
fn is_name_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidFilename
    )
}

impl Drop for Destination {
    fn drop(&mut self) {
        // Does nothing after `publish`.
        let _ = fs::remove_dir_all(&self.path);
    }
}
