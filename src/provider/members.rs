//! The members of bodies that are known: those that a rule reads, and those that are deliberately read by none.
//!
//! Each API has a table of the members of its requests, responses, messages, parts, calls and token counts, in the file
//! `members.rs` of its directory. [`unread_fields`](super::unread_fields) compares a body with it.

use super::object::Object;

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
    /// Shape of an object in a member of any other name. `None` if the names of all members are known.
    pub(super) others: Option<&'static Shape>,
}

/// A shape without members, from which others are made.
pub(super) const EMPTY: Shape =
    Shape { name: "", read: &[], nested: &[], unread: &[], read_prefixes: &[], others: None };

/// Shape of an object that only another API with a list of this name has.
pub(super) static OF_ANOTHER_API: Shape = EMPTY;

/// An extension of a message or a call: a signature of Gemini's, or objects of other providers with one.
pub(super) static SIGNED_EXTENSION: Shape =
    Shape { read: SIGNATURES, others: Some(&SIGNED_BY_PROVIDER), name: "extension", ..EMPTY };

static SIGNED_BY_PROVIDER: Shape = Shape {
    name: "extension",
    read: SIGNATURES,
    // Thoughts stand in the content, between tags.
    unread: &[(Reason::Repeated, &["thought"])],
    ..EMPTY
};

/// The spellings of the member that signs reasoning.
const SIGNATURES: &[&str] = &["thoughtSignature", "thought_signature"];

/// What Anthropic reports that it did to a conversation. All members of an edit are kept.
pub(super) static CONTEXT_MANAGEMENT: Shape = Shape {
    name: "context management",
    read: &["applied_edits"],
    // The number of tokens before the edits.
    unread: &[(Reason::Breakdown, &["original_input_tokens"])],
    ..EMPTY
};

/// A block of the request that Anthropic dropped before the model read it, or let pass.
pub(super) static INPUT_TRANSFORMATION: Shape =
    Shape { name: "input transformation", read: &["type", "path", "reason"], ..EMPTY };

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

impl Shape {
    /// Returns `true` if the table has a member of this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.read.contains(&name)
            || self.nested_in(name).is_some()
            || self.unread.iter().any(|(_, names)| names.contains(&name))
            || self.read_prefixes.iter().any(|prefix| name.starts_with(prefix))
    }

    /// Returns what is inside of a member. Returns `None` if it has no members of its own.
    pub(super) fn nested_in(&self, name: &str) -> Option<Nested> {
        self.nested.iter().find(|(known, _)| *known == name).map(|&(_, nested)| nested)
    }
}

impl Nested {
    /// Returns the shape of an object.
    pub(super) fn shape_of(self, object: &Object<'_>) -> ShapeOf {
        match self {
            Self::One(shape) => ShapeOf::Known(shape),
            Self::Tagged { tag, shapes, untagged } => match object.text(tag) {
                Some(kind) => {
                    let known = shapes.iter().find(|(kinds, _)| kinds.contains(&&*kind));
                    known.map_or(ShapeOf::KeptWhole, |&(_, shape)| match std::ptr::eq(shape, &OF_ANOTHER_API) {
                        true => ShapeOf::OfAnotherApi,
                        false => ShapeOf::Known(shape),
                    })
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
pub(super) enum ShapeOf {
    Known(&'static Shape),
    /// The API may have the object, which is then kept as it is.
    KeptWhole,
    /// The API has no such object.
    OfAnotherApi,
}

impl ShapeOf {
    pub(super) fn known(self) -> Option<&'static Shape> {
        match self {
            Self::Known(shape) => Some(shape),
            Self::KeptWhole | Self::OfAnotherApi => None,
        }
    }
}
