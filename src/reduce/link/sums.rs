//! Lists the turns, calls and items of each thread and turn, and computes the totals over them.

use crate::event::{CompactionRequestId, ThreadId, TurnId, UnixMillis};
use crate::graph::{Channel, CompactionRequest, Execution, Item, ItemKind, Role, Table, Thread, Totals, Turn};
use crate::reduce::fold::{Conversations, FirstRequest, ThreadTables, Tools};

/// Adds turns, calls and items to the lists of their threads and turns, and calls and the token usage of compaction
/// requests to the totals. `last_at` is the latest time of an event, up to which the wall time of running threads and
/// turns is counted.
pub(super) fn list_members_and_totals(
    thread_tables: &mut ThreadTables,
    conversations: &Conversations,
    compaction_requests: &Table<CompactionRequestId, CompactionRequest>,
    tools: &Tools,
    last_at: Option<UnixMillis>,
) {
    let ThreadTables { threads, turns } = thread_tables;
    for turn in turns.iter() {
        if let Some(thread) = threads.get_mut(&turn.thread_id) {
            thread.turn_ids.push(turn.turn_id.clone());
        }
    }
    for item in &conversations.items {
        if let Some(thread) = threads.get_mut(&item.thread_id) {
            thread.item_ids.push(item.item_id);
        }
    }
    list_inputs(turns, threads, conversations);
    for call in conversations.calls.iter() {
        let millis = call.execution.millis();
        if let Some(turn) = turns.get_mut(&call.turn_id) {
            turn.inference_call_ids.push(call.inference_call_id.clone());
        }
        for totals in totals_of(threads, turns, &call.thread_id, Some(&call.turn_id)) {
            totals.add_inference(call.usage, millis);
        }
    }
    for request in compaction_requests.iter() {
        for totals in totals_of(threads, turns, &request.thread_id, Some(&request.turn_id)) {
            totals.add_usage(request.usage);
        }
    }
    for tool in tools.calls.iter() {
        if let Some(turn) = tool.turn_id.as_ref().and_then(|turn| turns.get_mut(turn)) {
            turn.tool_call_ids.push(tool.tool_call_id.clone());
        }
        for totals in totals_of(threads, turns, &tool.thread_id, tool.turn_id.as_ref()) {
            totals.add_tool(tool.execution.millis());
        }
    }
    for thread in threads.iter_mut() {
        thread.totals.wall_ms = wall_ms(thread.execution, last_at);
    }
    for turn in turns.iter_mut() {
        turn.totals.wall_ms = wall_ms(turn.execution, last_at);
    }
}

/// Returns the totals in which a call is counted: those of its thread and of its turn.
fn totals_of<'t>(
    threads: &'t mut Table<ThreadId, Thread>,
    turns: &'t mut Table<TurnId, Turn>,
    thread: &ThreadId,
    turn: Option<&TurnId>,
) -> impl Iterator<Item = &'t mut Totals> {
    let thread = threads.get_mut(thread).map(|thread| &mut thread.totals);
    let turn = turn.and_then(|turn| turns.get_mut(turn)).map(|turn| &mut turn.totals);
    thread.into_iter().chain(turn)
}

/// Returns the wall time of an operation in milliseconds. For a running operation, returns the time until `last_at`.
fn wall_ms(execution: Execution, last_at: Option<UnixMillis>) -> u64 {
    let ended = execution.ended.map(|ended| ended.at.unix_ms()).or(last_at);
    ended.map_or(0, |ended| ended.millis_since(execution.started.at.unix_ms()))
}

/// Lists the input items of each turn: the user messages, and the messages that other agents sent to the thread, that
/// the first request of the turn introduced behind the last item of the assistant in the request.
///
/// What stands before an item of the assistant was answered by it, so it is history, even if the recording began too
/// late to show it as an input of an earlier turn. Items of the assistant are its messages, its reasoning and its
/// calls, and summaries of compactions. Messages that other agents sent have the assistant's role, too, but are inputs.
/// Outputs of tools are neither: they answer a call, which comes before them. Messages of the assistant that end the
/// request are not history: the program wrote the beginning of the answer, which the model is to continue.
fn list_inputs(turns: &mut Table<TurnId, Turn>, threads: &Table<ThreadId, Thread>, conversations: &Conversations) {
    for &FirstRequest { call, first_new } in &conversations.first_requests {
        let Some(call) = conversations.calls.get_index(call) else { continue };
        let Some(turn) = turns.get_mut(&call.turn_id) else { continue };
        let Some(thread) = threads.get(&turn.thread_id) else { continue };
        // A prefix shared with an earlier call has no new items.
        let items = call.request.tail.iter().rev().filter_map(|item| conversations.items.get(item.index()));
        let unanswered = items
            .skip_while(|item| is_from_assistant(item, thread) && may_be_continued(item))
            .take_while(|item| !is_from_assistant(item, thread));
        let inputs = unanswered.filter(|item| item.item_id >= first_new && is_input(item, thread));
        turn.input_item_ids = inputs.map(|item| item.item_id).collect();
        turn.input_item_ids.reverse();
    }
}

/// Returns `true` if the item is a user message, or a message that another agent sent to the thread.
fn is_input(item: &Item, thread: &Thread) -> bool {
    let from_user = item.content.kind == ItemKind::Message && item.content.role == Role::User;
    from_user || item.content.delivered_to(&thread.agent_path).is_some()
}

/// Returns `true` if the item has the assistant's role, and is not a message that another agent sent to the thread.
fn is_from_assistant(item: &Item, thread: &Thread) -> bool {
    item.content.role == Role::Assistant && item.content.delivered_to(&thread.agent_path).is_none()
}

/// Returns `true` if a request may end with this item of the assistant so that the model continues it.
fn may_be_continued(item: &Item) -> bool {
    item.content.kind == ItemKind::Message && item.content.channel != Some(Channel::Summary)
}

/// Returns the totals of the whole run.
pub(super) fn rollout_totals(
    conversations: &Conversations,
    compaction_requests: &Table<CompactionRequestId, CompactionRequest>,
    tools: &Tools,
    started_at: UnixMillis,
    ended_at: Option<UnixMillis>,
) -> Totals {
    let mut totals = Totals::default();
    for call in conversations.calls.iter() {
        totals.add_inference(call.usage, call.execution.millis());
    }
    for request in compaction_requests.iter() {
        totals.add_usage(request.usage);
    }
    for tool in tools.calls.iter() {
        totals.add_tool(tool.execution.millis());
    }
    totals.wall_ms = ended_at.map_or(0, |ended_at| ended_at.millis_since(started_at));
    totals
}
