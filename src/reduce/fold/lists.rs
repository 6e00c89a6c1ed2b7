//! The lists that a model was shown or returned, and the calls and outputs of tools in them.
//!
//! Providers may use one call id for several calls. Which call an item belongs to depends on the list that showed the
//! item first, so the lists with new items are recorded while facts are folded. What they show is collected afterwards,
//! in one walk over all paths (see `list_walk`), and only of the ids that several call items have.

use std::collections::{HashMap, HashSet};

use super::answered_requests::AnsweredRequests;
use super::attempts::Attempts;
use super::conversation::{ConversationBuilder, ItemSource};
use super::list_walk::{ListWalk, Walked};
use super::paths::{ListedBy, Path, StepId};
use crate::event::{CallId, InferenceId, Seq, ThreadId};
use crate::graph::{InferenceCall, Item, ItemId, Producer, Role, Table};
use crate::keyed_hash::keyed_hash;

/// A list that differs from all earlier ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordedList {
    /// The last step of the path that the list is.
    pub(super) step: StepId,
    pub(super) origin: ListOrigin,
    /// Position of the first item that the payload of the list itself contains.
    pub(super) own_from: usize,
    pub(super) seq: Seq,
    /// Hash of the instructions that the request has beside its items. `None` if it has none.
    pub(super) instructions: Option<u128>,
}

/// A full request that lacks some of the items before it. Its list may be equal to an earlier one.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShortenedRequest {
    pub(super) path: Path,
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
    /// A full request that lacks some of the items before it, once more, with all its calls and without its outputs.
    /// The items from the position `last_response` on are the last ones of the model, and what is behind them.
    Shortened { last_response: usize },
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
    /// Indices of the inference calls whose responses were recorded without readable items. Empty if no id is reused.
    pub(in crate::reduce) unknown_responses: HashSet<usize>,
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

/// A call of a response, by its number among the calls of the response with its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::reduce) struct ResponseCall {
    /// Index of the inference call.
    pub(in crate::reduce) inference: usize,
    /// Number of the call, from 0.
    pub(in crate::reduce) number: usize,
    /// `true` if the response was recorded without its content.
    pub(in crate::reduce) is_lost: bool,
}

impl ShownList {
    /// Returns the first output of each call, by the place of the call.
    pub(in crate::reduce) fn first_outputs(&self) -> HashMap<u128, &ShownOutput> {
        let first = self.outputs.iter().filter(|output| output.is_first);
        first.filter_map(|output| Some((output.call?.place, output))).collect()
    }

    /// Returns the list without calls of an id in a full request that lacks some of the items before it.
    fn shortened(id: usize, origin: ListOrigin, seq: Seq) -> Self {
        let (calls, outputs) = (Vec::new(), Vec::new());
        Self { id, origin, seq, before: CallsBefore::default(), calls, outputs, model_items: 0 }
    }
}

impl ShownCall {
    /// Returns a call of which only the place is known.
    fn placed(call: PlacedCall) -> Self {
        Self { call, content: 0, list_hash: 0, hash_with_instructions: 0, response: None, named: None }
    }

    /// Returns the hashes of the list up to the call, the one that says more first. The hashes of lists without
    /// instructions are equal.
    pub(in crate::reduce) fn list_hashes(&self) -> [u128; 2] {
        [self.hash_with_instructions, self.list_hash]
    }
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
    /// Position in the list.
    pub(in crate::reduce) position: usize,
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
    /// Hash of the contents of the list up to the call and with it, without reasoning.
    pub(in crate::reduce) hash_with_instructions: u128,
    /// The response that a request shows at this place. `None` if no inference call, or several, completed with what
    /// stands before it.
    pub(in crate::reduce) response: Option<ResponseCall>,
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
        ids.mark_reused_by_names(items);
        ids
    }

    /// Marks an id as reused if its calls name different tools.
    fn mark_reused_by_names(&mut self, items: &[Item]) {
        let mut names: HashMap<usize, &str> = HashMap::new();
        for item in items.iter().filter(|item| item.content.kind.is_call()) {
            let (Some(&id), Some(name)) = (self.by_item.get(&item.item_id), item.content.name.as_deref()) else {
                continue;
            };
            self.repeated[id].is_reused |= *names.entry(id).or_insert(name) != name;
        }
    }

    /// Marks an id as reused in the threads with responses without content if its calls have different contents: they
    /// may be calls of such responses.
    fn mark_reused_by_contents(&mut self, conversation: &ConversationBuilder<'_>, lossy: &HashSet<ThreadId>) {
        let mut contents: HashMap<usize, Option<u128>> = HashMap::new();
        for item in conversation.items.iter().filter(|item| item.content.kind.is_call()) {
            let Some(&id) = self.by_item.get(&item.item_id).filter(|_| lossy.contains(&item.thread_id)) else {
                continue;
            };
            let content = conversation.item_identity(item.item_id);
            self.repeated[id].is_reused |= *contents.entry(id).or_insert(content) != content;
        }
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
                let lost = shown.response.filter(|response| response.is_lost);
                let is_new = lost.is_some_and(|response| known.insert((list.id, response.inference)));
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

/// Returns the items of a list with their places.
fn placed_items(items: &[ItemId]) -> impl Iterator<Item = PlacedCall> + '_ {
    items.iter().enumerate().scan(0, |place, (position, item)| {
        *place = extend_hash(*place, item.index() as u128);
        Some(PlacedCall { item: *item, place: *place, position })
    })
}

/// Returns the hash of a sequence whose start has the hash `start` and which has one element more.
pub(super) fn extend_hash(start: u128, next: u128) -> u128 {
    keyed_hash(&[start.to_le_bytes(), next.to_le_bytes()].concat())
}

/// Returns `true` if a recorded response contained the item.
pub(super) fn is_made_by_response(item: &Item) -> bool {
    item.produced_by.iter().any(|producer| matches!(producer, Producer::Inference { .. }))
}

impl ConversationBuilder<'_> {
    /// Records the list of an inference call, unless it is the start of an earlier one. `own_from` is the position of the
    /// first item that the payload of the list itself contains.
    pub(super) fn record_list(&mut self, path: Path, origin: ListOrigin, (call, own_from): (usize, usize), seq: Seq) {
        let instructions = self.separate_instructions.get(&call).copied();
        self.record(path, |step| RecordedList { step, origin, own_from, seq, instructions });
    }

    /// Records a list, unless it is the start of an earlier one.
    fn record(&mut self, path: Path, list: impl FnOnce(StepId) -> RecordedList) {
        let first_step = std::mem::replace(&mut self.listed_steps, self.paths.steps().len());
        let path = path.filter(|step| step.index() >= first_step);
        self.named_calls.record_list(self.lists.len(), path.map_or(&[], |step| self.paths.step_items(step)));
        if let Some(step) = path {
            self.lists.push(list(step));
        }
    }

    /// Adds the calls in the full requests that lack some of the items before them, each behind the list of the same
    /// request.
    fn with_shortened_requests(&mut self, mut lists: Vec<ShownList>, ids: &CallIds) -> Vec<ShownList> {
        for ShortenedRequest { path, seq } in std::mem::take(&mut self.shortened) {
            let mut of_request: HashMap<usize, ShownList> = HashMap::new();
            let items = self.paths.items(path, 0, self.paths.len(path));
            let origin = ListOrigin::Shortened { last_response: self.last_response(&items) };
            for call in placed_items(&items) {
                let is_call = self.items.get(call.item.index()).is_some_and(|item| item.content.kind.is_call());
                let Some(id) = ids.of_item(call.item).filter(|_| is_call) else { continue };
                let list = of_request.entry(id).or_insert_with(|| ShownList::shortened(id, origin, seq));
                list.calls.push(ShownCall::placed(call));
            }
            lists.extend(of_request.into_values());
        }
        lists.sort_by_key(|list| (list.seq, matches!(list.origin, ListOrigin::Shortened { .. })));
        lists
    }

    /// Returns the position of the first of the last items of the model in a list that stand together.
    fn last_response(&self, items: &[ItemId]) -> usize {
        let is_model =
            |item: &ItemId| self.items.get(item.index()).is_some_and(|it| it.content.role == Role::Assistant);
        let end = items.iter().rposition(is_model).map_or(0, |last| last + 1);
        items[..end].iter().rposition(|item| !is_model(item)).map_or(0, |before| before + 1)
    }

    /// Records a history before or after a compaction.
    pub(super) fn record_checkpoint(&mut self, source: &ItemSource<'_>, items: &[ItemId]) {
        let path = self.paths.extend(None, 0, items.to_vec(), ListedBy::NoCall);
        let (origin, seq) = (ListOrigin::Checkpoint, source.at.when.seq);
        self.record(path, |step| RecordedList { step, origin, own_from: 0, seq, instructions: None });
    }

    /// Returns the calls and outputs in the recorded lists, of the call ids that several call items have.
    pub(super) fn shown_lists(&mut self, calls: &Table<InferenceId, InferenceCall>) -> ShownLists {
        let mut ids = CallIds::new(&self.items);
        if ids.len() == 0 {
            return ShownLists::default();
        }
        let answered_requests = AnsweredRequests::new(self, calls);
        let Walked { lists, on_one_path, step_count } = ListWalk::new(self, &ids, &answered_requests).run();
        self.paths.step_count += step_count;
        let lists = self.with_shortened_requests(lists, &ids);
        for id in on_one_path {
            ids.repeated[id].is_reused = true;
        }
        ids.mark_reused_by_lost_responses(&lists);
        let lost = self.unknown_responses.iter().filter_map(|call| calls.get_index(*call));
        let lossy = lost.map(|call| call.thread_id.clone()).collect();
        ids.mark_reused_by_contents(self, &lossy);
        let reused = ids.repeated.iter().filter(|id| id.is_reused);
        let reused: HashSet<_> = reused.map(|id| (id.thread_id.clone(), id.call_id.clone())).collect();
        let attempts = if reused.is_empty() { Attempts::default() } else { Attempts::new(self, calls) };
        let unknown_responses =
            if reused.is_empty() { HashSet::new() } else { std::mem::take(&mut self.unknown_responses) };
        ShownLists { ids: ids.repeated, lists, attempts, unknown_responses, reused }
    }
}
