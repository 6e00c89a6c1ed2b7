//! Comparing a list of items with what was there before, so that history is found again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::conversation::{Conversation, Source};
use crate::graph::ItemId;
use crate::reduce::Problems;
use crate::reduce::decode::ContentId;

impl Conversation<'_> {
    /// A full request: item k is the old item k where it says the same, else the first old item that does, else new.
    /// Every old item is used once.
    pub(super) fn walk(
        &mut self,
        source: &Source<'_>,
        old: &[ItemId],
        items: &[ContentId],
        problems: &mut Problems,
    ) -> Vec<ItemId> {
        let mut old = Old::new(old);
        let mut ids = Vec::with_capacity(items.len());
        for (index, &content) in items.iter().enumerate() {
            let found = old.take_at(index, |item| self.is_same(item, content)).or_else(|| old.take_same(self, content));
            match found {
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

    /// The history that a compaction names: the first old item that says the same, else new.
    pub(super) fn find_all(
        &mut self,
        source: &Source<'_>,
        old: &[ItemId],
        items: &[ContentId],
        problems: &mut Problems,
    ) -> Vec<ItemId> {
        let mut old = Old::new(old);
        let mut ids = Vec::with_capacity(items.len());
        for &content in items {
            match old.take_same(self, content) {
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
struct Old<'a> {
    items: &'a [ItemId],
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

impl<'a> Old<'a> {
    fn new(items: &'a [ItemId]) -> Self {
        Self { items, used: vec![false; items.len()], unused: items.len(), by_content: None, work: 0 }
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

    fn take_same(&mut self, conversation: &Conversation<'_>, content: ContentId) -> Option<ItemId> {
        if self.unused == 0 {
            return None;
        }
        let same = conversation.identity(content)?;
        let items = self.items;
        let by_content = self.by_content.get_or_insert_with(|| {
            self.work += items.len() as u64;
            by_content(conversation, items)
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

fn by_content(conversation: &Conversation<'_>, items: &[ItemId]) -> HashMap<u128, Positions> {
    let mut by_content: HashMap<u128, Positions> = HashMap::new();
    for (position, &item) in items.iter().enumerate() {
        if let Some(same) = conversation.item_identity(item) {
            by_content.entry(same).or_default().all.push(position);
        }
    }
    by_content
}
