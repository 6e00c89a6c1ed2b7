//! Collects the members of bodies that no rule reads.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;

use crate::keyed_hash::keyed_hash;
use crate::provider::{ApiSet, Request, Response, UnreadField, unread_fields_of_entry};

/// A member of a payload that no rule reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::reduce) struct UnreadMember {
    pub(in crate::reduce) field: UnreadField,
    /// Path to the element of a list that has the field, such as `messages[]`. Empty if the body itself has it.
    pub(in crate::reduce) list: &'static str,
}

/// A cache of the members that no rule reads, for each distinct element of a conversation by the hash of its text. An
/// element is compared with the table of known members once, however many bodies repeat it. The decoding threads share
/// the cache.
#[derive(Debug, Default)]
pub(super) struct UnreadFieldCache {
    by_text: Mutex<ByText>,
}

/// The members of an element, by the APIs to which it may belong and the hash of its text. `None` if every member is
/// read.
type ByText = HashMap<(ApiSet, u128), Option<Arc<[UnreadField]>>>;

impl UnreadFieldCache {
    /// Returns the members of a request that no rule reads. `responded` are the APIs to which the response of the same
    /// call may belong.
    pub(super) fn of_request(&self, request: &Request<'_>, responded: ApiSet) -> Vec<UnreadMember> {
        let apis = request.api_set(responded);
        let mut found = of_body(request.unread_fields(apis));
        if let (Some(entries), Some(list)) = (request.entries(), request.list_name()) {
            found.extend(self.of_entries(&entries.elements(), request.message_apis(apis), list));
        }
        found
    }

    /// Returns the members of a response that no rule reads.
    pub(super) fn of_response(&self, response: &Response<'_>) -> Vec<UnreadMember> {
        let mut found = of_body(response.unread_fields());
        if let Some((list, messages)) = response.attribute_messages() {
            found.extend(self.of_entries(&messages.elements(), ApiSet::all(), list));
        }
        found
    }

    /// Returns the members of the elements of a conversation that no rule reads, each once. `list` is the name of the
    /// field that holds the conversation.
    pub(super) fn of_entries(&self, entries: &[&RawValue], apis: ApiSet, list: &'static str) -> Vec<UnreadMember> {
        let (mut seen_lists, mut seen) = (HashSet::new(), HashSet::new());
        let mut found = Vec::new();
        for fields in entries.iter().filter_map(|entry| self.of_entry(entry, apis)) {
            // Most elements with unread members have the same unread members.
            if seen_lists.insert(Arc::clone(&fields)) {
                let new = fields.iter().filter(|field| seen.insert((*field).clone()));
                found.extend(new.map(|field| UnreadMember { field: field.clone(), list }));
            }
        }
        found
    }

    /// Returns the members of an element of a conversation that no rule reads. Returns `None` if there are none.
    fn of_entry(&self, entry: &RawValue, apis: ApiSet) -> Option<Arc<[UnreadField]>> {
        let key = (apis, keyed_hash(entry.get().as_bytes()));
        if let Some(known) = self.lock().get(&key) {
            return known.clone();
        }
        let fields = unread_fields_of_entry(entry, apis);
        let fields = (!fields.is_empty()).then(|| Arc::from(fields));
        self.lock().insert(key, fields.clone());
        fields
    }

    fn lock(&self) -> MutexGuard<'_, ByText> {
        self.by_text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Converts the fields of a body itself, outside of its lists, to members.
fn of_body(fields: Vec<UnreadField>) -> Vec<UnreadMember> {
    fields.into_iter().map(|field| UnreadMember { field, list: "" }).collect()
}
