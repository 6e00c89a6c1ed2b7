//! Streams of which only head and tail were stored, because they exceeded a limit when they were recorded.

use super::{Assembled, assemble};
use crate::provider::object::Object;
use crate::provider::response::Response;
use crate::provider::usage::ReportedUsage;
use crate::semconv;

/// A stream of which only head and tail were stored.
#[derive(Debug)]
pub(crate) struct TruncatedStream {
    /// The response as far as the head contains it.
    pub(crate) head: Assembled,
    /// The usage in head and tail.
    pub(crate) usage: ReportedUsage,
}

impl TruncatedStream {
    /// Reads the JSON that was stored in place of a truncated stream. Returns `None` for any other text.
    pub(crate) fn read(stored: &str) -> Option<Self> {
        let ends = Object::parse(stored)?.object(semconv::TRUNCATED)?;
        let (head, tail) = (ends.text("head")?, ends.text("tail")?);
        // The empty line ends the event in which the head ends.
        let both = assemble([&head, "\n\n", &tail].concat().as_bytes()).ok()?;
        let usage = Response::parse(&both.body)?.usage();
        Some(Self { head: assemble(head.as_bytes()).ok()?, usage })
    }
}
