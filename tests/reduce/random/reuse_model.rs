//! A naive model of the rule for reused call ids, written from its sentences: it compares whole lists, in quadratic
//! time.

mod again;
mod lost;
mod tools;

use std::collections::BTreeMap;

use otel_trace::event::ExecutionStatus;
use otel_trace::graph::{Content, Graph, Item, ItemId, ItemKind, Role, ToolCall};

/// The kind of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKind {
    Response,
    Request,
    /// A request that continues a response, whose items are known or not.
    Continuation {
        is_known: bool,
    },
    Checkpoint,
}

/// A list that a model was shown or returned, whole.
#[derive(Debug, Clone)]
struct List {
    kind: ListKind,
    seq: u64,
    /// The inference call of a response.
    inference: Option<String>,
    items: Vec<ItemId>,
    /// Position of the first item that the payload of the list itself contains.
    own_from: usize,
}

/// A call as the model finds it.
#[derive(Debug, Default)]
struct Call {
    /// The item that showed the call first. It may belong to another call.
    began: Option<ItemId>,
    items: Vec<ItemId>,
    outputs: Vec<ItemId>,
    /// The inference call, and the seq of its response.
    response: Option<(String, u64)>,
    requested: Option<u64>,
    answered: Option<u64>,
    tool: Option<String>,
}

/// What is found of an id in the lists so far.
#[derive(Default)]
struct Found<'g> {
    calls: Vec<Call>,
    /// Contents of lists up to a call, with the call and whether a response made it.
    starts: Vec<(Vec<&'g Content>, usize, bool)>,
    /// Items of lists up to a call, with the call.
    places: Vec<(Vec<ItemId>, usize)>,
    /// Contents of outputs, with the call.
    outputs_of: Vec<(&'g Content, usize)>,
    outputs: Vec<ItemId>,
    /// The calls of responses without content, by inference call and number.
    lost: Vec<(String, usize, usize)>,
    /// The calls of recorded responses, by inference call.
    made: Vec<(String, usize)>,
}

impl Found<'_> {
    fn call_of(&self, id: ItemId) -> Option<usize> {
        self.calls.iter().position(|call| call.items.contains(&id))
    }
}

/// The links of a tool: the items of its call, of its outputs, and the inference call that asked for it.
pub(crate) type Links = (Vec<ItemId>, Vec<ItemId>, Option<String>);

/// The model of one graph.
pub(crate) struct Model<'g> {
    graph: &'g Graph,
    items: Vec<&'g Item>,
    lists: Vec<List>,
}

impl<'g> Model<'g> {
    /// Reads the lists of a graph. `kinds` has the kinds of the requests, by inference call.
    pub(crate) fn new(graph: &'g Graph, kinds: &BTreeMap<String, ListKind>) -> Self {
        let items: Vec<_> = graph.items().collect();
        let seq_of = |ids: &[ItemId]| ids.iter().map(|id| first_seq(items[index(*id)])).max();
        let mut lists = Vec::new();
        for call in graph.inference_calls.iter() {
            let request: Vec<_> = graph.snapshot(&call.inference_call_id).collect();
            let inference = Some(call.inference_call_id.to_string());
            let kind = kinds.get(call.inference_call_id.as_str()).copied().unwrap_or(ListKind::Request);
            let seq = call.execution.started.seq.0;
            let first_new = request.iter().position(|id| first_seq(items[index(*id)]) == seq).unwrap_or(request.len());
            let own_from = if matches!(kind, ListKind::Continuation { .. }) { first_new } else { 0 };
            lists.push(List { kind, seq, inference: None, items: request.clone(), own_from });
            let response = &call.response_item_ids;
            if let Some(seq) = seq_of(response) {
                let own_from = request.len();
                let items = [request, response.clone()].concat();
                lists.push(List { kind: ListKind::Response, seq, inference, items, own_from });
            }
        }
        for compaction in graph.compactions.iter() {
            let seq = first_seq(items[index(compaction.marker_item_id)]);
            for list in [&compaction.input_item_ids, &compaction.replacement_item_ids] {
                lists.push(List { kind: ListKind::Checkpoint, seq, inference: None, items: list.clone(), own_from: 0 });
            }
        }
        lists.sort_by_key(|list| list.seq);
        Self { graph, items, lists }
    }

    fn item(&self, id: ItemId) -> &'g Item {
        self.items[index(id)]
    }

    fn content(&self, id: ItemId) -> &'g Content {
        &self.item(id).content
    }

    /// Returns the links of all tools with a reused call id, by tool.
    pub(crate) fn links(&self) -> BTreeMap<String, Links> {
        let mut by_id: BTreeMap<(String, String), Vec<&ToolCall>> = BTreeMap::new();
        for tool in self.graph.tool_calls.iter() {
            let Some(call_id) = &tool.model_visible_call_id else { continue };
            by_id.entry((tool.thread_id.to_string(), call_id.to_string())).or_default().push(tool);
        }
        let mut links = BTreeMap::new();
        for ((thread, id), tools) in by_id {
            let of_id = |item: &Item| {
                item.thread_id.as_str() == thread
                    && item.content.call_id.as_ref().is_some_and(|call| call.as_str() == id)
            };
            if self.is_reused(&of_id) {
                let mut calls = self.calls(&of_id);
                self.assign(&tools, &mut calls);
                for tool in tools {
                    let call = calls.iter().find(|call| call.tool.as_deref() == Some(tool.tool_call_id.as_str()));
                    let linked = call.map_or_else(Links::default, |call| {
                        let requester = call.response.as_ref().map(|(inference, _)| inference.clone());
                        (call.items.clone(), call.outputs.clone(), requester)
                    });
                    links.insert(tool.tool_call_id.to_string(), linked);
                }
            }
        }
        links
    }

    /// "An id is reused if a response made a call with it after another call with it was made or shown, or if one list
    /// shows two calls with it."
    fn is_reused(&self, of_id: &dyn Fn(&Item) -> bool) -> bool {
        let calls: Vec<_> = self.items.iter().filter(|item| of_id(item) && item.content.kind.is_call()).collect();
        let is_made = |id: ItemId| self.graph.inference_calls.iter().any(|call| call.response_item_ids.contains(&id));
        calls.iter().skip(1).any(|call| is_made(call.item_id))
            || self.is_reused_by_lost(&calls)
            || self.is_reused_by_contents(&calls)
            || self
                .lists
                .iter()
                .any(|list| list.items.iter().filter(|id| calls.iter().any(|call| call.item_id == **id)).count() > 1)
    }

    /// Returns what stands before an item of a list and the item itself, without instructions and reasoning.
    fn start(&self, list: &List, position: usize) -> Vec<&'g Content> {
        let contents = list.items[..=position].iter().map(|id| self.content(*id));
        let is_instruction = |content: &Content| matches!(content.role, Role::System | Role::Developer);
        contents.filter(|content| !is_instruction(content) && content.kind != ItemKind::Reasoning).collect()
    }

    /// Finds the calls of an id and their items, list by list.
    fn calls(&self, of_id: &dyn Fn(&Item) -> bool) -> Vec<Call> {
        let mut found = Found::default();
        for list in &self.lists {
            let is_call =
                |at: &usize| of_id(self.item(list.items[*at])) && self.content(list.items[*at]).kind.is_call();
            let positions: Vec<usize> = (0..list.items.len()).filter(is_call).collect();
            let lost = self.add_of_responses(list, &positions, of_id, &mut found);
            let mut numbers: Vec<Option<usize>> = Vec::new();
            let mut new_items = Vec::new();
            for (&at, &lost) in positions.iter().zip(&lost) {
                let find = || self.find_by_surroundings(list, at, of_id, &found, (&positions, &numbers));
                let number = lost.or_else(find);
                numbers.push(number);
            }
            if list.kind != ListKind::Response {
                self.find_again(list, &positions, &found, &mut numbers);
            }
            for (&at, number) in positions.iter().zip(&mut numbers) {
                let id = list.items[at];
                let call = number.unwrap_or(found.calls.len());
                if call == found.calls.len() {
                    let is_request = !matches!(list.kind, ListKind::Checkpoint | ListKind::Response);
                    let requested = is_request.then_some(list.seq);
                    found.calls.push(Call { began: Some(id), requested, ..Call::default() });
                }
                let is_made = list.kind == ListKind::Response && at >= list.own_from && found.call_of(id).is_none();
                if found.call_of(id).is_none() {
                    found.calls[call].items.push(id);
                    new_items.push(id);
                }
                if is_made {
                    let inference = list.inference.clone().unwrap_or_default();
                    found.calls[call].response = Some((inference.clone(), list.seq));
                    found.made.push((inference, call));
                }
                found.starts.push((self.start(list, at), call, is_made));
                found.places.push((list.items[..=at].to_vec(), call));
                *number = Some(call);
            }
            let numbers: Vec<usize> = numbers.into_iter().flatten().collect();
            self.add_outputs(list, (&positions, &numbers), &new_items, of_id, &mut found);
        }
        found.calls
    }

    /// Returns the call at a position of a list: the one that an earlier list has at the same place, that had the same
    /// output, that stood behind the same contents, or that the item is known to belong to.
    fn find_by_surroundings(
        &self,
        list: &List,
        at: usize,
        of_id: &dyn Fn(&Item) -> bool,
        found: &Found<'g>,
        (positions, numbers): (&[usize], &[Option<usize>]),
    ) -> Option<usize> {
        let id = list.items[at];
        let known = found.call_of(id);
        let start = self.start(list, at);
        let same: Vec<_> = found.starts.iter().filter(|(other, ..)| *other == start).collect();
        let last_made = same.iter().rev().find(|(.., is_made)| *is_made).or(same.first());
        let by_start = last_made.map(|(_, call, _)| *call);
        if list.kind == ListKind::Response {
            let started = list.inference.as_ref().map(|id| self.started(id));
            let is_late = |call: &usize| {
                let call = &found.calls[*call];
                call.response.is_none() && call.requested > started
            };
            return known.or(by_start.filter(is_late).filter(|_| at >= list.own_from));
        }
        let place = found.places.iter().find(|(items, _)| items[..] == list.items[..=at]).map(|(_, call)| *call);
        let known = place.or(known);
        let range = self.range(list, positions, numbers, found);
        let by_output = self.first_output(list, at, of_id).and_then(|output_at| {
            let (content, output) = (self.content(id), self.content(list.items[output_at]));
            let had_output = |(other, _): &&(&Content, usize)| *other == output;
            let mut calls: Vec<usize> = found.outputs_of.iter().filter(had_output).map(|(_, call)| *call).collect();
            calls.sort_unstable();
            calls.dedup();
            let may_be_open = self.is_at_end(list, output_at) && list.kind != ListKind::Checkpoint;
            // "It names the same tool, the output is its first one, and no call began with the content."
            // "It may be the last call without an output, if it names the same tool and the list ends with the output."
            let open =
                |number: &usize| found.calls[*number].answered.is_none() && self.is_complete(&found.calls[*number]);
            let last_open = (0..found.calls.len()).rev().find(open).filter(|_| self.is_at_end(list, output_at));
            let is_rewritten = |number: usize| {
                let call = &found.calls[number];
                let Some(first) = call.items.first().map(|id| self.content(*id)) else { return false };
                let names = |content: &'g Content| (&content.namespace, &content.name);
                self.content(call.outputs[0]) == output
                    && found.calls.iter().all(|call| self.first_content(call) != content)
                    && names(first) == names(content)
                    && !last_open.filter(|last| *last > number).is_some_and(|last| {
                        found.calls[last].items.first().is_some_and(|id| names(self.content(*id)) == names(content))
                    })
            };
            let is_only = |call: &usize| {
                calls.len() == 1
                    && range.contains(call)
                    && (self.has_content(*call, content, &found.calls) || is_rewritten(*call))
                    && (!may_be_open || self.last_open(content, *call, &found.calls).is_none())
            };
            let only = calls.first().copied().filter(is_only);
            known.filter(|call| calls.contains(call)).or(only)
        });
        let is_at_home = same.iter().any(|(_, call, _)| Some(*call) == known);
        let by_start = if is_at_home { known } else { by_start };
        let mut candidates = [place, by_output, by_start].into_iter().flatten();
        candidates.find(|call| !numbers.contains(&Some(*call)))
    }

    /// Returns `true` if the model wrote nothing behind a position of a list.
    fn is_at_end(&self, list: &List, at: usize) -> bool {
        list.items[at..].iter().all(|id| self.content(*id).role != Role::Assistant)
    }

    /// Returns the position of the first output in a list that belongs to the call at a position.
    fn first_output(&self, list: &List, at: usize, of_id: &dyn Fn(&Item) -> bool) -> Option<usize> {
        let of_call = |other: &usize| self.answered(list, *other, of_id) == Some((at, true));
        (at..list.items.len()).find(of_call)
    }

    /// Returns the position of the call that an output at a position of a list belongs to by its place, and whether it
    /// is the first output of the call. Returns `None` if there is no output, or no call before it.
    fn answered(&self, list: &List, at: usize, of_id: &dyn Fn(&Item) -> bool) -> Option<(usize, bool)> {
        let is_call = |at: &usize| of_id(self.item(list.items[*at])) && self.content(list.items[*at]).kind.is_call();
        let is_output =
            |at: &usize| of_id(self.item(list.items[*at])) && self.content(list.items[*at]).kind.is_output();
        if !is_output(&at) {
            return None;
        }
        let nearest = (0..at).rev().find(is_call)?;
        let stands_together =
            |at: &usize| list.items[*at..nearest].iter().all(|id| self.content(*id).role == Role::Assistant);
        let together: Vec<usize> = (0..=nearest).filter(is_call).filter(stands_together).collect();
        let earlier = (nearest..at).filter(is_output).count();
        let is_first = earlier < together.len();
        // "If the calls have outputs, and the output follows a response that was not recorded, it belongs to no call."
        if !is_first && self.unknown_between(list, nearest, at) {
            return None;
        }
        Some((together[earlier.min(together.len() - 1)], is_first))
    }

    fn first_content(&self, call: &Call) -> &'g Content {
        self.content(call.began.unwrap())
    }

    /// Returns `true` if a call has a content, or if it began like all calls that have the content.
    fn has_content(&self, call: usize, content: &Content, calls: &[Call]) -> bool {
        let has = |call: &&Call| call.began.iter().chain(&call.items).any(|id| self.content(*id) == content);
        let first = |call: &Call| self.first_content(call);
        let with_content: Vec<_> = calls.iter().filter(has).map(first).collect();
        let is_rewritten = !with_content.is_empty() && with_content.iter().all(|first| *first != content);
        has(&&calls[call]) || (is_rewritten && with_content.iter().all(|other| *other == first(&calls[call])))
    }

    /// Returns the last call of a completed response with a content and without an output, behind another call.
    fn last_open(&self, content: &Content, behind: usize, calls: &[Call]) -> Option<usize> {
        let is_open = |call: &usize| {
            calls[*call].answered.is_none()
                && self.is_complete(&calls[*call])
                && self.has_content(*call, content, calls)
        };
        (behind + 1..calls.len()).rev().find(is_open)
    }

    fn started(&self, inference: &str) -> u64 {
        self.graph.inference_calls.get(inference).unwrap().execution.started.seq.0
    }

    fn is_complete(&self, call: &Call) -> bool {
        let inference = call.response.as_ref().and_then(|(id, _)| self.graph.inference_calls.get(id.as_str()));
        inference.is_some_and(|inference| inference.execution.status == ExecutionStatus::Completed)
    }

    /// "An output belongs to a call before it in the list that first showed it: to the nearest one."
    fn add_outputs(
        &self,
        list: &List,
        (positions, numbers): (&[usize], &[usize]),
        new_items: &[ItemId],
        of_id: &dyn Fn(&Item) -> bool,
        found: &mut Found<'g>,
    ) {
        let later_calls = self.later_calls(list, (positions, numbers), of_id, found);
        for (at, &id) in list.items.iter().enumerate() {
            let is_output = of_id(self.item(id)) && self.content(id).kind.is_output();
            if !is_output || found.outputs.contains(&id) {
                continue;
            }
            found.outputs.push(id);
            let Some((position, _)) = self.answered(list, at, of_id) else { continue };
            let call = numbers[positions.iter().position(|other| *other == position).unwrap()];
            let later_call = later_calls.iter().find(|(output, _)| *output == at).map(|(_, later)| *later);
            if let Some(later) = later_call.filter(|_| new_items.contains(&list.items[position])) {
                let item = list.items[position];
                found.calls[call].items.retain(|other| *other != item);
                found.calls[later].items.push(item);
                let is_here = |(items, _): &&mut (Vec<ItemId>, usize)| items[..] == list.items[..=position];
                found.places.iter_mut().filter(is_here).for_each(|(_, call)| *call = later);
            }
            let call = later_call.unwrap_or(call);
            found.outputs_of.push((self.content(id), call));
            found.calls[call].outputs.push(id);
            found.calls[call].answered.get_or_insert(list.seq);
        }
    }

    /// "If the call had an output already, which the list lacks, and later calls have no output: the last of them that the
    /// list shows nowhere else. Of several such outputs, the last one belongs to the last call, and so on." Returns the
    /// positions of such outputs with their calls.
    fn later_calls(
        &self,
        list: &List,
        (positions, numbers): (&[usize], &[usize]),
        of_id: &dyn Fn(&Item) -> bool,
        found: &Found<'g>,
    ) -> Vec<(usize, usize)> {
        let mut later_calls: Vec<(usize, usize)> = Vec::new();
        for (at, &id) in list.items.iter().enumerate().rev() {
            let is_output = of_id(self.item(id)) && self.content(id).kind.is_output();
            let Some((position, true)) = self.answered(list, at, of_id).filter(|_| is_output) else { continue };
            let call = numbers[positions.iter().position(|other| *other == position).unwrap()];
            let is_repeated = found.outputs_of.contains(&(self.content(id), call));
            let has_output = found.calls[call].answered.is_some();
            if found.outputs.contains(&id) || !self.is_at_end(list, at) || !has_output || is_repeated {
                continue;
            }
            let content = self.first_content(&found.calls[call]);
            let is_later = |later: &usize| {
                found.calls[*later].answered.is_none()
                    && self.is_complete(&found.calls[*later])
                    && self.has_content(*later, content, &found.calls)
                    && !numbers.contains(later)
                    && later_calls.iter().all(|(_, other)| other != later)
            };
            later_calls.extend((call + 1..found.calls.len()).rev().find(is_later).map(|later| (at, later)));
        }
        later_calls
    }

    /// Returns `true` if a request that contributed to the list, between two positions, continues an unknown response.
    fn unknown_between(&self, list: &List, from: usize, to: usize) -> bool {
        self.lists.iter().any(|other| {
            let is_start = list.items.get(..other.items.len()).is_some_and(|start| start == other.items);
            let is_between = from < other.own_from && other.own_from <= to;
            other.kind == ListKind::Continuation { is_known: false } && is_between && is_start
        })
    }
}

fn index(id: ItemId) -> usize {
    usize::try_from(id.number() - 1).unwrap()
}

/// Returns the seq of the event that introduced an item.
fn first_seq(item: &Item) -> u64 {
    item.evidence.as_slice().first().map_or(0, |(seq, _)| seq.0)
}
