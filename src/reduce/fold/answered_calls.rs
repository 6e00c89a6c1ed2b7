//! Keeps apart equal outputs of different calls with one id.
//!
//! Providers may use one call id for several calls, and their outputs may be equal. An output in a list is that of the
//! call before it, so it is no earlier output that stood behind another call. Programs may rewrite the call: a new call
//! item before an output that only one call had does not make the output another one.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::conversation::ConversationBuilder;
use crate::event::{CallId, ThreadId};
use crate::graph::{Content, Item, ItemId, Role};

/// The calls that outputs answer, in the lists so far.
#[derive(Debug, Default)]
pub(super) struct AnsweredCalls {
    /// The call item before each output item, in the list that showed the output first.
    of_outputs: HashMap<ItemId, ItemId>,
    /// The contents of the call items before each output item, in all lists that showed the output.
    contents_before: HashSet<(ItemId, u128)>,
    /// The call item before the outputs of each content.
    of_contents: HashMap<(ThreadId, u128), AnsweredCall>,
    ids: HashMap<(ThreadId, CallId), IdUse>,
}

/// The call items before the outputs of one content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnsweredCall {
    Only(ItemId),
    Several,
}

/// The use of a call id in a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdUse {
    OneCall,
    SeveralCalls,
}

/// The calls in a list so far, by their ids.
pub(super) struct CallsInList {
    /// Index of the first item that was created for the list.
    first_new: usize,
    /// Number of items.
    length: usize,
    calls: HashSet<ItemId>,
    runs: HashMap<CallId, CallRun>,
    /// Number of items of other authors than the model.
    foreign_items: usize,
}

/// The last calls of one id that stand together: no output of the id and no item of another author stands between them.
#[derive(Default)]
struct CallRun {
    /// The call items with their positions.
    calls: Vec<(ItemId, usize)>,
    /// Number of outputs behind the calls.
    outputs: usize,
    foreign_items: usize,
}

impl CallsInList {
    /// `first_new` is the index of the next item that is created.
    pub(super) fn new(first_new: usize) -> Self {
        Self { first_new, length: 0, calls: HashSet::new(), runs: HashMap::new(), foreign_items: 0 }
    }

    /// Returns `true` if an item was created for the list.
    pub(super) fn is_new(&self, item: ItemId) -> bool {
        item.index() >= self.first_new
    }

    /// Returns the call item that an output behind the items so far answers, and its position. Returns `None` if there is
    /// none, and for other items.
    pub(super) fn answered_by(&self, content: &Content) -> Option<(ItemId, usize)> {
        let run = self.runs.get(&content.linking_id().filter(|_| content.kind.is_output())?)?;
        run.calls.get(run.outputs).or(run.calls.last()).copied()
    }

    /// Adds the next item of the list. Returns `true` if it is a call whose id another call of the list has.
    fn add(&mut self, item: ItemId, content: &Content) -> bool {
        let mut is_repeated = false;
        if let Some(id) = content.linking_id() {
            let run = self.runs.entry(id).or_default();
            if content.kind.is_call() {
                is_repeated = run.calls.last().is_some_and(|(last, _)| *last != item);
                if run.outputs > 0 || run.foreign_items != self.foreign_items {
                    *run = CallRun { foreign_items: self.foreign_items, ..CallRun::default() };
                }
                run.calls.push((item, self.length));
                self.calls.insert(item);
            } else {
                run.outputs += 1;
            }
        }
        self.length += 1;
        self.foreign_items += usize::from(content.role != Role::Assistant);
        is_repeated
    }
}

impl AnsweredCalls {
    /// Adds a call item. `is_made` is `true` if a response contains it: it is another call than those before it.
    pub(super) fn add_call(&mut self, item: &Item, is_made: bool) {
        let Some(id) = item.content.linking_id().filter(|_| item.content.kind.is_call()) else { return };
        let id_use = self.ids.entry((item.thread_id.clone(), id));
        id_use
            .and_modify(|id_use| {
                if is_made {
                    *id_use = IdUse::SeveralCalls
                }
            })
            .or_insert(IdUse::OneCall);
    }

    fn is_reused(&self, item: &Item) -> bool {
        let key = item.content.linking_id().map(|id| (item.thread_id.clone(), id));
        key.is_some_and(|key| self.ids.get(&key) == Some(&IdUse::SeveralCalls))
    }
}

impl ConversationBuilder<'_> {
    /// Adds the next item of a list to the calls in the list, and the call that it answers, if it is an output that no
    /// earlier list showed.
    pub(super) fn add_to_list(&mut self, calls: &mut CallsInList, item: ItemId) {
        let content = self.item_identity(item).unwrap_or_default();
        let Some(listed) = self.items.get(item.index()) else { return };
        if let Some((call, _)) = calls.answered_by(&listed.content) {
            let content_of_call = self.item_identity(call).unwrap_or_default();
            let AnsweredCalls { of_outputs, contents_before, of_contents, .. } = &mut self.answered_calls;
            contents_before.insert((item, content_of_call));
            if let Entry::Vacant(free) = of_outputs.entry(item) {
                free.insert(call);
                let content = (listed.thread_id.clone(), content);
                let known = of_contents.entry(content).or_insert(AnsweredCall::Only(call));
                if *known != AnsweredCall::Only(call) {
                    *known = AnsweredCall::Several;
                }
            }
        }
        if calls.add(item, &listed.content)
            && let Some(id) = listed.content.linking_id()
        {
            self.answered_calls.ids.insert((listed.thread_id.clone(), id), IdUse::SeveralCalls);
        }
    }

    /// Adds the calls that the outputs in a list answer.
    pub(super) fn add_answered_calls(&mut self, list: &[ItemId]) {
        let mut calls = CallsInList::new(self.items.len());
        self.paths.step_count += list.len() as u64;
        list.iter().for_each(|item| self.add_to_list(&mut calls, *item));
    }

    /// Returns `true` if an item is the output of another call than the one that `calls`, a list, has before it.
    /// `replaced` is the item of the history in whose place the list has that call.
    pub(super) fn answers_other_call(&self, item: ItemId, calls: &CallsInList, replaced: Option<ItemId>) -> bool {
        let Some(output) = self.items.get(item.index()) else { return false };
        let call = calls.answered_by(&output.content);
        let (Some((call, _)), Some(&known)) = (call, self.answered_calls.of_outputs.get(&item)) else { return false };
        let content_of_call = self.item_identity(call).unwrap_or_default();
        if call == known {
            return false;
        }
        if calls.calls.contains(&known) {
            return self.answered_calls.is_reused(output);
        }
        if self.answered_calls.contents_before.contains(&(item, content_of_call)) {
            return false;
        }
        let content = self.item_identity(item).map(|content| (output.thread_id.clone(), content));
        let of_content = content.and_then(|content| self.answered_calls.of_contents.get(&content));
        let is_only = of_content == Some(&AnsweredCall::Only(known)) || replaced == Some(known);
        let tool = |call: ItemId| {
            let content = self.items.get(call.index()).map(|call| &call.content);
            content.map(|content| (&content.namespace, &content.name))
        };
        // An id of calls of two tools is reused, whether or not the responses with them were recorded.
        let is_same_tool = tool(call) == tool(known);
        let may_be_rewritten = calls.is_new(call) && is_same_tool;
        !(is_only && may_be_rewritten) && (!is_same_tool || self.answered_calls.is_reused(output))
    }
}
