//! Where a model's answer stands in a response, told by the first field that only one shape has.

use serde_json::value::RawValue;

use super::message::{self, ASSISTANT, Message};
use super::request::{in_schema, json};
use super::{items, parts};
use crate::event::CallId;
use crate::reduce::{Object, list, text};

/// An answer, by the shape of its response.
pub(super) enum Answer<'a> {
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
    /// A shape that is known, with nothing in it.
    Nothing,
}

impl<'a> Answer<'a> {
    /// `None` where it can't be known what the model said.
    pub(super) fn of(body: &Object<'a>) -> Option<Self> {
        if let Some(output) = body.first(&["output_items", "output"]) {
            return list(output).map(Self::Items);
        }
        if let Some(choices) = body.list("choices") {
            let choices: Vec<_> = choices.into_iter().map_while(Object::of).collect();
            let is_known = choices.first().is_none_or(|choice| choice.some("message").is_some());
            return is_known.then_some(Self::Choices(choices));
        }
        if let Some(content) = body.some("content") {
            return Some(Self::Content(content));
        }
        if let Some(candidates) = body.list("candidates") {
            return Some(Self::Candidates(candidates.into_iter().map_while(Object::of).collect()));
        }
        if let Some(messages) = body.some("gen_ai.output.messages") {
            return Some(Self::Fields(messages));
        }
        let is_empty = ["output_items", "output", "promptFeedback"].iter().any(|name| body.get(name).is_some());
        is_empty.then_some(Self::Nothing)
    }

    /// The calls it asks for. Where a shape has room for several answers, the first is the one that goes on.
    pub(super) fn call_ids(&self) -> Vec<CallId> {
        match self {
            Self::Items(items) => items.iter().filter_map(|item| of_item(item)).collect(),
            Self::Choices(choices) => {
                let message = choices.first().and_then(|choice| choice.object("message"));
                message.map(|message| of_message(&message)).unwrap_or_default()
            }
            Self::Content(content) => several(content).into_iter().filter_map(of_part).collect(),
            Self::Candidates(candidates) => {
                let content = candidates.first().and_then(|candidate| candidate.object("content"));
                content.map(|content| of_message(&content)).unwrap_or_default()
            }
            Self::Fields(messages) => of_fields(messages),
            Self::Nothing => Vec::new(),
        }
    }

    /// Why the model stopped, in the provider's words, for each answer.
    pub(super) fn finish_reasons(&self, body: &Object<'_>) -> Vec<String> {
        let each =
            |answers: &[Object<'_>], name: &str| answers.iter().filter_map(|answer| answer.string(name)).collect();
        match self {
            Self::Choices(choices) => each(choices, "finish_reason"),
            Self::Candidates(candidates) => each(candidates, "finishReason"),
            Self::Content(_) => body.string("stop_reason").into_iter().collect(),
            Self::Items(_) | Self::Nothing => status(body).into_iter().collect(),
            Self::Fields(_) => said_reasons(body),
        }
    }

    /// What the model said, as JSON text in the conventions' schema.
    pub(super) fn messages(&self, body: &Object<'a>) -> Option<String> {
        let messages = match self {
            Self::Items(items) => items::messages(items.iter().copied()),
            Self::Choices(choices) => each(choices, "message", "finish_reason"),
            Self::Content(content) => vec![anthropic(body, content)],
            Self::Candidates(candidates) => each(candidates, "content", "finishReason"),
            Self::Fields(said) => {
                let as_said = in_schema(said);
                return as_said.or_else(|| json(&answers(message::messages(said, ASSISTANT), body)));
            }
            Self::Nothing => return None,
        };
        json(&answers(messages, body))
    }
}

/// The messages with a reason each, which may be that none is known.
fn answers<'a>(messages: Vec<Message<'a>>, body: &Object<'_>) -> Vec<Message<'a>> {
    let otherwise = match status(body) {
        Some(status) if status == "completed" => "stop".into(),
        Some(why) => why.into(),
        None => "".into(),
    };
    messages.into_iter().map(|message| message.answered(&otherwise)).collect()
}

/// Why the model stopped, as a span says it, be it beside no content.
pub(super) fn said_reasons(body: &Object<'_>) -> Vec<String> {
    let Some(reasons) = body.some("gen_ai.response.finish_reasons") else { return Vec::new() };
    let inside = text(reasons);
    let json = inside.as_deref().unwrap_or_else(|| reasons.get());
    serde_json::from_str(json).unwrap_or_default()
}

/// Why a response of the Responses API is not complete, else how it stands.
fn status(body: &Object<'_>) -> Option<String> {
    let reason = body.object("incomplete_details").and_then(|details| details.string("reason"));
    reason.or_else(|| body.string("status"))
}

fn each<'a>(answers: &[Object<'a>], said: &str, why: &str) -> Vec<Message<'a>> {
    let message = |answer: &Object<'a>| {
        let message = answer.some(said).map(|message| Message::read(message, ASSISTANT));
        message.unwrap_or_else(|| Message::new(ASSISTANT, Vec::new())).finished(answer.some(why))
    };
    answers.iter().map(message).collect()
}

fn anthropic<'a>(body: &Object<'a>, content: &'a RawValue) -> Message<'a> {
    Message::new(message::role(body, ASSISTANT), parts::of_content(content)).finished(body.some("stop_reason"))
}

/// An id that links; an empty one does not.
fn id(object: &Object<'_>, name: &str) -> Option<CallId> {
    object.text(name).filter(|id| !id.is_empty()).map(|id| CallId::from(&*id))
}

/// The elements of a list, or the one thing that stands for it.
fn several(value: &RawValue) -> Vec<&RawValue> {
    list(value).unwrap_or_else(|| vec![value])
}

fn of_item(raw: &RawValue) -> Option<CallId> {
    let item = Object::of(raw)?;
    let is_call = item.text("type")?.ends_with("_call");
    id(&item, "call_id").filter(|_| is_call)
}

fn of_message(message: &Object<'_>) -> Vec<CallId> {
    let parts = message.first(&["parts", "content"]).map(several).into_iter().flatten().filter_map(of_part);
    let calls = message.list("tool_calls").into_iter().flatten();
    parts.chain(calls.filter_map(|call| id(&Object::of(call)?, "id"))).collect()
}

fn of_part(raw: &RawValue) -> Option<CallId> {
    let part = Object::of(raw)?;
    match part.text("type").as_deref() {
        Some("tool_use" | "tool_call") => id(&part, "id"),
        Some(_) => None,
        None => id(&Object::of(part.first(&["functionCall", "function_call"])?)?, "id"),
    }
}

/// The messages of a span's field, which may be JSON as text.
fn of_fields(messages: &RawValue) -> Vec<CallId> {
    let inside = text(messages);
    let json = inside.as_deref().unwrap_or_else(|| messages.get());
    let messages = serde_json::from_str::<&RawValue>(json).map(several).unwrap_or_default();
    messages.into_iter().filter_map(Object::of).flat_map(|message| of_message(&message)).collect()
}
