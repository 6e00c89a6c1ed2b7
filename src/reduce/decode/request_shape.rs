//! The shapes of request bodies, distinguished by the field that contains the conversation items.

use serde_json::value::RawValue;

use super::item_cache::{ContentId, ItemCache};
use super::items;
use super::object::Object;
use crate::graph::Role;

/// The API whose format a request body has, in the order of detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestShape {
    /// The Responses API of OpenAI: items in `input`.
    Responses,
    /// Attributes of the GenAI semantic conventions: messages in `gen_ai.input.messages`.
    GenAi,
    /// The Gemini API: messages in `contents`.
    Gemini,
    /// Chat Completions and Anthropic Messages: messages in `messages`.
    Messages,
}

/// A field, and the JSON Pointer (RFC 6901) to it.
struct Field {
    name: &'static str,
    pointer: &'static str,
}

impl RequestShape {
    const ALL: [Self; 4] = [Self::Responses, Self::GenAi, Self::Gemini, Self::Messages];

    /// The fields that contain the conversation items, in the order of detection.
    pub(super) const LIST_FIELDS: [&'static str; 4] = ["input", "gen_ai.input.messages", "contents", "messages"];

    /// Returns the shape of a body in which `has` reports the fields that are present. Returns `None` if no shape
    /// matches.
    pub(crate) fn detect(has: impl Fn(&str) -> bool) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| has(shape.list_field()))
    }

    /// Returns the name of the field that contains the conversation items.
    pub(crate) fn list_field(self) -> &'static str {
        let [responses, gen_ai, gemini, messages] = Self::LIST_FIELDS;
        match self {
            Self::Responses => responses,
            Self::GenAi => gen_ai,
            Self::Gemini => gemini,
            Self::Messages => messages,
        }
    }

    /// Returns the fields that may contain the model's instructions.
    fn instructions(self) -> &'static [Field] {
        match self {
            Self::Responses => &[Field { name: "instructions", pointer: "/instructions" }],
            Self::GenAi => &[Field { name: "gen_ai.system_instructions", pointer: "/gen_ai.system_instructions" }],
            Self::Gemini => &[
                Field { name: "systemInstruction", pointer: "/systemInstruction" },
                Field { name: "system_instruction", pointer: "/system_instruction" },
            ],
            Self::Messages => &[Field { name: "system", pointer: "/system" }],
        }
    }

    /// Returns the JSON Pointer (RFC 6901) to the model's instructions in the body. Returns `None` if there are none.
    pub(super) fn instructions_pointer(self, body: &Object<'_>) -> Option<&'static str> {
        pointer(self.instructions(), body)
    }

    /// Returns the items of the model's instructions, a message of the role `system`. Returns no items for the
    /// Responses API, whose instructions are not part of the conversation.
    pub(super) fn system_items(self, body: &Object<'_>, cache: &ItemCache) -> Vec<ContentId> {
        if self == Self::Responses {
            return Vec::new();
        }
        let content = self.instructions().iter().find_map(|field| body.non_null(field.name));
        content.map(|content| items::content(content, Role::System, cache)).unwrap_or_default()
    }

    /// Parses conversation items of this shape from the elements of a list.
    pub(super) fn parse_list(self, list: Vec<&RawValue>, cache: &ItemCache) -> Vec<ContentId> {
        match self {
            Self::Responses => items::responses_list(list, cache),
            Self::GenAi | Self::Gemini | Self::Messages => items::message_list(list, self.default_role(), cache),
        }
    }

    /// Parses a value that stands in the place of the list of items, such as a string. Returns `None` if the shape does
    /// not allow it.
    pub(super) fn parse_value(self, value: &RawValue, cache: &ItemCache) -> Option<Vec<ContentId>> {
        match self {
            Self::Responses => items::responses_input(value, cache),
            Self::GenAi => items::attribute(value, self.default_role(), Role::User, cache),
            Self::Gemini | Self::Messages => items::messages(value, self.default_role(), Role::User, cache),
        }
    }

    /// Returns the role of messages without a role. Only Gemini allows to omit it, in a conversation of one message.
    /// Returns `None` for other shapes.
    fn default_role(self) -> Option<Role> {
        match self {
            Self::Gemini => Some(Role::User),
            Self::Responses | Self::GenAi | Self::Messages => None,
        }
    }
}

/// Returns the JSON Pointer (RFC 6901) to the tool definitions in a request body of any shape. Returns `None` if there
/// are none.
pub(super) fn tools_pointer(body: &Object<'_>) -> Option<&'static str> {
    const TOOLS: [Field; 3] = [
        Field { name: "tools", pointer: "/tools" },
        Field { name: "functions", pointer: "/functions" },
        Field { name: "gen_ai.tool.definitions", pointer: "/gen_ai.tool.definitions" },
    ];
    pointer(&TOOLS, body)
}

/// Returns the JSON Pointer to the first of the fields that is present and not null. Returns `None` if there is none.
fn pointer(fields: &[Field], body: &Object<'_>) -> Option<&'static str> {
    fields.iter().find(|field| body.non_null(field.name).is_some()).map(|field| field.pointer)
}
