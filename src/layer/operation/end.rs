//! How an operation ends: [`End`].

/// How an operation ends.
#[derive(Debug, Clone)]
pub(in crate::layer) enum End {
    /// The span closed, or the last clone of its handle was dropped. The recorded fields and payloads decide the
    /// status.
    Closed,
    /// Completed: the program called `complete`, or the span closed with the status `OK`.
    Completed,
    /// Failed with this error.
    Failed(String),
    /// Cancelled for this reason.
    Cancelled(String),
    /// Still open when recording was shut down.
    Shutdown,
}

impl End {
    /// Returns this end with its text masked by `mask`.
    pub(in crate::layer) fn masked(&self, mask: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(mask(error)),
            Self::Cancelled(reason) => Self::Cancelled(mask(reason)),
            Self::Closed | Self::Completed | Self::Shutdown => self.clone(),
        }
    }

    /// Returns the error of a thread or turn that ends this way: the reported error, else [`UNWOUND`] if the span
    /// closed while a panic was unwinding. An operation that a destructor opened while a panic was already unwinding
    /// may close normally, so [`UNWOUND`] does not apply if `opened_unwinding` is set. Returns `None` if the operation
    /// did not fail.
    pub(super) fn error_text(&self, reported: Option<String>, opened_unwinding: bool) -> Option<String> {
        let is_unwinding = matches!(self, Self::Closed) && !opened_unwinding && std::thread::panicking();
        reported.or_else(|| is_unwinding.then(|| UNWOUND.to_owned()))
    }
}

/// Error of a thread or turn that a panic unwound through and for which no other error was reported.
const UNWOUND: &str = "a panic unwound through it";
/// Reason for the cancellation of an operation that was dropped without a result and without an explicit end.
pub(super) const DROPPED: &str = "dropped before it ended";
/// Reason for the cancellation of an operation that was open when recording was shut down.
pub(super) const SHUT_DOWN: &str = "recording was shut down before it ended";
