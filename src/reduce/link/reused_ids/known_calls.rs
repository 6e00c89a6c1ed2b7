//! The calls of a reused id, collected list by list.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::choice::{Choice, Choices};
use super::equal_calls::EqualCalls;
use crate::event::ExecutionStatus;
use crate::graph::{ItemId, Part};
use crate::keyed_hash::keyed_hash;
use crate::reduce::fold::{Conversations, ListOrigin, PlacedCall, ResponseCall, ShownCall, ShownList, ShownOutput};
use crate::reduce::link::visible_call::{Doubt, MakingResponse, OtherOutput, ReusedCall, ReusedCalls};

/// The calls of one reused id in the lists so far. Calls are numbered in order of their first items.
pub(super) struct KnownCalls<'a> {
    pub(super) conversations: &'a Conversations,
    pub(super) calls: Vec<ReusedCall>,
    pub(super) equal_calls: EqualCalls,
    by_item: HashMap<ItemId, usize>,
    by_place: HashMap<u128, CallAtPlace>,
    /// The calls of responses, by the index of the inference call and the number of the call in the response.
    pub(super) of_responses: HashMap<(usize, usize), usize>,
    /// For the hash of each list of contents, the call that stood behind it: the last one that a response made,
    /// otherwise the first one that a list showed.
    pub(super) by_list_hash: HashMap<u128, usize>,
    /// Hashes of lists up to a call, each with the calls that stood there.
    pub(super) list_hashes: HashSet<(u128, usize)>,
    /// Calls of responses that have no output.
    pub(super) open: BTreeSet<usize>,
    /// Calls of completed responses that have no output.
    pub(super) open_of_complete: BTreeSet<usize>,
    /// The outputs in the lists so far, each with the call that it belongs to. `None` for those that belong to no call.
    pub(super) outputs: HashMap<ItemId, Option<usize>>,
    /// The outputs that belong to no call.
    other_outputs: Vec<OtherOutput>,
    /// The new call items of lists, each with the output behind it.
    answered_items: Vec<(ItemId, ItemId)>,
    /// The calls in lists that are not set apart from other calls.
    pub(super) doubts: Vec<Doubt>,
    /// The calls that responses made behind the same contents, by the hash of the contents.
    pub(super) made_behind: HashMap<u128, Vec<usize>>,
    /// The hash of the contents behind which a response made each call.
    pub(super) made_hashes: HashMap<usize, u128>,
    /// The calls that had an output of each content.
    pub(super) by_output: HashMap<u128, BTreeSet<usize>>,
    /// Content of the first output of each call.
    pub(super) first_outputs: HashMap<usize, u128>,
    /// Calls of completed responses that have no output, by the hash of their arguments without quotation marks.
    pub(super) open_by_spelling: HashMap<u128, BTreeSet<usize>>,
}

/// The call at a place in a list.
#[derive(Clone, Copy)]
struct CallAtPlace {
    call: usize,
    /// The highest number of a call in the list up to the place.
    highest: usize,
}

impl<'a> KnownCalls<'a> {
    pub(super) fn new(conversations: &'a Conversations) -> Self {
        Self {
            conversations,
            calls: Vec::new(),
            equal_calls: EqualCalls::default(),
            by_item: HashMap::new(),
            by_place: HashMap::new(),
            of_responses: HashMap::new(),
            by_list_hash: HashMap::new(),
            list_hashes: HashSet::new(),
            open: BTreeSet::new(),
            open_of_complete: BTreeSet::new(),
            outputs: HashMap::new(),
            other_outputs: Vec::new(),
            doubts: Vec::new(),
            answered_items: Vec::new(),
            made_behind: HashMap::new(),
            made_hashes: HashMap::new(),
            by_output: HashMap::new(),
            first_outputs: HashMap::new(),
            open_by_spelling: HashMap::new(),
        }
    }

    pub(super) fn into_calls(self) -> ReusedCalls {
        ReusedCalls {
            calls: self.calls,
            other_outputs: self.other_outputs,
            doubts: self.doubts,
            answered_items: self.answered_items,
        }
    }

    /// Adds the new calls and outputs of a list.
    pub(super) fn add_list(&mut self, list: &ShownList) {
        let mut choices = Choices::default();
        let items = list.calls.iter().map(|shown| shown.call.item);
        let new_items: HashSet<ItemId> = items.filter(|item| !self.by_item.contains_key(item)).collect();
        let calls: Vec<usize> = match list.origin {
            ListOrigin::Response { call } => {
                let response = MakingResponse { call, seq: list.seq };
                let add = |(number, shown)| {
                    let made = self.add_made_call(shown, response);
                    self.of_responses.entry((call, number)).or_insert(made);
                    made
                };
                list.calls.iter().enumerate().map(add).collect()
            }
            ListOrigin::Request | ListOrigin::Continuation(_) | ListOrigin::Checkpoint => {
                self.add_shown_calls(list, &mut choices)
            }
            ListOrigin::Shortened { last_response } => return self.mark_confused_calls(list, last_response),
        };
        let mut highest = list.before.last.and_then(|before| self.highest_up_to(before)).unwrap_or_default();
        for (shown, &call) in list.calls.iter().zip(&calls) {
            highest = highest.max(call);
            self.by_place.entry(shown.call.place).or_insert(CallAtPlace { call, highest });
        }
        let in_list: HashSet<usize> = calls.into_iter().collect();
        let later_calls = self.later_calls(list, &in_list);
        self.mark_doubtful_outputs(list, &choices, &in_list, &later_calls);
        self.mark_calls_before_known_outputs(list, &new_items);
        self.move_new_calls(list, &new_items, &later_calls);
        let answered = list.outputs.iter().filter(|output| output.is_first);
        let answered = answered.filter_map(|output| Some((output.call?.item, output.item)));
        self.answered_items.extend(answered.filter(|(call, _)| new_items.contains(call)));
        for output in &list.outputs {
            let is_placed = output.call.is_some_and(|placed| !choices.contains_key(&placed.place));
            self.add_output(output, list, later_calls.get(&output.item).copied(), is_placed);
        }
    }

    /// Adds a call that a response made. Returns its number.
    fn add_made_call(&mut self, shown: &ShownCall, response: MakingResponse) -> usize {
        if let Some(known) = self.call_at(shown.call) {
            return known;
        }
        let inference = self.conversations.calls.get_index(response.call);
        let started = inference.map(|inference| inference.execution.started.seq);
        let is_late = |&call: &usize| self.calls[call].response.is_none() && self.calls[call].requested > started;
        let before = |hash: u128| self.by_list_hash.get(&hash).copied().filter(is_late);
        let shown_before = shown.list_hashes().into_iter().find_map(before);
        let call = shown_before.unwrap_or_else(|| self.add_call(shown));
        self.add_item(call, shown);
        self.by_list_hash.extend(shown.list_hashes().map(|hash| (hash, call)));
        self.set_response(call, response);
        self.made_behind.entry(shown.hash_with_instructions).or_default().push(call);
        self.made_hashes.insert(call, shown.hash_with_instructions);
        call
    }

    /// Sets the response that made a call.
    fn set_response(&mut self, call: usize, response: MakingResponse) {
        self.calls[call].response = Some(response);
        if self.calls[call].answered.is_none() {
            self.open.insert(call);
            let inference = self.conversations.calls.get_index(response.call);
            if inference.is_some_and(|call| call.execution.status == ExecutionStatus::Completed) {
                self.open_of_complete.insert(call);
                self.equal_calls.set_open(call, true);
                self.add_open_spelling(call);
            }
        }
    }

    /// Returns the numbers of the calls in a list whose responses were recorded without content. Such a response shows
    /// the same calls in each list. Returns `None` for other calls.
    fn add_calls_of_lost_responses(&mut self, list: &ShownList) -> Vec<Option<usize>> {
        let first_outputs = list.first_outputs();
        let mut add = |shown: &ShownCall| {
            let ResponseCall { inference, number, .. } = shown.response.filter(|response| response.is_lost)?;
            let known = self.by_item.get(&shown.call.item).and_then(|call| self.calls.get(*call));
            if known.is_some_and(|call| call.response.is_none_or(|response| response.call != inference)) {
                return None;
            }
            if let Some(&call) = self.of_responses.get(&(inference, number)) {
                let output = first_outputs.get(&shown.call.place).map(|output| output.content);
                return Some(call).filter(|call| self.may_show_again(*call, shown.content, output));
            }
            let ended = self.conversations.calls.get_index(inference)?.execution.ended?;
            let call = self.add_call(shown);
            self.set_response(call, MakingResponse { call: inference, seq: ended.seq });
            self.of_responses.insert((inference, number), call);
            Some(call)
        };
        list.calls.iter().map(&mut add).collect()
    }

    /// Returns `true` if a list may show a call of a response with a content and an output at the place of the response:
    /// the list has an output of the call, or the call has no output. Lists without old items show other calls there.
    fn may_show_again(&self, call: usize, content: u128, output: Option<u128>) -> bool {
        match output {
            Some(output) if self.calls[call].answered.is_some() => {
                self.by_output.get(&output).is_some_and(|calls| calls.contains(&call))
            }
            Some(_) => true,
            None => self.equal_calls.has(call, content),
        }
    }

    /// Returns the call of a response that a list shows at the place of the response.
    pub(super) fn call_of_response(&self, shown: &ShownCall) -> Option<usize> {
        let ResponseCall { inference, number, .. } = shown.response.filter(|response| !response.is_lost)?;
        self.of_responses.get(&(inference, number)).copied()
    }

    /// Adds the calls that a request or a checkpoint shows. Returns their numbers.
    fn add_shown_calls(&mut self, list: &ShownList, choices: &mut Choices) -> Vec<usize> {
        let of_lost_responses = self.add_calls_of_lost_responses(list);
        let numbers = self.find_calls(list, of_lost_responses);
        for (shown, call) in list.calls.iter().zip(&numbers) {
            let is_ambiguous = |content: &u128| self.equal_calls.is_ambiguous(*content);
            let choice = match call {
                Some(call) => self.choice(shown, *call),
                None => Some(shown.content).filter(is_ambiguous).map(|content| Choice::Equal { content }),
            };
            choices.extend(choice.map(|choice| (shown.call.place, choice)));
        }
        let add = |(shown, number): (&ShownCall, Option<usize>)| {
            let call = number.unwrap_or_else(|| {
                let call = self.add_call(shown);
                self.calls[call].requested = (list.origin != ListOrigin::Checkpoint).then_some(list.seq);
                call
            });
            self.add_item(call, shown);
            for hash in shown.list_hashes() {
                self.by_list_hash.entry(hash).or_insert(call);
            }
            call
        };
        list.calls.iter().zip(numbers).map(add).collect()
    }

    /// Adds a call without items. Returns its number.
    fn add_call(&mut self, shown: &ShownCall) -> usize {
        let call = self.calls.len();
        self.calls.push(ReusedCall { content: shown.content, ..ReusedCall::default() });
        self.equal_calls.add(shown.content);
        call
    }

    /// Adds an item to a call, unless the item belongs to a call already.
    fn add_item(&mut self, call: usize, shown: &ShownCall) {
        self.list_hashes.extend(shown.list_hashes().map(|hash| (hash, call)));
        if let Entry::Vacant(free) = self.by_item.entry(shown.call.item) {
            free.insert(call);
            self.calls[call].visible.call_items.push(shown.call.item);
            self.equal_calls.add_content(call, shown.content);
            self.add_open_spelling(call);
        }
    }

    /// Adds the spelling of a call if the call is of a completed response and has no output.
    fn add_open_spelling(&mut self, call: usize) {
        let is_open = self.open_of_complete.contains(&call);
        if let Some(spelling) = self.spelling_of_call(call).filter(|_| is_open) {
            self.open_by_spelling.entry(spelling).or_default().insert(call);
        }
    }

    /// Returns the hash of the tool and the arguments of a call item without quotation marks: programs write numbers as
    /// texts when they repeat a call.
    pub(super) fn spelling(&self, item: ItemId) -> Option<u128> {
        let content = &self.conversations.items.get(item.index())?.content;
        let parts = content.parts.iter().filter_map(|part| match part {
            Part::Json { summary } | Part::Text(summary) => Some(summary),
            Part::LabelledText { .. }
            | Part::Summary(_)
            | Part::Encoded { .. }
            | Part::Code { .. }
            | Part::PayloadRef { .. } => None,
        });
        let mut text: String = parts.flat_map(|text| text.chars()).filter(|it| *it != '"').collect();
        text.extend(content.namespace.as_deref());
        text.extend(content.name.as_deref());
        Some(keyed_hash(text.as_bytes()))
    }

    pub(super) fn spelling_of_call(&self, call: usize) -> Option<u128> {
        self.spelling(*self.calls[call].visible.call_items.first()?)
    }

    /// Returns the call at a place, otherwise the call that the item at the place belongs to.
    pub(super) fn call_at(&self, placed: PlacedCall) -> Option<usize> {
        let at_place = self.by_place.get(&placed.place).map(|at_place| at_place.call);
        at_place.or_else(|| self.by_item.get(&placed.item).copied())
    }

    /// Returns the call that an item belongs to.
    pub(super) fn call_of_item(&self, item: ItemId) -> Option<usize> {
        self.by_item.get(&item).copied()
    }

    /// Returns `true` if an earlier list had the same items up to a place.
    pub(super) fn is_known_place(&self, placed: PlacedCall) -> bool {
        self.by_place.contains_key(&placed.place)
    }

    /// Returns the highest number of a call in a list up to a place.
    pub(super) fn highest_up_to(&self, placed: PlacedCall) -> Option<usize> {
        let at_place = self.by_place.get(&placed.place).map(|at_place| at_place.highest);
        at_place.or_else(|| self.by_item.get(&placed.item).copied())
    }

    /// Returns for the new outputs at the end of a list the later, equal calls that they belong to, because the list
    /// dropped the outputs of the calls at their places. The calls are counted from the last one that has no output and
    /// is not in the list. `in_list` are the calls of the list.
    fn later_calls(&self, list: &ShownList, in_list: &HashSet<usize>) -> HashMap<ItemId, usize> {
        let mut ends: HashMap<u128, usize> = HashMap::new();
        let mut later_calls = HashMap::new();
        let at_end = list.outputs.iter().rev().take_while(|output| output.model_items == list.model_items);
        for output in at_end.filter(|output| output.is_first && !self.outputs.contains_key(&output.item)) {
            let Some(call) = output.call.and_then(|placed| self.call_at(placed)) else { continue };
            let is_repeated = self.by_output.get(&output.content).is_some_and(|calls| calls.contains(&call));
            if self.calls[call].answered.is_none() || is_repeated {
                continue;
            }
            let end = ends.entry(self.equal_calls.first_content(call)).or_insert(self.calls.len());
            while let Some(later_call) = self.equal_calls.last_open_like(call, *end) {
                *end = later_call;
                if !in_list.contains(&later_call) {
                    later_calls.insert(output.item, later_call);
                    break;
                }
            }
        }
        later_calls
    }

    /// Moves the call items that a list showed first to the later calls that the outputs behind them belong to.
    fn move_new_calls(&mut self, list: &ShownList, new_items: &HashSet<ItemId>, later_calls: &HashMap<ItemId, usize>) {
        for output in list.outputs.iter().filter(|output| output.is_first) {
            let (Some(&later), Some(placed)) = (later_calls.get(&output.item), output.call) else { continue };
            let Some(call) = self.call_at(placed).filter(|_| new_items.contains(&placed.item)) else { continue };
            self.calls[call].visible.call_items.retain(|item| *item != placed.item);
            self.calls[later].visible.call_items.push(placed.item);
            self.by_item.insert(placed.item, later);
            if let Some(at_place) = self.by_place.get_mut(&placed.place) {
                *at_place = CallAtPlace { call: later, highest: at_place.highest.max(later) };
            }
        }
    }

    /// Adds an output to its call. `later_call` is the call that it belongs to if the place is no evidence.
    fn add_output(&mut self, output: &ShownOutput, list: &ShownList, later_call: Option<usize>, is_placed: bool) {
        if self.outputs.contains_key(&output.item) {
            return;
        }
        let call = output.call.and_then(|placed| self.call_at(placed));
        self.outputs.insert(output.item, later_call.filter(|_| call.is_some()).or(call));
        let Some(call) = call else {
            self.other_outputs.push(OtherOutput { item: output.item, content: output.content, seq: list.seq });
            return;
        };
        let call = later_call.unwrap_or(call);
        self.mark_rivals(call, list.seq);
        self.calls[call].is_placed |= is_placed && later_call.is_none() && self.calls[call].answered.is_none();
        self.by_output.entry(output.content).or_default().insert(call);
        self.first_outputs.entry(call).or_insert(output.content);
        self.open.remove(&call);
        self.open_of_complete.remove(&call);
        self.equal_calls.set_open(call, false);
        if let Some(open) = self.spelling_of_call(call).and_then(|spelling| self.open_by_spelling.get_mut(&spelling)) {
            open.remove(&call);
        }
        self.calls[call].visible.output_items.push(output.item);
        self.calls[call].output_contents.push(output.content);
        self.calls[call].answered.get_or_insert(list.seq);
    }
}
