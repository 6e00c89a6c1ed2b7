//! Errors of creating, opening and reading a bundle as a whole.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// An error of creating, opening or reading a bundle as a whole. Damaged lines and payloads inside a bundle have their
/// own errors, [`LineError`](super::LineError) and [`PayloadError`](super::PayloadError).
#[derive(Debug)]
pub struct BundleError {
    kind: ErrorKind,
    message: String,
    path: PathBuf,
    source: Option<io::Error>,
}

/// The category of a [`BundleError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The path is not a bundle.
    NotABundle,
    /// The bundle, or another file or directory at its path, exists already.
    Exists,
    /// The bundle has an unsupported version of the format.
    Version,
    /// An operation of the file system failed.
    Io,
}

impl BundleError {
    pub(super) fn new(kind: ErrorKind, path: &Path, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), path: path.to_owned(), source: None }
    }

    pub(super) fn io(path: &Path, message: impl Into<String>, source: io::Error) -> Self {
        Self { kind: ErrorKind::Io, message: message.into(), path: path.to_owned(), source: Some(source) }
    }

    /// Returns the error message, followed by the message of the underlying error if there is one.
    pub(crate) fn full_message(&self) -> String {
        match &self.source {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// Returns the category of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the path of the file or directory on which the operation failed.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

impl std::error::Error for BundleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
