//! The known events of the streams of Converse.

use crate::provider::assembler::{EventShape, NO_MEMBERS};

pub(super) static SHAPES: [EventShape; 4] = [
    // The members are those of the message and the response.
    EventShape { types: &["messageStart", "messageStop", "metadata"], keeps_rest: true, ..NO_MEMBERS },
    EventShape { types: &["contentBlockStart"], objects: &["start"], others: &["contentBlockIndex"], ..NO_MEMBERS },
    EventShape { types: &["contentBlockDelta"], objects: &["delta"], others: &["contentBlockIndex"], ..NO_MEMBERS },
    EventShape { types: &["contentBlockStop"], others: &["contentBlockIndex"], ..NO_MEMBERS },
];
