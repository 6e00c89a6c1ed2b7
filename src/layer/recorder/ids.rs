//! Ids that are unique in the process or in one recorder, and are never written.

/// Identifies a recorder among the live recorders of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::layer) struct RecorderId(pub(super) usize);

/// Identifies a layer among the layers of one recorder, in case a subscriber has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::layer) struct LayerNumber(pub(super) u64);

/// Key of an operation in the table of open operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::layer) struct OpenKey(pub(super) u64);
