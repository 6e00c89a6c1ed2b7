//! The lists that a model was shown or returned, and the calls and outputs of tools in them.
//!
//! Providers may use one call id for several calls. Which call an item belongs to depends on the list that showed the
//! item first, so the lists with new items are recorded while facts are folded. What they show is collected afterwards,
//! in one walk over all paths (see `list_walk`), and only of the ids that several call items have.

use std::collections::{HashMap, HashSet};

use super::attempts::Attempts;
use super::conversation::{ConversationBuilder, ItemSource};
use super::list_walk::{ListWalk, Walked};
use super::lost_responses::LostResponses;
use super::paths::{ListedBy, Path, StepId};
use crate::event::{CallId, InferenceId, Seq, ThreadId};
use crate::graph::{InferenceCall, Item, ItemId, Producer, Table};

/// A list that differs from all earlier ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordedList {
    /// The last step of the path that the list is.
    pub(super) step: StepId,
    pub(super) origin: ListOrigin,
    /// Position of the first item that the payload of the list itself contains.
    pub(super) own_from: usize,
    pub(super) seq: Seq,
}

/// The kind of a list, by the payload that contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reduce) enum ListOrigin {
    /// The response of the inference call at this index, after the call's request.
    Response { call: usize },
    /// A request that lists the whole conversation.
    Request,
    /// A request whose own items follow an earlier response.
    Continuation(PreviousResponse),
    /// The history before or after a compaction.
    Checkpoint,
}

/// The evidence for the response that a request continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reduce) enum PreviousResponse {
    /// The items of the response are known.
    Known,
    /// The items of the response are unknown, and there may be calls among them.
    Unknown,
}

/// The calls and outputs that lists contain, of the call ids that several call items of a thread have.
#[derive(Debug, Default)]
pub(in crate::reduce) struct ShownLists {
    pub(in crate::reduce) ids: Vec<RepeatedId>,
    /// The calls and outputs of each of the ids in each list, in order of the log.
    pub(in crate::reduce) lists: Vec<ShownList>,
    /// The inference calls with one request. Empty if no id is reused.
    pub(in crate::reduce) attempts: Attempts,
    /// The reused ids among `ids`.
    reused: HashSet<(ThreadId, CallId)>,
}

impl ShownLists {
    /// Returns `true` if some id is reused.
    pub(in crate::reduce) fn has_reused_ids(&self) -> bool {
        !self.reused.is_empty()
    }

    /// Returns `true` if several calls of the thread have the id.
    pub(in crate::reduce) fn is_reused(&self, thread: &ThreadId, call: &CallId) -> bool {
        self.has_reused_ids() && self.reused.contains(&(thread.clone(), call.clone()))
    }
}

/// A call id that several call items of a thread have.
#[derive(Debug)]
pub(in crate::reduce) struct RepeatedId {
    pub(in crate::reduce) thread_id: ThreadId,
    pub(in crate::reduce) call_id: CallId,
    /// `true` if the items are several calls, `false` if they are one call that was recorded several times.
    pub(in crate::reduce) is_reused: bool,
}

/// The calls and outputs of one call id in a list.
#[derive(Debug)]
pub(in crate::reduce) struct ShownList {
    /// Index of the id in [`ShownLists::ids`].
    pub(in crate::reduce) id: usize,
    pub(in crate::reduce) origin: ListOrigin,
    pub(in crate::reduce) seq: Seq,
    pub(in crate::reduce) before: CallsBefore,
    /// The calls in the payload of the list itself, from the first place on at which the list differs from earlier
    /// lists.
    pub(in crate::reduce) calls: Vec<ShownCall>,
    /// The outputs behind the place from which on `calls` has the calls.
    pub(in crate::reduce) outputs: Vec<ShownOutput>,
    /// Number of items of the model in the list.
    pub(in crate::reduce) model_items: usize,
}

/// The calls of an id that stand before those in [`ShownList::calls`].
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::reduce) struct CallsBefore {
    pub(in crate::reduce) last: Option<PlacedCall>,
    /// The first of the last calls that stand together. `None` if an output follows them.
    pub(in crate::reduce) first_open: Option<PlacedCall>,
}

/// A call at a place in a list.
#[derive(Debug, Clone, Copy)]
pub(in crate::reduce) struct PlacedCall {
    pub(in crate::reduce) item: ItemId,
    /// Hash of the items of the list up to the call and with it. Lists with the same items up to the call share it.
    pub(in crate::reduce) place: u128,
}

/// A call in a list, known from an earlier list or not.
#[derive(Debug, Clone, Copy)]
pub(in crate::reduce) struct ShownCall {
    pub(in crate::reduce) call: PlacedCall,
    /// Identity hash of the call's content.
    pub(in crate::reduce) content: u128,
    /// Hash of the contents of the list up to the call and with it. Instructions and reasoning do not count, because
    /// requests change or omit them.
    pub(in crate::reduce) list_hash: u128,
    /// Index of the inference call whose response contained the call, if the response was recorded without content.
    pub(in crate::reduce) lost_response: Option<usize>,
    /// The call item of a response that the list names by its id of the provider. `None` if the list names none.
    pub(in crate::reduce) named: Option<ItemId>,
}

/// An output in a list, known from an earlier list or not.
#[derive(Debug, Clone, Copy)]
pub(in crate::reduce) struct ShownOutput {
    pub(in crate::reduce) item: ItemId,
    /// Identity hash of the output's content.
    pub(in crate::reduce) content: u128,
    /// The call to which the output belongs by its place. `None` if no call stands before the output.
    pub(in crate::reduce) call: Option<PlacedCall>,
    /// `true` if no output before this one in the list belongs to the call.
    pub(in crate::reduce) is_first: bool,
    /// Number of items of the model before the output.
    pub(in crate::reduce) model_items: usize,
}

/// The call ids that several call items of a thread have, and the items with these ids. The name of a tool is the id of
/// its calls and outputs that have none.
pub(super) struct CallIds {
    repeated: Vec<RepeatedId>,
    /// Index of the id of each call and of each output with a repeated id.
    by_item: HashMap<ItemId, usize>,
    /// The first call item of each id.
    first_calls: Vec<ItemId>,
}

impl CallIds {
    fn new(items: &[Item]) -> Self {
        let key = |item: &Item| Some((item.thread_id.clone(), item.content.linking_id()?));
        let mut counts: HashMap<_, usize> = HashMap::new();
        for item in items.iter().filter(|item| item.content.kind.is_call()) {
            key(item).into_iter().for_each(|key| *counts.entry(key).or_default() += 1);
        }
        counts.retain(|_, count| *count > 1);
        let mut ids = Self { repeated: Vec::new(), by_item: HashMap::new(), first_calls: Vec::new() };
        let mut indices = HashMap::new();
        for item in items.iter().filter(|item| item.content.kind.is_call() || item.content.kind.is_output()) {
            let Some(key) = key(item).filter(|key| counts.contains_key(key)) else { continue };
            let index = *indices.entry(key).or_insert_with_key(|(thread_id, call_id)| {
                let (thread_id, call_id) = (thread_id.clone(), call_id.clone());
                ids.repeated.push(RepeatedId { thread_id, call_id, is_reused: false });
                ids.first_calls.push(item.item_id);
                ids.repeated.len() - 1
            });
            ids.by_item.insert(item.item_id, index);
        }
        ids.mark_reused_by_responses(items);
        ids
    }

    /// Marks an id as reused if a response made a call with it after another call with it was made or shown.
    fn mark_reused_by_responses(&mut self, items: &[Item]) {
        let mut is_known = vec![false; self.repeated.len()];
        for item in items.iter().filter(|item| item.content.kind.is_call()) {
            let Some(&id) = self.by_item.get(&item.item_id) else { continue };
            self.repeated[id].is_reused |= is_made_by_response(item) && is_known[id];
            is_known[id] = true;
        }
    }

    /// Marks an id as reused if a response without content made a call with it after another call with it was made or
    /// shown.
    fn mark_reused_by_lost_responses(&mut self, lists: &[ShownList]) {
        let mut known = HashSet::new();
        for list in lists {
            for shown in &list.calls {
                let is_new = shown.lost_response.is_some_and(|call| known.insert((list.id, call)));
                self.repeated[list.id].is_reused |= is_new && self.first_calls[list.id] < shown.call.item;
            }
        }
    }

    /// Returns the index of the id of a call or an output. Returns `None` if the id is not repeated.
    pub(super) fn of_item(&self, item: ItemId) -> Option<usize> {
        self.by_item.get(&item).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.repeated.len()
    }
}

/// Returns `true` if a recorded response contained the item.
pub(super) fn is_made_by_response(item: &Item) -> bool {
    item.produced_by.iter().any(|producer| matches!(producer, Producer::Inference { .. }))
}

impl ConversationBuilder<'_> {
    /// Records a list, unless it is the start of an earlier one. `own_from` is the position of the first item that the
    /// payload of the list itself contains.
    pub(super) fn record_list(&mut self, path: Path, origin: ListOrigin, own_from: usize, seq: Seq) {
        let first_step = std::mem::replace(&mut self.listed_steps, self.paths.steps().len());
        let path = path.filter(|step| step.index() >= first_step);
        self.named_calls.record_list(self.lists.len(), path.map_or(&[], |step| self.paths.step_items(step)));
        if let Some(step) = path {
            self.lists.push(RecordedList { step, origin, own_from, seq });
        }
    }

    /// Records a history before or after a compaction.
    pub(super) fn record_checkpoint(&mut self, source: &ItemSource<'_>, items: &[ItemId]) {
        let path = self.paths.extend(None, 0, items.to_vec(), ListedBy::NoCall);
        self.record_list(path, ListOrigin::Checkpoint, 0, source.at.when.seq);
    }

    /// Returns the calls and outputs in the recorded lists, of the call ids that several call items have.
    pub(super) fn shown_lists(&mut self, calls: &Table<InferenceId, InferenceCall>) -> ShownLists {
        let mut ids = CallIds::new(&self.items);
        if ids.len() == 0 {
            return ShownLists::default();
        }
        let lost_responses = LostResponses::new(self, calls);
        let Walked { lists, on_one_path, step_count } = ListWalk::new(self, &ids, &lost_responses).run();
        self.paths.step_count += step_count;
        for id in on_one_path {
            ids.repeated[id].is_reused = true;
        }
        ids.mark_reused_by_lost_responses(&lists);
        let reused = ids.repeated.iter().filter(|id| id.is_reused);
        let reused: HashSet<_> = reused.map(|id| (id.thread_id.clone(), id.call_id.clone())).collect();
        let attempts = if reused.is_empty() { Attempts::default() } else { Attempts::new(self, calls) };
        ShownLists { ids: ids.repeated, lists, attempts, reused }
    }
}
