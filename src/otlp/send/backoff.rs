//! The delays between retries of an export.

use std::time::{Duration, SystemTime};

const INITIAL_DELAY: Duration = Duration::from_millis(250);
const MAX_DELAY: Duration = Duration::from_secs(5);

/// An exponential backoff: the delay doubles from one retry to the next, up to [`MAX_DELAY`].
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(INITIAL_DELAY)
    }

    /// Returns the delay before the next retry, with up to a quarter of random jitter: programs that lost a receiver at
    /// one moment must not all return to it at one moment.
    pub(super) fn next_delay(&mut self) -> Duration {
        let delay = self.0;
        self.0 = (delay * 2).min(MAX_DELAY);
        let jitter = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().subsec_nanos() % 256;
        delay + delay * jitter / 1024
    }
}
