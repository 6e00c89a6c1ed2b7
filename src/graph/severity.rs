//! The severity of diagnostics.

use std::fmt;

use serde::Serialize;

/// The severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The problem leaves nothing out of the graph.
    Notice,
    /// Something was left out of the graph because of the problem.
    Skipped,
}

impl Severity {
    /// Returns the name of the severity in `state.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
