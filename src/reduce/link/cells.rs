//! Links code cells with the items that requested them, the items that returned their output, and the tool calls that
//! reference them.

use super::calls::add_producer;
use super::visible::VisibleItems;
use crate::event::{CallId, RuntimeCellId, ThreadId};
use crate::graph::{CellId, Code, Producer, Requester, ToolCall};
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::fold::{Cells, Conversations, Tools};
use crate::reduce::{Diagnostics, Work};

/// Links code cells to items. Links tool calls to the cells that requested them, and to the cells that they wait for.
pub(super) fn link(
    cells: &mut Cells,
    tools: &mut Tools,
    conversations: &mut Conversations,
    visible_items: &VisibleItems,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) {
    link_items(cells, conversations, visible_items, diagnostics, work);
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
    visible_items: &VisibleItems,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) {
    for cell in cells.rows.iter_mut() {
        work.link_probes += 1;
        let key: (&ThreadId, &CallId) = (&cell.thread_id, &cell.model_visible_call_id);
        let items = visible_items.for_call(key.0, key.1);
        cell.source_item_id = items.and_then(|items| items.custom_calls.first().copied());
        cell.output_item_ids = items.map(|items| items.custom_outputs.clone()).unwrap_or_default();
        if cell.source_item_id.is_none() {
            let position = LogPosition { seq: Some(cell.execution.started.seq), line: 0, after: None };
            let message = format!("no conversation item contains the source of {}", cell.code_cell_id);
            diagnostics.add(position, Code::CellWithoutSource, message, None);
        }
        for &output in &cell.output_item_ids {
            add_producer(
                &mut conversations.items,
                output,
                Producer::CodeCell { code_cell_id: cell.code_cell_id.clone() },
            );
        }
    }
}
