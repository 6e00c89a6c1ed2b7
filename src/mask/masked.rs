//! Values whose texts were masked: [`Masked`].

use std::borrow::Cow;
use std::ops::Deref;

use super::event_text::{EventText, map_texts};
use super::masking::Masking;
use crate::event::Event;

/// A value without secrets that masking would find. A writer appends no other events.
#[derive(Debug, Clone)]
pub(crate) struct Masked<T>(T);

impl Masked<Event> {
    /// Masks the texts of an event.
    pub(crate) fn new(event: &Event, masking: &Masking) -> Self {
        Self(map_texts(event, |text: EventText<'_>| masking.mask_event_text(text)).into_owned())
    }

    /// Wraps an event that was made of masked texts, so that they are not searched a second time. A build with debug
    /// assertions does search them.
    pub(crate) fn of_masked_texts(event: Event, masking: &Masking) -> Self {
        let is_masked = || matches!(map_texts(&event, |text| masking.mask_event_text(text)), Cow::Borrowed(_));
        debug_assert!(is_masked(), "an event of kind {:?} has a text that is not masked", event.kind());
        Self(event)
    }

    /// Returns the event for a change of its references to payloads, which are no texts.
    pub(crate) fn references_mut(&mut self) -> &mut Event {
        &mut self.0
    }
}

impl<T> Deref for Masked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
