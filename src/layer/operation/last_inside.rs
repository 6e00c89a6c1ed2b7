//! What happened last inside of a turn or a thread, which decides how it ended if nobody ended it: [`LastInside`].

use std::sync::Mutex;

use crate::layer::session::reentrancy::lock;

/// The operation that started last inside of another one: the last call of a model in a turn, or the last turn of a
/// thread.
#[derive(Debug, Default)]
pub(super) struct LastInside(Mutex<Option<Last>>);

#[derive(Debug)]
struct Last {
    /// Address of the operation, which no other operation has before this one ends.
    address: usize,
    /// How the operation ended. `None` while it is open.
    outcome: Option<Outcome>,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    Failed(String),
    Cancelled(String),
}

impl LastInside {
    /// Records that an operation started.
    pub(super) fn start<T>(&self, operation: &T) {
        *lock(&self.0) = Some(Last { address: std::ptr::from_ref(operation).addr(), outcome: None });
    }

    /// Records how an operation ended. Ignored if another one has started since.
    pub(super) fn end<T>(&self, operation: &T, outcome: Outcome) {
        if let Some(last) = &mut *lock(&self.0)
            && last.address == std::ptr::from_ref(operation).addr()
        {
            last.outcome = Some(outcome);
        }
    }

    /// Returns `true` if an operation has ever started.
    pub(super) fn has_started(&self) -> bool {
        lock(&self.0).is_some()
    }

    /// Returns how the last operation ended. Returns [`Outcome::Completed`] if there was none, and `None` if it is still
    /// open.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        lock(&self.0).as_ref().map_or(Some(Outcome::Completed), |last| last.outcome.clone())
    }
}
