//! Decides when to check if an open file has been deleted. Writes to a deleted file succeed, so that only a check
//! detects it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Number of writes to a file after which it is checked again. A check costs a fraction of a write.
const WRITES_PER_CHECK: u64 = 32;

/// A counter of the writes to one file, which decides when to check if the file has been deleted.
#[derive(Debug, Default)]
pub(super) struct UnlinkCheck(AtomicU64);

impl UnlinkCheck {
    /// Counts a write. Returns `true` if the caller should check, before the write, if the file has been deleted.
    pub(super) fn is_due(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) % WRITES_PER_CHECK == WRITES_PER_CHECK - 1
    }
}
