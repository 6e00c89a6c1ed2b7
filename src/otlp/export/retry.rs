//! Limits the retries of an export.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use crate::otlp::send::retrying_sender::RetryControl;

/// Maximum number of retries of a batch.
const MAX_RETRIES: u32 = 5;

/// Longest pause that the export accepts from a receiver: a user may be waiting for the command.
const MAX_PAUSE: Duration = Duration::from_mins(2);

/// Remaining retries of one batch.
#[derive(Debug)]
pub(super) struct RetryBudget(Cell<u32>);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(Cell::new(MAX_RETRIES))
    }
}

impl RetryControl for RetryBudget {
    fn wait_until(&self, moment: Instant) -> bool {
        let pause = moment.saturating_duration_since(Instant::now());
        let Some(left) = self.0.get().checked_sub(1).filter(|_| pause <= MAX_PAUSE) else { return false };
        self.0.set(left);
        thread::sleep(pause);
        true
    }

    /// Returns `true`: the user who waits for the export should learn soon that no receiver is there.
    fn retries_unreachable_once(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[path = "tests/retry.rs"]
mod tests;
