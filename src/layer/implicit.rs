//! Threads and turns for programs that open none: frameworks with spans of the conventions alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use super::operation::{End, ThreadFacts, ThreadOperation, TurnOperation};
use super::recorder::{Inner, locked};

/// What is supplied at the top of a scope of spans. It ends when that span closes.
#[derive(Debug, Default)]
pub(super) struct Supplied {
    thread: OnceLock<Arc<ThreadOperation>>,
    /// One for each thread below that opens none itself, by the thread's address.
    turns: Mutex<HashMap<usize, Arc<TurnOperation>>>,
}

impl Supplied {
    /// The thread of what has none above it: that of its conversation, which lives until shutdown, else one for this
    /// scope.
    pub(super) fn thread(&self, recorder: &Arc<Inner>, facts: ThreadFacts) -> Arc<ThreadOperation> {
        let conversation = facts.id.clone();
        let make = || ThreadOperation::new(Arc::clone(recorder), None, facts, None);
        match conversation {
            Some(id) => recorder.conversation(&id, make),
            None => Arc::clone(self.thread.get_or_init(make)),
        }
    }

    /// The turn of what has a thread above it but no turn.
    pub(super) fn turn(&self, thread: Arc<ThreadOperation>) -> Arc<TurnOperation> {
        let mut turns = locked(&self.turns);
        // The turn holds the thread, so no other has the address.
        Arc::clone(turns.entry(Arc::as_ptr(&thread).addr()).or_insert_with(|| TurnOperation::supplied(thread)))
    }

    /// The span at the top has closed.
    pub(super) fn end(&self) {
        // Not in the loop's head: there the lock would be held through it.
        let turns = std::mem::take(&mut *locked(&self.turns));
        for turn in turns.into_values() {
            turn.end(End::Closed);
        }
        if let Some(thread) = self.thread.get() {
            thread.end(End::Closed);
        }
    }
}
