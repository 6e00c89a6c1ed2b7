//! The places of elements in a list that is streamed: some servers give each new element the index of an earlier one.

use std::collections::BTreeMap;

/// The places of the elements whose index an earlier element has, by their index.
#[derive(Debug, Default)]
pub(in crate::provider) struct Places(BTreeMap<u64, u64>);

impl Places {
    /// Returns the place of the last element that started at an index.
    pub(in crate::provider) fn of_index(&self, index: u64) -> u64 {
        self.0.get(&index).copied().unwrap_or(index)
    }

    /// Moves the place of an index behind all elements, because another element starts at it, and returns the place.
    pub(in crate::provider) fn start_another<T>(&mut self, index: u64, elements: &BTreeMap<u64, T>) -> u64 {
        let next = elements.last_key_value().and_then(|(last, _)| last.checked_add(1));
        let place = next.unwrap_or_else(|| self.of_index(index));
        self.0.insert(index, place);
        place
    }
}
