//! An index of item positions on a path, by content.

use std::collections::HashMap;

use super::paths::{Path, Paths};
use crate::graph::ItemId;

/// Number of lineages that are kept: a conversation, and side requests beside it.
const MAX_LINEAGES: usize = 4;

/// Positions of items by content, for the most recently queried paths. A path that extends an indexed path costs only
/// the items that it adds.
#[derive(Default)]
pub(super) struct ContentIndex(Vec<Lineage>);

/// The index of one path.
struct Lineage {
    path: Path,
    /// Number of items of the path that are indexed.
    length: usize,
    /// Positions by content identity, ascending.
    positions: HashMap<u128, Vec<usize>>,
}

impl ContentIndex {
    /// Returns the position of the `nth` item (from 0) with this content identity on the path. Returns `None` if there
    /// are fewer.
    pub(super) fn position(
        &mut self,
        (path, content): (Path, u128),
        nth: usize,
        paths: &mut Paths,
        identity: impl Fn(ItemId) -> Option<u128>,
    ) -> Option<usize> {
        let found = self.0.iter().position(|lineage| paths.begins_with(path, lineage.path, lineage.length));
        let mut lineage = match found {
            Some(found) => self.0.remove(found),
            None => Lineage { path: None, length: 0, positions: HashMap::new() },
        };
        for item in paths.items(path, lineage.length, usize::MAX) {
            if let Some(identity) = identity(item) {
                lineage.positions.entry(identity).or_default().push(lineage.length);
            }
            lineage.length += 1;
        }
        lineage.path = path;
        let position = lineage.positions.get(&content).and_then(|positions| positions.get(nth)).copied();
        self.0.insert(0, lineage);
        self.0.truncate(MAX_LINEAGES);
        position
    }
}
