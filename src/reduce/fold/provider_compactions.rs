//! Compactions by the provider: items of requests and responses that replace what stands before them.

use super::conversation::ConversationBuilder;
use crate::graph::{HistoryEffect, ItemId, Producer};
use crate::reduce::decode::ListedItem;

/// The last item of a request that replaces what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestCompaction {
    /// The request has no such item, or nothing stands before it.
    None,
    /// The provider drops what stands before the item.
    Drops(ItemId),
    /// The client sends a compaction of the provider together with what stands before it. The provider may drop that.
    MayDrop,
}

/// Place of the last item of a body that replaces what stands before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CompactionPlace {
    /// Number of items behind the item.
    behind: usize,
    effect: HistoryEffect,
}

impl ConversationBuilder<'_> {
    /// Returns the last item of a request that replaces what stands before it. `items` are the items that the body
    /// lists, and the others those that the provider keeps.
    pub(super) fn compaction_in_request(&mut self, call: usize, items: &[ListedItem]) -> RequestCompaction {
        let kept = self.continued_compactions.get(&call).copied();
        let listed = self.last_compaction(items).and_then(|place| {
            let request = self.requests.get(&call).copied()?;
            let position = self.paths.len(request).checked_sub(place.behind + 1)?;
            Some((place.effect, position, self.paths.item_at(request, position)?))
        });
        match listed {
            Some((HistoryEffect::Replaces, _, item)) => RequestCompaction::Drops(item),
            Some((HistoryEffect::ReplacesKept, 1.., item)) if kept.is_none() && self.is_made_by_provider(item) => {
                RequestCompaction::MayDrop
            }
            Some(_) | None => kept.map_or(RequestCompaction::None, RequestCompaction::Drops),
        }
    }

    /// Returns the last item of a response that replaces what stands before it. Returns `None` if the response has no
    /// such item.
    pub(super) fn compaction_in_response(&mut self, call: usize) -> Option<ItemId> {
        let items = self.responses.get(&call)?;
        let is_compaction = |item: &&ItemId| {
            let item = self.items.get(item.index());
            item.is_some_and(|item| item.content.history_effect != HistoryEffect::None)
        };
        let item = *items.iter().rev().find(is_compaction)?;
        self.response_compactions.insert(call, item);
        Some(item)
    }

    /// Records that a call continues an earlier one: the provider has dropped from the conversation that it keeps what
    /// stands before the last compaction in it.
    pub(super) fn continue_compaction(&mut self, call: usize, earlier: Option<usize>) {
        let Some(earlier) = earlier else { return };
        let last =
            self.response_compactions.get(&earlier).or_else(|| self.continued_compactions.get(&earlier)).copied();
        self.continued_compactions.extend(last.map(|item| (call, item)));
    }

    /// Records that a call has the same request as an earlier one.
    pub(super) fn repeat_compaction(&mut self, call: usize, earlier: usize) {
        let continued = self.continued_compactions.get(&earlier).copied();
        self.continued_compactions.extend(continued.map(|item| (call, item)));
    }

    /// Returns `true` if an item was created by a response.
    fn is_made_by_provider(&self, item: ItemId) -> bool {
        let is_inference = |producer: &Producer| matches!(producer, Producer::Inference { .. });
        self.items.get(item.index()).is_some_and(|item| item.produced_by.iter().any(is_inference))
    }

    /// Returns the place of the last item that replaces what stands before it. Returns `None` if there is no such item.
    /// A body that several requests reference is searched once.
    fn last_compaction(&mut self, items: &[ListedItem]) -> Option<CompactionPlace> {
        let body = items.first().map(|first| std::ptr::from_ref(first).addr())?;
        if let Some(known) = self.compactions_by_body.get(&body) {
            return *known;
        }
        let decoded_items = self.decoded_items;
        let readable = items.iter().rev().filter_map(|listed| decoded_items.get(listed.content).ok());
        let mut effects = readable.map(|item| item.content.history_effect).enumerate();
        let found = effects.find(|(_, effect)| *effect != HistoryEffect::None);
        let place = found.map(|(behind, effect)| CompactionPlace { behind, effect });
        self.paths.step_count += place.map_or(items.len(), |place| place.behind + 1) as u64;
        self.compactions_by_body.insert(body, place);
        place
    }
}
