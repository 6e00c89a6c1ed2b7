//! The directory of a bundle that is read: [`BundleDirectory`].

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::directory::{Directory, OpenError, plain_steps};
use crate::bundle::manifest::Manifest;

/// The directory of a bundle, and the directory of payloads in it. Each is opened once, and everything of the bundle is
/// opened through them, so that all of it is of one directory.
#[derive(Debug)]
pub(crate) struct BundleDirectory {
    path: PathBuf,
    bundle: OnceLock<Directory>,
    payloads: OnceLock<Directory>,
}

impl BundleDirectory {
    /// Creates the directory of the bundle at a path. It is opened with the first file: a writer usually reads none.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), bundle: OnceLock::new(), payloads: OnceLock::new() }
    }

    /// Creates the directory of a bundle that is open already.
    pub(crate) fn from_open(path: &Path, bundle: Directory) -> Self {
        Self { path: path.to_owned(), bundle: bundle.into(), payloads: OnceLock::new() }
    }

    /// Returns the path at which the bundle was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the open directory of the bundle.
    pub(crate) fn directory(&self) -> io::Result<&Directory> {
        if let Some(bundle) = self.bundle.get() {
            return Ok(bundle);
        }
        let bundle = Directory::open(&self.path)?;
        Ok(self.bundle.get_or_init(|| bundle))
    }

    /// Returns the open directory of payloads.
    pub(crate) fn payloads(&self) -> Result<&Directory, OpenError> {
        if let Some(payloads) = self.payloads.get() {
            return Ok(payloads);
        }
        let payloads = self.directory().map_err(OpenError::Io)?.open_directory(Manifest::PAYLOADS.as_ref())?;
        Ok(self.payloads.get_or_init(|| payloads))
    }

    /// Opens the regular file at a path relative to the bundle for reading.
    pub(crate) fn open_file(&self, path: &str) -> Result<File, OpenError> {
        match plain_steps(path)?[..] {
            [directory, name] if directory == OsStr::new(Manifest::PAYLOADS) => self.payloads()?.open_regular(name),
            _ => self.directory().map_err(OpenError::Io)?.open_inside(path),
        }
    }
}
