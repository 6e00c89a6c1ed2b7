//! Where on a path items of a content are.

use std::collections::HashMap;

use super::paths::{Path, Paths};
use crate::graph::ItemId;

/// How many lines of descent are kept: a conversation, and what is asked beside it.
const KEPT: usize = 4;

/// Positions by content, of the paths that were asked for last. A path that goes on from one that is known costs what
/// it adds.
#[derive(Default)]
pub(super) struct ContentIndex(Vec<Lineage>);

struct Lineage {
    path: Path,
    /// So many items of it are in the index.
    length: usize,
    positions: HashMap<u128, Vec<usize>>,
}

impl ContentIndex {
    /// The position of the `nth` item of this content on the path.
    pub(super) fn position(
        &mut self,
        (path, same): (Path, u128),
        nth: usize,
        paths: &mut Paths,
        identity: impl Fn(ItemId) -> Option<u128>,
    ) -> Option<usize> {
        let known = self.0.iter().position(|line| paths.begins_with(path, line.path, line.length));
        let mut line = match known {
            Some(known) => self.0.remove(known),
            None => Lineage { path: None, length: 0, positions: HashMap::new() },
        };
        for item in paths.items(path, line.length, usize::MAX) {
            if let Some(same) = identity(item) {
                line.positions.entry(same).or_default().push(line.length);
            }
            line.length += 1;
        }
        line.path = path;
        let position = line.positions.get(&same).and_then(|positions| positions.get(nth)).copied();
        self.0.insert(0, line);
        self.0.truncate(KEPT);
        position
    }
}
