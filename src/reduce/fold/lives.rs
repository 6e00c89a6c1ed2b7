//! Threads and turns, and what the other domains ask of them.

use super::lifecycle::End;
use super::threads::threads;
use super::turns::turns;
use crate::event::{ThreadId, TurnId};
use crate::graph::{Code, Table, Thread, Turn};
use crate::reduce::Problems;
use crate::reduce::decode::{At, Mentions, ThreadFact, TurnFact};

/// Threads and turns.
#[derive(Debug)]
pub(in crate::reduce) struct Lives {
    pub(in crate::reduce) threads: Table<ThreadId, Thread>,
    pub(in crate::reduce) turns: Table<TurnId, Turn>,
}

impl Lives {
    pub(in crate::reduce) fn fold(
        thread_facts: &[At<ThreadFact>],
        turn_facts: &[At<TurnFact>],
        mentions: &Mentions,
        problems: &mut Problems,
    ) -> Self {
        let threads = threads(thread_facts, mentions, problems);
        let turns = turns(turn_facts, mentions, problems);
        Self { threads, turns }
    }

    /// Whether the turn is known and of that thread. What is not is told; `what` is left out.
    pub(super) fn agree<F>(
        &self,
        at: &At<F>,
        thread: &ThreadId,
        turn: &TurnId,
        what: &dyn std::fmt::Display,
        problems: &mut Problems,
    ) -> bool {
        let Some(found) = self.turns.get(turn) else {
            let message = format!("{what} names turn {turn}, which was never started; it is left out");
            problems.add(at, Code::UnknownObject, message, None);
            return false;
        };
        if found.thread_id != *thread {
            let message =
                format!("{what} names thread {thread}, but turn {turn} is of {}; it is left out", found.thread_id);
            problems.add(at, Code::WrongThread, message, None);
            return false;
        }
        true
    }

    /// The thread that an event happened in: the one it names, or that of the turn it names.
    pub(super) fn thread_of<F>(&self, at: &At<F>) -> Option<ThreadId> {
        let of_turn = || Some(self.turns.get(at.context.turn_id.as_ref()?)?.thread_id.clone());
        at.context.thread_id.clone().or_else(of_turn)
    }

    /// The end of a turn, where one was seen.
    pub(super) fn turn_end(&self, turn: &TurnId) -> Option<End> {
        let turn = self.turns.get(turn)?;
        Some(End { when: turn.execution.ended?, status: turn.execution.status })
    }
}
