//! The known events of the streams of Cohere's chat.

use crate::provider::assembler::{EventShape, NO_MEMBERS};

pub(super) static SHAPES: [EventShape; 3] = [
    EventShape {
        types: &[
            "message-start",
            "content-start",
            "content-delta",
            "tool-plan-delta",
            "tool-call-start",
            "tool-call-delta",
            "citation-start",
            "message-end",
        ],
        objects: &["delta"],
        others: &["index", "logprobs"],
        ..NO_MEMBERS
    },
    EventShape { types: &["content-end", "tool-call-end", "citation-end"], others: &["index"], ..NO_MEMBERS },
    // The prompt that the provider made of the request.
    EventShape { types: &["debug"], others: &["prompt"], ..NO_MEMBERS },
];
