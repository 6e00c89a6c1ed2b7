//! Which threads and turns events name, and where each is named first.

use std::collections::HashSet;

use crate::event::{Event, EventContext, ThreadId, TurnId};
use crate::graph::Moment;

/// Where a thread or turn is named first.
#[derive(Debug)]
pub(in crate::reduce) struct Mention<N> {
    pub(in crate::reduce) named: N,
    pub(in crate::reduce) when: Moment,
    pub(in crate::reduce) line: u64,
}

/// The first mention of every thread and turn, in order of seq.
#[derive(Debug, Default)]
pub(in crate::reduce) struct Mentions {
    pub(in crate::reduce) threads: Vec<Mention<ThreadId>>,
    /// Turns that are named with their thread.
    pub(in crate::reduce) turns: Vec<Mention<(TurnId, ThreadId)>>,
    seen_threads: HashSet<ThreadId>,
    seen_turns: HashSet<TurnId>,
}

impl Mentions {
    /// Takes note of what an event names. A rollout's start announces its root thread; that is no use of it.
    pub(super) fn see(&mut self, when: Moment, line: u64, context: &EventContext, event: &Event) {
        let mut name = |thread: Option<&ThreadId>, turn: Option<&TurnId>| self.name(when, line, thread, turn);
        match event {
            Event::ThreadStarted(e) => name(Some(&e.thread_id), None),
            Event::ThreadEnded(e) => name(Some(&e.thread_id), None),
            Event::TurnStarted(e) => name(Some(&e.thread_id), Some(&e.turn_id)),
            Event::TurnEnded(e) => name(context.thread_id.as_ref(), Some(&e.turn_id)),
            Event::InferenceStarted(e) => name(Some(&e.thread_id), Some(&e.turn_id)),
            Event::CompactionRequestStarted(e) => name(Some(&e.thread_id), Some(&e.turn_id)),
            Event::AgentResultObserved(e) => {
                name(Some(&e.child_thread_id), Some(&e.child_turn_id));
                name(Some(&e.parent_thread_id), None);
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
        name(context.thread_id.as_ref(), context.turn_id.as_ref());
    }

    fn name(&mut self, when: Moment, line: u64, thread: Option<&ThreadId>, turn: Option<&TurnId>) {
        let Some(thread) = thread else { return };
        if !self.seen_threads.contains(thread) {
            self.seen_threads.insert(thread.clone());
            self.threads.push(Mention { named: thread.clone(), when, line });
        }
        let Some(turn) = turn else { return };
        if !self.seen_turns.contains(turn) {
            self.seen_turns.insert(turn.clone());
            self.turns.push(Mention { named: (turn.clone(), thread.clone()), when, line });
        }
    }
}
