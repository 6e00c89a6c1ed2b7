//! Locates the model's output in a response. The first field that only one API has decides which shape the response
//! has.

use serde_json::value::RawValue;

use super::message::{self, ASSISTANT, Message};
use super::request::{in_schema, json};
use super::{items, parts};
use crate::event::CallId;
use crate::reduce::{Object, list, text};

/// The output of a response, by the shape of the response.
pub(super) enum ResponseOutput<'a> {
    /// The Responses API.
    Items(Vec<&'a RawValue>),
    /// Chat Completions.
    Choices(Vec<Object<'a>>),
    /// Anthropic Messages.
    Content(&'a RawValue),
    /// Gemini.
    Candidates(Vec<Object<'a>>),
    /// Fields of the GenAI conventions.
    Fields(&'a RawValue),
    /// A known shape without output.
    Empty,
}

impl<'a> ResponseOutput<'a> {
    /// Finds the output of a response. Returns `None` if the response does not contain what the model returned.
    pub(super) fn from_body(body: &Object<'a>) -> Option<Self> {
        if let Some(output) = body.first(&["output_items", "output"]) {
            return list(output).map(Self::Items);
        }
        if let Some(choices) = body.list("choices") {
            let choices: Vec<_> = choices.into_iter().map_while(Object::from_value).collect();
            let has_message = choices.first().is_none_or(|choice| choice.non_null("message").is_some());
            return has_message.then_some(Self::Choices(choices));
        }
        if let Some(content) = body.non_null("content") {
            return Some(Self::Content(content));
        }
        if let Some(candidates) = body.list("candidates") {
            return Some(Self::Candidates(candidates.into_iter().map_while(Object::from_value).collect()));
        }
        if let Some(messages) = body.non_null("gen_ai.output.messages") {
            return Some(Self::Fields(messages));
        }
        let is_empty = ["output_items", "output", "promptFeedback"].iter().any(|name| body.get(name).is_some());
        is_empty.then_some(Self::Empty)
    }

    /// Returns the ids of the tool calls that the output requests. If a shape can hold several alternatives, only the
    /// first counts: the conversation continues from it.
    pub(super) fn call_ids(&self) -> Vec<CallId> {
        match self {
            Self::Items(items) => items.iter().filter_map(|item| item_call_id(item)).collect(),
            Self::Choices(choices) => {
                let message = choices.first().and_then(|choice| choice.object("message"));
                message.map(|message| message_call_ids(&message)).unwrap_or_default()
            }
            Self::Content(content) => list_or_single(content).into_iter().filter_map(part_call_id).collect(),
            Self::Candidates(candidates) => {
                let content = candidates.first().and_then(|candidate| candidate.object("content"));
                content.map(|content| message_call_ids(&content)).unwrap_or_default()
            }
            Self::Fields(messages) => field_call_ids(messages),
            Self::Empty => Vec::new(),
        }
    }

    /// Returns the finish reason of each alternative, in the provider's terms.
    pub(super) fn finish_reasons(&self, body: &Object<'_>) -> Vec<String> {
        let each =
            |outputs: &[Object<'_>], name: &str| outputs.iter().filter_map(|output| output.string(name)).collect();
        match self {
            Self::Choices(choices) => each(choices, "finish_reason"),
            Self::Candidates(candidates) => each(candidates, "finishReason"),
            Self::Content(_) => body.string("stop_reason").into_iter().collect(),
            Self::Items(_) | Self::Empty => status(body).into_iter().collect(),
            Self::Fields(_) => finish_reasons_field(body),
        }
    }

    /// Returns the output messages as JSON text in the conventions' schema.
    pub(super) fn messages(&self, body: &Object<'a>) -> Option<String> {
        let messages = match self {
            Self::Items(items) => items::to_messages(items.iter().copied()),
            Self::Choices(choices) => parse_outputs(choices, "message", "finish_reason"),
            Self::Content(content) => vec![anthropic_message(body, content)],
            Self::Candidates(candidates) => parse_outputs(candidates, "content", "finishReason"),
            Self::Fields(field) => {
                let in_schema_already = in_schema(field);
                return in_schema_already
                    .or_else(|| json(&with_finish_reasons(message::parse_messages(field, ASSISTANT), body)));
            }
            Self::Empty => return None,
        };
        json(&with_finish_reasons(messages, body))
    }
}

/// Adds a finish reason to each message that has none: the status of the response, or an empty text if that is unknown
/// too.
fn with_finish_reasons<'a>(messages: Vec<Message<'a>>, body: &Object<'_>) -> Vec<Message<'a>> {
    let default_reason = match status(body) {
        Some(status) if status == "completed" => "stop".into(),
        Some(reason) => reason.into(),
        None => "".into(),
    };
    messages.into_iter().map(|message| message.with_default_finish_reason(&default_reason)).collect()
}

/// Returns the finish reasons in the conventions' field, which a span may have without content.
pub(super) fn finish_reasons_field(body: &Object<'_>) -> Vec<String> {
    let Some(reasons) = body.non_null("gen_ai.response.finish_reasons") else { return Vec::new() };
    let inside = text(reasons);
    let json = inside.as_deref().unwrap_or_else(|| reasons.get());
    serde_json::from_str(json).unwrap_or_default()
}

/// Returns why a response of the Responses API is incomplete, otherwise its status.
fn status(body: &Object<'_>) -> Option<String> {
    let reason = body.object("incomplete_details").and_then(|details| details.string("reason"));
    reason.or_else(|| body.string("status"))
}

fn parse_outputs<'a>(outputs: &[Object<'a>], content: &str, reason: &str) -> Vec<Message<'a>> {
    let message = |output: &Object<'a>| {
        let message = output.non_null(content).map(|message| Message::parse(message, ASSISTANT));
        message.unwrap_or_else(|| Message::new(ASSISTANT, Vec::new())).with_finish_reason(output.non_null(reason))
    };
    outputs.iter().map(message).collect()
}

fn anthropic_message<'a>(body: &Object<'a>, content: &'a RawValue) -> Message<'a> {
    Message::new(message::role(body, ASSISTANT), parts::parse_content(content))
        .with_finish_reason(body.non_null("stop_reason"))
}

/// Returns a call id. Returns `None` if it is empty, because an empty id identifies no call.
fn call_id(object: &Object<'_>, name: &str) -> Option<CallId> {
    object.text(name).filter(|id| !id.is_empty()).map(|id| CallId::from(&*id))
}

/// Returns the elements of a list, or a single value that stands for one.
fn list_or_single(value: &RawValue) -> Vec<&RawValue> {
    list(value).unwrap_or_else(|| vec![value])
}

fn item_call_id(raw: &RawValue) -> Option<CallId> {
    let item = Object::from_value(raw)?;
    let is_call = item.text("type")?.ends_with("_call");
    call_id(&item, "call_id").filter(|_| is_call)
}

fn message_call_ids(message: &Object<'_>) -> Vec<CallId> {
    let parts = message.first(&["parts", "content"]).map(list_or_single).into_iter().flatten().filter_map(part_call_id);
    let calls = message.list("tool_calls").into_iter().flatten();
    parts.chain(calls.filter_map(|call| call_id(&Object::from_value(call)?, "id"))).collect()
}

fn part_call_id(raw: &RawValue) -> Option<CallId> {
    let part = Object::from_value(raw)?;
    match part.text("type").as_deref() {
        Some("tool_use" | "tool_call") => call_id(&part, "id"),
        Some(_) => None,
        None => call_id(&Object::from_value(part.first(&["functionCall", "function_call"])?)?, "id"),
    }
}

/// Returns the call ids in the conventions' field for output messages, which may be JSON in a text.
fn field_call_ids(messages: &RawValue) -> Vec<CallId> {
    let inside = text(messages);
    let json = inside.as_deref().unwrap_or_else(|| messages.get());
    let messages = serde_json::from_str::<&RawValue>(json).map(list_or_single).unwrap_or_default();
    messages.into_iter().filter_map(Object::from_value).flat_map(|message| message_call_ids(&message)).collect()
}
