//! Finds the calls that no list sets apart from other calls of their id.
//!
//! A program that drops items of its history may show a call that is equal to a later one that it lacks, with an equal
//! output: the list is the same whichever of them it means.

use std::collections::{HashMap, HashSet};

use super::choice::{Choice, Choices};
use super::known_calls::KnownCalls;
use crate::event::Seq;
use crate::graph::ItemId;
use crate::reduce::fold::{ListOrigin, ShownCall, ShownList};
use crate::reduce::link::visible_call::{Doubt, Rival};

/// The highest number of calls that are marked because one list shows another one in their place.
const MAX_RIVALS: usize = 2;

/// The highest number of calls that are compared with one call to find those that it may be mistaken for.
const MAX_LOOKUPS: usize = 16;

impl KnownCalls<'_> {
    /// Marks the calls that a request lacks and that it may mean by equal, earlier calls that it shows: the last call of
    /// each content, and the equal calls of its response. Only the calls from the position `last_response` on count:
    /// what the model answered to the others sets them apart.
    pub(super) fn mark_confused_calls(&mut self, list: &ShownList, last_response: usize) {
        let in_list: HashSet<usize> = list.calls.iter().filter_map(|shown| self.call_at(shown.call)).collect();
        let last = list.calls.iter().filter(|shown| shown.call.position >= last_response);
        let numbers: Vec<usize> = last.filter_map(|shown| self.call_at(shown.call)).collect();
        let mut seen = HashSet::new();
        for call in numbers {
            let content = self.equal_calls.first_content(call);
            if self.calls[call].answered.is_none() || !seen.insert(content) {
                continue;
            }
            let mut end = self.calls.len();
            let mut last_response = None;
            while let Some(later) = self.equal_calls.last(content, call + 1..end.max(call + 1)) {
                let response = self.calls[later].response.map(|response| response.call);
                let is_other = last_response.is_some_and(|last| Some(last) != response);
                if response.is_none() || is_other || in_list.contains(&later) || !self.may_be(later, call) {
                    break;
                }
                self.doubts.push(Doubt { shown: Some(call), rival: Rival::Call(later), seq: list.seq });
                (last_response, end) = (response, later);
            }
        }
    }

    /// Returns how the call of a list was chosen among several. Returns `None` if its place decides: an earlier list had
    /// the same items up to there, or the call was made behind the same contents.
    pub(super) fn choice(&self, shown: &ShownCall, call: usize) -> Option<Choice> {
        let of_response = shown.response.and_then(|it| self.of_responses.get(&(it.inference, it.number)));
        let is_made_there = self.made_hashes.get(&call).is_some_and(|made| shown.list_hashes().contains(made));
        if self.is_known_place(shown.call) || of_response == Some(&call) || is_made_there {
            return None;
        }
        Some(if self.equal_calls.has(call, shown.content) {
            Choice::Equal { content: shown.content }
        } else {
            Choice::Rewritten { item: shown.call.item }
        })
    }

    /// Marks the calls of the new outputs in a list that may be those of other calls, which the list does not show.
    /// `in_list` are the calls of the list, and `later_calls` those of outputs whose places are no evidence.
    pub(super) fn mark_doubtful_outputs(
        &mut self,
        list: &ShownList,
        choices: &Choices,
        in_list: &HashSet<usize>,
        later_calls: &HashMap<ItemId, usize>,
    ) {
        let mut doubts = Vec::new();
        let shown: HashSet<usize> = in_list.iter().chain(later_calls.values()).copied().collect();
        // Looked up once for each content, so that a list of equal calls takes linear time.
        let mut open_rivals: HashMap<u128, Vec<usize>> = HashMap::new();
        for output in list.outputs.iter().filter(|output| output.is_first && !self.outputs.contains_key(&output.item)) {
            let Some(placed) = output.call else { continue };
            let (call, choice) = match (later_calls.get(&output.item), choices.get(&placed.place)) {
                (Some(later), _) => (Some(*later), Choice::Equal { content: self.equal_calls.first_content(*later) }),
                (None, Some(choice)) => (self.call_at(placed), *choice),
                (None, None) => continue,
            };
            let Some(call) = call else { continue };
            let is_known = self.by_output.get(&output.content).is_some_and(|calls| calls.contains(&call));
            let is_old = output.model_items != list.model_items || list.origin == ListOrigin::Checkpoint;
            if is_known && is_old {
                continue;
            }
            let is_further = self.calls[call].answered.is_some();
            doubts.push(Doubt { shown: Some(call), rival: Rival::OfLostResponse { is_further }, seq: list.seq });
            let rivals = match choice {
                Choice::Equal { content } if !is_old && !self.equal_calls.is_ambiguous(content) => {
                    let first = self.equal_calls.first_content(call);
                    let open = || self.equal_calls.last_open(first).filter(|rival| !shown.contains(rival));
                    open_rivals.entry(first).or_insert_with(|| open().take(MAX_RIVALS).collect()).clone()
                }
                Choice::Equal { .. } | Choice::Rewritten { .. } => self.rivals(call, choice, output.content),
            };
            let rivals = rivals.into_iter().filter(|rival| *rival != call && !shown.contains(rival)).take(MAX_RIVALS);
            doubts.extend(rivals.map(|rival| Doubt { shown: Some(call), rival: Rival::Call(rival), seq: list.seq }));
        }
        self.doubts.append(&mut doubts);
    }

    /// Marks the calls of responses that a list shows by new items before outputs of other calls. `new_items` are the new
    /// call items.
    pub(super) fn mark_calls_before_known_outputs(&mut self, list: &ShownList, new_items: &HashSet<ItemId>) {
        for output in list.outputs.iter().filter(|output| output.is_first) {
            let Some(placed) = output.call.filter(|placed| new_items.contains(&placed.item)) else { continue };
            let known = self.outputs.get(&output.item).copied().flatten();
            if let (Some(call), Some(owner)) = (self.call_at(placed), known)
                && call != owner
                && self.calls[call].response.is_some()
            {
                self.doubts.push(Doubt { shown: Some(call), rival: Rival::Call(owner), seq: list.seq });
            }
        }
    }

    /// Returns calls that a list may show in place of a call with an output of a content: some of those with the shortened
    /// content of the call, or with the arguments of a rewritten one.
    fn rivals(&self, call: usize, choice: Choice, output: u128) -> Vec<usize> {
        match choice {
            Choice::Equal { content } => {
                let is_equal = |rival: &usize| self.by_output.get(&output).is_some_and(|calls| calls.contains(rival));
                let may_have = |rival: &usize| !self.first_outputs.contains_key(rival) || is_equal(rival);
                self.equal_calls.last_all(content).take(MAX_LOOKUPS).filter(may_have).collect()
            }
            Choice::Rewritten { item } if self.spelling(item) == self.spelling_of_call(call) => {
                let open = self.spelling(item).and_then(|spelling| self.open_by_spelling.get(&spelling));
                open.into_iter().flatten().rev().take(MAX_LOOKUPS).copied().collect()
            }
            Choice::Rewritten { item } => {
                let open = self.open_of_complete.iter().rev().take(MAX_LOOKUPS).copied();
                open.filter(|rival| self.has_name_of(*rival, item)).collect()
            }
        }
    }

    /// Returns `true` if an output of a call may be that of another one: the call has none, or an equal one.
    fn may_be(&self, call: usize, other: usize) -> bool {
        let is_equal = |content: &u128| self.by_output.get(content).is_some_and(|calls| calls.contains(&other));
        self.first_outputs.get(&call).is_none_or(is_equal)
    }

    /// Marks the last calls without an output that other responses made behind the same contents as a call that a list
    /// shows with an output.
    pub(super) fn mark_rivals(&mut self, call: usize, seq: Seq) {
        let made_behind = self.made_hashes.get(&call).and_then(|hash| self.made_behind.get(hash));
        let rivals: Vec<usize> =
            made_behind.into_iter().flatten().rev().filter(|rival| **rival != call).take(MAX_RIVALS).copied().collect();
        for rival in rivals.into_iter().filter(|rival| self.open_of_complete.contains(rival)) {
            self.doubts.push(Doubt { shown: None, rival: Rival::Call(rival), seq });
        }
    }
}
