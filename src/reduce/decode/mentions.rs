//! Collects the first mention of every thread and turn.

use std::collections::HashSet;

use crate::event::{Event, EventContext, ThreadId, TurnId};
use crate::graph::Moment;

/// The first event that names a thread or turn.
#[derive(Debug)]
pub(in crate::reduce) struct Mention<N> {
    pub(in crate::reduce) id: N,
    pub(in crate::reduce) when: Moment,
    pub(in crate::reduce) line: u64,
}

/// The first event that names each thread and each turn, in order of seq. It starts a thread or turn whose start event
/// is missing.
#[derive(Debug, Default)]
pub(in crate::reduce) struct Mentions {
    pub(in crate::reduce) threads: Vec<Mention<ThreadId>>,
    /// Turns that an event names together with their thread.
    pub(in crate::reduce) turns: Vec<Mention<(TurnId, ThreadId)>>,
    seen_threads: HashSet<ThreadId>,
    seen_turns: HashSet<TurnId>,
}

impl Mentions {
    /// Registers the threads and turns that an event names. The root thread in `rollout_started` does not count: the
    /// event only announces it.
    pub(super) fn record(&mut self, when: Moment, line: u64, context: &EventContext, event: &Event) {
        let mut add = |thread: Option<&ThreadId>, turn: Option<&TurnId>| self.add(when, line, thread, turn);
        match event {
            Event::ThreadStarted(e) => add(Some(&e.thread_id), None),
            Event::ThreadEnded(e) => add(Some(&e.thread_id), None),
            Event::TurnStarted(e) => add(Some(&e.thread_id), Some(&e.turn_id)),
            Event::TurnEnded(e) => add(context.thread_id.as_ref(), Some(&e.turn_id)),
            Event::InferenceStarted(e) => add(Some(&e.thread_id), Some(&e.turn_id)),
            Event::CompactionRequestStarted(e) => add(Some(&e.thread_id), Some(&e.turn_id)),
            Event::AgentResultObserved(e) => {
                add(Some(&e.child_thread_id), Some(&e.child_turn_id));
                add(Some(&e.parent_thread_id), None);
            }
            Event::RolloutStarted(_)
            | Event::RolloutEnded(_)
            | Event::InferenceCompleted(_)
            | Event::InferenceFailed(_)
            | Event::InferenceCancelled(_)
            | Event::ToolCallStarted(_)
            | Event::McpToolCallCorrelationAssigned(_)
            | Event::ToolCallRuntimeStarted(_)
            | Event::ToolCallRuntimeEnded(_)
            | Event::ToolCallEnded(_)
            | Event::CodeCellStarted(_)
            | Event::CodeCellInitialResponse(_)
            | Event::CodeCellEnded(_)
            | Event::CompactionRequestCompleted(_)
            | Event::CompactionRequestFailed(_)
            | Event::CompactionInstalled(_)
            | Event::ProtocolEventObserved(_)
            | Event::Other(_) => {}
        }
        add(context.thread_id.as_ref(), context.turn_id.as_ref());
    }

    /// Registers a thread, and a turn of it, unless an earlier event named them.
    fn add(&mut self, when: Moment, line: u64, thread: Option<&ThreadId>, turn: Option<&TurnId>) {
        let Some(thread) = thread else { return };
        if !self.seen_threads.contains(thread) {
            self.seen_threads.insert(thread.clone());
            self.threads.push(Mention { id: thread.clone(), when, line });
        }
        let Some(turn) = turn else { return };
        if !self.seen_turns.contains(turn) {
            self.seen_turns.insert(turn.clone());
            self.turns.push(Mention { id: (turn.clone(), thread.clone()), when, line });
        }
    }
}
