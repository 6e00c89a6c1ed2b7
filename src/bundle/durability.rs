//! How much of a recording survives what.

/// When what is recorded is safe, and from what. What each costs and gives up is in the README, "What is promised".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// What a returned call has recorded is in the kernel's hands: it survives the death of the process, not that of
    /// the machine. A disk that stalls stalls the call that writes to it, and no other.
    #[default]
    PageCache,
    /// As `PageCache`, and forced to the disk: it survives the death of the machine, too. Bodies are named with their
    /// length and hash, so that one that did not survive is told from one that did.
    Fsync(SyncEvery),
    /// A call leaves what it records in a queue and never waits for the disk; one thread writes. What is still in the
    /// queue is lost with the process, and in the child of a `fork`. What does not fit into the queue
    /// ([`Limits::queue_events`](super::Limits::queue_events), [`Limits::queue_bytes`](super::Limits::queue_bytes))
    /// is lost, counted and told. The guard waits up to 5 s for what is left. The callback for losses may run in the
    /// thread that writes. A [`Writer`](super::Writer) used by itself has no queue; there it is as `PageCache`.
    Buffered,
}

/// How often what was written is forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncEvery {
    /// Before the call returns: an event that was recorded survives, and so do its bodies.
    Event,
    /// All so many milliseconds, by one thread for all bundles: what is older survives.
    Millis(u64),
}

impl Durability {
    /// Whether anything is forced to the disk.
    pub(super) fn syncs(self) -> bool {
        match self {
            Self::Fsync(_) => true,
            Self::PageCache | Self::Buffered => false,
        }
    }
}
