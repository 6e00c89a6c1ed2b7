//! Comparing a list of items with what was there before, so that history is found again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::conversation::{Conversation, Source};
use super::paths::Path;
use crate::event::ThreadId;
use crate::graph::ItemId;
use crate::reduce::Problems;
use crate::reduce::decode::ContentId;

/// What a list of items is compared with.
pub(super) enum History {
    /// What the model would see next.
    Path(Path),
    /// What a compaction put in place of it.
    Items(Vec<ItemId>),
}

/// The items of a list, found or made.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) ids: Vec<ItemId>,
    /// So many of them are what the history begins with.
    pub(super) kept: usize,
}

impl Conversation<'_> {
    /// A full request: item k is the old item k where it says the same, else the first old item that does, else new.
    /// Every old item is used once.
    pub(super) fn walk(
        &mut self,
        source: &Source<'_>,
        history: History,
        items: &[ContentId],
        problems: &mut Problems,
    ) -> Walked {
        let mut old = Old::new(history, items.len(), self);
        let mut ids = Vec::with_capacity(items.len());
        for (index, &content) in items.iter().enumerate() {
            let there = old.take_at(index, |item| self.is_same(item, content));
            match there.or_else(|| old.take_same(self, source.thread, content)) {
                Some(item) => {
                    self.complete(source, item, content, problems);
                    ids.push(item);
                }
                None => ids.extend(self.create(source, content, problems)),
            }
        }
        self.paths.work += old.work + items.len() as u64;
        let kept = ids.iter().zip(&old.items).take_while(|(a, b)| a == b).count();
        Walked { ids, kept }
    }

    /// The history that a compaction names: the first old item that says the same, else new.
    pub(super) fn find_all(
        &mut self,
        source: &Source<'_>,
        history: History,
        items: &[ContentId],
        problems: &mut Problems,
    ) -> Vec<ItemId> {
        let mut old = Old::new(history, 0, self);
        let mut ids = Vec::with_capacity(items.len());
        for &content in items {
            match old.take_same(self, source.thread, content) {
                Some(item) => {
                    self.complete(source, item, content, problems);
                    ids.push(item);
                }
                None => ids.extend(self.create(source, content, problems)),
            }
        }
        self.paths.work += old.work + items.len() as u64;
        ids
    }
}

/// Old items, each to be used once.
struct Old {
    /// As many as were fetched, from the first. The others are fetched when an item may be among them: what a short
    /// request says first never costs a look at a long history.
    items: Vec<ItemId>,
    rest: Path,
    used: Vec<bool>,
    unused: usize,
    /// Positions by content, made when a position alone does not find an item: most requests never need it.
    by_content: Option<HashMap<u128, Positions>>,
    work: u64,
}

/// Where items of one content are. Those before `next` are used.
#[derive(Default)]
struct Positions {
    all: Vec<usize>,
    next: usize,
}

impl Old {
    fn new(history: History, at_hand: usize, conversation: &mut Conversation<'_>) -> Self {
        let paths = &mut conversation.paths;
        let (items, rest, unused) = match history {
            History::Path(path) => (paths.items(path, 0, at_hand), path, paths.len(path)),
            History::Items(items) => {
                let length = items.len();
                (items, None, length)
            }
        };
        Self { used: vec![false; items.len()], items, rest, unused, by_content: None, work: 0 }
    }

    fn fetch_all(&mut self, conversation: &mut Conversation<'_>) {
        if let Some(step) = self.rest.take() {
            self.items.extend(conversation.paths.items(Some(step), self.items.len(), usize::MAX));
            self.used.resize(self.items.len(), false);
        }
    }

    fn take(&mut self, position: usize) -> Option<ItemId> {
        let used = self.used.get_mut(position)?;
        if std::mem::replace(used, true) {
            return None;
        }
        self.unused -= 1;
        self.items.get(position).copied()
    }

    fn take_at(&mut self, position: usize, is_same: impl Fn(ItemId) -> bool) -> Option<ItemId> {
        self.work += 1;
        let there = self.items.get(position).is_some_and(|&item| is_same(item));
        if there { self.take(position) } else { None }
    }

    fn take_same(
        &mut self,
        conversation: &mut Conversation<'_>,
        thread: &ThreadId,
        content: ContentId,
    ) -> Option<ItemId> {
        let same = conversation.identity(content)?;
        if self.unused == 0 || !conversation.has_said(thread, same) {
            return None;
        }
        self.fetch_all(conversation);
        let Self { items, by_content, work, .. } = self;
        let by_content = by_content.get_or_insert_with(|| {
            *work += items.len() as u64;
            positions(conversation, items)
        });
        let Entry::Occupied(mut positions) = by_content.entry(same) else { return None };
        let positions = positions.get_mut();
        while let Some(&position) = positions.all.get(positions.next) {
            positions.next += 1;
            self.work += 1;
            if self.used.get(position) == Some(&false) {
                return self.take(position);
            }
        }
        None
    }
}

fn positions(conversation: &Conversation<'_>, items: &[ItemId]) -> HashMap<u128, Positions> {
    let mut by_content: HashMap<u128, Positions> = HashMap::new();
    for (position, &item) in items.iter().enumerate() {
        if let Some(same) = conversation.item_identity(item) {
            by_content.entry(same).or_default().all.push(position);
        }
    }
    by_content
}
