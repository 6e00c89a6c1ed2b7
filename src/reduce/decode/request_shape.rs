//! The shapes of requests, told apart by the first field that only they have.

use serde_json::value::RawValue;

use super::contents::{ContentId, Contents};
use super::items;
use super::object::Object;
use crate::graph::Role;

/// A shape of requests, in the order in which they are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestShape {
    /// The Responses API.
    Responses,
    /// Fields of the GenAI conventions.
    GenAi,
    /// Gemini.
    Gemini,
    /// Chat Completions and Anthropic Messages.
    Messages,
}

/// A field, and where it is, as in RFC 6901.
struct Field {
    name: &'static str,
    pointer: &'static str,
}

impl RequestShape {
    const ALL: [Self; 4] = [Self::Responses, Self::GenAi, Self::Gemini, Self::Messages];

    /// The fields that hold items, in the order in which shapes are looked for.
    pub(super) const LISTS: [&'static str; 4] = ["input", "gen_ai.input.messages", "contents", "messages"];

    /// The shape of a request that has those fields for which `has` holds.
    pub(crate) fn of(has: impl Fn(&str) -> bool) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| has(shape.list()))
    }

    /// The field that holds the items.
    pub(crate) fn list(self) -> &'static str {
        let [responses, gen_ai, gemini, messages] = Self::LISTS;
        match self {
            Self::Responses => responses,
            Self::GenAi => gen_ai,
            Self::Gemini => gemini,
            Self::Messages => messages,
        }
    }

    /// The fields that may say what the model shall do.
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

    /// Where a request says what the model shall do.
    pub(super) fn instructions_of(self, body: &Object<'_>) -> Option<&'static str> {
        pointer(self.instructions(), body)
    }

    /// The instructions as an item, which comes first. Those of the Responses API are none: they stand beside the
    /// conversation.
    pub(super) fn system(self, body: &Object<'_>, contents: &Contents) -> Vec<ContentId> {
        if self == Self::Responses {
            return Vec::new();
        }
        let said = self.instructions().iter().find_map(|field| body.some(field.name));
        said.map(|said| items::content(said, Role::System, contents)).unwrap_or_default()
    }

    /// The items of a list of this shape.
    pub(super) fn items_of_list(self, list: Vec<&RawValue>, contents: &Contents) -> Vec<ContentId> {
        match self {
            Self::Responses => items::responses_list(list, contents),
            Self::GenAi | Self::Gemini | Self::Messages => items::message_list(list, self.otherwise(), contents),
        }
    }

    /// The items of what stands in place of a list. `None` where that can't be.
    pub(super) fn items_of(self, value: &RawValue, contents: &Contents) -> Option<Vec<ContentId>> {
        match self {
            Self::Responses => items::responses_input(value, contents),
            Self::GenAi => items::attribute(value, self.otherwise(), Role::User, contents),
            Self::Gemini | Self::Messages => items::messages(value, self.otherwise(), Role::User, contents),
        }
    }

    /// Who speaks in a message that does not say: Gemini's may leave it out where there is only one.
    fn otherwise(self) -> Option<Role> {
        match self {
            Self::Gemini => Some(Role::User),
            Self::Responses | Self::GenAi | Self::Messages => None,
        }
    }
}

/// Where a request lists tools, whatever its shape.
pub(super) fn tools_of(body: &Object<'_>) -> Option<&'static str> {
    const TOOLS: [Field; 3] = [
        Field { name: "tools", pointer: "/tools" },
        Field { name: "functions", pointer: "/functions" },
        Field { name: "gen_ai.tool.definitions", pointer: "/gen_ai.tool.definitions" },
    ];
    pointer(&TOOLS, body)
}

fn pointer(fields: &[Field], body: &Object<'_>) -> Option<&'static str> {
    fields.iter().find(|field| body.some(field.name).is_some()).map(|field| field.pointer)
}
