//! The members of bodies that are known: those that a rule reads, and those that are deliberately read by none.
//!
//! Each API has a table of the members of its requests, responses, messages, parts, calls and token counts, in the file
//! `members.rs` of its directory. A body is compared with the table, and what is in neither part of it is reported, so
//! that nothing is lost in silence when a provider adds a member.
//!
//! Not compared are schemas of tools, arguments and results of tools, `metadata`, and parts of unknown types, which are
//! kept whole or are the program's own.

use std::fmt;

use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::apis::ApiSet;
use super::object::{Object, is_null, list};

/// The known members of one kind of object in the bodies of an API.
#[derive(Debug)]
pub(super) struct Shape {
    /// The kind of the object, as diagnostics name it, such as `message`.
    pub(super) name: &'static str,
    /// Members that a rule reads, or keeps as they are.
    pub(super) read: &'static [&'static str],
    /// Members that a rule reads, and that have members of their own.
    pub(super) nested: &'static [(&'static str, Nested)],
    /// Members that no rule reads, by the reason why.
    pub(super) unread: &'static [(Reason, &'static [&'static str])],
    /// Beginnings of the names of members that rules read.
    pub(super) read_prefixes: &'static [&'static str],
}

/// A shape without members, from which others are made.
pub(super) const EMPTY: Shape = Shape { name: "", read: &[], nested: &[], unread: &[], read_prefixes: &[] };

/// The objects inside of a member: the member is an object or a list of objects.
#[derive(Debug, Clone, Copy)]
pub(super) enum Nested {
    /// All objects have this shape.
    One(&'static Shape),
    /// The member `tag` of an object names its shape. Objects with another tag are not compared.
    Tagged {
        tag: &'static str,
        shapes: &'static [(&'static [&'static str], &'static Shape)],
        /// The shape of an object without a tag.
        untagged: Option<&'static Shape>,
    },
    /// Objects with one of these members have the shape. Others are not compared.
    Having { members: &'static [&'static str], shape: &'static Shape },
}

/// The reason why a member of a body is read by no rule. All of them stay in the payload.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reason {
    /// A setting of the request, which is neither said by nor to the model.
    Setting,
    /// Data that the recorder takes from elsewhere, or that another member of the body repeats.
    Repeated,
    /// An identifier, a name, a time or a state of the API's own bookkeeping.
    Bookkeeping,
    /// Probabilities of tokens, and scores.
    Scores,
    /// A breakdown of token counts, or a cost, beyond what is counted.
    Breakdown,
    /// The program's own data.
    Program,
}

/// The tables of an API.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) request: Shape,
    /// The elements of the conversation in a request, and of the output in a response that is a list of them.
    pub(super) entries: Nested,
    pub(super) response: Shape,
}

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
                let path = self.path_to(name).into();
                let field = UnreadField { shape: first.name, name: name.into(), path };
                if !self.found.contains(&field) {
                    self.found.push(field);
                }
                continue;
            }
            let nested: SmallVec<[Nested; 6]> = shapes.iter().filter_map(|shape| shape.nested_in(name)).collect();
            if !nested.is_empty() {
                let length = self.path.len();
                self.path = self.path_to(name);
                self.value(value, &nested);
                self.path.truncate(length);
            }
        }
    }

    /// Returns the path to a member of the object that is compared.
    fn path_to(&self, name: &str) -> String {
        let separator = if self.path.is_empty() { "" } else { "." };
        format!("{}{separator}{name}", self.path)
    }
}

impl Shape {
    /// Returns `true` if the table has a member of this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.read.contains(&name)
            || self.nested_in(name).is_some()
            || self.unread.iter().any(|(_, names)| names.contains(&name))
            || self.read_prefixes.iter().any(|prefix| name.starts_with(prefix))
    }

    /// Returns what is inside of a member. Returns `None` if it has no members of its own.
    fn nested_in(&self, name: &str) -> Option<Nested> {
        self.nested.iter().find(|(known, _)| *known == name).map(|&(_, nested)| nested)
    }
}

impl Nested {
    /// Returns the shape of an object.
    fn shape_of(self, object: &Object<'_>) -> ShapeOf {
        match self {
            Self::One(shape) => ShapeOf::Known(shape),
            Self::Tagged { tag, shapes, untagged } => match object.text(tag) {
                Some(kind) => {
                    let known = shapes.iter().find(|(kinds, _)| kinds.contains(&&*kind));
                    known.map_or(ShapeOf::KeptWhole, |&(_, shape)| ShapeOf::Known(shape))
                }
                None => untagged.map_or(ShapeOf::OfAnotherApi, ShapeOf::Known),
            },
            Self::Having { members, shape } if object.first(members).is_some() => ShapeOf::Known(shape),
            Self::Having { .. } if object.get("type").is_some() => ShapeOf::OfAnotherApi,
            Self::Having { .. } => ShapeOf::KeptWhole,
        }
    }
}

/// The shape of an object, as far as an API defines it.
#[derive(Debug, Clone, Copy)]
enum ShapeOf {
    Known(&'static Shape),
    /// The API may have the object, which is then kept as it is.
    KeptWhole,
    /// The API has no such object.
    OfAnotherApi,
}

impl ShapeOf {
    fn known(self) -> Option<&'static Shape> {
        match self {
            Self::Known(shape) => Some(shape),
            Self::KeptWhole | Self::OfAnotherApi => None,
        }
    }
}

impl UnreadField {
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
