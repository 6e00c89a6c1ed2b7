//! The calls of responses that later lists name by the ids that the provider gave them.
//!
//! Calls of one call id with equal contents are told apart by these ids, wherever the list places them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::event::ThreadId;
use crate::graph::ItemId;
use crate::reduce::decode::{ListedItem, ProviderIdKey};

/// The calls of responses by their ids of the provider, and the lists that name them.
#[derive(Debug, Default)]
pub(super) struct NamedCalls {
    /// The call item of a response with an id. `None` if several have it, because the provider numbers its items anew.
    by_id: HashMap<(ThreadId, ProviderIdKey), Option<ItemId>>,
    /// The call that each item of the current list names.
    current: HashMap<ItemId, ItemId>,
    /// The call that each item names in a recorded list, by the index of the list.
    in_lists: HashMap<(usize, ItemId), ItemId>,
}

impl NamedCalls {
    /// Adds the call item of a response.
    pub(super) fn add(&mut self, thread: &ThreadId, id: ProviderIdKey, item: ItemId) {
        match self.by_id.entry((thread.clone(), id)) {
            Entry::Vacant(free) => {
                free.insert(Some(item));
            }
            Entry::Occupied(mut known) => {
                known.get_mut().take_if(|known| *known != item);
            }
        }
    }

    /// Returns the only call item of a response in the thread with the given id.
    pub(super) fn with_id(&self, thread: &ThreadId, id: ProviderIdKey) -> Option<ItemId> {
        *self.by_id.get(&(thread.clone(), id))?
    }

    /// Records that the current list names a call by the id of a listed item, which is `item` in the graph.
    pub(super) fn name(&mut self, thread: &ThreadId, item: ItemId, listed: ListedItem) {
        let named = listed.id.get().and_then(|id| self.with_id(thread, id));
        self.current.extend(named.map(|named| (item, named)));
    }

    /// Ends the current list. `items` are those of its items that the lists before it do not have at their places.
    pub(super) fn record_list(&mut self, list: usize, items: &[ItemId]) {
        let named = items.iter().filter_map(|item| Some(((list, *item), *self.current.get(item)?)));
        self.in_lists.extend(named);
        self.current.clear();
    }

    /// Returns the call that an item names in a recorded list.
    pub(super) fn in_list(&self, list: usize, item: ItemId) -> Option<ItemId> {
        self.in_lists.get(&(list, item)).copied()
    }
}
