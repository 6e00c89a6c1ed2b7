//! Reports outputs of reused call ids that belong to no tool call, if they may be outputs of tool calls.

use std::collections::{HashMap, HashSet};

use super::tool_runs::Runs;
use super::visible::{CallsOfId, VisibleCalls};
use super::visible_call::{OtherOutput, ReusedCall, ReusedCalls};
use crate::event::{CallId, Seq, ThreadId};
use crate::graph::{Code, Item};
use crate::reduce::Diagnostics;
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::fold::Tools;

/// The tool calls with one reused call id that run known calls.
#[derive(Default)]
struct ToolsOfId<'i> {
    /// By the name in their calls, and by `None` all of them.
    by_name: HashMap<Option<Name<'i>>, ToolsOfName>,
    /// The calls that they run.
    runs: HashSet<usize>,
    /// The start of the first tool call without an output for each content of the calls that they run.
    unanswered: HashMap<u128, Seq>,
}

/// The namespace and the name of the tool in a call.
type Name<'i> = (Option<&'i str>, Option<&'i str>);

/// The tool calls with one name.
#[derive(Default)]
struct ToolsOfName {
    /// The starts of the tool calls in order, each with the latest seq at which one that started by then was answered.
    answered: Vec<(Seq, Seq)>,
    /// Identity hashes of the outputs of the tool calls.
    contents: HashSet<u128>,
}

/// Reports each output of a reused call id that belongs to no tool call and that may be that of one: when it was shown
/// first, a tool call with the id had no output, or one has an equal output. `runs` are the calls that tool calls run.
pub(super) fn report_unlinked_outputs(
    tools: &Tools,
    runs: &Runs,
    visible_calls: &VisibleCalls,
    lossy: &HashSet<ThreadId>,
    items: &[Item],
    diagnostics: &mut Diagnostics,
) {
    let mut ids: HashMap<(ThreadId, CallId), ToolsOfId<'_>> = HashMap::new();
    for (index, tool) in tools.calls.iter().enumerate() {
        let (Some(id), Some(call)) = (runs.ids.get(&index), runs.calls.get(&index)) else { continue };
        let Some(CallsOfId::Several(calls)) = visible_calls.with_id(id) else { continue };
        ids.entry(id.clone()).or_default().add(tool.execution.started.seq, calls, *call, items);
    }
    let mut reported = Vec::new();
    for (id, tools) in &ids {
        let Some(CallsOfId::Several(calls)) = visible_calls.with_id(id) else { continue };
        let outputs = tools.unlinked(calls, lossy.contains(&id.0), items).into_iter();
        let outputs =
            outputs.filter(|(output, name)| tools.by_name.get(name).is_some_and(|tools| tools.may_have(output)));
        reported.extend(outputs.map(|(output, _)| (output, id)));
    }
    reported.sort_by_key(|(output, _)| output.item);
    for (OtherOutput { item, seq, .. }, (thread, call)) in reported {
        let position = LogPosition { seq: Some(seq), line: 0, after: None };
        let message = format!(
            "{item} is an output of call {call} of thread {thread}, an id that several calls have; which tool call it \
             belongs to cannot be told, so it belongs to none"
        );
        diagnostics.add(position, Code::CallIdReused, message, None);
    }
}

impl<'i> ToolsOfId<'i> {
    /// Adds a tool call that runs a call, in order of start.
    fn add(&mut self, started: Seq, calls: &ReusedCalls, run: usize, items: &'i [Item]) {
        let Some(call) = calls.calls.get(run) else { return };
        for name in [None, Some(name(call, items))] {
            self.by_name.entry(name).or_default().add(started, call);
        }
        self.runs.insert(run);
        if call.answered.is_none() {
            self.unanswered.entry(call.content).or_insert(started);
        }
    }

    /// Returns the outputs that belong to no call, or to one that no tool call runs, each with the name in its call. Those
    /// of a call that a response made count if a tool call that started before runs an equal one and has no output, or if
    /// responses of the thread were recorded without their content, so that tool calls may run other calls than theirs.
    fn unlinked(&self, calls: &ReusedCalls, is_lossy: bool, items: &'i [Item]) -> Vec<(OtherOutput, Option<Name<'i>>)> {
        let mut outputs: Vec<_> = calls.other_outputs.iter().map(|output| (*output, None)).collect();
        for (number, call) in calls.calls.iter().enumerate() {
            let Some(seq) = call.answered.filter(|_| !self.runs.contains(&number)) else { continue };
            let is_like_unanswered = self.unanswered.get(&call.content).is_some_and(|started| *started < seq);
            if call.response.is_some() && !is_like_unanswered && !is_lossy {
                continue;
            }
            let of_call = call.visible.output_items.iter().zip(&call.output_contents);
            // After a lost response, a tool call may run a call of any tool.
            let name = Some(name(call, items)).filter(|_| !is_lossy);
            let output = |(&item, &content)| (OtherOutput { item, content, seq }, name);
            outputs.extend(of_call.map(output));
        }
        outputs
    }
}

impl ToolsOfName {
    fn add(&mut self, started: Seq, call: &ReusedCall) {
        let answered = call.answered.unwrap_or(Seq(u64::MAX));
        let latest = self.answered.last().map_or(answered, |(_, latest)| answered.max(*latest));
        self.answered.push((started, latest));
        self.contents.extend(&call.output_contents);
    }

    /// Returns `true` if a tool call that had started had no output yet when an output was shown first, or if one has an
    /// equal output.
    fn may_have(&self, output: &OtherOutput) -> bool {
        let started = self.answered.partition_point(|(started, _)| *started < output.seq);
        let latest = self.answered[..started].last().map(|(_, latest)| *latest);
        latest.is_some_and(|latest| latest > output.seq || self.contents.contains(&output.content))
    }
}

/// Returns the name of the tool in a call.
fn name<'i>(call: &ReusedCall, items: &'i [Item]) -> Name<'i> {
    let item = call.visible.call_items.first().and_then(|item| items.get(item.index()));
    item.map_or((None, None), |item| (item.content.namespace.as_deref(), item.content.name.as_deref()))
}
