//! The outcome of sending one message.

use std::fmt;
use std::time::Duration;

/// The response to an accepted message. The default is a full success.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ExportResponse {
    /// Number of the message's spans that the receiver rejected.
    pub(crate) rejected: u64,
    /// The receiver's error message; empty if it sent none.
    pub(crate) message: String,
}

/// The failure to send a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SendError {
    pub(crate) kind: SendErrorKind,
    /// Description for users. Contains no secrets and no text from the receiver.
    pub(crate) text: String,
}

/// The kind of a send error, which determines whether the message is retried, split or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendErrorKind {
    /// The receiver could not be reached or did not answer. It may have received the message. Retryable.
    Unreachable,
    /// The receiver requests a retry, after the given delay if it specifies one.
    Busy(Option<Duration>),
    /// The message exceeds the receiver's size limit. Its spans may be accepted in smaller messages.
    TooLarge,
    /// The receiver rejects the message permanently.
    Rejected,
    /// The receiver does not serve this signal at this URL.
    NotServed,
}

impl SendError {
    pub(crate) fn new(kind: SendErrorKind, text: impl fmt::Display) -> Self {
        Self { kind, text: text.to_string() }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for SendError {}
