//! Finds items by the ids that a provider gave them, for references in later bodies.

use super::conversation::{ConversationBuilder, ItemSource};
use crate::event::ThreadId;
use crate::graph::ItemId;
use crate::reduce::Diagnostics;
use crate::reduce::decode::{ListedId, ListedItem};

impl ConversationBuilder<'_> {
    /// Returns the item that a reference names: the last item of the thread with its id. Returns `None` if the listed
    /// item is no reference, or no item of the thread has the id.
    pub(super) fn referenced(&self, thread: &ThreadId, listed: ListedItem) -> Option<ItemId> {
        match listed.id {
            ListedId::Reference(id) => self.by_provider_id.get(&(thread.clone(), id)).copied(),
            ListedId::Absent | ListedId::WithContent(_) | ListedId::WithType(_) => None,
        }
    }

    /// Returns the item that a reference names, and records the call that it names. Returns `None` as
    /// [`referenced`](Self::referenced) does.
    pub(super) fn use_reference(&mut self, thread: &ThreadId, listed: ListedItem) -> Option<ItemId> {
        let item = self.referenced(thread, listed)?;
        self.named_calls.name(thread, item, listed);
        Some(item)
    }

    /// Returns the item that a reference names, or creates an item of the listed content.
    pub(super) fn referenced_or_new(
        &mut self,
        source: &ItemSource<'_>,
        listed: ListedItem,
        diagnostics: &mut Diagnostics,
    ) -> Option<ItemId> {
        let item = self.referenced(source.thread, listed).or_else(|| self.create(source, listed, diagnostics))?;
        self.named_calls.name(source.thread, item, listed);
        Some(item)
    }

    /// Returns `true` if a listed item repeats an item of the graph: their contents are equal, but for a call id that
    /// only one of them has. A listed item that has only an id and a type must not have another id than the item, and the id must not name another call.
    pub(super) fn repeats(&self, thread: &ThreadId, item: ItemId, listed: ListedItem) -> bool {
        let known_id = self.identities.get(item.index()).and_then(|identity| identity.provider_id);
        let has_other_id = match listed.id {
            ListedId::WithType(id) => known_id.is_some_and(|known_id| known_id != id),
            ListedId::Absent | ListedId::WithContent(_) | ListedId::Reference(_) => false,
        };
        let is_same = self.is_same(item, listed.content) || self.gives_id(thread, item, listed);
        is_same && !has_other_id && !self.names_other_call(thread, item, listed)
    }

    /// Returns `true` if an item is the call of a response, and the id of a listed item names the call of another one.
    pub(super) fn names_other_call(&self, thread: &ThreadId, item: ItemId, listed: ListedItem) -> bool {
        let known_id = self.identities.get(item.index()).and_then(|identity| identity.provider_id);
        let has_own_name = || known_id.and_then(|id| self.named_calls.with_id(thread, id)) == Some(item);
        let named = listed.id.get().and_then(|id| self.named_calls.with_id(thread, id));
        named.is_some_and(|named| named != item) && has_own_name()
    }

    /// Adds the item of a response to the calls that later bodies may name by their ids, if it is a call with an id.
    pub(super) fn add_named_call(&mut self, thread: &ThreadId, item: ItemId, listed: ListedItem) {
        let is_call = self.items.get(item.index()).is_some_and(|item| item.content.kind.is_call());
        if let Some(id) = listed.id.get().filter(|_| is_call) {
            self.named_calls.add(thread, id, item);
        }
    }

    /// Returns the item that a listed item, which is no known reference, repeats: `matched` if the caller found an
    /// earlier item with its content, else, if the listed item has only an id and a type, the last item of the thread
    /// with its id. Creates a new item if there is neither. Returns `None` if the listed item could not be decoded.
    pub(super) fn matched_or_new(
        &mut self,
        source: &ItemSource<'_>,
        matched: Option<ItemId>,
        listed: ListedItem,
        diagnostics: &mut Diagnostics,
    ) -> Option<ItemId> {
        let item = match matched {
            Some(item) => {
                self.update(source, item, listed, diagnostics);
                Some(item)
            }
            None => self.named(source.thread, listed).or_else(|| self.create(source, listed, diagnostics)),
        };
        item.into_iter().for_each(|item| self.named_calls.name(source.thread, item, listed));
        item
    }

    /// Returns the last item of the thread with the id of a listed item that has only an id and a type. Returns `None`
    /// for other listed items, and if the item with the id is of another kind, because some programs give all items one
    /// id.
    fn named(&self, thread: &ThreadId, listed: ListedItem) -> Option<ItemId> {
        let ListedId::WithType(id) = listed.id else { return None };
        let item = *self.by_provider_id.get(&(thread.clone(), id))?;
        let kind = self.decoded_items.get(listed.content).ok()?.content.kind;
        (self.items.get(item.index())?.content.kind == kind).then_some(item)
    }

    /// Adds the id of a listed item to an item of the graph, so that references with this id find it. The item keeps
    /// the first id with which it was seen.
    pub(super) fn set_provider_id(&mut self, source: &ItemSource<'_>, item: ItemId, listed: ListedItem) {
        let Some(key) = listed.id.get() else { return };
        let (Some(identity), Some(row)) = (self.identities.get_mut(item.index()), self.items.get_mut(item.index()))
        else {
            return;
        };
        if identity.provider_id.replace(key) == Some(key) {
            return;
        }
        self.by_provider_id.insert((source.thread.clone(), key), item);
        if row.provider_id.is_none() {
            row.provider_id = self.decoded_items.provider_id(key).cloned();
            row.evidence.add(source.at.when.seq, Some(source.payload.clone()));
        }
    }
}
