//! How bodies are named by events that were told of them before they were stored.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::event::{Event, PayloadRef, RawPayloadId};

/// Bodies that were told of, until they are stored where that was said, or named by an event.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<RawPayloadId, Standing>>);

#[derive(Debug)]
enum Standing {
    /// Not stored yet.
    Waits,
    /// Not stored yet, and its event was not taken.
    Unnamed,
    /// Stored elsewhere than was said.
    Elsewhere(PayloadRef),
}

impl Told {
    fn bodies(&self) -> MutexGuard<'_, HashMap<RawPayloadId, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It will be stored.
    pub(super) fn waits(&self, id: &RawPayloadId) {
        self.bodies().insert(id.clone(), Standing::Waits);
    }

    /// It will not be stored.
    pub(super) fn is_lost(&self, id: &RawPayloadId) {
        self.bodies().remove(id);
    }

    /// What was told of is stored there, or nowhere.
    pub(super) fn is_stored(&self, told: &PayloadRef, stored: Option<PayloadRef>) {
        let mut bodies = self.bodies();
        let will_be_named = matches!(bodies.remove(&told.raw_payload_id), Some(Standing::Waits));
        if let Some(stored) = stored.filter(|stored| will_be_named && stored != told) {
            bodies.insert(told.raw_payload_id.clone(), Standing::Elsewhere(stored));
        }
    }

    /// The event that names them will not be written.
    pub(super) fn are_unnamed(&self, event: &Event) {
        event.for_each_payload(|reference| {
            let mut bodies = self.bodies();
            match bodies.remove(&reference.raw_payload_id) {
                Some(Standing::Waits | Standing::Unnamed) => {
                    bodies.insert(reference.raw_payload_id.clone(), Standing::Unnamed);
                }
                Some(Standing::Elsewhere(_)) | None => {}
            }
        });
    }

    /// Has the event name its bodies as they were stored.
    pub(super) fn name(&self, event: &mut Event) {
        let mut bodies = self.bodies();
        if bodies.is_empty() {
            return;
        }
        event.for_each_payload_mut(|reference| {
            if let Some(Standing::Elsewhere(stored)) = bodies.remove(&reference.raw_payload_id) {
                *reference = stored;
            }
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.bodies().len()
    }
}
