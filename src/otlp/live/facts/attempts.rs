//! The attempts of a call of a model in one live span: the span is that of the attempt which started or ended last.

use std::sync::Arc;

use super::LiveFacts;
use crate::event::Timestamp;
use crate::otlp::span::facts::SpanFacts;

/// The facts of an attempt that are not those of the span at the moment.
#[derive(Debug)]
pub(super) struct Attempt {
    facts: SpanFacts,
    started_at: Option<Timestamp>,
}

impl LiveFacts {
    /// Puts the facts of the span aside, for those of another attempt.
    pub(super) fn put_aside(&mut self) {
        if let Some(facts) = self.facts.take() {
            self.attempts.push(Attempt { facts, started_at: self.attempt_started_at });
        }
    }

    /// Makes the facts of an attempt, which ends, those of the span.
    pub(super) fn select_attempt(&mut self, id: &Arc<str>) {
        let is_ending = |facts: &SpanFacts| &facts.object_id == id;
        if let Some(index) = self.attempts.iter().position(|attempt| is_ending(&attempt.facts)) {
            let Attempt { facts, started_at } = self.attempts.swap_remove(index);
            self.put_aside();
            (self.facts, self.attempt_started_at) = (Some(facts), started_at);
        }
    }
}
