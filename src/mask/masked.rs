//! Values whose texts and ids were masked: [`Masked`].

use std::borrow::Cow;
use std::ops::Deref;

use super::event_ids::mask_ids;
use super::event_text::map_texts;
use super::masking::Masking;
use crate::event::Event;

/// A value without secrets that masking would find. A writer appends no other events.
#[derive(Debug, Clone)]
pub(crate) struct Masked<T>(T);

impl Masked<Event> {
    /// Masks the texts and the ids of an event.
    pub(crate) fn new(event: Event, masking: &Masking) -> Self {
        let masked = match mask_ids(map_texts(&event, |text| masking.mask_event_text(text)), masking) {
            Cow::Borrowed(_) => None,
            Cow::Owned(masked) => Some(masked),
        };
        Self(masked.unwrap_or(event))
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
