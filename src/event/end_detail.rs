//! Optional details of how an operation ended: [`EndDetail`].

use serde::Serialize;

use super::{
    CodeCellEnded, CompactionRequestCompleted, CompactionRequestFailed, EndedBy, InferenceCancelled,
    InferenceCompleted, InferenceFailed, RawJson, ThreadEnded, ToolCallEnded, TurnEnded,
};

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
