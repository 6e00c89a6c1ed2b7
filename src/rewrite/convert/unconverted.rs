//! What a conversion could not read: [`Unconverted`].

use std::fmt;

use crate::bundle::MAX_LINE_BYTES;
use crate::event::RawPayloadId;

/// A part of a bundle that [`convert`](super::convert) could not read, so that the copy does not have it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Unconverted {
    /// A payload. The copy keeps its reference unchanged.
    Payload {
        /// Number of the first line of the log that references the payload, from 1.
        line: u64,
        /// The id of the payload in that line.
        raw_payload_id: RawPayloadId,
        /// The cause, as an error message.
        reason: String,
    },
    /// A line of the log that is too long to be read.
    Line {
        /// Number of the line, from 1.
        line: u64,
        /// Length of the line in bytes.
        bytes: u64,
    },
    /// A file in the directory of payloads that no line references.
    File {
        /// Path of the file in the bundle.
        path: String,
        /// The cause, as an error message.
        reason: String,
    },
}

impl fmt::Display for Unconverted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload { line, raw_payload_id, reason } => {
                write!(f, "line {line}: {raw_payload_id} was not copied: {reason}")
            }
            Self::Line { line, bytes } => {
                write!(f, "line {line} was not copied: it has {bytes} bytes; at most {MAX_LINE_BYTES} are read")
            }
            Self::File { path, reason } => write!(f, "{path} was not copied: {reason}"),
        }
    }
}
