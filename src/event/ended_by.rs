//! What ended an operation: [`EndedBy`].

use serde::{Deserialize, Serialize};

/// What ended an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The program ended it explicitly, with its handle or an event.
    Handle,
    /// Its span closed, or the last clone of its handle was dropped.
    Close,
    /// Its span closed, and an event in the span reported the error with which it failed.
    ErrorEvent,
    /// It had an answer or a result, and the run went on while its span stayed open.
    Settled,
    /// Recording was shut down.
    Shutdown,
}

impl EndedBy {
    /// Returns the wire name of the cause, such as `close`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Handle => "handle",
            Self::Close => "close",
            Self::ErrorEvent => "error_event",
            Self::Settled => "settled",
            Self::Shutdown => "shutdown",
        }
    }
}
