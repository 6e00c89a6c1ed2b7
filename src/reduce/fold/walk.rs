//! Comparing a list of items with what was there before, so that history is found again.

use std::collections::{HashMap, HashSet};

use super::conversation::{Conversation, Source};
use super::paths::{Path, ToldBy};
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
    /// As many as are looked at by their position, from the first; all, where there is no path.
    items: Vec<ItemId>,
    path: Path,
    /// Of those at hand.
    used: Vec<bool>,
    used_beyond: HashSet<usize>,
    unused: usize,
    /// Of each content that was looked for: how many of its items were seen to be used.
    next: HashMap<u128, usize>,
    work: u64,
}

impl Old {
    fn new(history: History, at_hand: usize, conversation: &mut Conversation<'_>) -> Self {
        let paths = &mut conversation.paths;
        let (items, path, unused) = match history {
            History::Path(path) => (paths.items(path, 0, at_hand), path, paths.len(path)),
            History::Items(items) => {
                let length = items.len();
                // A path of its own: nothing else goes on from it.
                let path = paths.extend(None, 0, items.clone(), ToldBy::Nobody);
                (items, path, length)
            }
        };
        let used = vec![false; items.len()];
        Self { items, path, used, used_beyond: HashSet::new(), unused, next: HashMap::new(), work: 0 }
    }

    /// Uses the item at a position, unless it is used.
    fn take(&mut self, position: usize) -> bool {
        let is_new = match self.used.get_mut(position) {
            Some(used) => !std::mem::replace(used, true),
            None => self.used_beyond.insert(position),
        };
        self.unused -= usize::from(is_new);
        is_new
    }

    fn take_at(&mut self, position: usize, is_same: impl Fn(ItemId) -> bool) -> Option<ItemId> {
        self.work += 1;
        let there = self.items.get(position).copied().filter(|&item| is_same(item))?;
        self.take(position).then_some(there)
    }

    /// The first item of this content that is not used.
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
        loop {
            self.work += 1;
            let next = self.next.entry(same).or_default();
            let position = conversation.position(thread, (self.path, same), *next)?;
            *next += 1;
            if self.take(position) {
                return conversation.paths.at(self.path, position);
            }
        }
    }
}
