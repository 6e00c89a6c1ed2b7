//! Corrects the links of tools with reused call ids by the results that were recorded of the tools.
//!
//! An output that has the text of one tool's result, and of no other tool with this call id, is the output of this tool,
//! whatever the places of calls and outputs in lists say: a program may drop or shorten what stands before it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::tool_runs::Runs;
use super::visible::VisibleCalls;
use super::visible_call::{OtherOutput, ReusedCall, ReusedCalls};
use crate::event::{CallId, ExecutionStatus, Seq, ThreadId};
use crate::graph::{Item, ItemId};
use crate::reduce::Work;
use crate::reduce::decode::OutputHash;
use crate::reduce::fold::{Conversations, Tools};
use crate::reduce::tool_name::{NameGroup, ToolName};

type IdInThread = (ThreadId, CallId);

/// The tools and outputs of one call id with one text.
#[derive(Default)]
struct EqualOutputs {
    tools: Vec<usize>,
    /// The outputs, each with the call that it belongs to. `None` for outputs that belong to no call.
    outputs: Vec<(ItemId, Option<usize>)>,
}

/// The outputs of a tool, which have the text of its result.
struct KnownOutputs {
    items: Vec<ItemId>,
    /// The call that they belong to. `None` if they belong to no call.
    at: Option<usize>,
}

impl EqualOutputs {
    /// Returns the only tool with the text, and its outputs. Returns `None` unless they belong to one call.
    fn of_only_tool(&self, tools: &Tools, items: &[Item]) -> Option<(usize, KnownOutputs)> {
        let [tool] = self.tools[..] else { return None };
        let ended = tools.calls.get_index(tool)?.execution.ended?.seq;
        let is_later = |item: &ItemId| {
            let first = items.get(item.index()).and_then(|item| item.evidence.as_slice().first());
            first.is_some_and(|(seq, _)| *seq > ended)
        };
        let later: Vec<_> = self.outputs.iter().filter(|(item, _)| is_later(item)).collect();
        let &&(_, at) = later.first()?;
        let is_one = later.iter().all(|(_, call)| *call == at);
        let items = later.into_iter().map(|(item, _)| *item).collect();
        is_one.then_some((tool, KnownOutputs { items, at }))
    }
}

/// The tools with one call id.
#[derive(Default)]
struct ToolsOfId {
    /// The tools by the numbers of the calls that they run.
    runs: HashMap<usize, usize>,
    equal: HashMap<OutputHash, EqualOutputs>,
}

/// The outputs of an id that belong to other calls than those behind which they stand, with the numbers of the calls.
type Moves = HashMap<ItemId, usize>;

/// Gives the tools with recorded results the calls and outputs that the results show. Adds to `runs` which tools the
/// results confirm, and which they contradict.
pub(super) fn apply(
    tools: &Tools,
    runs: &mut Runs,
    visible_calls: &mut VisibleCalls,
    conversations: &Conversations,
    work: &mut Work,
) {
    let mut by_id: HashMap<IdInThread, ToolsOfId> = HashMap::new();
    for (&index, id) in &runs.ids {
        let of_id = by_id.entry(id.clone()).or_default();
        of_id.runs.extend(runs.calls.get(&index).map(|call| (*call, index)));
        if let Some(output) = tools.outputs[index] {
            of_id.equal.entry(output).or_default().tools.push(index);
        }
    }
    for (id, ToolsOfId { runs: tools_of_calls, mut equal }) in by_id {
        let Some(calls) = visible_calls.reused_mut(&id).filter(|_| !equal.is_empty()) else { continue };
        work.link_probes += find_outputs(calls, &conversations.items, &mut equal);
        let mut results = Results { tools, calls, conversations, runs, tools_of_calls };
        let moves = results.correct(&equal);
        let run = results.tools_of_calls;
        apply_moves(calls, &moves, &run, |call| is_complete(call, conversations));
        mark_contradicted(&equal, calls, &moves, runs);
    }
}

/// Adds the outputs of an id to the tools with equal results. Returns the number of outputs.
fn find_outputs(calls: &ReusedCalls, items: &[Item], equal: &mut HashMap<OutputHash, EqualOutputs>) -> u64 {
    let of_calls = calls.calls.iter().enumerate();
    let of_calls =
        of_calls.flat_map(|(number, call)| call.visible.output_items.iter().map(move |it| (Some(number), *it)));
    let others = calls.other_outputs.iter().map(|output| (None, output.item));
    let mut count = 0;
    for (call, item) in of_calls.chain(others) {
        count += 1;
        let output = items.get(item.index()).and_then(|item| OutputHash::of_content(&item.content));
        if let Some(equal) = output.and_then(|output| equal.get_mut(&output)) {
            equal.outputs.push((item, call));
        }
    }
    count
}

/// The results of the tools with one call id, and what they may run.
struct Results<'r> {
    tools: &'r Tools,
    calls: &'r ReusedCalls,
    conversations: &'r Conversations,
    runs: &'r mut Runs,
    /// The tools by the numbers of the calls that they run.
    tools_of_calls: HashMap<usize, usize>,
}

impl Results<'_> {
    /// Corrects the runs of tools whose outputs are known. Returns the outputs that belong to other calls.
    fn correct(&mut self, equal: &HashMap<OutputHash, EqualOutputs>) -> Moves {
        let known = equal.values().filter_map(|equal| equal.of_only_tool(self.tools, &self.conversations.items));
        let known: BTreeMap<usize, KnownOutputs> = known.collect();
        let mut moves = Moves::new();
        for (&tool, &KnownOutputs { ref items, at }) in &known {
            let run = self.runs.calls.get(&tool).copied();
            let holder = at.and_then(|call| self.tools_of_calls.get(&call).copied());
            let is_holder_right = holder
                .is_some_and(|holder| holder != tool && known.get(&holder).is_some_and(|of_holder| of_holder.at == at));
            match (run, at) {
                (Some(run), Some(at)) if run == at => {}
                (_, Some(_)) if self.is_lossy() => {
                    self.runs.contradicted.insert(tool);
                    continue;
                }
                (run, Some(at)) if !is_holder_right && self.is_better(tool, run, at) => {
                    if !self.exchange(tool, run, at, holder) {
                        continue;
                    }
                }
                (Some(_), Some(at)) if holder.is_none() && self.is_placed_after(at, tool) => continue,
                (Some(run), at) if self.may_move(run, at) => {
                    moves.extend(items.iter().map(|item| (*item, run)));
                }
                (_, Some(_)) => {
                    self.runs.contradicted.insert(tool);
                    continue;
                }
                (_, None) => continue,
            }
            self.runs.confirmed.insert(tool);
        }
        for equal in equal.values().filter(|_| !self.is_lossy()) {
            moves.extend(self.stray_outputs(equal));
        }
        moves
    }

    /// Returns the outputs of a tool's call, if no other tool has an equal result, that stand at calls of tools with other
    /// results, with the number of the tool's own call. Its own call has other such outputs.
    fn stray_outputs(&self, equal: &EqualOutputs) -> Vec<(ItemId, usize)> {
        let [tool] = equal.tools[..] else { return Vec::new() };
        let Some(&run) = self.runs.calls.get(&tool) else { return Vec::new() };
        if !equal.outputs.iter().any(|(_, call)| *call == Some(run)) {
            return Vec::new();
        }
        let has_other_result = |call: usize| {
            let holder = self.tools_of_calls.get(&call).filter(|holder| **holder != tool);
            holder.is_some_and(|holder| self.tools.outputs[*holder].is_some())
        };
        let strays =
            equal.outputs.iter().filter(|(_, call)| call.is_some_and(|call| call != run && has_other_result(call)));
        strays.map(|(item, _)| (*item, run)).collect()
    }

    /// Returns `true` if a tool rather runs the call `at`, which stands before its output, than the call `run`: it may
    /// run it, and the two are different, or `run` has another output.
    fn is_better(&self, tool: usize, run: Option<usize>, at: usize) -> bool {
        let at = &self.calls.calls[at];
        let Some(run) = run.map(|run| &self.calls.calls[run]) else { return self.may_run(tool, at) };
        let is_copy = at.response.is_none() && run.response.is_some();
        let may_be_mistaken = run.visible.output_items.is_empty()
            && run.content == at.content
            && (self.responded_before(at, run)
                || (is_complete(run, self.conversations) && !is_complete(at, self.conversations)));
        !is_copy && !may_be_mistaken && self.may_run(tool, at)
    }

    /// Returns `true` if the place of its output shows that it belongs to a call that was made after a tool had ended. The
    /// program answered the call itself, with the text that the tool had returned.
    fn is_placed_after(&self, call: usize, tool: usize) -> bool {
        let call = &self.calls.calls[call];
        let ended = self.tools.calls.get_index(tool).and_then(|tool| tool.execution.ended).map(|end| end.seq);
        let responded = call.response.map(|response| response.seq);
        call.is_placed && responded.zip(ended).is_some_and(|(responded, ended)| responded > ended)
    }

    /// Returns `true` if the response that made the call `earlier` arrived before the inference call of the call `later`
    /// started.
    fn responded_before(&self, earlier: &ReusedCall, later: &ReusedCall) -> bool {
        let started = later.response.and_then(|response| self.conversations.calls.get_index(response.call));
        let started = started.map(|inference| inference.execution.started.seq);
        earlier.response.zip(started).is_some_and(|(response, started)| response.seq < started)
    }

    /// Returns `true` if an output of the call `at` may be that of the call `run`: both are equal, or no response made
    /// `at`, so that it may be the other one, rewritten.
    fn may_move(&self, run: usize, at: Option<usize>) -> bool {
        let [Some(at), Some(run)] = [at, Some(run)].map(|call| self.calls.calls.get(call?)) else { return true };
        at.response.is_none() || run.content == at.content
    }

    /// Returns `true` if a response was recorded without its content. Its calls may have ids of other calls, so that no
    /// other link is certain.
    fn is_lossy(&self) -> bool {
        !self.conversations.shown.unknown_responses.is_empty()
    }

    /// Lets a tool run the call `at`, and the tool that ran it the call of the first one. Returns `false` if that tool
    /// cannot run it.
    fn exchange(&mut self, tool: usize, run: Option<usize>, at: usize, holder: Option<usize>) -> bool {
        match (holder, run) {
            (None, _) => {}
            (Some(holder), Some(run)) if self.may_run(holder, &self.calls.calls[run]) => {
                self.runs.calls.insert(holder, run);
            }
            (Some(_), _) => return false,
        }
        if let Some(run) = run {
            self.tools_of_calls.remove(&run);
            self.tools_of_calls.extend(holder.map(|holder| (run, holder)));
        }
        self.runs.calls.insert(tool, at);
        self.tools_of_calls.insert(at, tool);
        true
    }

    /// Returns `true` if a tool may run a call: it started between the response and the output of the call, and agrees
    /// with it in the name and the arguments.
    fn may_run(&self, tool: usize, call: &ReusedCall) -> bool {
        let Some(started) = self.tools.calls.get_index(tool).map(|tool| tool.execution.started.seq) else {
            return false;
        };
        let response = call.response.and_then(|response| self.conversations.calls.get_index(response.call));
        let is_requested = match response {
            Some(inference) => inference.execution.started.seq < started,
            None => call.requested > Some(started),
        };
        let of_call = call.visible.arguments(self.conversations);
        let has_arguments = self.tools.arguments[tool].zip(of_call).is_none_or(|(of_tool, of_call)| of_tool == of_call);
        let groups = NameGroup::of_tool(self.runs.names.get(&tool).and_then(Option::as_ref));
        let of_call = NameGroup::of_call(self.name(call).as_ref());
        let has_name = groups.iter().any(|group| of_call.contains(group));
        is_requested && call.answered.is_none_or(|answered| answered > started) && has_arguments && has_name
    }

    fn name(&self, call: &ReusedCall) -> Option<ToolName> {
        let content = &self.first_item(call)?.content;
        ToolName::of_call(content.namespace.as_deref(), content.name.as_deref()?)
    }

    fn first_item(&self, call: &ReusedCall) -> Option<&Item> {
        self.conversations.items.get(call.visible.call_items.first()?.index())
    }
}

/// Returns `true` if a completed response made a call.
fn is_complete(call: &ReusedCall, conversations: &Conversations) -> bool {
    let inference = call.response.and_then(|response| conversations.calls.get_index(response.call));
    inference.is_some_and(|inference| inference.execution.status == ExecutionStatus::Completed)
}

/// Gives outputs to the calls that they belong to. `tools` are the tools by the numbers of the calls that they run.
///
/// If no completed response made a call, no tool runs it, and some of its outputs belong to one other call, the rest
/// belongs to the other one too. If no response made it, it is the other one, rewritten, and so are its own items.
fn apply_moves(
    calls: &mut ReusedCalls,
    moves: &Moves,
    tools: &HashMap<usize, usize>,
    is_complete: impl Fn(&ReusedCall) -> bool,
) {
    if moves.is_empty() {
        return;
    }
    let mut moved = Vec::new();
    for (number, call) in calls.calls.iter_mut().enumerate() {
        let targets: HashSet<usize> =
            call.visible.output_items.iter().filter_map(|item| moves.get(item)).copied().collect();
        let is_copy = targets.len() == 1 && !is_complete(call) && !tools.contains_key(&number);
        let of_all = targets.into_iter().next().filter(|_| is_copy);
        if let Some(target) = of_all.filter(|_| call.response.is_none()) {
            moved.push(Moved::CallItems(target, std::mem::take(&mut call.visible.call_items)));
        }
        let outputs = std::mem::take(&mut call.visible.output_items).into_iter();
        let contents = std::mem::take(&mut call.output_contents);
        for (item, content) in outputs.zip(contents) {
            match of_all.or_else(|| moves.get(&item).copied()).filter(|target| *target != number) {
                Some(target) => {
                    let seq = call.answered.unwrap_or(Seq(u64::MAX));
                    moved.push(Moved::Output(target, OtherOutput { item, content, seq }));
                }
                None => {
                    call.visible.output_items.push(item);
                    call.output_contents.push(content);
                }
            }
        }
        call.answered = call.answered.filter(|_| !call.visible.output_items.is_empty());
    }
    calls.other_outputs.retain(|output| {
        let target = moves.get(&output.item);
        moved.extend(target.map(|target| Moved::Output(*target, *output)));
        target.is_none()
    });
    move_answered_items(calls, moves);
    moved.into_iter().for_each(|moved| moved.add_to(&mut calls.calls));
    for target in moves.values().collect::<HashSet<_>>() {
        if let Some(call) = calls.calls.get_mut(*target) {
            call.visible.call_items.sort_unstable();
            call.visible.output_items.sort_unstable();
        }
    }
}

/// Moves the call items in front of outputs that belong to other calls to these calls.
fn move_answered_items(calls: &mut ReusedCalls, moves: &Moves) {
    let answered = calls.answered_items.iter();
    let targets: HashMap<ItemId, usize> =
        answered.filter_map(|(call, output)| Some((*call, *moves.get(output)?))).collect();
    let mut moved: Vec<(ItemId, usize)> = Vec::new();
    for call in &mut calls.calls {
        let items = std::mem::take(&mut call.visible.call_items).into_iter();
        let (others, own) = items.partition(|item| targets.contains_key(item));
        call.visible.call_items = own;
        moved.extend(others.into_iter().filter_map(|item: ItemId| Some((item, *targets.get(&item)?))));
    }
    for (item, target) in moved {
        calls.calls.get_mut(target).into_iter().for_each(|call| call.visible.call_items.push(item));
    }
}

/// What is taken from a call, with the number of the call that it belongs to.
enum Moved {
    CallItems(usize, Vec<ItemId>),
    Output(usize, OtherOutput),
}

impl Moved {
    fn add_to(self, calls: &mut [ReusedCall]) {
        match self {
            Self::CallItems(target, items) => {
                calls.get_mut(target).into_iter().for_each(|call| call.visible.call_items.extend(&items));
            }
            Self::Output(target, OtherOutput { item, content, seq }) => {
                let Some(call) = calls.get_mut(target) else { return };
                call.visible.output_items.push(item);
                call.output_contents.push(content);
                call.answered = Some(call.answered.map_or(seq, |answered| answered.min(seq)));
            }
        }
    }
}

/// Marks the tools whose calls have other outputs than their results, although outputs of the id are equal to these.
fn mark_contradicted(equal: &HashMap<OutputHash, EqualOutputs>, calls: &ReusedCalls, moves: &Moves, runs: &mut Runs) {
    for equal in equal.values().filter(|equal| !equal.outputs.is_empty()) {
        let holder = |(item, call): &(ItemId, Option<usize>)| moves.get(item).copied().or(*call);
        let holders: HashSet<_> = equal.outputs.iter().map(holder).collect();
        for tool in &equal.tools {
            let call = runs.calls.get(tool).copied();
            let has_outputs = call.and_then(|call| calls.calls.get(call)).is_some_and(|it| it.answered.is_some());
            if has_outputs && !holders.contains(&call) {
                runs.contradicted.insert(*tool);
            }
        }
    }
}
