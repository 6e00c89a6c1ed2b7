//! What a model would see next: [`LiveSnapshot`].

use std::collections::{HashMap, HashSet};

use super::content_index::ContentIndex;
use super::paths::Path;
use crate::graph::ItemId;

/// The items with which a compaction replaced the history of a conversation.
pub(super) struct Replacement {
    pub(super) items: Vec<ItemId>,
    /// Hash of the instructions of the last request before the compaction. `None` if it has none.
    pub(super) instructions: Option<u128>,
}

/// The live snapshot of a thread: the items that its model would see next.
#[derive(Default)]
pub(super) struct LiveSnapshot {
    pub(super) path: Path,
    /// Items with which a compaction replaced the history. The next full request is compared with them instead of the
    /// live snapshot. `None` if there is no such compaction since the last full request.
    pub(super) replacement: Option<Replacement>,
    /// Hash of the instructions of the last request. `None` if it has none.
    pub(super) instructions: Option<u128>,
    /// All identity hashes by which items of the thread are recognized.
    pub(super) contents: HashSet<u128>,
    pub(super) index: ContentIndex,
    /// The last request with the same instructions, and its response, by the hash of the instructions.
    pub(super) by_instructions: HashMap<u128, Path>,
}
