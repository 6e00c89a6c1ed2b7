//! Items of the Responses API as messages.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::message::{ASSISTANT, Message, TOOL, USER, role};
use super::part::Part;
use super::parts;
use crate::reduce::Object;

/// Items as messages. What a model says at once is one message of many items; what tools answer is a message each, as
/// readers of the schema expect it.
pub(super) fn messages<'a>(items: impl IntoIterator<Item = &'a RawValue>) -> Vec<Message<'a>> {
    let mut messages = Vec::<Message<'_>>::new();
    for item in items {
        let message = message(item);
        match messages.last_mut() {
            Some(last) if last.role == message.role && last.role == ASSISTANT => {
                last.parts.extend(message.parts);
            }
            Some(_) | None => messages.push(message),
        }
    }
    messages
}

fn message(raw: &RawValue) -> Message<'_> {
    let Some(item) = Object::of(raw) else { return Message::new(USER, vec![parts::of(raw)]) };
    let kind = item.text("type").unwrap_or(Cow::Borrowed("message"));
    match &*kind {
        "message" => {
            let content = item.some("content").map(parts::of_content);
            Message::new(role(&item, USER), content.unwrap_or_default())
        }
        "reasoning" => Message::new(ASSISTANT, reasoning(&item)),
        "function_call" => Message::new(ASSISTANT, vec![call(&item, "arguments")]),
        "custom_tool_call" => Message::new(ASSISTANT, vec![call(&item, "input")]),
        "function_call_output" | "custom_tool_call_output" => Message::new(TOOL, vec![output(&item)]),
        other => {
            let speaker = if other.ends_with("_output") { TOOL } else { ASSISTANT };
            Message::new(speaker, vec![Part::as_it_was(other, &item)])
        }
    }
}

fn call<'a>(item: &Object<'a>, arguments: &str) -> Part<'a> {
    let part = Part::tool_call(item.some("call_id"), item.some("name"), item.some(arguments));
    part.with_rest_of(item, &["call_id", arguments, "status"])
}

fn output<'a>(item: &Object<'a>) -> Part<'a> {
    let part = Part::tool_call_response(item.some("call_id"), item.some("output"));
    part.with_rest_of(item, &["call_id", "output", "status"])
}

/// What was thought and what is shown of it, each a part; what seals it goes with the last.
fn reasoning<'a>(item: &Object<'a>) -> Vec<Part<'a>> {
    let thoughts = ["content", "summary"].into_iter().filter_map(|name| item.list(name)).flatten();
    let mut parts: Vec<_> = thoughts.map(thought).collect();
    let last = parts.pop().unwrap_or_else(|| Part::reasoning(None));
    parts.push(last.with_rest_of(item, &["content", "summary", "id", "status"]));
    parts
}

fn thought(raw: &RawValue) -> Part<'_> {
    match Object::of(raw).and_then(|entry| Some((entry.some("text")?, entry))) {
        Some((text, entry)) => Part::reasoning(Some(text)).with_rest_of(&entry, &["text"]),
        None => parts::of(raw),
    }
}
