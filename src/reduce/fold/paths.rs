//! Conversations that share their beginnings.
//!
//! A snapshot is a path: where it leaves an earlier path, and what it adds. Nothing is copied, so a session of
//! requests that each add a little takes what they add together. Positions on a path are found in a logarithm of
//! its length, because every step of it also knows a step far back.

use crate::graph::{ItemId, Prefix};

/// Items one after the other; `None` is the empty path.
pub(super) type Path = Option<StepId>;

/// The last step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StepId(usize);

/// Which call's record also tells the path up to the end of a step, so that the graph can refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToldBy {
    /// Its request.
    Request(usize),
    /// Its request and its response.
    Response(usize),
    /// None.
    Nobody,
}

#[derive(Debug)]
struct Step {
    before: Path,
    /// A step further back, as in a skew-binary random-access list.
    far_before: Path,
    depth: usize,
    /// The position of its first item.
    start: usize,
    items: Vec<ItemId>,
    told_by: ToldBy,
}

impl Step {
    fn end(&self) -> usize {
        self.start + self.items.len()
    }
}

/// All paths of all threads.
#[derive(Debug, Default)]
pub(super) struct Paths {
    steps: Vec<Step>,
    /// Steps and items looked at.
    pub(super) work: u64,
}

impl Paths {
    fn step(&self, path: Path) -> Option<&Step> {
        self.steps.get(path?.0)
    }

    /// How many items are on the path.
    pub(super) fn len(&self, path: Path) -> usize {
        self.step(path).map_or(0, Step::end)
    }

    /// The path of the first `keep` items of `path`, followed by `items`.
    pub(super) fn extend(&mut self, path: Path, keep: usize, items: Vec<ItemId>, told_by: ToldBy) -> Path {
        if items.is_empty() && keep == self.len(path) {
            return path;
        }
        self.work += items.len() as u64 + 1;
        let before = self.holder(path, keep);
        let step = Step {
            before,
            far_before: self.far_before(before),
            depth: self.depth(before) + 1,
            start: keep,
            items,
            told_by,
        };
        self.steps.push(step);
        Some(StepId(self.steps.len() - 1))
    }

    fn depth(&self, path: Path) -> usize {
        self.step(path).map_or(0, |step| step.depth)
    }

    fn far_before(&self, before: Path) -> Path {
        let far = self.step(before)?.far_before;
        let Some(step) = self.step(far) else { return before };
        let farther = step.far_before;
        let even = self.depth(before) - self.depth(far) == self.depth(far) - self.depth(farther);
        if even { farther } else { before }
    }

    /// The step that holds the last of the first `count` items.
    fn holder(&mut self, path: Path, count: usize) -> Path {
        let mut path = path.filter(|_| count > 0);
        loop {
            self.work += 1;
            let step = self.step(path)?;
            if step.start < count {
                return path;
            }
            let far = self.step(step.far_before).is_some_and(|far| far.start >= count);
            path = if far { step.far_before } else { step.before };
        }
    }

    /// Whether the path begins with the first `length` items of the other.
    pub(super) fn begins_with(&mut self, path: Path, other: Path, length: usize) -> bool {
        length <= self.len(path) && self.holder(path, length) == self.holder(other, length)
    }

    /// The item at a position.
    pub(super) fn at(&mut self, path: Path, position: usize) -> Option<ItemId> {
        let holder = self.holder(path, position.saturating_add(1));
        let step = self.step(holder)?;
        step.items.get(position.checked_sub(step.start)?).copied()
    }

    /// The items of a path from a position on, up to `end`.
    pub(super) fn items(&mut self, path: Path, from: usize, end: usize) -> Vec<ItemId> {
        let mut pieces = Vec::new();
        let mut end = end.min(self.len(path));
        let mut path = self.holder(path, end);
        while end > from
            && let Some(step) = self.step(path)
        {
            let first = from.saturating_sub(step.start);
            pieces.push(step.items.get(first..end - step.start).unwrap_or_default());
            end = step.start;
            path = step.before;
        }
        let steps = pieces.len();
        let items = pieces.into_iter().rev().flatten().copied().collect::<Vec<_>>();
        self.work += (steps + items.len()) as u64;
        items
    }

    /// How the first `count` items of a path can be told by a call, and how many of them are.
    pub(super) fn told(&mut self, path: Path, count: usize) -> (Option<Prefix>, usize) {
        let mut count = count;
        let mut holder = self.holder(path, count);
        while let Some(step) = self.step(holder) {
            match step.told_by {
                ToldBy::Request(call) => return (Some(Prefix { call, items: count, response_items: 0 }), count),
                ToldBy::Response(call) if count >= step.end() => {
                    let prefix = Prefix { call, items: step.start, response_items: step.items.len() };
                    return (Some(prefix), step.end());
                }
                ToldBy::Response(_) | ToldBy::Nobody => {
                    count = step.start;
                    holder = step.before;
                    self.work += 1;
                }
            }
        }
        (None, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(n: usize) -> ItemId {
        ItemId::at(n)
    }

    #[test]
    fn positions_are_found_on_long_and_branched_paths() {
        let mut paths = Paths::default();
        let mut path = None;
        for n in 0..1000 {
            path = paths.extend(path, n, vec![item(n)], ToldBy::Nobody);
        }
        let branch = paths.extend(path, 500, vec![item(5000), item(5001)], ToldBy::Nobody);
        paths.work = 0;
        for n in 0..1000 {
            assert_eq!(paths.at(path, n), Some(item(n)));
        }
        assert!(paths.work < 1000 * 40, "{} steps", paths.work);
        assert_eq!(paths.at(path, 1000), None);
        assert_eq!(paths.len(branch), 502);
        assert_eq!(paths.items(branch, 498, 502), [498, 499, 5000, 5001].map(item));
        assert_eq!(paths.items(branch, 0, usize::MAX).len(), 502);
        assert_eq!(paths.items(None, 0, 5), []);
    }
}
