//! The error type of a reduction.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::bundle;
use crate::graph::Diagnostic;

/// An error that prevents the reduction of a bundle: an unreadable log or, in strict mode, a broken rule.
#[derive(Debug)]
pub struct ReduceError(Kind);

#[derive(Debug)]
enum Kind {
    Unreadable(bundle::BundleError),
    Strict { bundle: PathBuf, broken: Box<Diagnostic> },
}

impl ReduceError {
    /// Creates the error of a log that cannot be read.
    pub(super) fn unreadable(error: bundle::BundleError) -> Self {
        Self(Kind::Unreadable(error))
    }

    /// Creates the error of a strict reduction that ended at a broken rule, which `broken` describes.
    pub(super) fn strict(bundle: &Path, broken: Diagnostic) -> Self {
        Self(Kind::Strict { bundle: bundle.to_owned(), broken: Box::new(broken) })
    }

    /// Returns the broken rule that ended a strict reduction. Returns `None` if the bundle could not be read.
    pub fn broken_rule(&self) -> Option<&Diagnostic> {
        match &self.0 {
            Kind::Unreadable(_) => None,
            Kind::Strict { broken, .. } => Some(broken),
        }
    }
}

impl fmt::Display for ReduceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Unreadable(error) => error.fmt(f),
            Kind::Strict { bundle, broken } => {
                write!(f, "{}: {broken}; run without --strict to skip it and keep the rest", bundle.display())
            }
        }
    }
}

impl std::error::Error for ReduceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Unreadable(error) => std::error::Error::source(error),
            Kind::Strict { .. } => None,
        }
    }
}
