//! When it is time to look whether a file is still there: nothing but a look tells that it was deleted.

use std::sync::atomic::{AtomicU64, Ordering};

/// A look costs a fraction of a write: so many writes share one.
const EVERY: u64 = 32;

/// Counts writes.
#[derive(Debug, Default)]
pub(super) struct Looks(AtomicU64);

impl Looks {
    /// Whether this write should be preceded by a look.
    pub(super) fn is_time(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) % EVERY == EVERY - 1
    }
}
