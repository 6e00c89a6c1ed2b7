//! Counters of the work that a reduction did. They do not depend on the machine.

/// Counters of the work that a reduction did. They are the same in every reduction of a bundle, so that a test can
/// assert how the work grows with the size of the input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// Number of lines that were read from the log.
    pub lines: u64,
    /// Number of payloads that were read and decoded.
    pub payloads: u64,
    /// Total size of the payloads read, in bytes.
    pub payload_bytes: u64,
    /// Number of events of streamed responses that were put together.
    pub stream_events: u64,
    /// Number of items that request, response and checkpoint bodies list, repetitions included.
    pub items_listed: u64,
    /// Number of distinct items among those in `items_listed`. Only these are kept in memory.
    pub items_kept: u64,
    /// Number of items that were compared, placed or looked up to build the conversation.
    pub conversation_steps: u64,
    /// Number of members of bodies that no rule reads, and that were looked up to report each once.
    pub unread_members: u64,
    /// Number of hash lookups that were made to link finished tables.
    pub link_probes: u64,
}
