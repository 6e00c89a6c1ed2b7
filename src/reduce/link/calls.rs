//! Links tool calls with the items that requested them and the items that returned their output to the model.

use std::collections::{HashMap, HashSet};

use super::doubts::report_doubts;
use super::linking_id::{LinkingId, linking_id};
use super::producers::{add_producer, producing_inference};
use super::recorded_results;
use super::tool_runs::calls_of_tools;
use super::unlinked::report_unlinked_outputs;
use super::visible::{CallsOfId, VisibleCalls};
use super::visible_call::{MakingResponse, ReusedCall, VisibleCall};
use crate::event::{ExecutionStatus, InferenceId, Seq, ThreadId, TurnId};
use crate::graph::{Code, ItemId, Producer, Requester, Table, ToolCall, Turn};
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::fold::{Conversations, Tools};
use crate::reduce::requested_calls::ArgumentsHash;
use crate::reduce::{Diagnostics, Work};

/// Links every tool call with a model-visible call id to its items, in order of start, and every tool call without one
/// to the items without ids that have its name. A tool call without items is attributed to an inference call whose
/// output was not recorded, if there is one.
pub(super) fn link(
    tools: &mut Tools,
    conversations: &mut Conversations,
    turns: &Table<TurnId, Turn>,
    visible_calls: &mut VisibleCalls,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) {
    let completed_calls = CompletedCalls::new(conversations, work);
    let lossy_threads = conversations.lossy_threads();
    let mut runs = calls_of_tools(tools, conversations, (turns, &lossy_threads), visible_calls, work);
    recorded_results::apply(tools, &mut runs, visible_calls, conversations, work);
    let visible_calls = &*visible_calls;
    let mut taken = HashSet::new();
    for (index, (tool, &position)) in tools.calls.iter_mut().zip(&tools.positions).enumerate() {
        work.link_probes += 1;
        let Some(LinkingId { call_id, is_made_up }) = linking_id(tool, visible_calls, conversations, &lossy_threads)
        else {
            attribute_to_last_call(tool, conversations, &completed_calls, work);
            continue;
        };
        let id = (tool.thread_id.clone(), call_id);
        let calls = visible_calls.with_id(&id);
        let arguments = tools.arguments[index];
        let call = match calls {
            Some(CallsOfId::Several(calls)) if is_made_up => {
                let run = runs.calls.get(&index).and_then(|&number| calls.calls.get(number));
                let run = run.filter(|call| !has_other_arguments(arguments, &call.visible, conversations));
                Ok(run.map(|call| (&call.visible, call.response)))
            }
            Some(CallsOfId::One(call)) if is_made_up => {
                let runs = !taken.contains(&id)
                    && precedes(tool, call, conversations)
                    && !has_other_arguments(arguments, call, conversations);
                Ok(runs.then_some((call, None)))
            }
            Some(CallsOfId::Several(calls)) => match runs.calls.get(&index).and_then(|&number| calls.calls.get(number))
            {
                Some(call) => {
                    report_other_arguments(tool, call, arguments, conversations, position, diagnostics);
                    if runs.contradicted.contains(&index) {
                        report_contradicted(tool, position, diagnostics);
                    }
                    if runs.maybe_unknown.contains(&index) {
                        report_maybe_unknown(tool, position, diagnostics);
                    }
                    if !runs.confirmed.contains(&index) && runs.interchangeable.contains(&index) {
                        report_interchangeable(tool, position, diagnostics);
                    }
                    Ok(Some((&call.visible, call.response)))
                }
                None => Err("an id that several calls have, and none of them can be its own"),
            },
            Some(CallsOfId::One(_)) | None if taken.contains(&id) => Err("as an earlier tool call does"),
            Some(CallsOfId::One(call)) if may_run(tool, call, conversations, &lossy_threads) => {
                if runs.maybe_unknown.contains(&index) {
                    report_maybe_unknown(tool, position, diagnostics);
                }
                Ok(Some((call, None)))
            }
            Some(CallsOfId::One(_)) => Err("which another response requested"),
            None => Ok(None),
        };
        match call {
            Ok(Some((call, response))) => {
                link_items(tool, call, conversations, work);
                link_inference(tool, response, conversations);
            }
            // A tool call without an id names no call.
            Err(reason) if tool.model_visible_call_id.is_some() => {
                let ToolCall { tool_call_id, thread_id, .. } = tool;
                let message = format!(
                    "tool call {tool_call_id} runs call {} of thread {thread_id}, {reason}; it is kept without items",
                    id.1
                );
                diagnostics.add(position, Code::CallIdReused, message, None);
            }
            Ok(None) | Err(_) => {}
        }
        taken.insert(id);
        if tool.requested_by.is_none() {
            attribute_to_last_call(tool, conversations, &completed_calls, work);
        }
    }
    report_doubts(tools, &runs, visible_calls, &lossy_threads, diagnostics);
    report_unlinked_outputs(tools, &runs, visible_calls, &lossy_threads, &conversations.items, diagnostics);
}

/// Reports a tool call that may run a call of a response that was recorded without its content.
fn report_maybe_unknown(tool: &ToolCall, position: LogPosition, diagnostics: &mut Diagnostics) {
    let ToolCall { tool_call_id, thread_id, .. } = tool;
    let message = format!(
        "tool call {tool_call_id} of thread {thread_id} runs a call of a response before one that was recorded without \
         its content; whether it runs a call of the latter, with the same id, cannot be told"
    );
    diagnostics.add(position, Code::CallIdReused, message, None);
}

/// Reports a tool call that may run the call of another tool call.
fn report_interchangeable(tool: &ToolCall, position: LogPosition, diagnostics: &mut Diagnostics) {
    let ToolCall { tool_call_id, thread_id, .. } = tool;
    let message = format!(
        "tool call {tool_call_id} of thread {thread_id} and another one run calls of several responses with one id, \
         which were both open when the first of them started; which of them runs which call cannot be told"
    );
    diagnostics.add(position, Code::CallIdReused, message, None);
}

/// Reports a tool call whose call has other outputs than the tool returned, if those of another call are equal to it.
fn report_contradicted(tool: &ToolCall, position: LogPosition, diagnostics: &mut Diagnostics) {
    let ToolCall { tool_call_id, thread_id, .. } = tool;
    let message = format!(
        "tool call {tool_call_id} of thread {thread_id} returned another result than the outputs that it is linked to; \
         an output of another call with its id is equal to the result"
    );
    diagnostics.add(position, Code::CallIdReused, message, None);
}

/// Reports a tool call whose invocation has other arguments than the call that it runs.
fn report_other_arguments(
    tool: &ToolCall,
    call: &ReusedCall,
    arguments: Option<ArgumentsHash>,
    conversations: &Conversations,
    position: LogPosition,
    diagnostics: &mut Diagnostics,
) {
    if has_other_arguments(arguments, &call.visible, conversations) {
        let ToolCall { tool_call_id, thread_id, .. } = tool;
        let message = format!(
            "tool call {tool_call_id} of thread {thread_id} has other arguments than each call with its id that it may \
             run; it is linked to one of them"
        );
        diagnostics.add(position, Code::CallIdReused, message, None);
    }
}

/// Returns `true` if the arguments of a tool and of a call are known, and differ.
fn has_other_arguments(arguments: Option<ArgumentsHash>, call: &VisibleCall, conversations: &Conversations) -> bool {
    arguments.zip(call.arguments(conversations)).is_some_and(|(of_tool, of_call)| of_tool != of_call)
}

/// Returns `true` unless the only known call with an id is another call than the one that a tool runs: the inference
/// call that requested it had not started when the tool started, or a model had already seen its output. Both may happen
/// where the order of events is no evidence, so it counts in threads with lost responses alone.
fn may_run(tool: &ToolCall, call: &VisibleCall, conversations: &Conversations, lossy: &HashSet<ThreadId>) -> bool {
    !lossy.contains(&tool.thread_id) || precedes(tool, call, conversations)
}

/// Returns `true` if a call had been requested when a tool started, and no model had seen its output.
fn precedes(tool: &ToolCall, call: &VisibleCall, conversations: &Conversations) -> bool {
    let started = tool.execution.started.seq;
    let item = |id: &ItemId| conversations.items.get(id.index());
    let inference = call.call_items.iter().filter_map(item).find_map(producing_inference);
    let requested = inference.and_then(|id| conversations.calls.get(id)).map(|call| call.execution.started.seq);
    let answered = call.output_items.first().and_then(item).and_then(|item| item.evidence.as_slice().first());
    requested.is_none_or(|requested| requested < started) && answered.is_none_or(|(answered, _)| *answered > started)
}

/// Links a tool call to the items of the call that it runs, and to the inference call whose response contains one.
fn link_items(tool: &mut ToolCall, call: &VisibleCall, conversations: &mut Conversations, work: &mut Work) {
    tool.call_item_ids.clone_from(&call.call_items);
    tool.output_item_ids.clone_from(&call.output_items);
    for &output in &call.output_items {
        let producer = Producer::Tool { tool_call_id: tool.tool_call_id.clone() };
        add_producer(&mut conversations.items, output, producer);
    }
    for &item in &call.call_items {
        let Some(inference) = conversations.items.get(item.index()).and_then(producing_inference) else { continue };
        let Some(inference) = conversations.calls.get_mut(inference) else { continue };
        work.link_probes += 1;
        if inference.tool_call_ids.last() != Some(&tool.tool_call_id) {
            inference.tool_call_ids.push(tool.tool_call_id.clone());
        }
        tool.requested_by.get_or_insert_with(|| inference.inference_call_id.clone());
    }
}

/// Links a tool call to the inference call that requested it, if none of its items is in the recorded response.
fn link_inference(tool: &mut ToolCall, response: Option<MakingResponse>, conversations: &mut Conversations) {
    let Some(response) = response.filter(|_| tool.requested_by.is_none()) else { return };
    let Some(inference) = conversations.calls.get_index_mut(response.call) else { return };
    inference.tool_call_ids.push(tool.tool_call_id.clone());
    tool.requested_by = Some(inference.inference_call_id.clone());
}

/// The completed inference calls of each turn, in order of their ends: the calls that may have requested a tool call
/// without items.
struct CompletedCalls(HashMap<TurnId, Vec<(Seq, InferenceId)>>);

impl CompletedCalls {
    /// Indexes the completed inference calls by turn. The index stays empty if the output of every call was recorded.
    fn new(conversations: &Conversations, work: &mut Work) -> Self {
        let mut completed_calls: HashMap<_, Vec<_>> = HashMap::new();
        if conversations.calls_without_content.is_empty() {
            return Self(completed_calls);
        }
        for call in conversations.calls.iter().filter(|call| call.execution.status == ExecutionStatus::Completed) {
            work.link_probes += 1;
            let Some(end) = call.execution.ended else { continue };
            completed_calls.entry(call.turn_id.clone()).or_default().push((end.seq, call.inference_call_id.clone()));
        }
        completed_calls.values_mut().for_each(|completed_calls| completed_calls.sort_unstable_by_key(|(seq, _)| *seq));
        Self(completed_calls)
    }

    /// Returns the last inference call of the turn that completed before the event `seq`. Returns `None` if there is
    /// none.
    fn last_before(&self, turn: &TurnId, seq: Seq) -> Option<&InferenceId> {
        let completed_calls = self.0.get(turn)?;
        let index = completed_calls.partition_point(|(end, _)| *end < seq);
        Some(&completed_calls.get(index.checked_sub(1)?)?.1)
    }
}

/// Attributes a tool call without items to the last inference call that completed in its turn before it, if the output
/// of that inference call was not recorded. An inference call with recorded output did not request the tool call, since
/// none of its items does.
fn attribute_to_last_call(
    tool: &mut ToolCall,
    conversations: &mut Conversations,
    completed_calls: &CompletedCalls,
    work: &mut Work,
) {
    work.link_probes += 1;
    let is_from_model = matches!(tool.requester, Requester::Model);
    let Some(turn) = tool.turn_id.as_ref().filter(|_| is_from_model) else { return };
    let Some(inference_id) = completed_calls.last_before(turn, tool.execution.started.seq) else { return };
    let Some(inference) = conversations
        .calls
        .get_mut(inference_id)
        .filter(|_| conversations.calls_without_content.contains(inference_id))
    else {
        return;
    };
    inference.tool_call_ids.push(tool.tool_call_id.clone());
    tool.requested_by = Some(inference_id.clone());
}
