//! Matches the items of a request or a compaction against earlier items, so that repeated history is recognized.

use std::collections::{HashMap, HashSet};

use super::conversation::{ConversationBuilder, ItemSource};
use super::paths::{ListedBy, Path};
use crate::event::ThreadId;
use crate::graph::ItemId;
use crate::reduce::Diagnostics;
use crate::reduce::decode::ContentId;

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
    /// history is used at most once.
    pub(super) fn match_history(
        &mut self,
        source: &ItemSource<'_>,
        history: History,
        items: &[ContentId],
        diagnostics: &mut Diagnostics,
    ) -> MatchedItems {
        let mut history_items = HistoryItems::new(history, items.len(), self);
        let mut ids = Vec::with_capacity(items.len());
        for (index, &content) in items.iter().enumerate() {
            let candidate = history_items.take_at_position(index, |item| self.is_same(item, content));
            match candidate.or_else(|| history_items.take_by_content(self, source.thread, content)) {
                Some(item) => {
                    self.update(source, item, content, diagnostics);
                    ids.push(item);
                }
                None => ids.extend(self.create(source, content, diagnostics)),
            }
        }
        self.paths.step_count += history_items.step_count + items.len() as u64;
        let common_prefix = ids.iter().zip(&history_items.items).take_while(|(a, b)| a == b).count();
        MatchedItems { ids, common_prefix }
    }

    /// Matches the history before a compaction: each item is the first unused item of the thread's history with the
    /// same content, else a new item.
    pub(super) fn match_by_content(
        &mut self,
        source: &ItemSource<'_>,
        history: History,
        items: &[ContentId],
        diagnostics: &mut Diagnostics,
    ) -> Vec<ItemId> {
        let mut history_items = HistoryItems::new(history, 0, self);
        let mut ids = Vec::with_capacity(items.len());
        for &content in items {
            match history_items.take_by_content(self, source.thread, content) {
                Some(item) => {
                    self.update(source, item, content, diagnostics);
                    ids.push(item);
                }
                None => ids.extend(self.create(source, content, diagnostics)),
            }
        }
        self.paths.step_count += history_items.step_count + items.len() as u64;
        ids
    }
}

/// The items of a history during the matching, each to be used at most once.
struct HistoryItems {
    /// First items of the history: as many as the list has that is matched by position, or all if the history is not a
    /// path.
    items: Vec<ItemId>,
    path: Path,
    /// For each item in `items`, `true` if it is used.
    used: Vec<bool>,
    /// Positions in the history of used items that are not in `items`.
    used_beyond_positional: HashSet<usize>,
    /// Number of items of the history that are not used yet.
    unused: usize,
    /// Number of occurrences of a content in the history that are known to be used, by identity hash. Only contents
    /// that were looked up are present.
    next_occurrence: HashMap<u128, usize>,
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
            unused,
            next_occurrence: HashMap::new(),
            step_count: 0,
        }
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

    /// Uses the item at a position of the history if `is_same` returns `true` for it. Returns `None` if it is used
    /// already or differs.
    fn take_at_position(&mut self, position: usize, is_same: impl Fn(ItemId) -> bool) -> Option<ItemId> {
        self.step_count += 1;
        let candidate = self.items.get(position).copied().filter(|&item| is_same(item))?;
        self.take(position).then_some(candidate)
    }

    /// Uses the first unused item of the history with the given content. Returns `None` if there is none.
    fn take_by_content(
        &mut self,
        conversation: &mut ConversationBuilder<'_>,
        thread: &ThreadId,
        content: ContentId,
    ) -> Option<ItemId> {
        let identity = conversation.identity(content)?;
        if self.unused == 0 || !conversation.has_content(thread, identity) {
            return None;
        }
        loop {
            self.step_count += 1;
            let next_occurrence = self.next_occurrence.entry(identity).or_default();
            let position = conversation.position(thread, (self.path, identity), *next_occurrence)?;
            *next_occurrence += 1;
            if self.take(position) {
                return conversation.paths.item_at(self.path, position);
            }
        }
    }
}
