//! The tables of threads and turns, in which all other domains look up the thread and turn of an event.

use super::lifecycle::OperationEnd;
use super::threads::threads;
use super::turns::turns;
use crate::event::{AgentPath, ThreadId, TurnId};
use crate::graph::{Code, Table, Thread, Turn};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{Logged, Mentions, ThreadFact, TurnFact};

/// All threads and turns of a run: those with a start event, and those that an event only names.
#[derive(Debug)]
pub(in crate::reduce) struct ThreadTables {
    pub(in crate::reduce) threads: Table<ThreadId, Thread>,
    pub(in crate::reduce) turns: Table<TurnId, Turn>,
}

impl ThreadTables {
    /// Folds the facts of threads and turns. Threads and turns without a start event are taken from `mentions`.
    pub(in crate::reduce) fn fold(
        thread_facts: &[Logged<ThreadFact>],
        turn_facts: &[Logged<TurnFact>],
        mentions: &Mentions,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let threads = threads(thread_facts, mentions, diagnostics);
        let turns = turns(turn_facts, mentions, diagnostics);
        Self { threads, turns }
    }

    /// Returns `true` if the turn exists and belongs to the thread. Otherwise reports that `subject` is left out, and
    /// returns `false`.
    pub(super) fn check_turn<F>(
        &self,
        at: &Logged<F>,
        thread: &ThreadId,
        turn: &TurnId,
        subject: &dyn std::fmt::Display,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        let Some(found) = self.turns.get(turn) else {
            let message = format!("{subject} references turn {turn}, which was never started; it is left out");
            diagnostics.add(at, Code::UnknownObject, message, None);
            return false;
        };
        if found.thread_id != *thread {
            let message = format!(
                "{subject} references thread {thread}, but turn {turn} belongs to {}; it is left out",
                found.thread_id
            );
            diagnostics.add(at, Code::WrongThread, message, None);
            return false;
        }
        true
    }

    /// Returns the thread of an event: the one in the event's context, else the thread of the turn in the context.
    /// Returns `None` if the context has neither.
    pub(super) fn thread_of<F>(&self, at: &Logged<F>) -> Option<ThreadId> {
        let of_turn = || Some(self.turns.get(at.context.turn_id.as_ref()?)?.thread_id.clone());
        at.context.thread_id.clone().or_else(of_turn)
    }

    /// Returns the path of a thread's agent. Returns `None` if it was not recorded: the path is then the thread's id.
    pub(in crate::reduce) fn agent_path(&self, thread: &ThreadId) -> Option<&AgentPath> {
        let path = &self.threads.get(thread)?.agent_path;
        Some(path).filter(|path| !path.as_str().is_empty() && path.as_str() != thread.as_str())
    }

    /// Returns the end of a turn. Returns `None` if the turn is unknown or running.
    pub(super) fn turn_end(&self, turn: &TurnId) -> Option<OperationEnd> {
        let turn = self.turns.get(turn)?;
        Some(OperationEnd { when: turn.execution.ended?, status: turn.execution.status })
    }
}
