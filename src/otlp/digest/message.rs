//! Messages in the schema of the GenAI conventions.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::part::Part;
use super::parts;
use crate::reduce::{Object, list, text};

/// What somebody says.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    pub(super) role: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a RawValue>,
    pub(super) parts: Vec<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<Reason<'a>>,
}

/// Why a model said no more.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Reason<'a> {
    /// As its provider says it.
    Said(&'a RawValue),
    /// As it follows from the rest.
    Known(Cow<'a, str>),
}

pub(super) const USER: &str = "user";
pub(super) const ASSISTANT: &str = "assistant";
pub(super) const TOOL: &str = "tool";

impl<'a> Message<'a> {
    pub(super) fn new(role: impl Into<Cow<'a, str>>, parts: Vec<Part<'a>>) -> Self {
        Self { role: role.into(), name: None, parts, finish_reason: None }
    }

    /// The same, and why the model said no more.
    pub(super) fn finished(self, finish_reason: Option<&'a RawValue>) -> Self {
        Self { finish_reason: finish_reason.map(Reason::Said), ..self }
    }

    /// As an answer, which has a reason in the schema: where none is said, that it asks for tools, else `otherwise`.
    pub(super) fn answered(mut self, otherwise: &Cow<'a, str>) -> Self {
        let reason = match &*self.role {
            _ if self.parts.iter().any(Part::is_call) => "tool_call".into(),
            ASSISTANT => otherwise.clone(),
            _ => "".into(),
        };
        self.finish_reason = self.finish_reason.take().or(Some(Reason::Known(reason)));
        self
    }

    /// A message of Chat Completions, Anthropic Messages or Gemini; `otherwise` is who speaks where it does not say.
    pub(super) fn read(raw: &'a RawValue, otherwise: &'static str) -> Self {
        let Some(message) = Object::of(raw) else { return Self::new(otherwise, vec![parts::of(raw)]) };
        let role = role(&message, otherwise);
        let parts = if role == TOOL { answers(&message) } else { said(&message) };
        Self { role, name: message.some("name"), parts, finish_reason: None }
    }
}

/// The messages that a value is: a list, one message, or text that stands for one.
pub(super) fn messages<'a>(value: &'a RawValue, otherwise: &'static str) -> Vec<Message<'a>> {
    match list(value) {
        Some(messages) => messages.into_iter().map(|message| Message::read(message, otherwise)).collect(),
        None => vec![Message::read(value, otherwise)],
    }
}

/// Who speaks, by the conventions' names.
pub(super) fn role<'a>(message: &Object<'a>, otherwise: &'static str) -> Cow<'a, str> {
    match message.text("role") {
        Some(role) if role == "model" => ASSISTANT.into(),
        Some(role) if role == "function" => TOOL.into(),
        Some(role) => role,
        None => otherwise.into(),
    }
}

/// What a tool says answers a call. Gemini's answers say so themselves.
fn answers<'a>(message: &Object<'a>) -> Vec<Part<'a>> {
    match message.some("parts") {
        Some(parts) => parts::of_content(parts),
        None => vec![Part::tool_call_response(message.some("tool_call_id"), message.some("content"))],
    }
}

/// In this order: what was thought before it was said, content, what stands beside it, calls.
fn said<'a>(message: &Object<'a>) -> Vec<Part<'a>> {
    let thought = message.first(&["reasoning_content", "reasoning"]).filter(|thought| is_said(thought));
    let mut parts: Vec<_> = thought.map(|thought| Part::reasoning(Some(thought))).into_iter().collect();
    let content = message.first(&["parts", "content"]).filter(|content| content.get() != "\"\"");
    parts.extend(content.into_iter().flat_map(parts::of_content));
    for beside in ["refusal", "audio"] {
        parts.extend(message.some(beside).map(|said| Part::new(beside).with(beside, Some(said))));
    }
    parts.extend(message.list("tool_calls").into_iter().flatten().map(call));
    parts.extend(message.some("function_call").map(call));
    parts
}

fn is_said(thought: &RawValue) -> bool {
    text(thought).is_some_and(|thought| !thought.is_empty())
}

/// What is called stands inside `function` or `custom`, or beside the id.
fn call(raw: &RawValue) -> Part<'_> {
    let Some(call) = Object::of(raw) else { return Part::unknown(raw) };
    match call.object("function").or_else(|| call.object("custom")) {
        Some(called) => parts::call(&call, &called, &["arguments", "input"]),
        None => parts::call(&call, &call, &["arguments", "input"]),
    }
}
