//! An index of the items in a sequence by their content. The sequences are paths, which share their starts: see
//! `paths`.

use std::collections::HashMap;

use super::paths::{Path, Paths};
use crate::graph::ItemId;

/// Maximum number of paths that are indexed per thread: a conversation, and side requests beside it.
const MAX_LINEAGES: usize = 4;

/// Indexes of the most recently queried paths, by content. A path that extends an indexed path costs only the items
/// that it adds.
#[derive(Default)]
pub(super) struct ContentIndex(Vec<Lineage>);

/// The index of one path, from the content of an item to its positions.
struct Lineage {
    path: Path,
    /// Number of items at the start of the path that are indexed.
    length: usize,
    /// Positions of the items on the path, ascending, by each identity hash by which an item is recognized.
    positions: HashMap<u128, Vec<usize>>,
}

impl ContentIndex {
    /// Returns the position on the path of the `nth` item (from 0) that is recognized by the identity hash `content`.
    /// Returns `None` if there are fewer such items. `hashes` returns the identity hashes by which an item is
    /// recognized.
    pub(super) fn position<I: IntoIterator<Item = u128>>(
        &mut self,
        (path, content): (Path, u128),
        nth: usize,
        paths: &mut Paths,
        hashes: impl Fn(ItemId) -> I,
    ) -> Option<usize> {
        self.lineage(path, paths, hashes).positions.get(&content)?.get(nth).copied()
    }

    /// Returns the number of items before a position on the path that are recognized by the identity hash `content`.
    pub(super) fn count_before<I: IntoIterator<Item = u128>>(
        &mut self,
        (path, content): (Path, u128),
        position: usize,
        paths: &mut Paths,
        hashes: impl Fn(ItemId) -> I,
    ) -> usize {
        let positions = self.lineage(path, paths, hashes).positions.get(&content);
        positions.map_or(0, |positions| positions.partition_point(|known| *known < position))
    }

    /// Returns the index of a path, with all items of the path.
    fn lineage<I: IntoIterator<Item = u128>>(
        &mut self,
        path: Path,
        paths: &mut Paths,
        hashes: impl Fn(ItemId) -> I,
    ) -> &Lineage {
        let found = self.0.iter().position(|lineage| paths.begins_with(path, lineage.path, lineage.length));
        let mut lineage = match found {
            Some(found) => self.0.remove(found),
            None => Lineage { path: None, length: 0, positions: HashMap::new() },
        };
        for item in paths.items(path, lineage.length, usize::MAX) {
            for hash in hashes(item) {
                lineage.positions.entry(hash).or_default().push(lineage.length);
            }
            lineage.length += 1;
        }
        lineage.path = path;
        self.0.insert(0, lineage);
        self.0.truncate(MAX_LINEAGES);
        &self.0[0]
    }
}
