//! How long a receiver is waited for.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use crate::otlp::pipeline::Pace;

/// How often a batch is sent again.
const AGAIN: u32 = 5;

/// The longest pause that a receiver may ask for. Somebody may sit before it.
const LONGEST: Duration = Duration::from_mins(2);

/// Patience for one batch.
#[derive(Debug)]
pub(super) struct Patience(Cell<u32>);

impl Default for Patience {
    fn default() -> Self {
        Self(Cell::new(AGAIN))
    }
}

impl Pace for Patience {
    fn wait_until(&self, moment: Instant) -> bool {
        let pause = moment.saturating_duration_since(Instant::now());
        let Some(left) = self.0.get().checked_sub(1).filter(|_| pause <= LONGEST) else { return false };
        self.0.set(left);
        thread::sleep(pause);
        true
    }

    /// Whoever waits wants to know soon that nobody is there.
    fn is_closing(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_the_pauses_or_with_one_that_is_too_long() {
        let patience = Patience::default();
        assert!(!patience.wait_until(Instant::now() + LONGEST + Duration::from_secs(60)));
        let waited: Vec<_> = (0..7).map(|_| patience.wait_until(Instant::now())).collect();
        assert_eq!(waited, [true, true, true, true, true, false, false]);
    }
}
