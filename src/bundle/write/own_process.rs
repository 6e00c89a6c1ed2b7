//! The process that a recorder belongs to: [`OwnProcess`].

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

/// The process in which a recorder was created. A copy of it that `fork` makes, without starting another program, has the
/// memory and the open files of the recorder and none of its threads: what it wrote would stand in the midst of what the
/// other process writes.
#[derive(Debug)]
pub(crate) struct OwnProcess {
    id: u32,
    is_reported: AtomicBool,
}

impl Default for OwnProcess {
    fn default() -> Self {
        Self { id: process::id(), is_reported: AtomicBool::new(false) }
    }
}

/// Why nothing is recorded in a copy of the process.
pub(crate) const FORKED: &str = "this process is a copy of the one that records, made by `fork`; nothing is recorded in it: create \
                                 a recorder after the `fork`, or start a program with `Command`";

impl OwnProcess {
    /// Returns `true` in a copy of the process.
    pub(crate) fn is_copy(&self) -> bool {
        process::id() != self.id
    }

    /// Returns `true` at the first call in this copy of the process.
    pub(crate) fn is_first_report(&self) -> bool {
        !self.is_reported.swap(true, Ordering::Relaxed)
    }
}
