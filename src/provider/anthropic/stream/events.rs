//! The known events of the streams of Anthropic Messages.

use crate::provider::assembler::{EventShape, NO_MEMBERS};

pub(super) static SHAPES: [EventShape; 6] = [
    EventShape { types: &["message_start"], objects: &["message"], ..NO_MEMBERS },
    EventShape { types: &["content_block_start"], objects: &["content_block"], others: &["index"], ..NO_MEMBERS },
    EventShape { types: &["content_block_delta"], objects: &["delta"], others: &["index"], ..NO_MEMBERS },
    EventShape { types: &["content_block_stop"], others: &["index"], ..NO_MEMBERS },
    // Members beside the delta are those of the message.
    EventShape { types: &["message_delta"], objects: &["delta", "usage"], keeps_rest: true, ..NO_MEMBERS },
    // Bedrock's counts and times repeat those of the usage, or are its own.
    EventShape { types: &["message_stop"], others: &["amazon-bedrock-invocationMetrics"], ..NO_MEMBERS },
];
