//! Deadlines that cannot overflow the clock.

use std::time::{Duration, Instant};

/// Upper bound of every wait, 100 years: larger than any sensible timeout and still representable by [`Instant`].
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Returns the instant `timeout` from now. Timeouts above [`MAX_DURATION`] are clamped to it.
pub(crate) fn after(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(MAX_DURATION)
}
