//! Messages in the schema of the GenAI conventions.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::part::Part;
use super::parts;
use crate::reduce::{Object, list, text};

/// A message in the schema of the GenAI conventions: a role and parts.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    pub(super) role: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a RawValue>,
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

pub(super) const USER: &str = "user";
pub(super) const ASSISTANT: &str = "assistant";
pub(super) const TOOL: &str = "tool";

impl<'a> Message<'a> {
    pub(super) fn new(role: impl Into<Cow<'a, str>>, parts: Vec<Part<'a>>) -> Self {
        Self { role: role.into(), name: None, parts, finish_reason: None }
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

    /// Parses a message of Chat Completions, Anthropic Messages or Gemini. A message without a role gets
    /// `default_role`.
    pub(super) fn parse(raw: &'a RawValue, default_role: &'static str) -> Self {
        let Some(message) = Object::from_value(raw) else {
            return Self::new(default_role, vec![parts::parse_part(raw)]);
        };
        let role = role(&message, default_role);
        let parts = if role == TOOL { tool_parts(&message) } else { content_parts(&message) };
        Self { role, name: message.non_null("name"), parts, finish_reason: None }
    }
}

/// Parses messages: a list, one message, or a text that stands for one.
pub(super) fn parse_messages<'a>(value: &'a RawValue, default_role: &'static str) -> Vec<Message<'a>> {
    match list(value) {
        Some(messages) => messages.into_iter().map(|message| Message::parse(message, default_role)).collect(),
        None => vec![Message::parse(value, default_role)],
    }
}

/// Returns the message's role, under the conventions' name.
pub(super) fn role<'a>(message: &Object<'a>, default_role: &'static str) -> Cow<'a, str> {
    match message.text("role") {
        Some(role) if role == "model" => ASSISTANT.into(),
        Some(role) if role == "function" => TOOL.into(),
        Some(role) => role,
        None => default_role.into(),
    }
}

/// Returns the parts of a tool's message: a response to a tool call. Gemini's parts are marked as responses already.
fn tool_parts<'a>(message: &Object<'a>) -> Vec<Part<'a>> {
    match message.non_null("parts") {
        Some(parts) => parts::parse_content(parts),
        None => vec![Part::tool_call_response(message.non_null("tool_call_id"), message.non_null("content"))],
    }
}

/// Returns the parts of any other message, in this order: reasoning, content, refusal and audio, tool calls.
fn content_parts<'a>(message: &Object<'a>) -> Vec<Part<'a>> {
    let reasoning = message.first(&["reasoning_content", "reasoning"]).filter(|reasoning| is_non_empty_text(reasoning));
    let mut parts: Vec<_> = reasoning.map(|reasoning| Part::reasoning(Some(reasoning))).into_iter().collect();
    let content = message.first(&["parts", "content"]).filter(|content| content.get() != "\"\"");
    parts.extend(content.into_iter().flat_map(parts::parse_content));
    for field in ["refusal", "audio"] {
        parts.extend(message.non_null(field).map(|value| Part::new(field).with(field, Some(value))));
    }
    parts.extend(message.list("tool_calls").into_iter().flatten().map(tool_call));
    parts.extend(message.non_null("function_call").map(tool_call));
    parts
}

/// Returns `true` if the value is a text that is not empty.
fn is_non_empty_text(value: &RawValue) -> bool {
    text(value).is_some_and(|text| !text.is_empty())
}

/// Parses a tool call. Name and arguments are inside of `function` or `custom`, or beside the id.
fn tool_call(raw: &RawValue) -> Part<'_> {
    let Some(call) = Object::from_value(raw) else { return Part::unknown(raw) };
    match call.object("function").or_else(|| call.object("custom")) {
        Some(called) => parts::call_part(&call, &called, &["arguments", "input"]),
        None => parts::call_part(&call, &call, &["arguments", "input"]),
    }
}
