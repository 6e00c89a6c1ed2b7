//! How the command exits.

use std::process::ExitCode;

use otel_trace::graph::{Diagnostic, Severity};

/// How it went, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// Nothing is missing; there may be notices.
    Complete,
    /// Something damaged or unknown was left out.
    Skipped,
    /// No bundle, or with `--strict` a broken rule.
    Fatal,
}

impl Status {
    /// By what is wrong with the evidence.
    pub(crate) fn of<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>) -> Self {
        let skipped = diagnostics.into_iter().any(|diagnostic| diagnostic.severity == Severity::Skipped);
        if skipped { Self::Skipped } else { Self::Complete }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Complete => Self::SUCCESS,
            Status::Fatal => Self::FAILURE,
            // 2 is clap's, for wrong usage.
            Status::Skipped => Self::from(3),
        }
    }
}
