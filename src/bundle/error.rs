//! What can be wrong with a bundle as a whole.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// A bundle could not be made, opened or read at all. Damage inside a bundle is no error: see
/// [`LineError`](super::LineError) and [`PayloadError`](super::PayloadError).
#[derive(Debug)]
pub struct BundleError {
    kind: ErrorKind,
    message: String,
    path: PathBuf,
    source: Option<io::Error>,
}

/// What went wrong, for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The path is no bundle.
    NotABundle,
    /// A bundle is already there.
    Exists,
    /// The bundle is of another version of the format.
    Version,
    /// The file system refused.
    Io,
}

impl BundleError {
    pub(super) fn new(kind: ErrorKind, path: &Path, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), path: path.to_owned(), source: None }
    }

    pub(super) fn io(path: &Path, doing: impl Into<String>, source: io::Error) -> Self {
        Self { kind: ErrorKind::Io, message: doing.into(), path: path.to_owned(), source: Some(source) }
    }

    /// The error with its cause.
    pub(crate) fn full_message(&self) -> String {
        match &self.source {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// What went wrong, for a program.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file or directory it is about.
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
