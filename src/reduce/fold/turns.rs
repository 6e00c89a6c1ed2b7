//! Turns, and whose they are.

use super::lifecycle::{End, Late};
use crate::event::{ThreadId, TurnEnded, TurnId, TurnStarted};
use crate::graph::{Code, Evidence, Execution, LiveSpan, Moment, Table, Totals, Turn};
use crate::reduce::Problems;
use crate::reduce::decode::{At, Mention, Mentions, TurnFact};
use crate::reduce::problems::Place;

/// All turns, those whose start was not seen too.
pub(super) fn turns(facts: &[At<TurnFact>], mentions: &Mentions, problems: &mut Problems) -> Table<TurnId, Turn> {
    let mut started = Table::default();
    for at in facts {
        match &at.fact {
            TurnFact::Started(event) => start(&mut started, at, event, problems),
            TurnFact::Ended(_) => {}
        }
    }
    let mut turns = with_implied(started, mentions, problems);
    for at in facts {
        match &at.fact {
            TurnFact::Started(_) => {}
            TurnFact::Ended(event) => end(&mut turns, at, event, problems),
        }
    }
    turns
}

fn start(turns: &mut Table<TurnId, Turn>, at: &At<TurnFact>, event: &TurnStarted, problems: &mut Problems) {
    let TurnStarted { turn_id, thread_id } = event;
    let turn = new(turn_id.clone(), thread_id.clone(), at.when, LiveSpan::of(at.context.span.as_ref()));
    if turns.add(turn_id.clone(), turn).is_none() {
        let message = format!("turn {turn_id} starts a second time; the first start stands");
        problems.add(at, Code::DuplicateStart, message, None);
    }
}

fn new(turn_id: TurnId, thread_id: ThreadId, when: Moment, span: LiveSpan) -> Turn {
    Turn {
        turn_id,
        thread_id,
        execution: Execution::open(when),
        input_item_ids: Vec::new(),
        totals: Totals::default(),
        span,
        inference_call_ids: Vec::new(),
        tool_call_ids: Vec::new(),
        error: None,
        evidence: Evidence::of(when.seq, None),
    }
}

/// Adds the turns that are only named, in order of start.
fn with_implied(started: Table<TurnId, Turn>, mentions: &Mentions, problems: &mut Problems) -> Table<TurnId, Turn> {
    let mut all: Vec<Turn> = Vec::new();
    for Mention { named: (turn, thread), when, line } in &mentions.turns {
        let place = Place { seq: Some(when.seq), line: *line, after: None };
        if let Some(found) = started.get(turn) {
            let seq = found.execution.started.seq;
            problems.use_before_start(place, seq, Code::ImpliedStart, &format!("turn {turn}"));
        } else {
            let message = format!("the start of turn {turn} was not seen; it starts here, where it is named first");
            problems.add(place, Code::ImpliedStart, message, None);
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

fn end(turns: &mut Table<TurnId, Turn>, at: &At<TurnFact>, event: &TurnEnded, problems: &mut Problems) {
    let TurnEnded { turn_id, status, error } = event;
    let Some(turn) = turns.get_mut(turn_id) else {
        let message = format!("turn {turn_id} ends, but nothing says whose it was; the end is left out");
        problems.add(at, Code::UnknownObject, message, None);
        return;
    };
    if let Some(thread) = at.context.thread_id.as_ref().filter(|&thread| *thread != turn.thread_id) {
        let message =
            format!("turn {turn_id} ends in thread {thread}, but is of {}; the end is left out", turn.thread_id);
        problems.add(at, Code::WrongThread, message, None);
        return;
    }
    turn.evidence.add(at.when.seq, None);
    turn.span.learn(at.context.span.as_ref());
    match turn.execution.end(End { when: at.when, status: *status }, None) {
        Ok(()) => turn.error.clone_from(error),
        Err(Late) => {
            let message = format!("turn {turn_id} ends a second time; the first end stands");
            problems.add(at, Code::LateEnd, message, None);
        }
    }
}
