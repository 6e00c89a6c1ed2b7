//! Matches the items of a request or a compaction against earlier items, so that repeated history is recognized.

use std::collections::{HashMap, HashSet};

use super::answered_calls::CallsInList;
use super::conversation::{ConversationBuilder, ItemSource};
use super::list_kind::ListKind;
use super::paths::{ListedBy, Path};
use super::shared_response::SharedResponse;
use crate::event::ThreadId;
use crate::graph::ItemId;
use crate::reduce::Diagnostics;
use crate::reduce::decode::{ListedId, ListedItem};

/// The earlier items against which a list of items is matched.
pub(super) enum History {
    /// The live snapshot of the thread, as a path.
    Path(Path),
    /// The replacement items of an installed compaction.
    Items(Vec<ItemId>),
}

/// The result of matching a list against a history: an item of the history or a new item for each element.
#[derive(Default)]
pub(super) struct MatchedItems {
    pub(super) ids: Vec<ItemId>,
    /// Number of items at the start of the list that are also the first items of the history, in the same order.
    pub(super) common_prefix: usize,
}

impl ConversationBuilder<'_> {
    /// Matches the items of a full request. Item k of the request is item k of the history if both have the same
    /// content, else the first unused item of the history with the same content, else a new item. Each item of the
    /// history is used at most once. If the request lacks items of the history, its items are compared first with those
    /// at the same distance from the latest response that it contains. No item behind that response is older than the
    /// response: behind it, equal items that the request dropped are not found again, and the item is new. Of several
    /// attempts, the response that was not cut off counts as the latest.
    ///
    /// A request that begins a turn repeats no earlier request: if its items are equal to older and to later ones, the
    /// later ones are found, and its last item is new.
    ///
    /// A reference is the item that it names, wherever this item stands in the thread, and however often the request
    /// refers to it. No listed item with content uses an item that a reference names. A listed item with an id and
    /// without content, if no item of the history matches it, is the last item of the thread with this id.
    pub(super) fn match_history(
        &mut self,
        source: &ItemSource<'_>,
        history: History,
        items: &[ListedItem],
        kind: ListKind,
        diagnostics: &mut Diagnostics,
    ) -> MatchedItems {
        let mut history_items = HistoryItems::new(history, items.len(), self);
        history_items.reserve_referenced(self, source.thread, items);
        history_items.shared_response =
            self.shared_response(source.thread, (history_items.path, &history_items.items), items, kind);
        let mut ids = Vec::with_capacity(items.len());
        let mut calls = CallsInList::new(self.items.len());
        let is_whole = history_items.unused <= items.len();
        for (index, &listed) in items.iter().enumerate() {
            let item = self.use_reference(source.thread, listed).or_else(|| {
                if kind == ListKind::BeginsTurn && index + 1 == items.len() {
                    return self.matched_or_new(source, None, listed, diagnostics);
                }
                let shared = history_items.shared_response;
                let position = shared.map_or(index, |shared| shared.position(index));
                let first_possible = shared.map_or(0, |shared| shared.first_possible(index));
                let at_position = history_items.items.get(position).copied();
                let at_position = at_position.or_else(|| self.paths.item_at(history_items.path, position));
                let content = self.decoded(listed.content).map(|decoded| &decoded.content);
                let call = content.and_then(|content| calls.answered_by(content));
                let replaced = call.and_then(|(_, at)| history_items.items.get(at).copied().filter(|_| is_whole));
                let answers_other = |item| self.answers_other_call(item, &calls, replaced);
                let is_same = |item| self.repeats(source.thread, item, listed) && !answers_other(item);
                let candidate = history_items.take_at_position(position, at_position.filter(|&item| is_same(item)));
                let candidate = candidate
                    .or_else(|| history_items.take_by_content(self, source.thread, listed, &calls, first_possible));
                self.matched_or_new(source, candidate, listed, diagnostics)
            });
            item.into_iter().for_each(|item| self.add_to_list(&mut calls, item));
            ids.extend(item);
        }
        self.paths.step_count += history_items.step_count + items.len() as u64;
        let common_prefix = ids.iter().zip(&history_items.items).take_while(|(a, b)| a == b).count();
        MatchedItems { ids, common_prefix }
    }

    /// Matches the history before a compaction: each item is the item of the thread's history at the same distance from
    /// the latest response that both have, if it has the same content, else the first unused item with the content, else a
    /// new item. A user's message that ends the list behind the response of a call of another turn is new. A reference is
    /// the item that it names, as in [`match_history`](Self::match_history).
    pub(super) fn match_by_content(
        &mut self,
        source: &ItemSource<'_>,
        history: History,
        items: &[ListedItem],
        diagnostics: &mut Diagnostics,
    ) -> Vec<ItemId> {
        let mut history_items = HistoryItems::new(history, items.len(), self);
        history_items.reserve_referenced(self, source.thread, items);
        let earlier = (history_items.path, &*history_items.items);
        let shared = self.shared_response(source.thread, earlier, items, ListKind::Checkpoint);
        let kind = self.kind_of_request(source, history_items.path, items);
        let ends_with_new = shared.is_some() && kind == ListKind::BeginsTurn;
        let mut ids = Vec::with_capacity(items.len());
        let mut calls = CallsInList::new(self.items.len());
        for (index, &listed) in items.iter().enumerate() {
            let item = self.use_reference(source.thread, listed).or_else(|| {
                if ends_with_new && index + 1 == items.len() {
                    return self.matched_or_new(source, None, listed, diagnostics);
                }
                let candidate = shared.and_then(|shared| {
                    let position = shared.position(index);
                    let item = self.paths.item_at(history_items.path, position);
                    let is_same = |item: &ItemId| {
                        self.repeats(source.thread, *item, listed) && !self.answers_other_call(*item, &calls, None)
                    };
                    history_items.take_at_position(position, item.filter(is_same))
                });
                let candidate =
                    candidate.or_else(|| history_items.take_by_content(self, source.thread, listed, &calls, 0));
                self.matched_or_new(source, candidate, listed, diagnostics)
            });
            item.into_iter().for_each(|item| self.add_to_list(&mut calls, item));
            ids.extend(item);
        }
        self.paths.step_count += history_items.step_count + items.len() as u64;
        ids
    }
}

/// The items of a history during the matching, each to be used at most once.
struct HistoryItems {
    /// First items of the history: as many as the list has, or all if the history is not a path.
    items: Vec<ItemId>,
    path: Path,
    /// For each item in `items`, `true` if it is used.
    used: Vec<bool>,
    /// Positions in the history of used items that are not in `items`.
    used_beyond_positional: HashSet<usize>,
    /// Items that references of the list name. No listed item uses them by content.
    referenced: HashSet<ItemId>,
    /// Number of items of the history that are not used yet.
    unused: usize,
    /// Number of occurrences of a content in the history that are known to be used, by identity hash. Only contents
    /// that were looked up are present.
    next_occurrence: HashMap<u128, usize>,
    /// The latest response of the history that a request contains. `None` if it contains none.
    shared_response: Option<SharedResponse>,
    step_count: u64,
}

impl HistoryItems {
    fn new(history: History, positional: usize, conversation: &mut ConversationBuilder<'_>) -> Self {
        let paths = &mut conversation.paths;
        let (items, path, unused) = match history {
            History::Path(path) => (paths.items(path, 0, positional), path, paths.len(path)),
            History::Items(items) => {
                let length = items.len();
                // A separate path: no later path extends it.
                let path = paths.extend(None, 0, items.clone(), ListedBy::NoCall);
                (items, path, length)
            }
        };
        let used = vec![false; items.len()];
        Self {
            items,
            path,
            used,
            used_beyond_positional: HashSet::new(),
            referenced: HashSet::new(),
            unused,
            next_occurrence: HashMap::new(),
            shared_response: None,
            step_count: 0,
        }
    }

    /// Reserves the items that the references in a list name, so that no listed item uses them by content.
    fn reserve_referenced(&mut self, conversation: &ConversationBuilder<'_>, thread: &ThreadId, items: &[ListedItem]) {
        self.referenced.extend(items.iter().filter_map(|&listed| conversation.referenced(thread, listed)));
    }

    /// Marks the item at a position of the history as used. Returns `false` if it was used already.
    fn take(&mut self, position: usize) -> bool {
        let is_new = match self.used.get_mut(position) {
            Some(used) => !std::mem::replace(used, true),
            None => self.used_beyond_positional.insert(position),
        };
        self.unused -= usize::from(is_new);
        is_new
    }

    /// Uses the item `candidate` at a position of the history. Returns `None` if it is used or reserved already.
    fn take_at_position(&mut self, position: usize, candidate: Option<ItemId>) -> Option<ItemId> {
        self.step_count += 1;
        let candidate = candidate.filter(|item| !self.referenced.contains(item))?;
        self.take(position).then_some(candidate)
    }

    /// Uses the first unused item of the history with the content of a listed item, from the position
    /// `first_possible` on. `calls` are the calls before it in the list. Returns `None` if there is none, or if the listed item has only an id and a type,
    /// which tell no two items apart.
    fn take_by_content(
        &mut self,
        conversation: &mut ConversationBuilder<'_>,
        thread: &ThreadId,
        listed: ListedItem,
        calls: &CallsInList,
        first_possible: usize,
    ) -> Option<ItemId> {
        if matches!(listed.id, ListedId::WithType(_)) {
            return None;
        }
        let identity = conversation.identity(listed.content)?;
        if self.unused == 0 || !conversation.has_content(thread, identity) {
            return None;
        }
        if first_possible > 0 {
            let before = conversation.count_before(thread, (self.path, identity), first_possible);
            let next_occurrence = self.next_occurrence.entry(identity).or_default();
            *next_occurrence = before.max(*next_occurrence);
        }
        loop {
            self.step_count += 1;
            let next_occurrence = self.next_occurrence.entry(identity).or_default();
            let position = conversation.position(thread, (self.path, identity), *next_occurrence)?;
            *next_occurrence += 1;
            let item = conversation.paths.item_at(self.path, position)?;
            let is_free = !self.referenced.contains(&item) && !conversation.names_other_call(thread, item, listed);
            let is_free = is_free && !conversation.answers_other_call(item, calls, None);
            if is_free && self.take(position) {
                return Some(item);
            }
        }
    }
}
