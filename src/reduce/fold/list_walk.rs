//! Walks over all paths at once, and collects what each recorded list shows of the call ids that several call items
//! have.
//!
//! Paths share their starts, so they form a tree of steps. The walk visits each step once, in the order of the tree,
//! and knows at each item the calls that stand before it on its path. Its time and memory are linear in the items of
//! all steps.

use std::collections::HashMap;

use super::answered_requests::AnsweredRequests;
use super::conversation::ConversationBuilder;
use super::lists::{
    CallIds, CallsBefore, ListOrigin, PlacedCall, PreviousResponse, RecordedList, ResponseCall, ShownCall, ShownList,
    ShownOutput, extend_hash, is_made_by_response,
};
use super::paths::StepId;
use crate::graph::{ItemId, ItemKind, Role};

/// The result of a walk.
pub(super) struct Walked {
    /// The calls and outputs of each id in each list, in order of the log.
    pub(super) lists: Vec<ShownList>,
    /// Indices of the ids of which some path contains two calls.
    pub(super) on_one_path: Vec<usize>,
    /// Number of steps and items that were visited.
    pub(super) step_count: u64,
}

/// A walk over the tree of all steps.
pub(super) struct ListWalk<'a> {
    conversation: &'a ConversationBuilder<'a>,
    ids: &'a CallIds,
    answered_requests: &'a AnsweredRequests<'a>,
    /// For each step by index, the steps that continue it, in the order of the places at which they leave it.
    continuations: Vec<Vec<StepId>>,
    /// Index of the recorded list that each step ends.
    lists: HashMap<StepId, usize>,
    /// For each id, the calls on the current path.
    runs: Vec<Vec<CallRun>>,
    shown: Vec<(usize, ShownList)>,
    on_one_path: Vec<bool>,
    step_count: u64,
}

/// Calls of one id on a path that stand together: no output of the id and no item of another author stands between
/// them.
struct CallRun {
    calls: Vec<PlacedCall>,
    /// Number of outputs behind the calls.
    outputs: usize,
    /// Number of items of other authors than the model before the calls.
    foreign_items: usize,
    /// Number of responses before the calls whose items are unknown.
    unknown_responses: usize,
}

/// A step that is being visited.
struct Visit {
    step: StepId,
    list: Option<usize>,
    next_item: usize,
    next_continuation: usize,
    /// Properties of the path up to the next item.
    path: PathState,
    /// The calls and outputs of each id in the list so far.
    shown: Vec<ShownList>,
    /// Indices in `shown`, by id.
    shown_by_id: HashMap<usize, usize>,
    /// The changes of `runs` by this step, which are undone when the walk leaves it.
    changes: Vec<(usize, Change)>,
}

/// Properties of a path up to an item.
#[derive(Clone, Copy, Default)]
struct PathState {
    /// Hash of the items.
    place: u128,
    /// Hash of the contents of the items, without instructions and reasoning.
    list_hash: u128,
    /// Hash of the contents of the items, without reasoning.
    hash_with_instructions: u128,
    foreign_items: usize,
    model_items: usize,
    unknown_responses: usize,
    /// The end of the last request of a completed inference call, if no item of another author or of another response
    /// stands behind it.
    request_end: Option<(StepId, usize)>,
}

/// A change of the runs of an id.
enum Change {
    Run,
    Call,
    Output,
}

impl<'a> ListWalk<'a> {
    pub(super) fn new(
        conversation: &'a ConversationBuilder<'a>,
        ids: &'a CallIds,
        answered_requests: &'a AnsweredRequests<'a>,
    ) -> Self {
        let paths = &conversation.paths;
        let mut continuations: Vec<Vec<StepId>> = Vec::new();
        for step in paths.steps() {
            continuations.push(Vec::new());
            if let Some(previous) = paths.previous(step) {
                continuations[previous.index()].push(step);
            }
        }
        for continuations in &mut continuations {
            continuations.sort_by_key(|step| paths.start(*step));
        }
        Self {
            conversation,
            ids,
            answered_requests,
            continuations,
            lists: conversation.lists.iter().map(|list| list.step).zip(0..).collect(),
            runs: (0..ids.len()).map(|_| Vec::new()).collect(),
            shown: Vec::new(),
            on_one_path: vec![false; ids.len()],
            step_count: 0,
        }
    }

    /// Visits all steps.
    pub(super) fn run(mut self) -> Walked {
        for root in self.conversation.paths.steps() {
            if self.conversation.paths.previous(root).is_none() {
                self.visit_tree(root);
            }
        }
        let Self { mut shown, on_one_path, step_count, .. } = self;
        shown.sort_by_key(|(list, _)| *list);
        Walked {
            lists: shown.into_iter().map(|(_, shown)| shown).collect(),
            on_one_path: (0..on_one_path.len()).filter(|&id| on_one_path[id]).collect(),
            step_count,
        }
    }

    /// Visits a step that continues no other, and all steps that continue it, directly or not. It does not recurse, so
    /// that a long session does not exhaust the stack.
    fn visit_tree(&mut self, root: StepId) {
        let paths = &self.conversation.paths;
        let mut visits = vec![self.enter(root, PathState::default())];
        while let Some(visit) = visits.last_mut() {
            self.step_count += 1;
            let next = self.continuations[visit.step.index()].get(visit.next_continuation).copied();
            let is_here = |next: &StepId| paths.start(*next) == paths.start(visit.step) + visit.next_item;
            if let Some(next) = next.filter(is_here) {
                visit.next_continuation += 1;
                let path = visit.path;
                visits.push(self.enter(next, path));
            } else if let Some(&item) = paths.step_items(visit.step).get(visit.next_item) {
                self.visit_item(visit, item);
            } else if let Some(left) = visits.pop() {
                self.leave(left);
            }
        }
    }

    fn enter(&self, step: StepId, path: PathState) -> Visit {
        Visit {
            step,
            list: self.lists.get(&step).copied(),
            next_item: 0,
            next_continuation: 0,
            path,
            shown: Vec::new(),
            shown_by_id: HashMap::new(),
            changes: Vec::new(),
        }
    }

    /// Removes the items of a step from the current path, and keeps what its list showed first.
    fn leave(&mut self, visit: Visit) {
        for (id, change) in visit.changes.into_iter().rev() {
            let runs = &mut self.runs[id];
            match (change, runs.last_mut()) {
                (Change::Run, _) => drop(runs.pop()),
                (Change::Call, Some(run)) => drop(run.calls.pop()),
                (Change::Output, Some(run)) => run.outputs -= 1,
                (Change::Call | Change::Output, None) => {}
            }
        }
        if let Some(list) = visit.list {
            let model_items = visit.path.model_items;
            self.shown.extend(visit.shown.into_iter().map(|shown| (list, ShownList { model_items, ..shown })));
        }
    }

    fn visit_item(&mut self, visit: &mut Visit, item: ItemId) {
        let list = visit.list.and_then(|list| self.conversation.lists.get(list));
        let position = self.conversation.paths.start(visit.step) + visit.next_item;
        visit.next_item += 1;
        if let Some(RecordedList { origin: ListOrigin::Continuation(PreviousResponse::Unknown), own_from, .. }) = list
            && *own_from == position
        {
            visit.path.unknown_responses += 1;
        }
        let list = list.filter(|list| list.own_from <= position);
        let Some(listed) = self.conversation.items.get(item.index()) else { return };
        let content = &listed.content;
        // A program that drops old items shows a later response behind the request of an earlier one.
        let answers = |end: &_| !self.answered_requests.is_of_other_response(*end, listed);
        visit.path.request_end = visit.path.request_end.filter(answers);
        let identity = self.conversation.item_identity(item).unwrap_or_default();
        let is_instruction = matches!(content.role, Role::System | Role::Developer);
        if content.kind != ItemKind::Reasoning {
            let PathState { list_hash, hash_with_instructions, .. } = &mut visit.path;
            *hash_with_instructions = extend_hash(*hash_with_instructions, identity);
            if !is_instruction {
                *list_hash = extend_hash(*list_hash, identity);
            }
        }
        visit.path.place = extend_hash(visit.path.place, item.index() as u128);
        if let Some(id) = self.ids.of_item(item) {
            if content.kind.is_call() {
                self.visit_call(visit, list, id, (item, identity, position));
            } else {
                self.visit_output(visit, list, id, (item, identity));
            }
        }
        match content.role {
            Role::Assistant => visit.path.model_items += 1,
            Role::System | Role::Developer | Role::User | Role::Tool => {
                visit.path.foreign_items += 1;
                visit.path.request_end = None;
            }
        }
        let place = (visit.step, position + 1);
        if self.answered_requests.end_at(place) {
            visit.path.request_end = Some(place);
        }
    }

    /// Adds a call to the current path and to what the list shows.
    fn visit_call(
        &mut self,
        visit: &mut Visit,
        list: Option<&RecordedList>,
        id: usize,
        (item, content, position): (ItemId, u128, usize),
    ) {
        let PathState { place, list_hash, hash_with_instructions, foreign_items, unknown_responses, .. } = visit.path;
        let call = PlacedCall { item, place, position };
        let response = list.and_then(|list| self.response_call(list, id, call, &visit.path));
        let named = visit.list.and_then(|list| self.conversation.named_calls.in_list(list, item));
        let separate = list.and_then(|list| list.instructions);
        let hash_with_instructions =
            separate.map_or(hash_with_instructions, |separate| extend_hash(hash_with_instructions, separate));
        if let Some(shown) = self.shown_by(visit, list, id) {
            shown.calls.push(ShownCall { call, content, list_hash, hash_with_instructions, response, named });
        }
        let runs = &mut self.runs[id];
        let last_call = runs.last().and_then(|run| run.calls.last());
        self.on_one_path[id] |= last_call.is_some_and(|last| last.item != item);
        match runs.last_mut().filter(|run| run.outputs == 0 && run.foreign_items == foreign_items) {
            Some(run) => {
                run.calls.push(call);
                visit.changes.push((id, Change::Call));
            }
            None => {
                runs.push(CallRun { calls: vec![call], outputs: 0, foreign_items, unknown_responses });
                visit.changes.push((id, Change::Run));
            }
        }
    }

    /// Returns the call of a response that a request shows as `call` of an id.
    fn response_call(
        &self,
        list: &RecordedList,
        id: usize,
        call: PlacedCall,
        path: &PathState,
    ) -> Option<ResponseCall> {
        let place = path.request_end.filter(|_| list.origin == ListOrigin::Request)?;
        let completed = self.answered_requests.at(place, list)?;
        let is_made = || self.conversation.items.get(call.item.index()).is_some_and(is_made_by_response);
        if completed.is_lost && is_made() {
            return None;
        }
        let (_, end) = place;
        let run = self.runs[id].last().filter(|run| run.foreign_items == path.foreign_items);
        let number = run.map_or(0, |run| run.calls.len() - run.calls.partition_point(|call| call.position < end));
        Some(ResponseCall { inference: completed.index, number, is_lost: completed.is_lost })
    }

    /// Adds an output to the current path and to what the list shows.
    fn visit_output(
        &mut self,
        visit: &mut Visit,
        list: Option<&RecordedList>,
        id: usize,
        (item, content): (ItemId, u128),
    ) {
        let PathState { unknown_responses, model_items, .. } = visit.path;
        let answered = self.runs[id].last().and_then(|run| run.answered_by_next(unknown_responses));
        if let Some(shown) = self.shown_by(visit, list, id) {
            let (call, is_first) = answered.map_or((None, true), |(call, is_first)| (Some(call), is_first));
            shown.outputs.push(ShownOutput { item, content, call, is_first, model_items });
        }
        if let Some(run) = self.runs[id].last_mut() {
            run.outputs += 1;
            visit.changes.push((id, Change::Output));
        }
    }

    /// Returns the calls and outputs of an id in a list so far. Returns `None` if there is no list.
    fn shown_by<'v>(&self, visit: &'v mut Visit, list: Option<&RecordedList>, id: usize) -> Option<&'v mut ShownList> {
        let RecordedList { origin, seq, .. } = *list?;
        let Visit { shown, shown_by_id, .. } = visit;
        let index = *shown_by_id.entry(id).or_insert_with(|| {
            let before = CallRun::before(self.runs[id].last());
            shown.push(ShownList { id, origin, seq, before, calls: Vec::new(), outputs: Vec::new(), model_items: 0 });
            shown.len() - 1
        });
        shown.get_mut(index)
    }
}

impl CallRun {
    /// Describes the calls before a place by the last of their runs.
    fn before(last: Option<&Self>) -> CallsBefore {
        let first_open = last.filter(|run| run.outputs == 0).and_then(|run| run.calls.first());
        CallsBefore { last: last.and_then(|run| run.calls.last()).copied(), first_open: first_open.copied() }
    }

    /// Returns the call to which the next output behind the calls belongs, and whether it is the first of the call: the
    /// first call without an output, otherwise the last one.
    ///
    /// Returns `None` if all calls have outputs and a response whose items are unknown followed: the output may belong
    /// to a call of that response.
    fn answered_by_next(&self, unknown_responses: usize) -> Option<(PlacedCall, bool)> {
        match self.calls.get(self.outputs) {
            Some(call) => Some((*call, true)),
            None if self.unknown_responses < unknown_responses => None,
            None => Some((*self.calls.last()?, false)),
        }
    }
}
