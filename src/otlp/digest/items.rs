//! Converts items of the Responses API to messages.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::message::{ASSISTANT, Message, TOOL, USER, role};
use super::part::Part;
use super::parts;
use crate::reduce::Object;

/// Converts items to messages. Adjacent items of the model become one message with many parts; each tool output is a
/// separate message, as consumers of the schema expect it.
pub(super) fn to_messages<'a>(items: impl IntoIterator<Item = &'a RawValue>) -> Vec<Message<'a>> {
    let mut messages = Vec::<Message<'_>>::new();
    for item in items {
        let message = to_message(item);
        match messages.last_mut() {
            Some(last) if last.role == message.role && last.role == ASSISTANT => {
                last.parts.extend(message.parts);
            }
            Some(_) | None => messages.push(message),
        }
    }
    messages
}

fn to_message(raw: &RawValue) -> Message<'_> {
    let Some(item) = Object::from_value(raw) else { return Message::new(USER, vec![parts::parse_part(raw)]) };
    let kind = item.text("type").unwrap_or(Cow::Borrowed("message"));
    match &*kind {
        "message" => {
            let content = item.non_null("content").map(parts::parse_content);
            Message::new(role(&item, USER), content.unwrap_or_default())
        }
        "reasoning" => Message::new(ASSISTANT, reasoning(&item)),
        "function_call" => Message::new(ASSISTANT, vec![call(&item, "arguments")]),
        "custom_tool_call" => Message::new(ASSISTANT, vec![call(&item, "input")]),
        "function_call_output" | "custom_tool_call_output" => Message::new(TOOL, vec![output(&item)]),
        other => {
            let speaker = if other.ends_with("_output") { TOOL } else { ASSISTANT };
            Message::new(speaker, vec![Part::unmapped(other, &item)])
        }
    }
}

fn call<'a>(item: &Object<'a>, arguments: &str) -> Part<'a> {
    let part = Part::tool_call(item.non_null("call_id"), item.non_null("name"), item.non_null(arguments));
    part.with_other_fields(item, &["call_id", arguments, "status"])
}

fn output<'a>(item: &Object<'a>) -> Part<'a> {
    let part = Part::tool_call_response(item.non_null("call_id"), item.non_null("output"));
    part.with_other_fields(item, &["call_id", "output", "status"])
}

/// Converts a reasoning item: each entry of its content and summary is a part, and the item's other fields, such as the
/// encrypted content, go into the last one.
fn reasoning<'a>(item: &Object<'a>) -> Vec<Part<'a>> {
    let entries = ["content", "summary"].into_iter().filter_map(|name| item.list(name)).flatten();
    let mut parts: Vec<_> = entries.map(reasoning_entry).collect();
    let last = parts.pop().unwrap_or_else(|| Part::reasoning(None));
    parts.push(last.with_other_fields(item, &["content", "summary", "id", "status"]));
    parts
}

fn reasoning_entry(raw: &RawValue) -> Part<'_> {
    match Object::from_value(raw).and_then(|entry| Some((entry.non_null("text")?, entry))) {
        Some((text, entry)) => Part::reasoning(Some(text)).with_other_fields(&entry, &["text"]),
        None => parts::parse_part(raw),
    }
}
