//! What has happened inside of a turn, as far as it decides how the turn ends: [`TurnProgress`].

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::last_inside::{LastInside, Outcome};

/// What has happened inside of a turn.
#[derive(Debug, Default)]
pub(super) struct TurnProgress {
    /// The last call of a model.
    last_call: LastInside,
    /// `true` if what ended last is a call of a model that was answered and asked for no tool.
    is_answered: AtomicBool,
    /// Number of operations that have started and not ended.
    open: AtomicUsize,
    /// `true` once the shutdown has interrupted an operation.
    is_interrupted: AtomicBool,
}

impl TurnProgress {
    /// Records that an operation has started.
    pub(super) fn start_inside(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that an operation has ended. `is_answered` is `true` for a call of a model that was answered and asked for no
    /// tool.
    pub(super) fn end_inside(&self, is_answered: bool) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.is_answered.store(is_answered, Ordering::Relaxed);
    }

    /// Records that the shutdown has interrupted an operation.
    pub(super) fn set_interrupted(&self) {
        self.is_interrupted.store(true, Ordering::Relaxed);
    }

    /// Returns the last call of a model.
    pub(super) fn last_call(&self) -> &LastInside {
        &self.last_call
    }

    /// Returns `true` if the last call of a model was not answered.
    pub(super) fn is_unanswered(&self) -> bool {
        self.last_call.has_started() && self.last_call.outcome() != Some(Outcome::Completed)
    }

    /// Returns `true` if something is open, no call of a model has begun, or the last one was not answered. What is held
    /// open, as by a connection pool, after an answer whose content is not recorded, is not at work.
    pub(super) fn is_at_work(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0 || !self.last_call.has_started() || self.is_unanswered()
    }

    /// Returns `true` if a model has given its answer, and nothing is open.
    pub(super) fn has_final_answer(&self) -> bool {
        self.is_answered.load(Ordering::Relaxed) && self.open.load(Ordering::Relaxed) == 0
    }

    /// Returns `true` if nothing was left to do in the turn when recording was shut down: a model has given its answer.
    /// Only the span of the turn was still open.
    pub(super) fn is_over(&self) -> bool {
        self.is_answered.load(Ordering::Relaxed) && !self.is_interrupted.load(Ordering::Relaxed)
    }
}
