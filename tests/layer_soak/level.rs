//! What a process holds.

use std::fmt;

use super::heap;

/// What a process holds while nothing goes on in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    pub(crate) heap: usize,
    pub(crate) resident: usize,
    pub(crate) files: usize,
}

impl Level {
    pub(crate) fn now() -> Self {
        // Counted before the looks at `/proc`, which take some.
        let heap = heap::live();
        let files = std::fs::read_dir("/proc/self/fd").unwrap().count();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: usize = resident.trim().trim_end_matches(" kB").parse().unwrap();
        Self { heap, resident: kib * 1024, files }
    }

    /// Whether this is no more than that, but for so much.
    pub(crate) fn is_within(&self, other: &Self, slack: &Self) -> bool {
        self.heap <= other.heap + slack.heap
            && self.resident <= other.resident + slack.resident
            && self.files <= other.files + slack.files
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { heap, resident, files } = self;
        write!(f, "heap {:7.1} KiB  resident {:6.1} MiB  files {files:3}", kib(*heap), kib(*resident) / 1024.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0
}
