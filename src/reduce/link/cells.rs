//! Code cells with the items that brought them, the items that showed what they said, and the tools that name them.

use super::calls::produce;
use super::visible::Visible;
use crate::event::{CallId, RuntimeCellId, ThreadId};
use crate::graph::{CellId, Code, Producer, Requester, ToolCall};
use crate::reduce::fold::{Cells, Talk, Tools};
use crate::reduce::problems::Place;
use crate::reduce::{Problems, Work};

/// Links cells.
pub(super) fn link(
    cells: &mut Cells,
    tools: &mut Tools,
    talk: &mut Talk,
    visible: &Visible,
    problems: &mut Problems,
    work: &mut Work,
) {
    link_items(cells, talk, visible, problems, work);
    for named in &tools.nested {
        let Some(tool) = tools.calls.at_mut(named.call) else { continue };
        work.link_probes += 1;
        let cell = started_by_then(cells, tool, &named.cell);
        let code_cell_id = cell.clone().unwrap_or_else(|| CellId::unknown(&tool.thread_id, &named.cell));
        match cell.and_then(|cell| cells.rows.get_mut(&cell)) {
            Some(cell) => cell.nested_tool_call_ids.push(tool.tool_call_id.clone()),
            None => {
                let message = format!(
                    "tool call {} was asked for by code cell {} of thread {}, which had not started; the cell is left out",
                    tool.tool_call_id, named.cell, tool.thread_id
                );
                problems.add(named.place, Code::UnknownObject, message, None);
            }
        }
        tool.requester = Requester::CodeCell { code_cell_id };
    }
    for named in &tools.waits {
        let Some(tool) = tools.calls.at(named.call) else { continue };
        work.link_probes += 1;
        if let Some(id) = started_by_then(cells, tool, &named.cell)
            && let Some(cell) = cells.rows.get_mut(&id)
        {
            cell.wait_tool_call_ids.push(tool.tool_call_id.clone());
        }
    }
}

fn started_by_then(cells: &Cells, tool: &ToolCall, cell: &RuntimeCellId) -> Option<CellId> {
    let cell = cells.named(&tool.thread_id, cell)?;
    (cell.execution.started.seq < tool.execution.started.seq).then(|| cell.code_cell_id.clone())
}

fn link_items(cells: &mut Cells, talk: &mut Talk, visible: &Visible, problems: &mut Problems, work: &mut Work) {
    for cell in cells.rows.iter_mut() {
        work.link_probes += 1;
        let key: (&ThreadId, &CallId) = (&cell.thread_id, &cell.model_visible_call_id);
        let items = visible.of_call(key.0, key.1);
        cell.source_item_id = items.and_then(|items| items.custom_calls.first().copied());
        cell.output_item_ids = items.map(|items| items.custom_outputs.clone()).unwrap_or_default();
        if cell.source_item_id.is_none() {
            let place = Place { seq: Some(cell.execution.started.seq), line: 0, after: None };
            let message = format!("no item of the conversation brought {}", cell.code_cell_id);
            problems.add(place, Code::CellWithoutSource, message, None);
        }
        for &output in &cell.output_item_ids {
            produce(&mut talk.items, output, Producer::CodeCell { code_cell_id: cell.code_cell_id.clone() });
        }
    }
}
