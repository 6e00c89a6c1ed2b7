//! Messages in the schema of the GenAI conventions.

use std::borrow::Cow;
use std::mem;

use serde::Serialize;
use serde_json::value::RawValue;

use super::part::Part;
use super::parts;
use crate::provider::{self, Entries, Object, RoleName, list};

/// A message in the schema of the GenAI conventions: a role and parts.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    pub(super) role: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a RawValue>,
    pub(super) parts: Vec<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<FinishReason<'a>>,
}

/// The reason why the model stopped.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum FinishReason<'a> {
    /// The provider's own value, as in the payload.
    Given(&'a RawValue),
    /// A value derived from the rest of the response.
    Derived(Cow<'a, str>),
}

const SYSTEM: &str = "system";
pub(super) const USER: &str = "user";
pub(super) const ASSISTANT: &str = "assistant";
pub(super) const TOOL: &str = "tool";

impl<'a> Message<'a> {
    pub(super) fn new(role: impl Into<Cow<'a, str>>, parts: Vec<Part<'a>>) -> Self {
        Self { role: role.into(), name: None, parts, finish_reason: None }
    }

    /// Sets the name of the author.
    pub(super) fn with_name(self, name: Option<&'a RawValue>) -> Self {
        Self { name, ..self }
    }

    /// Sets the provider's finish reason.
    pub(super) fn with_finish_reason(self, finish_reason: Option<&'a RawValue>) -> Self {
        Self { finish_reason: finish_reason.map(FinishReason::Given), ..self }
    }

    /// Sets a finish reason if the message has none, because the schema requires one of output messages: `tool_call` if
    /// the message requests a tool call, otherwise `default_reason`; an empty text for messages of other roles than the
    /// assistant's.
    pub(super) fn with_default_finish_reason(mut self, default_reason: &Cow<'a, str>) -> Self {
        let reason = match &*self.role {
            _ if self.parts.iter().any(Part::is_call) => "tool_call".into(),
            ASSISTANT => default_reason.clone(),
            _ => "".into(),
        };
        self.finish_reason = self.finish_reason.take().or(Some(FinishReason::Derived(reason)));
        self
    }

    /// Creates a message of a value that is no message, but may be a part of one.
    pub(super) fn of_part(role: &'static str, raw: &'a RawValue) -> Self {
        Self::new(role, parts::from_parts([provider::Part::read(raw)]))
    }

    /// Converts a message of any API that has messages. A message without a role gets `default_role`.
    pub(super) fn parse(raw: &'a RawValue, default_role: &'static str) -> Self {
        let Some(message) = provider::Message::read(raw) else { return Self::of_part(default_role, raw) };
        let name = message.name;
        let (role, parts) = convert(message, default_role);
        Self { role, name, parts, finish_reason: None }
    }
}

/// Converts messages: a list, one message, or a text that stands for one.
pub(super) fn from_entries<'a>(entries: &'a Entries<'_>, default_role: &'static str) -> Vec<Message<'a>> {
    entries.elements().into_iter().map(|message| Message::parse(message, default_role)).collect()
}

/// Creates a message of a list of documents for the model to read.
pub(super) fn of_documents(documents: &RawValue) -> Message<'_> {
    let document = |raw| match Object::from_value(raw) {
        Some(document) => Part::unmapped("document", &document),
        None => Part::new("document").with("content", Some(raw)),
    };
    Message::new(SYSTEM, list(documents).unwrap_or_else(|| vec![documents]).into_iter().map(document).collect())
}

/// Returns a message's role, under the conventions' name.
pub(super) fn role<'a>(role: RoleName<'a>, default_role: &'static str) -> Cow<'a, str> {
    match role {
        RoleName::Named(role) if role == "model" => ASSISTANT.into(),
        RoleName::Named(role) if role == "function" => TOOL.into(),
        RoleName::Named(role) => role,
        RoleName::Absent | RoleName::NotText => default_role.into(),
    }
}

/// Returns the role and the parts of a message. A tool's message is a response to a tool call; Gemini's parts are
/// marked as responses already. An empty text has no part.
fn convert<'a>(mut message: provider::Message<'a>, default_role: &'static str) -> (Cow<'a, str>, Vec<Part<'a>>) {
    let role = role(mem::replace(&mut message.role, RoleName::Absent), default_role);
    let parts = match message.content {
        Some(content) if role == TOOL && message.has_marked_parts => parts::from_content(content),
        content if role == TOOL => {
            let mut parts = vec![Part::tool_call_response(message.call_id, content.map(|content| content.0))];
            let (_, behind) = message.other_parts.around_content();
            parts.extend(parts::from_parts(behind));
            parts
        }
        content => {
            message.content = content.filter(|content| content.0.get() != "\"\"");
            parts::from_parts(message.into_parts())
        }
    };
    (role, parts)
}
