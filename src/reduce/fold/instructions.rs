//! Tells apart the conversations of a thread that begin with different instructions.
//!
//! A program may hold several conversations in one thread, for instance those of helpers that it did not declare. Their
//! requests take turns, so that the live snapshot of the thread is that of another conversation.

use super::conversation::ConversationBuilder;
use super::paths::Path;
use crate::event::ThreadId;
use crate::graph::Role;
use crate::reduce::decode::ListedItem;

impl ConversationBuilder<'_> {
    /// Returns the identity hash of the instructions that a list begins with. Returns `None` if it begins with another
    /// item.
    pub(super) fn instructions(&self, items: &[ListedItem]) -> Option<u128> {
        let first = self.decoded(items.first()?.content)?;
        matches!(first.content.role, Role::System | Role::Developer).then_some(first.identity)
    }

    /// Returns the earlier items with which a full request of the thread is compared: those of the last request with the
    /// same instructions, if the list has as many of them behind the instructions as of the live snapshot. Otherwise it
    /// is the live snapshot, because programs also change the instructions of a conversation.
    pub(super) fn history_of(&mut self, thread: &ThreadId, items: &[ListedItem]) -> Path {
        let live = self.live_path(thread);
        let earlier =
            self.instructions(items).and_then(|key| self.live.get(thread)?.by_instructions.get(&key).copied());
        match earlier.filter(|earlier| *earlier != live) {
            Some(earlier) if self.common_items(earlier, items) >= self.common_items(live, items) => earlier,
            Some(_) | None => live,
        }
    }

    /// Returns the number of items behind the first one that a path and a list begin with.
    fn common_items(&mut self, path: Path, items: &[ListedItem]) -> usize {
        let known = self.paths.items(path, 1, items.len());
        let rest = items.get(1..).unwrap_or_default();
        self.paths.step_count += known.len() as u64;
        known.iter().zip(rest).take_while(|(known, listed)| self.is_same(**known, listed.content)).count()
    }
}
