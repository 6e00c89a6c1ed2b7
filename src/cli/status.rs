//! The exit status of the command.

use std::process::ExitCode;

use otel_trace::graph::{Diagnostic, Severity};

/// The exit status of a command, ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// All readable evidence was used; there may be notices. Exit status 0.
    Complete,
    /// Something damaged or unknown was skipped. Exit status 3.
    Skipped,
    /// Failed: a path is not a bundle, the output cannot be written, the receiver of an export fails, or with
    /// `--strict` the bundle violates the format. Exit status 1.
    Fatal,
}

impl Status {
    /// Returns the status that follows from the diagnostics of a bundle.
    pub(crate) fn from_diagnostics<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>) -> Self {
        let skipped = diagnostics.into_iter().any(|diagnostic| diagnostic.severity == Severity::Skipped);
        if skipped { Self::Skipped } else { Self::Complete }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Complete => Self::SUCCESS,
            Status::Fatal => Self::FAILURE,
            // clap exits with 2 for wrong usage.
            Status::Skipped => Self::from(3),
        }
    }
}
