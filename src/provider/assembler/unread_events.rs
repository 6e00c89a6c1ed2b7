//! Collects what a stream contains and no assembler reads, so that nothing is lost in silence.

use std::collections::HashSet;
use std::fmt;

use super::growing::Mismatch;
use crate::provider::object::{Object, is_null};

/// The known members of the events of some types.
#[derive(Debug)]
pub(in crate::provider) struct EventShape {
    pub(in crate::provider) types: &'static [&'static str],
    /// Objects with a piece of the response.
    pub(in crate::provider) objects: &'static [&'static str],
    /// Texts that are pieces of the response.
    pub(in crate::provider) texts: &'static [&'static str],
    /// Other members that an assembler reads, and those that repeat what other events have or say nothing about the
    /// response.
    pub(in crate::provider) others: &'static [&'static str],
    /// `true` if the assembler keeps members of other names in the body, which is compared with the known members of
    /// the API.
    pub(in crate::provider) keeps_rest: bool,
}

/// A shape without members, from which others are made.
pub(in crate::provider) const NO_MEMBERS: EventShape =
    EventShape { types: &[], objects: &[], texts: &[], others: &[], keeps_rest: false };

impl EventShape {
    /// Returns `true` if a member of this name and type is known.
    fn knows(&self, name: &str, value: &str) -> bool {
        match (self.objects.contains(&name), self.texts.contains(&name)) {
            (true, _) => value.starts_with('{'),
            (_, true) => value.starts_with('"'),
            (false, false) => self.keeps_rest || self.others.contains(&name),
        }
    }
}

/// The types of events, and the members of events, that no assembler reads.
#[derive(Debug, Default)]
pub(in crate::provider) struct UnreadEvents {
    /// Paths to the members. That of a type is `events[type]`.
    paths: Vec<Box<str>>,
    seen: HashSet<Box<str>>,
}

/// Maximum number of types and members that are returned for one stream, so that a hostile stream costs no more memory
/// than its own size.
const MAX_PATHS: usize = 256;

impl UnreadEvents {
    /// Compares an event with the shapes that an API defines. `members` are the members of all of its events.
    pub(in crate::provider) fn compare(
        &mut self,
        kind: &str,
        event: &Object<'_>,
        shapes: &[EventShape],
        members: &[&str],
    ) {
        let shape = shapes.iter().find(|shape| shape.types.contains(&kind));
        let Some(shape) = shape.or_else(|| kind.is_empty().then_some(&NO_MEMBERS)) else {
            return self.add(format_args!("events[{kind}]"));
        };
        for (name, value) in event.fields() {
            if !members.contains(&name) && !is_null(value) && !shape.knows(name, value.get()) {
                self.add(format_args!("events[{kind}].{name}"));
            }
        }
    }

    /// Adds an event that no API recognizes: its type, or its members if it has none.
    pub(in crate::provider) fn add_unknown(&mut self, kind: &str, event: &Object<'_>) {
        self.compare(kind, event, &[], &[]);
    }

    /// Adds a member if a piece did not continue what arrived before it. `path` is the path to the member.
    pub(in crate::provider) fn check(&mut self, added: Result<(), Mismatch>, path: fmt::Arguments<'_>) {
        if added.is_err() {
            self.add(path);
        }
    }

    /// Adds a type of events, or a member of them, unless it was added before.
    pub(in crate::provider) fn add(&mut self, path: fmt::Arguments<'_>) {
        let path = path.to_string().into_boxed_str();
        if self.paths.len() < MAX_PATHS && self.seen.insert(path.clone()) {
            self.paths.push(path);
        }
    }

    /// Returns the paths to the members, in the order in which they were added.
    pub(in crate::provider) fn into_paths(self) -> Vec<Box<str>> {
        self.paths
    }
}
