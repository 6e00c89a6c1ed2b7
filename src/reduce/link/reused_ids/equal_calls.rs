//! Calls with equal arguments.
//!
//! A program may rewrite the arguments of the calls that it repeats, for instance `1.0` as `1`. Contents that one call
//! has are equal, so the other calls with its first content may be repeated with its later ones. This holds as long as
//! calls with one first content alone have a later content: if a program shortens arguments, different calls have one
//! content afterwards, which is no evidence of the others.

use std::collections::{BTreeSet, HashMap};

/// The calls by their contents. Calls are numbers, in the order in which [`add`](Self::add) adds them.
#[derive(Default)]
pub(super) struct EqualCalls {
    /// Calls by the content of any of their items.
    by_content: HashMap<u128, Group>,
    /// Calls by the content of their first item.
    by_first: HashMap<u128, Group>,
    /// The first content of the calls that have a content on a later item.
    rewritten: HashMap<u128, FirstContent>,
    /// The contents of each call, the first one first.
    contents: Vec<Vec<u128>>,
}

/// Calls with equal contents.
#[derive(Default)]
struct Group {
    all: BTreeSet<usize>,
    /// The calls of completed responses that have no output.
    open: BTreeSet<usize>,
}

/// The first content of calls with equal later contents.
#[derive(Clone, Copy, PartialEq)]
enum FirstContent {
    Only(u128),
    Different,
}

impl EqualCalls {
    /// Adds a call with its first content.
    pub(super) fn add(&mut self, content: u128) {
        let call = self.contents.len();
        self.contents.push(vec![content]);
        self.by_first.entry(content).or_default().all.insert(call);
        self.by_content.entry(content).or_default().all.insert(call);
    }

    /// Adds a content to a call.
    pub(super) fn add_content(&mut self, call: usize, content: u128) {
        let contents = &mut self.contents[call];
        let first = contents[0];
        let group = self.by_content.entry(content).or_default();
        if !group.all.insert(call) {
            return;
        }
        contents.push(content);
        if self.by_first.get(&first).is_some_and(|group| group.open.contains(&call)) {
            group.open.insert(call);
        }
        let known = self.rewritten.entry(content).or_insert(FirstContent::Only(first));
        if *known != FirstContent::Only(first) {
            *known = FirstContent::Different;
        }
    }

    /// Marks a call as open, or as no longer open.
    pub(super) fn set_open(&mut self, call: usize, is_open: bool) {
        let contents = &self.contents[call];
        let set = |groups: &mut HashMap<u128, Group>, content: u128| {
            let open = &mut groups.entry(content).or_default().open;
            if is_open {
                open.insert(call)
            } else {
                open.remove(&call)
            };
        };
        contents.iter().for_each(|content| set(&mut self.by_content, *content));
        set(&mut self.by_first, contents[0]);
    }

    /// Returns the calls that a list may show with a content.
    fn group(&self, content: u128) -> Option<&Group> {
        match self.rewritten.get(&content) {
            Some(FirstContent::Only(first)) if !self.by_first.contains_key(&content) => self.by_first.get(first),
            Some(_) | None => self.by_content.get(&content),
        }
    }

    /// Returns `true` if a list may show a call with a content.
    pub(super) fn has(&self, call: usize, content: u128) -> bool {
        self.group(content).is_some_and(|group| group.all.contains(&call))
    }

    /// Returns `true` if a call has a content on its first item.
    pub(super) fn is_first(&self, content: u128) -> bool {
        self.by_first.contains_key(&content)
    }

    /// Returns the last call with a content among some calls.
    pub(super) fn last(&self, content: u128, calls: std::ops::Range<usize>) -> Option<usize> {
        self.group(content)?.all.range(calls).next_back().copied()
    }

    /// Returns the last open call that a list may show with a content, if it is behind another call.
    pub(super) fn last_open_after(&self, call: usize, content: u128) -> Option<usize> {
        self.group(content)?.open.range(call + 1..).next_back().copied()
    }

    /// Returns the open calls that a list may show with a content, the last one first.
    pub(super) fn last_open(&self, content: u128) -> impl Iterator<Item = usize> {
        self.group(content).into_iter().flat_map(|group| group.open.iter().rev().copied())
    }

    /// Returns `true` if calls that began differently have a content, so that it is no evidence of a call.
    pub(super) fn is_ambiguous(&self, content: u128) -> bool {
        self.rewritten.get(&content) == Some(&FirstContent::Different)
    }

    /// Returns the calls that a list may show with a content, the last one first.
    pub(super) fn last_all(&self, content: u128) -> impl Iterator<Item = usize> {
        self.group(content).into_iter().flat_map(|group| group.all.iter().rev().copied())
    }

    /// Returns the content of the first item of a call.
    pub(super) fn first_content(&self, call: usize) -> u128 {
        self.contents[call][0]
    }

    /// Returns the last open call with the first content of another call, behind that call and before `end`.
    pub(super) fn last_open_like(&self, call: usize, end: usize) -> Option<usize> {
        let open = &self.group(self.first_content(call))?.open;
        open.range(call + 1..end.max(call + 1)).next_back().copied()
    }
}
