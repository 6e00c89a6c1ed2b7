//! Links code cells with the items that requested them, the items that returned their output, and the tool calls that
//! reference them.

use std::collections::HashMap;

use super::doubts::report_doubtful_cells;
use super::producers::add_producer;
use super::reused_ids::{CutOffs, OpenRuns, UnknownCalls};
use super::visible::{CallsOfId, VisibleCalls};
use super::visible_call::{ReusedCall, VisibleCall};
use crate::event::{RuntimeCellId, TurnId};
use crate::graph::{CellId, Code, ItemId, ItemKind, Producer, Requester, Table, ToolCall, Turn};
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::fold::{Cells, Conversations, Tools};
use crate::reduce::requested_calls::ToolStart;
use crate::reduce::{Diagnostics, Work};

/// Links code cells to items. Links tool calls to the cells that requested them, and to the cells that they wait for.
pub(super) fn link(
    cells: &mut Cells,
    tools: &mut Tools,
    conversations: &mut Conversations,
    turns: &Table<TurnId, Turn>,
    visible_calls: &VisibleCalls,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) {
    link_items(cells, conversations, turns, visible_calls, diagnostics, work);
    for reference in &tools.nested {
        let Some(tool) = tools.calls.get_index_mut(reference.call) else { continue };
        work.link_probes += 1;
        let cell = started_by_then(cells, tool, &reference.cell);
        let code_cell_id = cell.clone().unwrap_or_else(|| CellId::unknown(&tool.thread_id, &reference.cell));
        match cell.and_then(|cell| cells.rows.get_mut(&cell)) {
            Some(cell) => cell.nested_tool_call_ids.push(tool.tool_call_id.clone()),
            None => {
                let message = format!(
                    "tool call {} was requested by code cell {} of thread {}, which had not started; the link is \
                     left out",
                    tool.tool_call_id, reference.cell, tool.thread_id
                );
                diagnostics.add(reference.position, Code::UnknownObject, message, None);
            }
        }
        tool.requester = Requester::CodeCell { code_cell_id };
    }
    for reference in &tools.waits {
        let Some(tool) = tools.calls.get_index(reference.call) else { continue };
        work.link_probes += 1;
        if let Some(id) = started_by_then(cells, tool, &reference.cell)
            && let Some(cell) = cells.rows.get_mut(&id)
        {
            cell.wait_tool_call_ids.push(tool.tool_call_id.clone());
        }
    }
}

/// Returns the id of the code cell with the given runtime id if the cell started before the tool call. Returns `None`
/// otherwise.
fn started_by_then(cells: &Cells, tool: &ToolCall, cell: &RuntimeCellId) -> Option<CellId> {
    let cell = cells.find(&tool.thread_id, cell)?;
    (cell.execution.started.seq < tool.execution.started.seq).then(|| cell.code_cell_id.clone())
}

/// Links code cells to the items that contain their scripts and outputs. Reports cells without a source item.
fn link_items(
    cells: &mut Cells,
    conversations: &mut Conversations,
    turns: &Table<TurnId, Turn>,
    visible_calls: &VisibleCalls,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) {
    let runs = calls_of_cells(cells, conversations, turns, visible_calls, work);
    for (index, cell) in cells.rows.iter_mut().enumerate() {
        work.link_probes += 1;
        let position = LogPosition { seq: Some(cell.execution.started.seq), line: 0, after: None };
        let call = match visible_calls.with_id(&(cell.thread_id.clone(), cell.model_visible_call_id.clone())) {
            Some(CallsOfId::One(call)) => Some(call),
            Some(CallsOfId::Several(calls)) => {
                let call = runs.get(&index).and_then(|&number| calls.calls.get(number));
                if call.is_none() {
                    let message = format!(
                        "{} runs call {} of thread {}, an id that several calls have, and none of them can be its own; \
                         it is kept without items",
                        cell.code_cell_id, cell.model_visible_call_id, cell.thread_id
                    );
                    diagnostics.add(position, Code::CallIdReused, message, None);
                }
                call.map(|call| &call.visible)
            }
            None => None,
        };
        if let Some(VisibleCall { call_items, output_items }) = call {
            let has_kind = |kind| {
                let items = &conversations.items;
                move |item: &&ItemId| items.get(item.index()).is_some_and(|item| item.content.kind == kind)
            };
            cell.source_item_id = call_items.iter().find(has_kind(ItemKind::CustomToolCall)).copied();
            let outputs = output_items.iter().filter(has_kind(ItemKind::CustomToolCallOutput));
            cell.output_item_ids = outputs.copied().collect();
        }
        if cell.source_item_id.is_none() {
            let message = format!("no conversation item contains the source of {}", cell.code_cell_id);
            diagnostics.add(position, Code::CellWithoutSource, message, None);
        }
        for &output in &cell.output_item_ids {
            let producer = Producer::CodeCell { code_cell_id: cell.code_cell_id.clone() };
            add_producer(&mut conversations.items, output, producer);
        }
    }
    report_doubtful_cells(cells, &runs, visible_calls, &conversations.lossy_threads(), diagnostics);
}

/// Returns for each code cell with a reused call id, by index, the number of the call that contains its script. Cells
/// without such a call are left out.
fn calls_of_cells(
    cells: &Cells,
    conversations: &Conversations,
    turns: &Table<TurnId, Turn>,
    visible_calls: &VisibleCalls,
    work: &mut Work,
) -> HashMap<usize, usize> {
    let is_script = |item: &ItemId| {
        conversations.items.get(item.index()).is_some_and(|item| item.content.kind == ItemKind::CustomToolCall)
    };
    let may_run = |call: &ReusedCall| call.visible.call_items.iter().any(is_script);
    let cut_offs = CutOffs::new(conversations, turns);
    let unknown_calls = UnknownCalls::new(conversations);
    let reused = visible_calls.reused();
    let reused = reused.map(|(id, calls)| (id, OpenRuns::new(&calls.calls, conversations, &cut_offs, may_run)));
    let mut open_runs: HashMap<_, _> = reused.collect();
    let mut runs = HashMap::new();
    for (index, cell) in cells.rows.iter().enumerate() {
        let id = (cell.thread_id.clone(), cell.model_visible_call_id.clone());
        let Some(open_runs) = open_runs.get_mut(&id) else { continue };
        work.link_probes += 1;
        let started = cell.execution.started.seq.0;
        let since = unknown_calls.since(Some(&cell.turn_id), &cell.thread_id, cell.execution.started.seq);
        let (turn_id, requested_since) = (Some(cell.turn_id.clone()), since.map_or(0, |since| since.0));
        let start = ToolStart { turn_id, name: None, arguments: None, started, requested_since };
        runs.extend(open_runs.take(&start).map(|taken| (index, taken.number)));
    }
    runs
}
