//! Optional details of how an operation ended: [`EndDetail`].

use serde::{Deserialize, Serialize};

use super::{
    CodeCellEnded, CompactionRequestCompleted, CompactionRequestFailed, InferenceCancelled, InferenceCompleted,
    InferenceFailed, RawJson, ThreadEnded, ToolCallEnded, TurnEnded,
};

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

/// The details of an end event that later additions to format 1 have: what ended the operation, the type of its error,
/// and the span's own fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EndDetail {
    /// What ended the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
    /// Type of the error: the span's `error.type`, or the HTTP status of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<Box<str>>,
    /// Fields of the span that only the program knows, a JSON object by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<RawJson>,
}

impl EndDetail {
    /// Returns the details in a box. Returns `None` if there are none.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

macro_rules! end_events {
    ($($event:ident),*) => {
        $(impl $event {
            /// Returns the optional details of the end.
            pub(crate) fn detail(&self) -> EndDetail {
                let Self { ended_by, error_type, attributes, .. } = self;
                EndDetail { ended_by: *ended_by, error_type: error_type.clone(), attributes: attributes.clone() }
            }
        })*
    };
}

end_events!(
    ThreadEnded,
    TurnEnded,
    InferenceCompleted,
    InferenceFailed,
    InferenceCancelled,
    ToolCallEnded,
    CodeCellEnded,
    CompactionRequestCompleted,
    CompactionRequestFailed
);
