//! The directory that a bundle is written to, under another name until all of it is there.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::store::is_pack;
use super::{BundleError, ErrorKind, Manifest, file};

/// A directory that goes away again unless it is published. Nothing but what was made here is in it.
pub(super) struct Destination {
    path: PathBuf,
    dest: PathBuf,
}

impl Destination {
    pub(super) fn make(dest: &Path) -> Result<Self, BundleError> {
        if dest.symlink_metadata().is_ok() {
            let message = "something is already here; name a place where nothing is";
            return Err(BundleError::new(ErrorKind::Exists, dest, message));
        }
        let absolute = std::path::absolute(dest).map_err(|error| BundleError::io(dest, "is no usable path", error))?;
        let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
            return Err(BundleError::new(ErrorKind::Io, dest, "names no directory that could be made"));
        };
        let name = format!(".{}.{}.tmp", name.to_string_lossy(), uuid::Uuid::new_v4());
        let this = Self { path: parent.join(name), dest: absolute };
        let made = fs::create_dir(&this.path)
            .and_then(|()| fs::remove_dir(&this.path))
            .and_then(|()| file::create_dirs(&this.path.join(Manifest::PAYLOADS)));
        made.map_err(|error| BundleError::io(dest, "can't be made", error))?;
        Ok(this)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file of the bundle's.
    pub(super) fn file(&self, path: &str) -> io::Result<File> {
        file::create(&self.path.join(path))
    }

    /// Makes the file of a body at the path that a bundle gives it. None where that leads anywhere but to a new file
    /// below this directory, or to one that has another meaning.
    pub(super) fn file_below(&self, path: &str) -> io::Result<Option<File>> {
        let steps: Option<PathBuf> = Path::new(path)
            .components()
            .filter(|step| *step != Component::CurDir)
            .map(|step| if let Component::Normal(name) = step { Some(name) } else { None })
            .collect();
        let Some(steps) = steps.filter(|steps| !steps.as_os_str().is_empty()) else { return Ok(None) };
        let is_taken = [Manifest::FILE, Manifest::LOG].iter().any(|name| steps == Path::new(name));
        if is_taken || is_pack(path) || steps.ends_with("state.json") {
            return Ok(None);
        }
        let target = self.path.join(steps);
        let made = target.parent().map_or(Ok(()), file::create_dirs).and_then(|()| file::create(&target));
        match made {
            Ok(file) => Ok(Some(file)),
            Err(error) if is_about_the_name(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts it in its place.
    pub(super) fn publish(self) -> Result<(), BundleError> {
        if self.dest.symlink_metadata().is_ok() {
            let message = "something was put here meanwhile; name a place where nothing is";
            return Err(BundleError::new(ErrorKind::Exists, &self.dest, message));
        }
        fs::rename(&self.path, &self.dest)
            .map_err(|error| BundleError::io(&self.dest, "can't be put in its place", error))
    }
}

/// Whether another name might do.
fn is_about_the_name(error: &io::Error) -> bool {
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
        // Gone already where it was published.
        let _ = fs::remove_dir_all(&self.path);
    }
}
