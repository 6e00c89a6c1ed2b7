//! Fixes up payload references of queued events: an event is enqueued before its payload is stored, so the final
//! location is filled in when the event is written.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::event::{Event, PayloadRef, RawPayloadId};

/// The payloads of a bundle whose provisional references may have to be replaced. A payload is removed when it is
/// stored as its provisional reference, when the event that references it is written, or when it is lost.
#[derive(Debug, Default)]
pub(super) struct PendingPayloads(Mutex<HashMap<RawPayloadId, PayloadState>>);

#[derive(Debug)]
enum PayloadState {
    /// The payload is in the queue, and not stored yet.
    Queued,
    /// The payload is in the queue, but the event that references it was rejected.
    Unreferenced,
    /// The payload has been stored at another location than its provisional reference names. Contains the final
    /// reference.
    Relocated(PayloadRef),
}

impl PendingPayloads {
    fn payloads(&self) -> MutexGuard<'_, HashMap<RawPayloadId, PayloadState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a payload that is about to be queued.
    pub(super) fn insert(&self, id: &RawPayloadId) {
        self.payloads().insert(id.clone(), PayloadState::Queued);
    }

    /// Removes a payload that was rejected by the queue.
    pub(super) fn remove(&self, id: &RawPayloadId) {
        self.payloads().remove(id);
    }

    /// Records the result of storing a payload: its final reference, or `None` if the payload could not be stored.
    pub(super) fn resolve(&self, provisional: &PayloadRef, stored: Option<PayloadRef>) {
        let mut payloads = self.payloads();
        let is_referenced = matches!(payloads.remove(&provisional.raw_payload_id), Some(PayloadState::Queued));
        if let Some(stored) = stored.filter(|stored| is_referenced && stored != provisional) {
            payloads.insert(provisional.raw_payload_id.clone(), PayloadState::Relocated(stored));
        }
    }

    /// Drops the references of an event that will not be written, so that none of its payloads stays in this map.
    pub(super) fn drop_event(&self, event: &Event) {
        event.for_each_payload(|reference| {
            let mut payloads = self.payloads();
            match payloads.remove(&reference.raw_payload_id) {
                Some(PayloadState::Queued | PayloadState::Unreferenced) => {
                    payloads.insert(reference.raw_payload_id.clone(), PayloadState::Unreferenced);
                }
                Some(PayloadState::Relocated(_)) | None => {}
            }
        });
    }

    /// Replaces the provisional payload references of an event that is about to be written by the final ones.
    pub(super) fn fix_references(&self, event: &mut Event) {
        let mut payloads = self.payloads();
        if payloads.is_empty() {
            return;
        }
        event.for_each_payload_mut(|reference| {
            if let Some(PayloadState::Relocated(stored)) = payloads.remove(&reference.raw_payload_id) {
                *reference = stored;
            }
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.payloads().len()
    }
}
