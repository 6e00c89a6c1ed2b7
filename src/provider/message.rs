//! Reads messages: those of all APIs except the Responses API, which has [items](super::Item).
//!
//! The parts of a message are in this order: its reasoning, its content, and what stands beside the content.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::apis::APIS;
use super::object::{Object, is_null, list, list_or_one};
use super::part::Part;

/// A message.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) role: RoleName<'a>,
    /// The name of the speaker, or of the tool whose output the message is.
    pub(crate) name: Option<&'a RawValue>,
    /// The id of the call that a message of a tool answers.
    pub(crate) call_id: Option<&'a RawValue>,
    /// The content. `None` if it is absent or null.
    pub(crate) content: Option<Content<'a>>,
    /// `true` if the content is a list of `parts`, whose types also mark outputs of tools.
    pub(crate) has_marked_parts: bool,
    pub(crate) other_parts: NonContentParts<'a>,
}

/// The parts of a message that stand beside its content.
#[derive(Debug, Default)]
pub(crate) struct NonContentParts<'a> {
    pub(crate) before: Vec<Part<'a>>,
    /// Parts that describe the content. They follow it.
    pub(crate) annotations: Vec<Part<'a>>,
    pub(crate) after: Vec<Part<'a>>,
}

impl<'a> NonContentParts<'a> {
    /// Returns the parts before the content, and those behind it.
    pub(crate) fn around_content(self) -> (Vec<Part<'a>>, Vec<Part<'a>>) {
        let Self { before, annotations: mut behind, after } = self;
        behind.extend(after);
        (before, behind)
    }
}

/// The role of a message or an item, as the body names it.
#[derive(Debug, PartialEq)]
pub(crate) enum RoleName<'a> {
    /// The field is absent or null.
    Absent,
    Named(Cow<'a, str>),
    /// The field is no text.
    NotText,
}

impl<'a> RoleName<'a> {
    /// Reads the role of a message or an item.
    pub(super) fn read(object: &Object<'a>) -> Self {
        match (object.text("role"), object.non_null("role")) {
            (Some(role), _) => Self::Named(role),
            (None, Some(_)) => Self::NotText,
            (None, None) => Self::Absent,
        }
    }
}

impl<'a> Message<'a> {
    /// Reads a message. Returns `None` if the value is no object.
    pub(crate) fn read(raw: &'a RawValue) -> Option<Self> {
        let message = Object::from_value(raw)?;
        let parts = message.non_null("parts");
        let mut other_parts = NonContentParts::default();
        for api in APIS {
            api.add_parts_beside_content(&message, &mut other_parts);
        }
        Some(Self {
            role: RoleName::read(&message),
            name: message.first(&["name", "tool_name"]),
            call_id: message.non_null("tool_call_id"),
            content: parts.or_else(|| message.non_null("content")).map(Content),
            has_marked_parts: parts.is_some(),
            other_parts,
        })
    }

    /// Returns all parts, in order.
    pub(crate) fn into_parts(self) -> Vec<Part<'a>> {
        let (mut parts, behind) = self.other_parts.around_content();
        parts.extend(self.content.iter().flat_map(Content::parts));
        parts.extend(behind);
        parts
    }
}

/// The content of a message: a text, a list of parts, or one part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a>(pub(crate) &'a RawValue);

impl<'a> Content<'a> {
    /// Returns the parts. A text, and any value in place of a list, is the only part; null has no parts.
    pub(crate) fn parts(&self) -> Vec<Part<'a>> {
        if is_null(self.0) {
            return Vec::new();
        }
        self.listed_parts().or_else(|| self.nested_parts()).unwrap_or_else(|| vec![Part::read(self.0)])
    }

    /// Returns the parts in a list. Returns `None` if the content is no list.
    pub(crate) fn listed_parts(&self) -> Option<Vec<Part<'a>>> {
        Some(list(self.0)?.into_iter().map(Part::read).collect())
    }

    /// Returns the parts of Gemini's `systemInstruction`, which is a message without a role. Its parts may be one part
    /// in place of a list.
    fn nested_parts(&self) -> Option<Vec<Part<'a>>> {
        let message = Object::from_value(self.0).filter(|content| content.get("type").is_none())?;
        message.non_null("parts")?;
        Some(list_or_one(&message, "parts").into_iter().map(Part::read).collect())
    }
}
