//! Which logs and packs hold a file open: no more than so many, however many bundles a program has.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError, Weak};

/// How many of them may hold a file open at once.
const MOST: usize = 64;

/// A log or a pack that can let go of its file.
pub(super) trait Rests: Send + Sync {
    /// Lets go of the file, unless the log is being written right now. Gives whether it did.
    fn try_rest(&self) -> bool;
}

/// Logs whose files are open, in the order in which they were opened.
#[derive(Default)]
pub(crate) struct OpenLogs(Mutex<VecDeque<Weak<dyn Rests>>>);

impl OpenLogs {
    /// A log opened its file. Where there are too many now, those that were opened first let go of theirs, but for ones
    /// that are being written. Never waits for a log: the caller may hold one.
    pub(super) fn opened(&self, log: Weak<dyn Rests>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let excess = (open.len() + 1).saturating_sub(MOST);
        for _ in 0..excess {
            let Some(first) = open.pop_front() else { break };
            if first.upgrade().is_some_and(|log| !log.try_rest()) {
                open.push_back(first);
            }
        }
        open.push_back(log);
    }
}

impl fmt::Debug for OpenLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenLogs").finish_non_exhaustive()
    }
}
