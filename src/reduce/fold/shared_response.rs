//! Finds the latest response of a history in a list that is matched against the history.
//!
//! What a list has behind a response is no older than the response. A program that drops or clears old items therefore
//! means a new item there, even if an item that it dropped is equal.

use std::collections::HashMap;

use super::conversation::ConversationBuilder;
use super::list_kind::ListKind;
use super::lists::is_made_by_response;
use super::paths::Path;
use crate::event::ThreadId;
use crate::graph::{ItemId, Role};
use crate::reduce::decode::{ListedId, ListedItem};

/// Number of items at the end of a history in which its last response is looked for at its own position in a list.
const RECENT_ITEMS: usize = 16;

/// The latest response of a history that a list contains, by its places in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SharedResponse {
    /// Position of the response's last item in the history.
    last_in_history: usize,
    /// Index of the same item in the list.
    last_in_list: usize,
    /// Position of the response's first item in the history.
    first_in_history: usize,
    /// Index in the list of the first item of the response that is found there.
    first_in_list: usize,
    /// Index in the list of the first of the items before `last_in_list` that the history has in the same order.
    aligned_from: usize,
}

impl SharedResponse {
    /// Returns the position in the history of the item with which an item of the list is compared first: the item at the
    /// same distance from the response, or at the same distance from the start before the items that both have in common.
    pub(super) fn position(&self, index: usize) -> usize {
        if index < self.aligned_from { index } else { (index + self.last_in_history).saturating_sub(self.last_in_list) }
    }

    /// Returns the position in the history from which on its items may be those at an index of the list.
    pub(super) fn first_possible(&self, index: usize) -> usize {
        if index > self.first_in_list { self.first_in_history } else { 0 }
    }
}

/// The last index in a list of each content and of each item that the list refers to.
struct LastIndices {
    by_content: HashMap<u128, usize>,
    by_reference: HashMap<ItemId, usize>,
}

impl ConversationBuilder<'_> {
    /// Returns the latest response of the history `path` that a list contains. `first` are the first items of the
    /// history, as many as the list has.
    ///
    /// The list may have only an earlier item that is equal to the response. If the items of the list up to that item are
    /// rather those at the same positions of the history than those before the response, the list repeats an earlier one,
    /// and the result is the last response among the items at the same positions. If they are both, a request repeats an
    /// earlier one, but one that begins a turn, and a checkpoint, do not. Instructions stand at the start in both cases.
    pub(super) fn shared_response(
        &mut self,
        thread: &ThreadId,
        (path, first): (Path, &[ItemId]),
        list: &[ListedItem],
        kind: ListKind,
    ) -> Option<SharedResponse> {
        if self.responses.is_empty() && self.unknown_responses.is_empty() {
            return None;
        }
        let in_place = self.last_response_in_place(thread, path, list);
        if in_place.is_some() {
            return in_place;
        }
        let length = self.paths.len(path);
        // A response with more items than the list is not searched.
        let start = length.saturating_sub(2 * list.len() + 1);
        let history = self.paths.items(path, start, length);
        let indices = self.last_indices(thread, list);
        self.paths.step_count += list.len() as u64;
        let mut listed = history.iter().enumerate().rev().filter_map(|(offset, &item)| {
            let index = self.index_in_list(&indices, item).filter(|_| self.is_response(item))?;
            self.is_listed(thread, item, *list.get(index)?).then_some((offset, index))
        });
        let last = listed.next()?;
        // Of several attempts, programs keep the response that was not cut off.
        let is_whole = |(offset, _): &(usize, usize)| !self.cut_items.contains(&history[*offset]);
        let (offset, index) = Some(last).filter(is_whole).or_else(|| listed.find(is_whole)).unwrap_or(last);
        let run = |history: &[ItemId], list: &[ListedItem]| {
            let pairs = history.iter().rev().zip(list.iter().rev());
            pairs.take_while(|(item, listed)| self.is_listed(thread, **item, **listed)).count()
        };
        let common = run(&history[..=offset], &list[..=index]);
        let common_by_position = first.get(..=index).map_or(0, |first| run(first, &list[..=index]));
        self.paths.step_count += (common + common_by_position) as u64;
        let is_latest = match kind {
            ListKind::Request => common > common_by_position,
            ListKind::BeginsTurn | ListKind::Checkpoint => {
                let behind_instructions = (index + 1).saturating_sub(self.count_instructions(list));
                common >= common_by_position.min(behind_instructions)
            }
        };
        if start + offset == index || is_latest {
            return Some(self.response_at(thread, (&history, start, offset), (list, index), common));
        }
        let rest = first.iter().zip(list).enumerate().skip(index);
        let repeated = rest.take_while(|(_, (item, listed))| self.is_listed(thread, **item, **listed));
        let last = repeated.filter(|(_, (item, _))| self.is_response(**item)).last().map_or(index, |(at, _)| at);
        self.paths.step_count += list.len() as u64;
        Some(self.response_at(thread, (first, 0, last), (list, last), last - index + common_by_position))
    }

    /// Returns the number of instructions at the start of a list.
    fn count_instructions(&self, list: &[ListedItem]) -> usize {
        let roles = list.iter().map(|listed| self.decoded(listed.content).map(|decoded| decoded.content.role));
        roles.take_while(|role| matches!(role, Some(Role::System | Role::Developer))).count()
    }

    /// Returns the last response of a history if a list that repeats the history has it at the same position.
    fn last_response_in_place(&mut self, thread: &ThreadId, path: Path, list: &[ListedItem]) -> Option<SharedResponse> {
        let length = self.paths.len(path);
        let start = length.saturating_sub(RECENT_ITEMS);
        let recent = self.paths.items(path, start, length);
        let offset = recent.iter().rposition(|item| self.is_response(*item))?;
        let position = start + offset;
        self.is_listed(thread, *recent.get(offset)?, *list.get(position)?).then_some(())?;
        let response = self.response_at(thread, (&recent, start, offset), (list, position), 1);
        (start == 0 || response.first_in_history > start).then_some(response)
    }

    /// Returns the places of a response, given by its last item. `history` are items of the history, the position of the
    /// first of them, and the offset of the response's last item behind it; `list` is the list with the index of that
    /// item, and `common` the number of items up to it that both have in common.
    fn response_at(
        &self,
        thread: &ThreadId,
        (history, start, last): (&[ItemId], usize, usize),
        (list, index): (&[ListedItem], usize),
        common: usize,
    ) -> SharedResponse {
        let producer = |item: ItemId| self.items.get(item.index()).and_then(|item| item.produced_by.first());
        let is_same_response = |item: &&ItemId| self.is_response(**item) && producer(**item) == producer(history[last]);
        let response = history[..=last].iter().rev().take_while(is_same_response);
        let length = response.clone().count();
        let mut response = response.peekable();
        let mut first_in_list = index;
        for (at, listed) in list[..=index].iter().enumerate().rev() {
            if response.next_if(|item| self.is_listed(thread, **item, *listed)).is_some() {
                first_in_list = at;
            } else if !self.decoded(listed.content).is_some_and(|decoded| decoded.content.kind.is_output()) {
                break;
            }
        }
        SharedResponse {
            last_in_history: start + last,
            last_in_list: index,
            first_in_history: start + last + 1 - length,
            first_in_list,
            aligned_from: index + 1 - common,
        }
    }

    /// Returns the last index of each item in a list.
    fn last_indices(&self, thread: &ThreadId, list: &[ListedItem]) -> LastIndices {
        let mut indices = LastIndices { by_content: HashMap::new(), by_reference: HashMap::new() };
        for (index, &listed) in list.iter().enumerate() {
            match (self.referenced(thread, listed), self.decoded(listed.content)) {
                (Some(item), _) => drop(indices.by_reference.insert(item, index)),
                (None, Some(decoded)) if !matches!(listed.id, ListedId::WithType(_)) => {
                    let hashes = [Some(decoded.identity), decoded.reduced].into_iter().flatten();
                    indices.by_content.extend(hashes.map(|hash| (hash, index)));
                }
                (None, _) => {}
            }
        }
        indices
    }

    /// Returns the last index in a list of an item of the graph, or of one with its content.
    fn index_in_list(&self, indices: &LastIndices, item: ItemId) -> Option<usize> {
        let by_content = || self.hashes(item).find_map(|hash| indices.by_content.get(&hash));
        indices.by_reference.get(&item).or_else(by_content).copied()
    }

    /// Returns `true` if a listed item is a reference to an item of the graph or repeats it.
    fn is_listed(&self, thread: &ThreadId, item: ItemId, listed: ListedItem) -> bool {
        self.referenced(thread, listed).map_or_else(|| self.repeats(thread, item, listed), |named| named == item)
    }

    /// Returns `true` if an item is part of a response. If responses were recorded without their content, what requests
    /// list as the model's stands in for them.
    fn is_response(&self, item: ItemId) -> bool {
        let Some(item) = self.items.get(item.index()) else { return false };
        is_made_by_response(item) || !self.unknown_responses.is_empty() && item.content.role == Role::Assistant
    }
}
