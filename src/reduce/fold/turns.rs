//! Folds turns: their executions and the threads that they belong to.

use super::lifecycle::{AlreadyEnded, OperationEnd};
use crate::event::{ThreadId, TurnEnded, TurnId, TurnStarted};
use crate::graph::{Code, Evidence, Execution, LiveSpan, Moment, Table, Totals, Turn};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{Logged, Mention, Mentions, TurnFact};
use crate::reduce::diagnostics::LogPosition;

/// Folds the facts of turns into a table. Includes turns without a start event that other events name together with
/// their thread.
pub(super) fn turns(
    facts: &[Logged<TurnFact>],
    mentions: &Mentions,
    diagnostics: &mut Diagnostics,
) -> Table<TurnId, Turn> {
    let mut started = Table::default();
    for at in facts {
        match &at.fact {
            TurnFact::Started(event) => start(&mut started, at, event, diagnostics),
            TurnFact::Ended(_) => {}
        }
    }
    let mut turns = with_implied(started, mentions, diagnostics);
    for at in facts {
        match &at.fact {
            TurnFact::Started(_) => {}
            TurnFact::Ended(event) => end(&mut turns, at, event, diagnostics),
        }
    }
    turns
}

/// Adds a turn at its start event. Reports why if the event is left out.
fn start(turns: &mut Table<TurnId, Turn>, at: &Logged<TurnFact>, event: &TurnStarted, diagnostics: &mut Diagnostics) {
    let TurnStarted { turn_id, thread_id } = event;
    let turn = new(turn_id.clone(), thread_id.clone(), at.when, LiveSpan::from_span_ref(at.context.span.as_ref()));
    if turns.add(turn_id.clone(), turn).is_none() {
        let message = format!("turn {turn_id} starts a second time; the first start is kept");
        diagnostics.add(at, Code::DuplicateStart, message, None);
    }
}

/// Creates a turn that starts at `when` and is running.
fn new(turn_id: TurnId, thread_id: ThreadId, when: Moment, span: LiveSpan) -> Turn {
    Turn {
        turn_id,
        thread_id,
        execution: Execution::open(when),
        input_item_ids: Vec::new(),
        totals: Totals::default(),
        end: None,
        span,
        inference_call_ids: Vec::new(),
        tool_call_ids: Vec::new(),
        error: None,
        evidence: Evidence::new(when.seq, None),
    }
}

/// Adds the turns without a start event that other events name, and orders all turns by start.
fn with_implied(
    started: Table<TurnId, Turn>,
    mentions: &Mentions,
    diagnostics: &mut Diagnostics,
) -> Table<TurnId, Turn> {
    let mut all: Vec<Turn> = Vec::new();
    for Mention { id: (turn, thread), when, line } in &mentions.turns {
        let position = LogPosition { seq: Some(when.seq), line: *line, after: None };
        if let Some(found) = started.get(turn) {
            let seq = found.execution.started.seq;
            diagnostics.use_before_start(position, seq, Code::ImpliedStart, &format!("turn {turn}"));
        } else {
            let message = format!("the start of turn {turn} was not recorded; the turn starts at its first mention");
            diagnostics.add(position, Code::ImpliedStart, message, None);
            all.push(new(turn.clone(), thread.clone(), *when, LiveSpan::default()));
        }
    }
    all.extend(started.into_rows());
    all.sort_by_key(|turn| turn.execution.started.seq);
    let mut turns = Table::default();
    for turn in all {
        turns.add(turn.turn_id.clone(), turn);
    }
    turns
}

/// Records the end of a turn. Reports why if the event is left out.
fn end(turns: &mut Table<TurnId, Turn>, at: &Logged<TurnFact>, event: &TurnEnded, diagnostics: &mut Diagnostics) {
    let TurnEnded { turn_id, status, error, .. } = event;
    let Some(turn) = turns.get_mut(turn_id) else {
        let message = format!("turn {turn_id} ends, but no event names its thread; the end is left out");
        diagnostics.add(at, Code::UnknownObject, message, None);
        return;
    };
    if let Some(thread) = at.context.thread_id.as_ref().filter(|&thread| *thread != turn.thread_id) {
        let message =
            format!("turn {turn_id} ends in thread {thread}, but belongs to {}; the end is left out", turn.thread_id);
        diagnostics.add(at, Code::WrongThread, message, None);
        return;
    }
    turn.evidence.add(at.when.seq, None);
    turn.span.fill_from(at.context.span.as_ref());
    match turn.execution.end(OperationEnd { when: at.when, status: *status }, None) {
        Ok(()) => {
            turn.error.clone_from(error);
            turn.end = event.detail().boxed();
        }
        Err(AlreadyEnded) => {
            let message = format!("turn {turn_id} ends a second time; the first end is kept");
            diagnostics.add(at, Code::LateEnd, message, None);
        }
    }
}
