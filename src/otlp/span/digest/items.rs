//! Converts items of the Responses API to messages.

use serde_json::value::RawValue;

use super::message::{ASSISTANT, Message, TOOL, USER, role};
use super::part::Part;
use super::parts;
use crate::provider::{self, Item, ItemContent, Object, ToolCall, ToolResult};

/// Converts items to messages. Adjacent items of the model become one message with many parts; each tool output and each
/// message of another agent is a separate message, as consumers of the schema expect it. A reference to an item that the
/// provider stores is no message: the span of the call that returned the item has its content.
pub(super) fn to_messages<'a>(items: impl IntoIterator<Item = &'a RawValue>) -> Vec<Message<'a>> {
    let mut messages = Vec::<Message<'_>>::new();
    for message in items.into_iter().filter_map(to_message) {
        let is_of_model = |message: &Message<'_>| message.role == ASSISTANT && message.name.is_none();
        match messages.last_mut() {
            Some(last) if is_of_model(last) && is_of_model(&message) => last.parts.extend(message.parts),
            Some(_) | None => messages.push(message),
        }
    }
    messages
}

/// Converts an item to a message. Returns `None` for a reference, and for an item that is not a part of the conversation.
fn to_message(raw: &RawValue) -> Option<Message<'_>> {
    let Some(item) = Item::read(raw) else { return Some(Message::of_part(USER, raw)) };
    let is_output = item.is_output();
    let Item { object, kind, content } = item;
    Some(match content {
        ItemContent::Message { role: name, phase: _, content } => {
            Message::new(role(name, USER), content.map(parts::from_content).unwrap_or_default())
        }
        ItemContent::Reasoning { texts, summaries, encrypted: _, signature: _ } => {
            Message::new(ASSISTANT, reasoning(texts.into_iter().chain(summaries), &object))
        }
        ItemContent::FunctionCall(called) => Message::new(ASSISTANT, vec![call(&called, &object, "arguments")]),
        ItemContent::CustomToolCall(called) => Message::new(ASSISTANT, vec![call(&called, &object, "input")]),
        ItemContent::FunctionCallOutput(result) | ItemContent::CustomToolCallOutput(result) => {
            Message::new(TOOL, vec![output(&result, &object)])
        }
        ItemContent::HostedCall { .. }
        | ItemContent::HostedCallOutput { .. }
        | ItemContent::Compaction { .. }
        | ItemContent::Unknown { .. } => {
            let speaker = if is_output { TOOL } else { ASSISTANT };
            Message::new(speaker, vec![Part::unmapped(kind.as_deref().unwrap_or_default(), &object)])
        }
        ItemContent::Approval => Message::new(USER, vec![Part::unmapped(kind.as_deref().unwrap_or_default(), &object)]),
        ItemContent::AgentMessage { author, recipient: _, content } => {
            let parts = content.map(parts::from_content).unwrap_or_default();
            Message::new(ASSISTANT, parts).with_name(author)
        }
        ItemContent::Reference | ItemContent::AdditionalTools { .. } | ItemContent::Directive => return None,
    })
}

fn call<'a>(call: &ToolCall<'a>, item: &Object<'a>, arguments: &str) -> Part<'a> {
    let part = Part::tool_call(call.id, call.name, call.arguments);
    part.with_other_fields(item, &["call_id", arguments, "status"])
}

fn output<'a>(result: &ToolResult<'a>, item: &Object<'a>) -> Part<'a> {
    let part = Part::tool_call_response(result.call_id, result.value);
    part.with_other_fields(item, &["call_id", "output", "status"])
}

/// Converts a reasoning item: each entry of its content and summary is a part, and the item's other fields, such as the
/// encrypted content, go into the last one.
fn reasoning<'a>(entries: impl Iterator<Item = provider::Part<'a>>, item: &Object<'a>) -> Vec<Part<'a>> {
    let mut parts: Vec<_> = entries.flat_map(reasoning_entry).collect();
    let last = parts.pop().unwrap_or_else(|| Part::reasoning(None));
    parts.push(last.with_other_fields(item, &["content", "summary", "id", "status"]));
    parts
}

fn reasoning_entry(entry: provider::Part<'_>) -> Vec<Part<'_>> {
    match entry.object.as_ref().and_then(|object| Some((object.non_null("text")?, object))) {
        Some((text, object)) => vec![Part::reasoning(Some(text)).with_other_fields(object, &["text"])],
        None => parts::from_part(entry),
    }
}
