//! What threads and turns hold, and what it comes to.

use crate::event::{ThreadId, TurnId, UnixMillis};
use crate::graph::{Execution, Item, ItemKind, Role, Table, Thread, Totals, Turn};
use crate::reduce::fold::{Lives, Talk, Tools};

/// Lists turns, calls and items in their threads and turns, and sums the calls up.
pub(super) fn list_and_sum(lives: &mut Lives, talk: &Talk, tools: &Tools, last_at: Option<UnixMillis>) {
    let Lives { threads, turns } = lives;
    for turn in turns.iter() {
        if let Some(thread) = threads.get_mut(&turn.thread_id) {
            thread.turn_ids.push(turn.turn_id.clone());
        }
    }
    for item in &talk.items {
        if let Some(thread) = threads.get_mut(&item.thread_id) {
            thread.item_ids.push(item.item_id);
        }
    }
    list_inputs(turns, threads, talk);
    for call in talk.calls.iter() {
        let millis = call.execution.millis();
        if let Some(turn) = turns.get_mut(&call.turn_id) {
            turn.inference_call_ids.push(call.inference_call_id.clone());
        }
        for totals in totals_of(threads, turns, &call.thread_id, Some(&call.turn_id)) {
            totals.add_inference(call.usage, millis);
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

fn wall_ms(execution: Execution, last_at: Option<UnixMillis>) -> u64 {
    let ended = execution.ended.map(|ended| ended.at.unix_ms()).or(last_at);
    ended.map_or(0, |ended| ended.millis_since(execution.started.at.unix_ms()))
}

/// A turn's input: what users and other agents said that its first request introduced.
fn list_inputs(turns: &mut Table<TurnId, Turn>, threads: &Table<ThreadId, Thread>, talk: &Talk) {
    for (turn, introduced) in &talk.introduced {
        let Some(turn) = turns.get_mut(turn) else { continue };
        let Some(thread) = threads.get(&turn.thread_id) else { continue };
        let items = introduced.iter().filter_map(|item| talk.items.get(item.index()));
        turn.input_item_ids = items.filter(|item| is_input(item, thread)).map(|item| item.item_id).collect();
    }
}

fn is_input(item: &Item, thread: &Thread) -> bool {
    let from_user = item.content.kind == ItemKind::Message && item.content.role == Role::User;
    from_user || item.content.delivered_to(&thread.agent_path).is_some()
}

/// What all calls of a rollout come to.
pub(super) fn of_all(talk: &Talk, tools: &Tools, started_at: UnixMillis, ended_at: Option<UnixMillis>) -> Totals {
    let mut totals = Totals::default();
    for call in talk.calls.iter() {
        totals.add_inference(call.usage, call.execution.millis());
    }
    for tool in tools.calls.iter() {
        totals.add_tool(tool.execution.millis());
    }
    totals.wall_ms = ended_at.map_or(0, |ended_at| ended_at.millis_since(started_at));
    totals
}
