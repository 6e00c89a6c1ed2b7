//! Measurement of the memory and the open files of this process.

use std::fmt;

use crate::heap;

/// The resources of a process while no thread is recording.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resources {
    /// Allocated bytes.
    pub(crate) heap: usize,
    /// Resident set size, in bytes.
    pub(crate) resident: usize,
    /// Number of open file descriptors.
    pub(crate) files: usize,
}

impl Resources {
    /// Measures the current resources.
    pub(crate) fn now() -> Self {
        // Measured first, because reading `/proc` allocates.
        let heap = heap::live();
        let files = std::fs::read_dir("/proc/self/fd").unwrap().count();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: usize = resident.trim().trim_end_matches(" kB").parse().unwrap();
        Self { heap, resident: kib * 1024, files }
    }

    /// Returns `true` if no resource exceeds `other` by more than `slack`.
    pub(crate) fn is_within(&self, other: &Self, slack: &Self) -> bool {
        self.heap <= other.heap + slack.heap
            && self.resident <= other.resident + slack.resident
            && self.files <= other.files + slack.files
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { heap, resident, files } = self;
        write!(f, "heap {:7.1} KiB  resident {:6.1} MiB  files {files:3}", kib(*heap), kib(*resident) / 1024.0)
    }
}

/// Converts bytes to KiB.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0
}
