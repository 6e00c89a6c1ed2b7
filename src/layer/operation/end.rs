//! How an operation ends: [`End`].

/// How an operation ends.
#[derive(Debug, Clone)]
pub(in crate::layer) enum End {
    /// The span closed, or the last clone of its handle was dropped. The recorded fields and payloads decide the
    /// status.
    Closed,
    /// The span closed with the status `OK`.
    ClosedOk,
    /// Completed: the program called `complete`.
    Completed,
    /// Failed with this error.
    Failed(String),
    /// Cancelled for this reason.
    Cancelled(String),
    /// Still open when recording was shut down.
    Shutdown,
}

impl End {
    /// Returns this end with its text changed by `redact`.
    pub(in crate::layer) fn redacted(&self, redact: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(redact(error)),
            Self::Cancelled(reason) => Self::Cancelled(redact(reason)),
            Self::Closed | Self::ClosedOk | Self::Completed | Self::Shutdown => self.clone(),
        }
    }
}

/// Error of an operation that a panic unwound through and for which no other error was reported.
pub(super) const UNWOUND: &str = "a panic unwound through it";
/// Reason for the cancellation of a call of a model that closed without any sign of an answer.
pub(super) const UNANSWERED: &str = "closed without an answer or an error";
/// Reason for the cancellation of a call of a model of whose response only a part arrived.
pub(super) const ENDED_EARLY: &str = "the stream ended early";
/// Reason for the cancellation of a tool call that closed without a result.
pub(super) const WITHOUT_RESULT: &str = "closed without a result or an error";
/// Reason for the cancellation of a turn whose last call of a model was open when it closed.
pub(super) const CALL_OPEN: &str = "closed while a call of a model was open";
/// Reason for the cancellation of an operation that was open when recording was shut down.
pub(super) const SHUT_DOWN: &str = "recording was shut down before it ended";
