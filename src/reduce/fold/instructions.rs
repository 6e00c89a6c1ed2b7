//! Tells apart the conversations of a thread that begin with different instructions.
//!
//! A program may hold several conversations in one thread, for instance those of helpers that it did not declare. Their
//! requests take turns, so that the live snapshot of the thread is that of another conversation.

use super::conversation::ConversationBuilder;
use super::lists::extend_hash;
use super::paths::Path;
use crate::event::ThreadId;
use crate::graph::{ItemId, Role};
use crate::reduce::decode::ListedItem;

/// The instructions of a request.
pub(super) struct Instructions {
    /// Hash of all instructions.
    pub(super) hash: u128,
    /// Number of items at the start of the request that contain instructions: one, or none if they stand beside the
    /// items.
    length: usize,
}

impl ConversationBuilder<'_> {
    /// Returns the instructions of an inference call's request: those beside its items, and the item that it begins
    /// with. Returns `None` if there are none.
    pub(super) fn instructions(&self, call: usize, items: &[ListedItem]) -> Option<Instructions> {
        let separate = self.separate_instructions.get(&call).copied();
        let first = items.first().and_then(|first| self.decoded(first.content));
        let first = first.filter(|first| matches!(first.content.role, Role::System | Role::Developer));
        match (separate, first.map(|first| first.identity)) {
            (Some(separate), Some(first)) => Some(Instructions { hash: extend_hash(separate, first), length: 1 }),
            (None, Some(first)) => Some(Instructions { hash: first, length: 1 }),
            (Some(separate), None) => Some(Instructions { hash: separate, length: 0 }),
            (None, None) => None,
        }
    }

    /// Keeps a request as the last one of the thread with its instructions.
    pub(super) fn remember_instructions(&mut self, thread: &ThreadId, call: usize, path: Path) {
        if let Some(separate) = self.separate_instructions.get(&call) {
            self.instructions.entry(call).or_insert(*separate);
        }
        let live = self.live.entry(thread.clone()).or_default();
        live.instructions = self.instructions.get(&call).copied();
        live.by_instructions.extend(live.instructions.map(|instructions| (instructions, path)));
    }

    /// Takes the items of a compaction with which a full request of the thread is compared. Returns `None` if no
    /// compaction was installed since the last request, or if the instructions of the request are those of another
    /// conversation than the one that was compacted.
    pub(super) fn replacement_for(
        &mut self,
        thread: &ThreadId,
        call: usize,
        items: &[ListedItem],
    ) -> Option<Vec<ItemId>> {
        let own = self.instructions(call, items).map(|instructions| instructions.hash);
        let live = self.live.get_mut(thread)?;
        let is_known = own.is_some_and(|own| live.by_instructions.contains_key(&own));
        let compacted = live.replacement.as_ref()?.instructions;
        if is_known && compacted.is_some() && compacted != own {
            return None;
        }
        live.replacement.take().map(|replacement| replacement.items)
    }

    /// Returns the earlier items with which a full request of the thread is compared: those of the last request with the
    /// same instructions, if the list has as many of them behind the instructions as of the live snapshot. Otherwise it
    /// is the live snapshot, because programs also change the instructions of a conversation.
    pub(super) fn history_of(&mut self, thread: &ThreadId, call: usize, items: &[ListedItem]) -> Path {
        let live = self.live_path(thread);
        let Some(Instructions { hash, length }) = self.instructions(call, items) else { return live };
        let earlier = self.live.get(thread).and_then(|live| live.by_instructions.get(&hash).copied());
        match earlier.filter(|earlier| *earlier != live) {
            Some(earlier) if self.common_items(earlier, length, items) >= self.common_items(live, length, items) => {
                earlier
            }
            Some(_) | None => live,
        }
    }

    /// Returns the number of items from the position `from` on that a path and a list have in common before the first
    /// difference.
    fn common_items(&mut self, path: Path, from: usize, items: &[ListedItem]) -> usize {
        let known = self.paths.items(path, from, items.len());
        let rest = items.get(from..).unwrap_or_default();
        self.paths.step_count += known.len() as u64;
        known.iter().zip(rest).take_while(|(known, listed)| self.is_same(**known, listed.content)).count()
    }
}
