//! Paths: sequences of items that share their starts.
//!
//! The items of a request are a path: the point at which it leaves an earlier path, and the items that it adds. The
//! start is not copied, so the memory of all requests of a session is proportional to the items that each request adds.
//! An item at a position on a path is found in time logarithmic in the path's length, because each step also links to a
//! step far back (as in a skew-binary random-access list).

use crate::graph::{ItemId, Prefix};

/// A path, which is a sequence of items, named by its last step. `None` is the empty path.
pub(super) type Path = Option<StepId>;

/// The index of a step, which identifies the path that ends with the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct StepId(usize);

impl StepId {
    /// Returns the index of the step among all steps, in order of their creation.
    pub(super) fn index(self) -> usize {
        self.0
    }
}

/// The inference call that lists a path in the graph, so that later calls refer to that call instead of listing the
/// items again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListedBy {
    /// The request of the call at this index consists of the path up to the end of the step.
    Request(usize),
    /// The request and then the response of the call at this index consist of the path up to the end of the step.
    Response(usize),
    /// No call lists the path.
    NoCall,
}

/// A step of a path: consecutive items, and the step that precedes them.
#[derive(Debug)]
struct Step {
    previous: Path,
    /// A step further back on the path, as in a skew-binary random-access list.
    jump: Path,
    depth: usize,
    /// Position of the step's first item on the path, from 0.
    start: usize,
    items: Vec<ItemId>,
    listed_by: ListedBy,
}

impl Step {
    /// Returns the position after the step's last item, which is the number of items up to there.
    fn end(&self) -> usize {
        self.start + self.items.len()
    }
}

/// All paths of all threads, stored as steps.
#[derive(Debug, Default)]
pub(super) struct Paths {
    steps: Vec<Step>,
    /// Number of steps and items that were visited, for [`Work`](crate::reduce::Work).
    pub(super) step_count: u64,
}

impl Paths {
    fn step(&self, path: Path) -> Option<&Step> {
        self.steps.get(path?.0)
    }

    /// Returns all steps, in order of their creation.
    pub(super) fn steps(&self) -> impl ExactSizeIterator<Item = StepId> + use<> {
        (0..self.steps.len()).map(StepId)
    }

    /// Returns the step that a step continues, at the place where it starts.
    pub(super) fn previous(&self, step: StepId) -> Path {
        self.step(Some(step))?.previous
    }

    /// Returns the position of the step's first item on its path.
    pub(super) fn start(&self, step: StepId) -> usize {
        self.step(Some(step)).map_or(0, |step| step.start)
    }

    /// Returns the items of the step alone.
    pub(super) fn step_items(&self, step: StepId) -> &[ItemId] {
        self.step(Some(step)).map_or(&[], |step| &step.items)
    }

    /// Returns the number of items on the path.
    pub(super) fn len(&self, path: Path) -> usize {
        self.step(path).map_or(0, Step::end)
    }

    /// Returns the path that consists of the first `keep` items of `path`, followed by `items`.
    pub(super) fn extend(&mut self, path: Path, keep: usize, items: Vec<ItemId>, listed_by: ListedBy) -> Path {
        if items.is_empty() && keep == self.len(path) {
            return path;
        }
        self.step_count += items.len() as u64 + 1;
        let previous = self.step_holding(path, keep);
        let step = Step {
            previous,
            jump: self.jump(previous),
            depth: self.depth(previous) + 1,
            start: keep,
            items,
            listed_by,
        };
        self.steps.push(step);
        Some(StepId(self.steps.len() - 1))
    }

    /// Returns the number of steps on the path.
    fn depth(&self, path: Path) -> usize {
        self.step(path).map_or(0, |step| step.depth)
    }

    /// Returns the step for the field `jump` of a new step after `previous`.
    fn jump(&self, previous: Path) -> Path {
        let far = self.step(previous)?.jump;
        let Some(step) = self.step(far) else { return previous };
        let farther_jump = step.jump;
        let even = self.depth(previous) - self.depth(far) == self.depth(far) - self.depth(farther_jump);
        if even { farther_jump } else { previous }
    }

    /// Returns the step that contains the last of the first `count` items of a path. Returns `None` if `count` is 0.
    pub(super) fn step_holding(&mut self, path: Path, count: usize) -> Path {
        let mut path = path.filter(|_| count > 0);
        loop {
            self.step_count += 1;
            let step = self.step(path)?;
            if step.start < count {
                return path;
            }
            let far = self.step(step.jump).is_some_and(|far| far.start >= count);
            path = if far { step.jump } else { step.previous };
        }
    }

    /// Returns `true` if both paths have the first `length` items of `other` in common.
    pub(super) fn begins_with(&mut self, path: Path, other: Path, length: usize) -> bool {
        length <= self.len(path) && self.step_holding(path, length) == self.step_holding(other, length)
    }

    /// Returns the item at a position on a path, from 0. Returns `None` if the path is shorter.
    pub(super) fn item_at(&mut self, path: Path, position: usize) -> Option<ItemId> {
        let step_holding = self.step_holding(path, position.saturating_add(1));
        let step = self.step(step_holding)?;
        step.items.get(position.checked_sub(step.start)?).copied()
    }

    /// Returns the items of a path from position `from` up to `end`, exclusive.
    pub(super) fn items(&mut self, path: Path, from: usize, end: usize) -> Vec<ItemId> {
        let mut pieces = Vec::new();
        let mut end = end.min(self.len(path));
        let mut path = self.step_holding(path, end);
        while end > from
            && let Some(step) = self.step(path)
        {
            let first = from.saturating_sub(step.start);
            pieces.push(step.items.get(first..end - step.start).unwrap_or_default());
            end = step.start;
            path = step.previous;
        }
        let steps = pieces.len();
        let items = pieces.into_iter().rev().flatten().copied().collect::<Vec<_>>();
        self.step_count += (steps + items.len()) as u64;
        items
    }

    /// Returns the longest start of the first `count` items that is listed by an inference call, and its length.
    /// Returns `None` and 0 if no call lists any of them.
    pub(super) fn listed_prefix(&mut self, path: Path, count: usize) -> (Option<Prefix>, usize) {
        let mut count = count;
        let mut step_holding = self.step_holding(path, count);
        while let Some(step) = self.step(step_holding) {
            match step.listed_by {
                ListedBy::Request(call) => return (Some(Prefix { call, items: count, response_items: 0 }), count),
                ListedBy::Response(call) if count >= step.end() => {
                    let prefix = Prefix { call, items: step.start, response_items: step.items.len() };
                    return (Some(prefix), step.end());
                }
                ListedBy::Response(_) | ListedBy::NoCall => {
                    count = step.start;
                    step_holding = step.previous;
                    self.step_count += 1;
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
        ItemId::from_index(n)
    }

    #[test]
    fn positions_are_found_on_long_and_branched_paths() {
        let mut paths = Paths::default();
        let mut path = None;
        for n in 0..1000 {
            path = paths.extend(path, n, vec![item(n)], ListedBy::NoCall);
        }
        let branch = paths.extend(path, 500, vec![item(5000), item(5001)], ListedBy::NoCall);
        paths.step_count = 0;
        for n in 0..1000 {
            assert_eq!(paths.item_at(path, n), Some(item(n)));
        }
        assert!(paths.step_count < 1000 * 40, "{} steps", paths.step_count);
        assert_eq!(paths.item_at(path, 1000), None);
        assert_eq!(paths.len(branch), 502);
        assert_eq!(paths.items(branch, 498, 502), [498, 499, 5000, 5001].map(item));
        assert_eq!(paths.items(branch, 0, usize::MAX).len(), 502);
        assert_eq!(paths.items(None, 0, 5), []);
    }
}
