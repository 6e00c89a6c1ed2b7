//! Finds the members of a body that are in no table of known [`members`](super::members), so that nothing is lost in
//! silence when a provider adds a member.
//!
//! Not compared are schemas of tools, arguments and results of tools, `metadata`, and parts of unknown types, which are
//! kept whole or are the program's own.

use std::fmt;

use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::apis::ApiSet;
use super::members::{Nested, Shape, ShapeOf};
use super::object::{Object, is_null, list};

/// A member of a body that no rule reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UnreadField {
    /// Kind of the object that has the member, such as `message`.
    pub(crate) shape: &'static str,
    /// Name of the member.
    pub(crate) name: Box<str>,
    /// Path to the member from the body or the element of the conversation, such as `content[].foo`.
    pub(crate) path: Box<str>,
}

/// Maximum number of members that are returned for one object and what is in it, so that a hostile body costs no more
/// memory than its own size.
const MAX_FIELDS: usize = 256;

/// The shapes that an object may have. Mostly it is one.
type Shapes = SmallVec<[&'static Shape; 6]>;

/// Returns the members of an object that none of the shapes knows that it may have.
pub(super) fn unread_fields(object: &Object<'_>, shapes: impl Iterator<Item = &'static Shape>) -> Vec<UnreadField> {
    let mut comparison = Comparison::default();
    comparison.object(object, &shapes.collect::<Shapes>());
    comparison.found
}

/// Returns the members of an element of a conversation that none of the APIs knows to which it may belong.
pub(crate) fn unread_fields_of_entry(entry: &RawValue, apis: ApiSet) -> Vec<UnreadField> {
    let mut comparison = Comparison::default();
    let entries: SmallVec<[Nested; 6]> = apis.iter().map(|api| api.members().entries).collect();
    comparison.value(entry, &entries);
    comparison.found
}

/// A comparison of an object, and of what is in it, with known shapes.
#[derive(Default)]
struct Comparison {
    /// Path to the object that is compared.
    path: String,
    found: Vec<UnreadField>,
}

impl Comparison {
    /// Compares a value: an object, or a list of objects. Other values have no members.
    fn value(&mut self, value: &RawValue, nested: &[Nested]) {
        match value.get().as_bytes().first() {
            Some(b'{') => {
                let Some(object) = Object::from_value(value) else { return };
                let found: SmallVec<[ShapeOf; 6]> = nested.iter().map(|nested| nested.shape_of(&object)).collect();
                // An object that one of the APIs may keep whole has no member that is lost.
                if !found.iter().any(|found| matches!(found, ShapeOf::KeptWhole)) {
                    let shapes: Shapes = found.into_iter().filter_map(ShapeOf::known).collect();
                    self.object(&object, &shapes);
                }
            }
            Some(b'[') => {
                let length = self.path.len();
                self.path.push_str("[]");
                // A list of lists is not something that an API has.
                let elements = list(value).unwrap_or_default();
                for element in elements.into_iter().filter(|element| element.get().starts_with('{')) {
                    self.value(element, nested);
                }
                self.path.truncate(length);
            }
            _ => {}
        }
    }

    /// Compares the members of an object. An object whose shape is unknown is not compared.
    fn object(&mut self, object: &Object<'_>, shapes: &[&'static Shape]) {
        let Some(first) = shapes.first() else { return };
        for (name, value) in object.fields() {
            if self.found.len() >= MAX_FIELDS {
                return;
            }
            if !shapes.iter().any(|shape| shape.knows(name)) {
                // Null says nothing that could be lost.
                if is_null(value) {
                    continue;
                }
                let others: Shapes = shapes.iter().filter_map(|shape| shape.others).collect();
                if let Some(object) = Object::from_value(value).filter(|_| !others.is_empty()) {
                    self.inside(name, |comparison| comparison.object(&object, &others));
                    continue;
                }
                let path = self.path_to(name).into();
                let field = UnreadField { shape: first.name, name: name.into(), path };
                if !self.found.contains(&field) {
                    self.found.push(field);
                }
                continue;
            }
            let nested: SmallVec<[Nested; 6]> = shapes.iter().filter_map(|shape| shape.nested_in(name)).collect();
            if !nested.is_empty() {
                self.inside(name, |comparison| comparison.value(value, &nested));
            }
        }
    }

    /// Compares what is inside of a member.
    fn inside(&mut self, name: &str, compare: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path = self.path_to(name);
        compare(self);
        self.path.truncate(length);
    }

    /// Returns the path to a member of the object that is compared.
    fn path_to(&self, name: &str) -> String {
        let separator = if self.path.is_empty() { "" } else { "." };
        format!("{}{separator}{name}", self.path)
    }
}

impl UnreadField {
    /// Creates the field of a stream: a type of events, or a member of them.
    pub(super) fn of_stream(path: Box<str>) -> Self {
        Self { shape: "stream", name: path.clone(), path }
    }

    /// Creates the field of a body of this shape.
    pub(super) fn of_body(shape: &Shape, name: &str) -> Self {
        Self { shape: shape.name, name: name.into(), path: name.into() }
    }
}

impl fmt::Display for UnreadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}
