//! Finds the calls that a list shows again.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use super::known_calls::KnownCalls;
use crate::graph::ItemId;
use crate::reduce::fold::{ListOrigin, ShownCall, ShownList};

/// The calls of a list, and the numbers that known calls may have to be calls of the list, given the calls before them.
struct Places<'l> {
    calls: &'l [ShownCall],
    numbers: Range<usize>,
}

impl KnownCalls<'_> {
    /// Returns the known call for each call of a request or a checkpoint. Returns `None` for calls of their own.
    /// `of_lost_responses` are the calls that are known beforehand.
    pub(super) fn find_calls(&self, list: &ShownList, of_lost_responses: Vec<Option<usize>>) -> Vec<Option<usize>> {
        let places = Places { calls: &list.calls, numbers: self.numbers_of(list) };
        let mut found = of_lost_responses;
        self.find_named(&list.calls, &mut found);
        self.find_by_response(&list.calls, &mut found);
        let mut found = self.find_by_surroundings(list, &places.numbers, &found);
        self.find_by_content(&places, &mut found);
        self.find_by_item(&list.calls, &mut found);
        self.find_spelled(&places, &mut found);
        self.find_rewritten(&places, &mut found);
        found
    }

    /// Returns the numbers that known calls may have to be calls of the list: behind the last call before them or, in a
    /// request that continues a response, from the response's first call without an output on.
    fn numbers_of(&self, list: &ShownList) -> Range<usize> {
        let highest = list.before.last.and_then(|last| self.highest_up_to(last));
        match list.origin {
            ListOrigin::Continuation(_) => {
                let first_open = list.before.first_open.and_then(|call| self.call_at(call));
                first_open.zip(highest).map_or(0..0, |(first, highest)| first..highest + 1)
            }
            ListOrigin::Request
            | ListOrigin::Checkpoint
            | ListOrigin::Response { .. }
            | ListOrigin::Shortened { .. } => highest.map_or(0, |highest| highest + 1)..self.calls.len(),
        }
    }

    /// Finds the calls that a list names by their ids of the provider, unless an earlier list had the same items.
    fn find_named(&self, calls: &[ShownCall], found: &mut [Option<usize>]) {
        let mut taken: HashSet<usize> = found.iter().flatten().copied().collect();
        for (shown, found) in calls.iter().zip(found).filter(|(shown, _)| !self.is_known_place(shown.call)) {
            let named = shown.named.and_then(|item| self.call_of_item(item));
            let named = named.filter(|call| self.has_name_of(*call, shown.call.item));
            *found = found.or_else(|| named.filter(|call| taken.insert(*call)));
        }
    }

    /// Finds the calls of responses that stand behind the requests of their inference calls and that have no output yet.
    /// The program may have rewritten them, but they name the same tool. An item with another content that another call
    /// has is that call.
    fn find_by_response(&self, calls: &[ShownCall], found: &mut [Option<usize>]) {
        let mut taken: HashSet<usize> = found.iter().flatten().copied().collect();
        for (shown, found) in calls.iter().zip(found) {
            let call = self.call_of_response(shown).filter(|call| self.has_name_of(*call, shown.call.item));
            let is_other = |call: usize| {
                let known = self.call_of_item(shown.call.item);
                known.is_some_and(|known| known != call) && !self.equal_calls.has(call, shown.content)
            };
            let call = call.filter(|call| self.calls[*call].answered.is_none() && !is_other(*call));
            *found = found.or_else(|| call.filter(|call| taken.insert(*call)));
        }
    }

    /// Finds the known calls of a list by what surrounds them, steps 1, 4 and 5 of the rule: an equal place, an equal
    /// output, or equal contents before the call.
    fn find_by_surroundings(
        &self,
        list: &ShownList,
        numbers: &Range<usize>,
        known_before: &[Option<usize>],
    ) -> Vec<Option<usize>> {
        let first_outputs = list.first_outputs();
        let mut taken: HashSet<usize> = known_before.iter().flatten().copied().collect();
        let find = |(shown, known_before): (&ShownCall, &Option<usize>)| {
            if known_before.is_some() {
                return *known_before;
            }
            let place = shown.call.place;
            let known = self.call_at(shown.call);
            let by_output = first_outputs.get(&place).and_then(|output| {
                let is_at_end = output.model_items == list.model_items;
                let may_be_open = is_at_end && list.origin != ListOrigin::Checkpoint;
                let found = self.find_by_output(shown, output.content, known, (is_at_end, may_be_open));
                found.filter(|call| known == Some(*call) || numbers.contains(call))
            });
            let by_hash = shown.list_hashes().into_iter().find_map(|hash| self.find_by_hash(hash, known));
            let at_place = known.filter(|_| self.is_known_place(shown.call));
            let found = [at_place, by_output, by_hash].into_iter().flatten().find(|call| !taken.contains(call));
            taken.extend(found);
            found
        };
        list.calls.iter().zip(known_before).map(find).collect()
    }

    /// Returns the call that stood behind a list with a hash: the call `known` if it did.
    fn find_by_hash(&self, hash: u128, known: Option<usize>) -> Option<usize> {
        let at_home = known.filter(|call| self.list_hashes.contains(&(hash, *call)));
        at_home.or_else(|| self.by_list_hash.get(&hash).copied())
    }

    /// Returns the call that a list shows with an output of the content `output`: the call `known` if it had such an
    /// output, otherwise the only call that had. Its content is equal, or it was rewritten: it names the same tool, the
    /// output is the first that it had, and no call began with the content. Returns `None` if `may_be_open` is `true` and
    /// a later call with the same content has no output yet, because the list may mean that call. Of a rewritten call it
    /// may mean the last call without an output, if it names the same tool and the list ends with the output.
    fn find_by_output(
        &self,
        shown: &ShownCall,
        output: u128,
        known: Option<usize>,
        (is_at_end, may_be_open): (bool, bool),
    ) -> Option<usize> {
        let calls = self.by_output.get(&output)?;
        let content = shown.content;
        let has_later = |call: usize| self.equal_calls.last_open_after(call, content).is_some();
        let is_rewritten = |call: usize| {
            let is_first_output = self.first_outputs.get(&call) == Some(&output);
            let last_open = self.open_of_complete.range(call + 1..).next_back().filter(|_| is_at_end);
            let may_be_last = last_open.is_some_and(|last| self.has_name_of(*last, shown.call.item));
            let is_same_tool = self.has_name_of(call, shown.call.item);
            is_first_output && !self.equal_calls.is_first(content) && is_same_tool && !may_be_last
        };
        let is_equal = |call: usize| self.equal_calls.has(call, content) || is_rewritten(call);
        let is_meant = |call: &usize| is_equal(*call) && !(may_be_open && has_later(*call));
        let only = || calls.first().copied().filter(|_| calls.len() == 1).filter(is_meant);
        known.filter(|call| calls.contains(call)).or_else(only)
    }

    /// Finds, from the end of the list, the last known call with the content of each item that has no call yet.
    fn find_by_content(&self, places: &Places<'_>, found: &mut [Option<usize>]) {
        let mut taken: HashSet<usize> = found.iter().flatten().copied().collect();
        let ranges = places.ranges(found);
        let mut end = places.numbers.end;
        for ((shown, found), range) in places.calls.iter().zip(found.iter_mut()).zip(ranges).rev() {
            if found.is_none() && range.start < end {
                let last = self.equal_calls.last(shown.content, range.start..end);
                *found = last.filter(|call| taken.insert(*call));
            }
            end = found.map_or(end, |call| end.min(call));
        }
    }

    /// Finds the calls that the items without a call belonged to in earlier lists.
    fn find_by_item(&self, calls: &[ShownCall], found: &mut [Option<usize>]) {
        let mut taken: HashSet<usize> = found.iter().flatten().copied().collect();
        for (shown, found) in calls.iter().zip(found) {
            *found = found.or_else(|| self.call_at(shown.call).filter(|call| taken.insert(*call)));
        }
    }

    /// Finds, from the end of the list, the last call without an output that has the arguments of an item but for
    /// quotation marks.
    fn find_spelled(&self, places: &Places<'_>, found: &mut [Option<usize>]) {
        let mut taken: HashSet<usize> = found.iter().flatten().copied().collect();
        let ranges = places.ranges(found);
        let mut end = places.numbers.end;
        for ((shown, found), range) in places.calls.iter().zip(found.iter_mut()).zip(ranges).rev() {
            if found.is_none() && range.start < end {
                let open = self.spelling(shown.call.item).and_then(|spelling| self.open_by_spelling.get(&spelling));
                let last = open.and_then(|open| open.range(range.start..end).next_back().copied());
                *found = last.filter(|call| taken.insert(*call));
            }
            end = found.map_or(end, |call| end.min(call));
        }
    }

    /// Finds the calls of items whose contents no known call has, for each group of such items between two found calls.
    fn find_rewritten(&self, places: &Places<'_>, found: &mut [Option<usize>]) {
        let ranges = places.ranges(found);
        let mut first = 0;
        while first < found.len() {
            let end = found[first..].iter().position(Option::is_some).map_or(found.len(), |length| first + length);
            let open = self.last_open_calls(end - first, ranges[first].clone());
            for ((found, shown), call) in found[first..end].iter_mut().zip(&places.calls[first..end]).zip(open) {
                *found = Some(call).filter(|call| self.has_name_of(*call, shown.call.item));
            }
            first = end + 1;
        }
    }

    /// Returns the last `count` calls without an output among the calls with the given numbers: those of completed
    /// responses, otherwise of all responses. Returns none if there are fewer, or if the call before them was made at
    /// the same time as the first of them, because the list may mean that call.
    fn last_open_calls(&self, count: usize, numbers: Range<usize>) -> Vec<usize> {
        let last =
            |calls: &BTreeSet<usize>| calls.range(numbers.clone()).rev().take(count + 1).copied().collect::<Vec<_>>();
        let last = [&self.open_of_complete, &self.open].into_iter().map(last).find(|last| last.len() >= count);
        let mut last = last.unwrap_or_default();
        let (other, first) =
            (last.get(count).copied(), count.checked_sub(1).and_then(|first| last.get(first)).copied());
        if other.zip(first).is_some_and(|(other, first)| self.overlap(other, first)) {
            return Vec::new();
        }
        last.truncate(count);
        last.reverse();
        last
    }

    /// Returns `true` if the response that made a call arrived after the inference call of a later one had started.
    fn overlap(&self, earlier: usize, later: usize) -> bool {
        let response = |call: usize| self.calls[call].response;
        let started = response(later).and_then(|response| self.conversations.calls.get_index(response.call));
        response(earlier).map(|response| response.seq) > started.map(|inference| inference.execution.started.seq)
    }

    /// Returns `true` if a call and an item name the same tool.
    pub(super) fn has_name_of(&self, call: usize, item: ItemId) -> bool {
        let items = &self.conversations.items;
        let name = |item: ItemId| {
            let content = items.get(item.index()).map(|item| &item.content);
            content.map(|content| (content.namespace.as_deref(), content.name.as_deref()))
        };
        self.calls[call].visible.call_items.first().is_some_and(|first| name(*first) == name(item))
    }
}

impl Places<'_> {
    /// Returns for each call of the list the numbers that it may have: behind those of the calls before it, and before
    /// those of the calls behind it. A range is empty if the calls around it are not in order.
    fn ranges(&self, found: &[Option<usize>]) -> Vec<Range<usize>> {
        let mut start = self.numbers.start;
        let starts: Vec<usize> = found
            .iter()
            .map(|number| {
                let before = start;
                start = number.map_or(start, |call| start.max(call + 1));
                before
            })
            .collect();
        let mut end = self.numbers.end;
        let ranges = found.iter().zip(starts).rev().map(|(number, start)| {
            let range = start..end.max(start);
            end = number.map_or(end, |call| end.min(call));
            range
        });
        let mut ranges: Vec<_> = ranges.collect();
        ranges.reverse();
        ranges
    }
}
