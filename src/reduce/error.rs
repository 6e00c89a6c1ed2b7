//! Why there is no graph.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::bundle;
use crate::graph::Diagnostic;

/// A bundle could not be reduced.
#[derive(Debug)]
pub struct ReduceError(Kind);

#[derive(Debug)]
enum Kind {
    Unreadable(bundle::BundleError),
    Strict { bundle: PathBuf, broken: Box<Diagnostic> },
}

impl ReduceError {
    pub(super) fn unreadable(error: bundle::BundleError) -> Self {
        Self(Kind::Unreadable(error))
    }

    pub(super) fn strict(bundle: &Path, broken: Diagnostic) -> Self {
        Self(Kind::Strict { bundle: bundle.to_owned(), broken: Box::new(broken) })
    }

    /// The broken rule that a strict reduction ended with.
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
                write!(f, "{}: {broken}; without strict the rest is reduced", bundle.display())
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
