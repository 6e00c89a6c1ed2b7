//! What a reduction did, in counts that do not depend on the machine.

/// What a reduction did. The counts of one bundle are always the same, so that a test can show how work grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// Lines of the log.
    pub lines: u64,
    /// Payloads read.
    pub payloads: u64,
    /// Their bytes.
    pub payload_bytes: u64,
    /// Items that bodies list.
    pub items_listed: u64,
    /// Different items among them: so many were kept.
    pub items_kept: u64,
    /// Steps of putting the conversation together: items compared, placed or looked up.
    pub conversation_steps: u64,
    /// Lookups of links between finished tables.
    pub link_probes: u64,
}
