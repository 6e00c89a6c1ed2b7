//! Ids that are unique in the process or in one recording, and are never written.

/// Identifies a session among the live sessions of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::layer) struct SessionId(pub(super) usize);

/// Identifies a layer among the layers of one recording, in case a subscriber has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::layer) struct LayerNumber(pub(super) u64);

impl LayerNumber {
    /// The number of no layer.
    pub(in crate::layer) const NONE: Self = Self(u64::MAX);
}
