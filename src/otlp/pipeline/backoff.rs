//! How long to wait before it is tried again.

use std::time::{Duration, SystemTime};

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

/// Doubles from one attempt to the next, up to a limit.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    /// With up to a quarter more, by chance: programs that lost a receiver together don't come back together.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        let chance = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().subsec_nanos() % 256;
        wait + wait * chance / 1024
    }
}
