//! Finds the calls that cannot be told apart from other calls of their id.
//!
//! A program that drops items of its history may show a call that is equal to a later one that it lacks, with an equal
//! output: the list is the same whichever of them it means.

use std::collections::HashSet;

use super::known_calls::KnownCalls;
use crate::event::Seq;
use crate::reduce::fold::ShownList;

/// The highest number of calls that are marked because one list shows another one in their place.
const MAX_RIVALS: usize = 2;

impl KnownCalls<'_> {
    /// Marks the calls that a request lacks and that it may mean by equal, earlier calls that it shows: the last call of
    /// each content, and the equal calls of its response. Only the calls from the position `last_response` on count:
    /// what the model answered to the others tells them apart.
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
                self.calls[later].confused = Some(list.seq);
                (last_response, end) = (response, later);
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
            self.calls[rival].confused = Some(seq);
        }
    }
}
