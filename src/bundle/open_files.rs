//! A bound on the number of open files of logs and packs, however many bundles a program writes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError, Weak};

/// Maximum number of logs and packs that hold a file open.
const MAX_OPEN_FILES: usize = 64;

/// A log or a pack that can close its file and reopen it for its next write.
pub(super) trait ReleaseFile: Send + Sync {
    /// Closes the file and returns `true`. Returns `false` if the file is being written to at the moment. Must not
    /// block.
    fn try_release_file(&self) -> bool;
}

/// The logs and packs whose files are open, in the order in which they were opened.
#[derive(Default)]
pub(crate) struct OpenFiles(Mutex<VecDeque<Weak<dyn ReleaseFile>>>);

impl OpenFiles {
    /// Registers a log or pack that has opened its file. If there are too many open files, closes those that were
    /// opened first, except for files that are being written to. Never waits for a log: the caller may hold its lock.
    pub(super) fn register(&self, log: Weak<dyn ReleaseFile>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let excess = (open.len() + 1).saturating_sub(MAX_OPEN_FILES);
        for _ in 0..excess {
            let Some(first) = open.pop_front() else { break };
            if first.upgrade().is_some_and(|log| !log.try_release_file()) {
                open.push_back(first);
            }
        }
        open.push_back(log);
    }
}

impl fmt::Debug for OpenFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFiles").finish_non_exhaustive()
    }
}
