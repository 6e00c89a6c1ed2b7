//! The known events of the streams of Cohere's chat.

use crate::provider::assembler::{EventShape, NO_MEMBERS};

/// Types of the events with a piece of the response.
const PIECES: [&str; 8] = [
    "message-start",
    "content-start",
    "content-delta",
    "tool-plan-delta",
    "tool-call-start",
    "tool-call-delta",
    "citation-start",
    "message-end",
];

/// Returns `true` if events of this type have a piece of the response.
pub(super) fn has_piece(kind: &str) -> bool {
    PIECES.contains(&kind)
}

pub(super) static SHAPES: [EventShape; 3] = [
    EventShape { types: &PIECES, objects: &["delta"], others: &["index", "logprobs"], ..NO_MEMBERS },
    EventShape { types: &["content-end", "tool-call-end", "citation-end"], others: &["index"], ..NO_MEMBERS },
    // The prompt that the provider made of the request.
    EventShape { types: &["debug"], others: &["prompt"], ..NO_MEMBERS },
];
