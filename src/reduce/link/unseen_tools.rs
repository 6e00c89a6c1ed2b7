//! Reports the calls that models made and programs answered, while no run of them was recorded: the span of the tool was
//! in another run, or the tool is not instrumented.

use std::collections::HashSet;

use super::producers::producing_inference;
use super::visible::VisibleCalls;
use super::visible_call::VisibleCall;
use crate::event::{CallId, ExecutionStatus, ThreadId, ToolCallId, TurnId};
use crate::graph::{Code, ItemId, Requester, Table, ToolCall, Turn};
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::fold::{Cells, Conversations, Tools};
use crate::reduce::{Diagnostics, Work};

/// The tool calls and code cells that were recorded, as far as they may run calls of models.
#[derive(Default)]
struct RecordedRuns<'a> {
    /// Items of the calls that tools and code cells run.
    calls: HashSet<ItemId>,
    /// Threads and call ids of the tools and code cells whose calls are not known.
    ids: HashSet<(&'a ThreadId, &'a CallId)>,
    /// Threads with tools that have neither a call nor an id. They may run any call of their thread.
    threads: HashSet<&'a ThreadId>,
}

impl<'a> RecordedRuns<'a> {
    fn new(tools: &'a Table<ToolCallId, ToolCall>, cells: &'a Cells) -> Self {
        let mut runs = Self::default();
        for tool in tools.iter().filter(|tool| matches!(tool.requester, Requester::Model)) {
            runs.add(&tool.thread_id, tool.model_visible_call_id.as_ref(), &tool.call_item_ids);
        }
        for cell in cells.rows.iter() {
            runs.add(&cell.thread_id, Some(&cell.model_visible_call_id), cell.source_item_id.as_slice());
        }
        runs
    }

    fn add(&mut self, thread: &'a ThreadId, call_id: Option<&'a CallId>, calls: &[ItemId]) {
        self.calls.extend(calls);
        match call_id {
            Some(call_id) if calls.is_empty() => drop(self.ids.insert((thread, call_id))),
            None if calls.is_empty() => drop(self.threads.insert(thread)),
            Some(_) | None => {}
        }
    }

    /// Returns `true` if a tool or a code cell runs a call, or may run it.
    fn may_include(&self, (thread, call_id): &(ThreadId, CallId), call: &VisibleCall) -> bool {
        let is_known = || call.call_items.iter().any(|item| self.calls.contains(item));
        self.threads.contains(thread) || self.ids.contains(&(thread, call_id)) || is_known()
    }
}

/// Reports the calls of tools without a run, once, in a run in which tools run calls of models.
///
/// A call counts if its inference call and its turn have completed: a program answers the calls of an interrupted turn
/// itself.
pub(super) fn report(
    tools: &Tools,
    cells: &Cells,
    conversations: &Conversations,
    turns: &Table<TurnId, Turn>,
    visible_calls: &VisibleCalls,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) {
    if tools.calls.iter().all(|tool| tool.call_item_ids.is_empty()) {
        return;
    }
    let runs = RecordedRuns::new(&tools.calls, cells);
    let unseen = visible_calls.iter().filter_map(|(id, call)| {
        work.link_probes += 1;
        let is_unseen = was_asked(call, conversations, turns) && was_answered(call, conversations);
        let first = call.call_items.first().filter(|_| is_unseen && !runs.may_include(id, call))?;
        conversations.items.get(first.index())
    });
    let unseen: Vec<_> = unseen.collect();
    let Some(first) = unseen.iter().min_by_key(|item| item.item_id) else { return };
    let name = first.content.name.as_deref().unwrap_or_default();
    let message = format!(
        "of {} of the calls that models made and the program answered, no run was recorded; the first is of the tool \
         {name}, in thread {}",
        unseen.len(),
        first.thread_id
    );
    let seq = first.evidence.as_slice().first().map(|(seq, _)| *seq);
    diagnostics.add(LogPosition { seq, line: 0, after: None }, Code::UnseenTool, message, None);
}

/// Returns `true` if a completed response of a turn that went on asked the program to run a tool. Calls that the provider
/// runs itself have no name, or their output in the response.
fn was_asked(call: &VisibleCall, conversations: &Conversations, turns: &Table<TurnId, Turn>) -> bool {
    let mut items = call.call_items.iter().filter_map(|item| conversations.items.get(item.index()));
    let asked = items.find_map(|item| producing_inference(item).filter(|_| item.content.name.is_some()));
    let Some(inference) = asked.and_then(|id| conversations.calls.get(id)) else { return false };
    let status = turns.get(&inference.turn_id).map(|turn| turn.execution.status);
    let went_on = matches!(status, Some(ExecutionStatus::Completed | ExecutionStatus::Running));
    went_on && inference.execution.status == ExecutionStatus::Completed
}

/// Returns `true` if a request contains an output of a call, and no response does.
fn was_answered(call: &VisibleCall, conversations: &Conversations) -> bool {
    let mut outputs = call.output_items.iter().filter_map(|item| conversations.items.get(item.index())).peekable();
    outputs.peek().is_some() && outputs.all(|item| producing_inference(item).is_none())
}
