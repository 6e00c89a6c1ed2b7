//! The durability of a recording: which crashes it survives.

/// The durability of recorded events and payloads: which crashes they survive, and from when on. The README compares
/// the costs, in "What is promised".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Writes to the page cache before a recording call returns. Events and payloads survive a crash of the process,
    /// but not of the machine. A disk that stalls blocks only the calls that write to it. This is the default.
    #[default]
    PageCache,
    /// Writes as [`PageCache`](Self::PageCache) does, and syncs to the disk with `fsync`. Events and payloads survive a
    /// crash of the machine, too. References hold length and hash of their payloads, by which a reader detects payloads
    /// that did not survive.
    Fsync(SyncEvery),
    /// Passes events and payloads to one writer thread through a queue: a recording call never waits for the disk.
    ///
    /// Queued events and payloads are lost if the process crashes, and in the child of a `fork`. Events and payloads
    /// that do not fit into the queue ([`Limits::queue_events`](super::Limits::queue_events),
    /// [`Limits::queue_bytes`](super::Limits::queue_bytes)) are lost, counted and reported. When the guard is dropped,
    /// it waits up to 5 s for the queue. The loss callback can run in the writer thread. A [`Writer`](super::Writer)
    /// that is used without a recorder has no queue, and writes as with [`PageCache`](Self::PageCache).
    Buffered,
}

/// The interval in which written events and payloads are synced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncEvery {
    /// Syncs each event and its payloads before the recording call returns.
    Event,
    /// Syncs all bundles every given number of milliseconds, in one thread. A crash of the machine loses at most the
    /// events and payloads recorded since the last sync.
    Millis(u64),
}

impl Durability {
    /// Returns `true` if written events and payloads are synced to the disk.
    pub(super) fn is_fsync(self) -> bool {
        match self {
            Self::Fsync(_) => true,
            Self::PageCache | Self::Buffered => false,
        }
    }
}
