//! When it has lasted long enough.

use std::time::{Duration, Instant};

/// Nobody waits for longer, and clocks can say it.
pub(super) const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

/// So long from now; far away where that is too long for a clock.
pub(super) fn after(time: Duration) -> Instant {
    Instant::now() + time.min(FAR)
}
