//! Puts the events of a streamed response together, as each API defines them.

mod event;
mod growing;

pub(super) use event::{Event, error_text};
pub(super) use growing::{Growing, GrowingObject, text_content};

/// Puts together the events of one streamed response.
pub(super) trait Assembler {
    /// Adds an event.
    fn push(&mut self, event: &Event<'_>);

    /// Adds the end of a list of events, or the marker `[DONE]`, which ends the streams of some APIs.
    fn push_end_marker(&mut self) {}

    /// Returns the response. A response that is incomplete contains what arrived.
    fn finish(self: Box<Self>) -> AssembledBody;
}

/// A response that an [`Assembler`] has put together.
pub(super) struct AssembledBody {
    /// The fields of the body.
    pub(super) members: GrowingObject,
    /// `true` if the last event of the stream arrived.
    pub(super) is_complete: bool,
    /// The error that the provider reported in the stream.
    pub(super) error: Option<String>,
}
