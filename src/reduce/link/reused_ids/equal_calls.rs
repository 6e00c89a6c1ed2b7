//! Groups of calls with equal arguments.
//!
//! A program may rewrite the arguments of the calls that it repeats, for instance an empty text as an empty object.
//! Once a call is known to have two contents, these contents are equal for all calls.

use std::collections::{BTreeSet, HashMap};

/// The calls by their contents.
#[derive(Default)]
pub(super) struct EqualCalls {
    /// Index of a group for each content.
    by_content: HashMap<u128, usize>,
    groups: Vec<Group>,
}

/// Calls with equal contents.
#[derive(Default)]
struct Group {
    /// Index of the group that this one was merged into.
    merged_into: Option<usize>,
    all: BTreeSet<usize>,
    /// The calls of completed responses that have no output.
    open: BTreeSet<usize>,
}

impl EqualCalls {
    /// Returns the index of the group of a content. Groups that were merged have the same index.
    fn group_of(&self, content: u128) -> Option<usize> {
        let mut group = *self.by_content.get(&content)?;
        while let Some(merged_into) = self.groups[group].merged_into {
            group = merged_into;
        }
        Some(group)
    }

    fn group(&self, content: u128) -> Option<&Group> {
        self.groups.get(self.group_of(content)?)
    }

    fn group_or_new(&mut self, content: u128) -> usize {
        self.group_of(content).unwrap_or_else(|| {
            self.by_content.insert(content, self.groups.len());
            self.groups.push(Group::default());
            self.groups.len() - 1
        })
    }

    /// Adds a call with a content.
    pub(super) fn add(&mut self, call: usize, content: u128) {
        let group = self.group_or_new(content);
        self.groups[group].all.insert(call);
    }

    /// Makes two contents equal, because one call has both.
    ///
    /// The smaller group is merged into the larger one, so that each call moves a logarithmic number of times.
    pub(super) fn merge(&mut self, one: u128, other: u128) {
        let (one, other) = (self.group_or_new(one), self.group_or_new(other));
        if one == other {
            return;
        }
        let is_larger = self.groups[one].all.len() >= self.groups[other].all.len();
        let (larger, smaller) = if is_larger { (one, other) } else { (other, one) };
        let Group { all, open, .. } =
            std::mem::replace(&mut self.groups[smaller], Group { merged_into: Some(larger), ..Group::default() });
        self.groups[larger].all.extend(all);
        self.groups[larger].open.extend(open);
    }

    /// Marks a call with a content as open, or as no longer open.
    pub(super) fn set_open(&mut self, call: usize, content: u128, is_open: bool) {
        let group = self.group_or_new(content);
        let open = &mut self.groups[group].open;
        if is_open {
            open.insert(call);
        } else {
            open.remove(&call);
        }
    }

    /// Returns `true` if a call has a content.
    pub(super) fn has(&self, call: usize, content: u128) -> bool {
        self.group(content).is_some_and(|group| group.all.contains(&call))
    }

    /// Returns the last call with a content among some calls.
    pub(super) fn last(&self, content: u128, calls: std::ops::Range<usize>) -> Option<usize> {
        self.group(content)?.all.range(calls).next_back().copied()
    }

    /// Returns the last open call with a content, if it is behind another call.
    pub(super) fn last_open_after(&self, call: usize, content: u128) -> Option<usize> {
        self.group(content)?.open.range(call + 1..).next_back().copied()
    }
}
