//! Reads messages: those of all APIs except the Responses API, which has [items](super::Item).
//!
//! The parts of a message are in this order: its reasoning, its content, and what stands beside the content.

use serde_json::value::RawValue;

use super::apis::APIS;
use super::object::{Object, text};
use super::part::{Content, NonContentParts, Part};
use super::role_name::RoleName;
use super::tool;

/// A message.
#[derive(Debug, Default)]
pub(crate) struct Message<'a> {
    pub(crate) role: RoleName<'a>,
    /// The name of the speaker, or of the tool whose output the message is.
    pub(crate) name: Option<&'a RawValue>,
    /// The id of the call that a message of a tool answers.
    pub(crate) call_id: Option<&'a RawValue>,
    /// `true` if the message is the output of a tool and reports that the tool failed.
    pub(crate) is_error: bool,
    /// The content. `None` if it is absent or null.
    pub(crate) content: Option<Content<'a>>,
    /// `true` if the content is a list of `parts`, whose types also mark outputs of tools.
    pub(crate) has_marked_parts: bool,
    pub(crate) other_parts: NonContentParts<'a>,
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
            is_error: tool::reports_error(&message),
            content: parts.or_else(|| message.non_null("content")).map(Content),
            has_marked_parts: parts.is_some(),
            other_parts,
        })
    }

    /// Reads a message that needs no role, or its text: the answer of a completion may be a text. Returns `None` if the
    /// value is neither.
    pub(crate) fn read_or_text(raw: &'a RawValue) -> Option<Self> {
        let from_text = |_| Self { content: Some(Content(raw)), ..Self::default() };
        Self::read(raw).or_else(|| text(raw).map(from_text))
    }

    /// Returns all parts, in order.
    pub(crate) fn into_parts(self) -> Vec<Part<'a>> {
        let (mut parts, behind) = self.other_parts.around_content();
        parts.extend(self.content.iter().flat_map(Content::parts));
        parts.extend(behind);
        parts
    }
}
