//! Puts the events of a streamed response together, as each API defines them.

mod event;
mod gathered;
mod growing;
mod places;
mod unread_events;

pub(super) use event::{Event, bounded_error, error_text, with_index};
pub(super) use gathered::Gathered;
pub(super) use growing::{Growing, GrowingObject, Mismatch, text_content};
pub(super) use places::Places;
pub(super) use unread_events::{EventShape, NO_MEMBERS, UnreadEvents};

/// Puts together the events of one streamed response.
pub(super) trait Assembler {
    /// Adds an event. Adds to `unread` what of the event is not read.
    fn push(&mut self, event: &Event<'_>, unread: &mut UnreadEvents);

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
