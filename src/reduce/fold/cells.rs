//! Folds code cells: scripts that start, respond, may yield, and end.

use std::collections::HashMap;

use super::lifecycle::{AlreadyEnded, OperationEnd};
use super::thread_tables::ThreadTables;
use crate::event::{
    CallId, CellStatus, CodeCellEnded, CodeCellInitialResponse, CodeCellStarted, ExecutionStatus, RawPayloadId,
    RuntimeCellId, Seq, ThreadId, TurnId,
};
use crate::graph::{CellId, CellIds, Code, CodeCell, Evidence, Execution, LiveSpan, Table};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{CellFact, Logged};

/// All code cells, with an index by the id that the runtime gave the cell.
#[derive(Debug, Default)]
pub(in crate::reduce) struct Cells {
    pub(in crate::reduce) rows: Table<CellId, CodeCell>,
    by_runtime: HashMap<(ThreadId, RuntimeCellId), CellId>,
    ids: CellIds,
}

/// Folds the facts of code cells. Starts are folded first, so that an event may name a cell that starts later. Only a
/// call id for which `is_reused` returns `true` starts several cells of a thread.
pub(in crate::reduce) fn cells(
    facts: &[Logged<CellFact>],
    thread_tables: &ThreadTables,
    is_reused: impl Fn(&ThreadId, &CallId) -> bool,
    diagnostics: &mut Diagnostics,
) -> Cells {
    let mut cells = Cells::default();
    for at in facts {
        match &at.fact {
            CellFact::Started(event) => cells.start(at, event, thread_tables, &is_reused, diagnostics),
            CellFact::Responded(_) | CellFact::Ended(_) => {}
        }
    }
    for at in facts {
        match &at.fact {
            CellFact::Started(_) => {}
            CellFact::Responded(event) => cells.respond(at, event, thread_tables, diagnostics),
            CellFact::Ended(event) => cells.end(at, event, thread_tables, diagnostics),
        }
    }
    for cell in cells.rows.iter_mut() {
        if let Some(status) = end_with_turn(cell, turn_end_for_cell(thread_tables, &cell.turn_id)) {
            cell.runtime_status = status;
        }
    }
    cells
}

/// Returns the time and statuses with which a turn ends the code cells that are still running in it. Returns `None` if
/// the turn is running or completed: a later turn may wait for a cell of a completed turn.
fn turn_end_for_cell(thread_tables: &ThreadTables, turn: &TurnId) -> Option<(OperationEnd, CellStatus)> {
    let OperationEnd { when, status } = thread_tables.turn_end(turn)?;
    match status {
        ExecutionStatus::Running | ExecutionStatus::Completed => None,
        ExecutionStatus::Failed => Some((OperationEnd { when, status }, CellStatus::Failed)),
        ExecutionStatus::Cancelled | ExecutionStatus::Aborted => {
            Some((OperationEnd { when, status: ExecutionStatus::Cancelled }, CellStatus::Terminated))
        }
    }
}

/// Ends a code cell at the end of its turn, unless it has ended. Returns the new runtime status if the cell was ended,
/// and `None` otherwise.
fn end_with_turn(cell: &mut CodeCell, by_turn: Option<(OperationEnd, CellStatus)>) -> Option<CellStatus> {
    let (end, status) = by_turn?;
    let ran = cell.execution.ended.is_none();
    cell.execution.end_with(Some(end));
    (ran && cell.execution.ended.is_some()).then_some(status)
}

impl Cells {
    /// Returns the code cell with the given runtime id in a thread. Returns `None` if there is none.
    pub(in crate::reduce) fn find(&self, thread: &ThreadId, cell: &RuntimeCellId) -> Option<&CodeCell> {
        self.rows.get(self.by_runtime.get(&(thread.clone(), cell.clone()))?)
    }

    /// Adds a code cell at its start event. Reports why if the event is left out.
    fn start(
        &mut self,
        at: &Logged<CellFact>,
        event: &CodeCellStarted,
        thread_tables: &ThreadTables,
        is_reused: impl Fn(&ThreadId, &CallId) -> bool,
        diagnostics: &mut Diagnostics,
    ) {
        let CodeCellStarted { runtime_cell_id, model_visible_call_id, source_js, tool_name } = event;
        let subject = format!("code cell {runtime_cell_id} of call {model_visible_call_id}");
        let (Some(thread), Some(turn)) = (thread_tables.thread_of(at), at.context.turn_id.clone()) else {
            let message = format!("{subject} starts without a known thread and turn; the cell is left out");
            diagnostics.add(at, Code::UnknownObject, message, None);
            return;
        };
        if !thread_tables.check_turn(at, &thread, &turn, &subject, diagnostics) {
            return;
        }
        let by_runtime = (thread.clone(), runtime_cell_id.clone());
        let bound = self.by_runtime.get(&by_runtime);
        let is_bound_to_call = bound
            .and_then(|bound| self.rows.get(bound))
            .is_some_and(|cell| cell.model_visible_call_id == *model_visible_call_id);
        let is_repeated =
            self.ids.has_call(&thread, model_visible_call_id) && !is_reused(&thread, model_visible_call_id);
        if is_repeated || is_bound_to_call {
            let message = format!("{subject} starts a second time; the first start is kept");
            diagnostics.add(at, Code::DuplicateStart, message, None);
            return;
        }
        if let Some(bound) = bound {
            let message = format!(
                "{subject} starts, but its runtime id is already bound to {bound} in its thread; the cell is left out"
            );
            diagnostics.add(at, Code::ReboundCell, message, None);
            return;
        }
        let id = match self.ids.assign(&thread, model_visible_call_id) {
            Ok(id) => id,
            Err(id) => {
                let message =
                    format!("{subject} would get the id {id}, which another cell already has; the cell is left out");
                diagnostics.add(at, Code::DuplicateStart, message, None);
                return;
            }
        };
        let cell = CodeCell {
            code_cell_id: id.clone(),
            model_visible_call_id: model_visible_call_id.clone(),
            thread_id: thread,
            turn_id: turn,
            source_item_id: None,
            output_item_ids: Vec::new(),
            runtime_cell_id: Some(runtime_cell_id.clone()),
            execution: Execution::open(at.when),
            runtime_status: CellStatus::Starting,
            initial_response_at: None,
            initial_response_seq: None,
            yielded_at: None,
            yielded_seq: None,
            source_js: source_js.clone(),
            tool_name: tool_name.clone(),
            nested_tool_call_ids: Vec::new(),
            wait_tool_call_ids: Vec::new(),
            end: None,
            span: LiveSpan::from_span_ref(at.context.span.as_ref()),
            evidence: Evidence::new(at.when.seq, None),
        };
        self.rows.add(id.clone(), cell);
        self.by_runtime.insert(by_runtime, id);
    }

    /// Returns the code cell that an event names, and adds the event to its evidence. If the turn of the cell ended
    /// before the event, the cell is ended first. Reports an unknown cell and returns `None`.
    fn find_cell(
        &mut self,
        at: &Logged<CellFact>,
        cell: &RuntimeCellId,
        payload: Option<&RawPayloadId>,
        thread_tables: &ThreadTables,
        diagnostics: &mut Diagnostics,
    ) -> Option<&mut CodeCell> {
        let id = thread_tables.thread_of(at).and_then(|thread| self.by_runtime.get(&(thread, cell.clone())));
        let Some(row) = id.and_then(|id| self.rows.get_mut(id)) else {
            let message = format!("code cell {cell} was never started in this thread; the event is left out");
            diagnostics.add(at, Code::UnknownObject, message, payload);
            return None;
        };
        diagnostics.use_before_start(at, row.execution.started.seq, Code::UnknownObject, &format!("code cell {cell}"));
        row.evidence.add(at.when.seq, payload.cloned());
        row.span.fill_from(at.context.span.as_ref());
        let by_turn = turn_end_for_cell(thread_tables, &row.turn_id).filter(|(end, _)| end.when.seq < at.when.seq);
        if let Some(status) = end_with_turn(row, by_turn) {
            row.runtime_status = status;
        }
        Some(row)
    }

    /// Records the first response of a code cell's script.
    fn respond(
        &mut self,
        at: &Logged<CellFact>,
        event: &CodeCellInitialResponse,
        thread_tables: &ThreadTables,
        diagnostics: &mut Diagnostics,
    ) {
        let CodeCellInitialResponse { runtime_cell_id, status, response_payload } = event;
        let payload = response_payload.as_ref().map(|body| &body.raw_payload_id);
        let Some(cell) = self.find_cell(at, runtime_cell_id, payload, thread_tables, diagnostics) else { return };
        if cell.initial_response_seq.is_some() || cell.execution.ended.is_some() {
            let message =
                format!("code cell {runtime_cell_id} responds after its first response or its end, which is kept");
            diagnostics.add(at, Code::LateEnd, message, payload);
            return;
        }
        cell.runtime_status = *status;
        set_initial_response(cell, at);
        if *status == CellStatus::Yielded {
            cell.yielded_at = Some(at.when.at.unix_ms());
            cell.yielded_seq = Some(at.when.seq);
        }
    }

    /// Records the end of a code cell. The end also counts as the first response if there was none.
    fn end(
        &mut self,
        at: &Logged<CellFact>,
        event: &CodeCellEnded,
        thread_tables: &ThreadTables,
        diagnostics: &mut Diagnostics,
    ) {
        let CodeCellEnded { runtime_cell_id, status, response_payload, .. } = event;
        let payload = response_payload.as_ref().map(|body| &body.raw_payload_id);
        let Some(cell) = self.find_cell(at, runtime_cell_id, payload, thread_tables, diagnostics) else { return };
        if let Err(AlreadyEnded) = cell.execution.end(OperationEnd { when: at.when, status: (*status).into() }, None) {
            let message = format!("code cell {runtime_cell_id} ends after it has ended; the first end is kept");
            diagnostics.add(at, Code::LateEnd, message, payload);
            return;
        }
        cell.runtime_status = *status;
        cell.end = event.detail().boxed();
        if cell.initial_response_seq.is_none() {
            set_initial_response(cell, at);
        }
    }
}

/// Records the time and seq of an event as those of the cell's first response.
fn set_initial_response(cell: &mut CodeCell, at: &Logged<CellFact>) {
    let seq: Seq = at.when.seq;
    cell.initial_response_at = Some(at.when.at.unix_ms());
    cell.initial_response_seq = Some(seq);
}
