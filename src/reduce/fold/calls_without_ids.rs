//! Calls to which a provider gave no ids, and which a client sends back with ids of its own.

use std::collections::HashMap;

use super::conversation::ConversationBuilder;
use crate::event::ThreadId;
use crate::graph::{Item, ItemId, Producer};
use crate::reduce::decode::ListedItem;

/// The call items without ids of each thread, by their content.
#[derive(Debug, Default)]
pub(super) struct CallsWithoutIds(HashMap<(ThreadId, u128), Vec<ItemId>>);

impl CallsWithoutIds {
    /// Adds a call item.
    pub(super) fn add(&mut self, thread: &ThreadId, content: u128, item: ItemId) {
        self.0.entry((thread.clone(), content)).or_default().push(item);
    }

    /// Removes a call item, because its id is known now.
    fn remove(&mut self, thread: &ThreadId, content: u128, item: ItemId) {
        if let Some(items) = self.0.get_mut(&(thread.clone(), content)) {
            items.retain(|other| *other != item);
        }
    }

    /// Returns the items with a content.
    fn with_content(&self, thread: &ThreadId, content: u128) -> &[ItemId] {
        self.0.get(&(thread.clone(), content)).map_or(&[], Vec::as_slice)
    }
}

impl ConversationBuilder<'_> {
    /// Returns `true` if a listed call is a call item without an id, to which the client gave one: both are equal but for
    /// the id, and no call of another response is equal too. Among the equal calls of one response, the place in the
    /// list decides.
    pub(super) fn gives_id(&self, thread: &ThreadId, item: ItemId, listed: ListedItem) -> bool {
        let Ok(decoded) = self.decoded_items.get(listed.content) else { return false };
        let Some(content) = decoded.reduced.filter(|content| self.item_identity(item) == Some(*content)) else {
            return false;
        };
        let equal = self.calls_without_ids.with_content(thread, content);
        let response = |item: &ItemId| self.items.get(item.index()).and_then(response_of);
        let mut others = equal.iter().filter(|other| **other != item);
        equal.contains(&item) && others.all(|other| response(other).is_some() && response(other) == response(&item))
    }

    /// Gives a call item without an id the id of a listed call that repeats it. Does nothing for other items.
    pub(super) fn learn_call_id(&mut self, thread: &ThreadId, item: ItemId, listed: ListedItem) {
        let Ok(decoded) = self.decoded_items.get(listed.content) else { return };
        let Some(content) = decoded.reduced.filter(|content| self.item_identity(item) == Some(*content)) else {
            return;
        };
        self.calls_without_ids.remove(thread, content, item);
        self.set_identity(thread, item, decoded.identity, content);
    }
}

/// Returns the inference call whose response made an item.
fn response_of(item: &Item) -> Option<&Producer> {
    item.produced_by.iter().find(|producer| matches!(producer, Producer::Inference { .. }))
}
