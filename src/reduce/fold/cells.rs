//! Code cells: scripts that start, answer, run on and end.

use std::collections::HashMap;

use super::lifecycle::{End, Late};
use super::lives::Lives;
use crate::event::{
    CallId, CellStatus, CodeCellEnded, CodeCellInitialResponse, CodeCellStarted, ExecutionStatus, RawPayloadId,
    RuntimeCellId, Seq, ThreadId, TurnId,
};
use crate::graph::{CellId, Code, CodeCell, Evidence, Execution, LiveSpan, Table};
use crate::reduce::Problems;
use crate::reduce::decode::{At, CellFact};

/// All code cells, and what their runtimes call them.
#[derive(Debug, Default)]
pub(in crate::reduce) struct Cells {
    pub(in crate::reduce) rows: Table<CellId, CodeCell>,
    by_runtime: HashMap<(ThreadId, RuntimeCellId), CellId>,
    by_call: HashMap<(ThreadId, CallId), CellId>,
}

/// Folds code cells.
pub(in crate::reduce) fn cells(facts: &[At<CellFact>], lives: &Lives, problems: &mut Problems) -> Cells {
    let mut cells = Cells::default();
    for at in facts {
        match &at.fact {
            CellFact::Started(event) => cells.start(at, event, lives, problems),
            CellFact::Responded(_) | CellFact::Ended(_) => {}
        }
    }
    for at in facts {
        match &at.fact {
            CellFact::Started(_) => {}
            CellFact::Responded(event) => cells.respond(at, event, lives, problems),
            CellFact::Ended(event) => cells.end(at, event, lives, problems),
        }
    }
    for cell in cells.rows.iter_mut() {
        if let Some(status) = settle(cell, ended_by_turn(lives, &cell.turn_id)) {
            cell.runtime_status = status;
        }
    }
    cells
}

/// What a turn's end does to the cells that still run in it. A completed turn leaves them: one may be waited for later.
fn ended_by_turn(lives: &Lives, turn: &TurnId) -> Option<(End, CellStatus)> {
    let End { when, status } = lives.turn_end(turn)?;
    match status {
        ExecutionStatus::Running | ExecutionStatus::Completed => None,
        ExecutionStatus::Failed => Some((End { when, status }, CellStatus::Failed)),
        ExecutionStatus::Cancelled | ExecutionStatus::Aborted => {
            Some((End { when, status: ExecutionStatus::Cancelled }, CellStatus::Terminated))
        }
    }
}

/// Ends a cell with its turn, and says how its runtime status then stands.
fn settle(cell: &mut CodeCell, by_turn: Option<(End, CellStatus)>) -> Option<CellStatus> {
    let (end, status) = by_turn?;
    let ran = cell.execution.ended.is_none();
    cell.execution.settle(Some(end));
    (ran && cell.execution.ended.is_some()).then_some(status)
}

impl Cells {
    /// The cell that a thread's runtime calls so, if it had started by then.
    pub(in crate::reduce) fn named(&self, thread: &ThreadId, cell: &RuntimeCellId) -> Option<&CodeCell> {
        self.rows.get(self.by_runtime.get(&(thread.clone(), cell.clone()))?)
    }

    fn start(&mut self, at: &At<CellFact>, event: &CodeCellStarted, lives: &Lives, problems: &mut Problems) {
        let CodeCellStarted { runtime_cell_id, model_visible_call_id, source_js } = event;
        let what = format!("code cell {runtime_cell_id} of call {model_visible_call_id}");
        let (Some(thread), Some(turn)) = (lives.thread_of(at), at.context.turn_id.clone()) else {
            let message = format!("{what} starts without a known thread and turn; it is left out");
            problems.add(at, Code::UnknownObject, message, None);
            return;
        };
        if !lives.agree(at, &thread, &turn, &what, problems) {
            return;
        }
        let by_call = (thread.clone(), model_visible_call_id.clone());
        let by_runtime = (thread.clone(), runtime_cell_id.clone());
        if self.by_call.contains_key(&by_call) {
            let message = format!("{what} starts a second time; the first start stands");
            problems.add(at, Code::DuplicateStart, message, None);
            return;
        }
        if let Some(bound) = self.by_runtime.get(&by_runtime) {
            let message =
                format!("{what} starts, but its thread's runtime has {bound} under that number; it is left out");
            problems.add(at, Code::ReboundCell, message, None);
            return;
        }
        let short = CellId::of_call(model_visible_call_id);
        let id = if self.rows.contains(&short) { CellId::of_call_in(&thread, model_visible_call_id) } else { short };
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
            nested_tool_call_ids: Vec::new(),
            wait_tool_call_ids: Vec::new(),
            span: LiveSpan::of(at.context.span.as_ref()),
            evidence: Evidence::of(at.when.seq, None),
        };
        if self.rows.add(id.clone(), cell).is_some() {
            self.by_call.insert(by_call, id.clone());
            self.by_runtime.insert(by_runtime, id);
        } else {
            let message =
                format!("{what} would be {id}, as another cell is by the names of its thread and call; it is left out");
            problems.add(at, Code::DuplicateStart, message, None);
        }
    }

    /// The cell that an event is about, which becomes part of its evidence, and which ended with its turn if that
    /// ended before the event.
    fn known(
        &mut self,
        at: &At<CellFact>,
        cell: &RuntimeCellId,
        payload: Option<&RawPayloadId>,
        lives: &Lives,
        problems: &mut Problems,
    ) -> Option<&mut CodeCell> {
        let id = lives.thread_of(at).and_then(|thread| self.by_runtime.get(&(thread, cell.clone())));
        let Some(row) = id.and_then(|id| self.rows.get_mut(id)) else {
            let message = format!("code cell {cell} was never started in this thread; what is said of it is left out");
            problems.add(at, Code::UnknownObject, message, payload);
            return None;
        };
        problems.use_before_start(at, row.execution.started.seq, Code::UnknownObject, &format!("code cell {cell}"));
        row.evidence.add(at.when.seq, payload.cloned());
        row.span.learn(at.context.span.as_ref());
        let by_turn = ended_by_turn(lives, &row.turn_id).filter(|(end, _)| end.when.seq < at.when.seq);
        if let Some(status) = settle(row, by_turn) {
            row.runtime_status = status;
        }
        Some(row)
    }

    fn respond(&mut self, at: &At<CellFact>, event: &CodeCellInitialResponse, lives: &Lives, problems: &mut Problems) {
        let CodeCellInitialResponse { runtime_cell_id, status, response_payload } = event;
        let payload = response_payload.as_ref().map(|body| &body.raw_payload_id);
        let Some(cell) = self.known(at, runtime_cell_id, payload, lives, problems) else { return };
        if cell.initial_response_seq.is_some() || cell.execution.ended.is_some() {
            let message = format!("code cell {runtime_cell_id} answers after its first answer or its end; that stands");
            problems.add(at, Code::LateEnd, message, payload);
            return;
        }
        cell.runtime_status = *status;
        answered(cell, at);
        if *status == CellStatus::Yielded {
            cell.yielded_at = Some(at.when.at.unix_ms());
            cell.yielded_seq = Some(at.when.seq);
        }
    }

    fn end(&mut self, at: &At<CellFact>, event: &CodeCellEnded, lives: &Lives, problems: &mut Problems) {
        let CodeCellEnded { runtime_cell_id, status, response_payload } = event;
        let payload = response_payload.as_ref().map(|body| &body.raw_payload_id);
        let Some(cell) = self.known(at, runtime_cell_id, payload, lives, problems) else { return };
        if let Err(Late) = cell.execution.end(End { when: at.when, status: (*status).into() }, None) {
            let message = format!("code cell {runtime_cell_id} ends after its end; the first end stands");
            problems.add(at, Code::LateEnd, message, payload);
            return;
        }
        cell.runtime_status = *status;
        if cell.initial_response_seq.is_none() {
            answered(cell, at);
        }
    }
}

fn answered(cell: &mut CodeCell, at: &At<CellFact>) {
    let seq: Seq = at.when.seq;
    cell.initial_response_at = Some(at.when.at.unix_ms());
    cell.initial_response_seq = Some(seq);
}
