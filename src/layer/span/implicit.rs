//! Implicit threads and turns, for frameworks that emit only spans of the GenAI conventions and open none themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use crate::event::Timestamp;
use crate::layer::operation::{End, ThreadFacts, ThreadOperation, TurnOperation};
use crate::layer::session::Session;
use crate::layer::session::reentrancy::lock;

/// The implicit thread and turns of a root span and the spans below it. They end when the root span closes.
#[derive(Debug, Default)]
pub(super) struct ImplicitOperations {
    thread: OnceLock<Arc<ThreadOperation>>,
    /// Implicit turns of threads that spans below the root span opened without a turn, by address of the thread.
    turns: Mutex<HashMap<usize, Arc<TurnOperation>>>,
}

impl ImplicitOperations {
    /// Returns the thread for an operation without an enclosing thread: the thread of its conversation, which lives
    /// until shutdown, or else the implicit thread of the root span.
    pub(super) fn thread(&self, session: &Arc<Session>, facts: ThreadFacts) -> Arc<ThreadOperation> {
        let conversation = facts.id.clone();
        let make = || ThreadOperation::new(Arc::clone(session), None, facts, None);
        match conversation {
            Some(id) => ThreadOperation::of_conversation(session, &id, make),
            None => Arc::clone(self.thread.get_or_init(make)),
        }
    }

    /// Returns the implicit turn of `thread`, for an operation that has an enclosing thread but no turn.
    pub(in crate::layer) fn turn(&self, thread: Arc<ThreadOperation>) -> Arc<TurnOperation> {
        let mut turns = lock(&self.turns);
        // The turn keeps the thread alive, so no other thread has the same address.
        let turn = turns.entry(Arc::as_ptr(&thread).addr()).or_insert_with(|| TurnOperation::new_implicit(thread));
        // Only the latest is kept: the turns before it have ended.
        *turn = turn.latest();
        Arc::clone(turn)
    }

    /// Sets the error with which the turns end whose last call of a model was not answered.
    pub(super) fn fail_unanswered(&self, error: &str) {
        let turns: Vec<_> = lock(&self.turns).values().cloned().collect();
        turns.iter().map(TurnOperation::latest).for_each(|turn| turn.fail_unanswered(error));
    }

    /// Sets the error with which the turns of the agents that act in `thread` end whose last call of a model was not answered.
    pub(super) fn fail_unanswered_agents(&self, thread: &Arc<ThreadOperation>, error: &str) {
        let turns: Vec<_> = lock(&self.turns).values().cloned().collect();
        let turns = turns.iter().filter(|turn| turn.thread().is_agent_of(thread));
        turns.map(TurnOperation::latest).for_each(|turn| turn.fail_unanswered(error));
    }

    /// Ends the implicit operations, because the root span has closed. Threads of conversations stay open.
    pub(super) fn end(&self) {
        // Not in the head of the loop, where the lock would be held until the loop ends.
        let turns = std::mem::take(&mut *lock(&self.turns));
        let at = Timestamp::now();
        for turn in turns.into_values() {
            turn.latest().end(End::Closed, at);
        }
        if let Some(thread) = self.thread.get() {
            thread.end(End::Closed, at);
        }
    }
}
