//! Parses the parts of messages of any provider. Every part has a type, and no type has two meanings, so that one
//! parser serves all providers.

use serde_json::value::RawValue;

use super::part::Part;
use crate::reduce::{Object, list, text};

/// Parses a message's content: a text, a list of parts, or one part.
pub(super) fn parse_content(content: &RawValue) -> Vec<Part<'_>> {
    if content.get() == "null" {
        return Vec::new();
    }
    match list(content).or_else(|| nested_parts(content)) {
        Some(parts) => parts.into_iter().map(parse_part).collect(),
        None => vec![parse_part(content)],
    }
}

/// Returns the parts of Gemini's `systemInstruction`, which is a message without a role.
fn nested_parts(content: &RawValue) -> Option<Vec<&RawValue>> {
    Object::from_value(content).filter(|content| content.get("type").is_none())?.list("parts")
}

/// Parses one part of a message of any provider.
pub(super) fn parse_part(raw: &RawValue) -> Part<'_> {
    let Some(part) = Object::from_value(raw) else {
        return if text(raw).is_some() { Part::text(raw) } else { Part::unknown(raw) };
    };
    match part.text("type").as_deref() {
        Some("text" | "input_text" | "output_text" | "summary_text") => {
            text_part(&part, &["text", "content"], Part::text)
        }
        Some("thinking" | "redacted_thinking" | "reasoning" | "reasoning_text") => reasoning_part(&part),
        Some("tool_use" | "tool_call") => call_part(&part, &part, &["arguments", "input", "args"]),
        Some("tool_result") => response_part(&part, "tool_use_id", "content"),
        Some("tool_call_response") => response_part(&part, "id", "response"),
        Some(kind) => Part::unmapped(kind, &part),
        None => gemini_part(&part),
    }
}

fn text_part<'a>(part: &Object<'a>, names: &[&str], make: impl FnOnce(&'a RawValue) -> Part<'a>) -> Part<'a> {
    match part.first(names) {
        Some(text) => make(text).with_other_fields(part, names),
        None => Part::unmapped("text", part),
    }
}

fn reasoning_part<'a>(part: &Object<'a>) -> Part<'a> {
    const NAMES: [&str; 3] = ["thinking", "content", "text"];
    Part::reasoning(part.first(&NAMES)).with_other_fields(part, &NAMES)
}

/// Creates the part for a tool call whose id is in the object `call` and whose name and arguments are in `called`,
/// which may be the same object.
pub(super) fn call_part<'a>(call: &Object<'a>, called: &Object<'a>, arguments: &[&str]) -> Part<'a> {
    let part = Part::tool_call(call.non_null("id"), called.non_null("name"), called.first(arguments));
    part.with_other_fields(called, arguments)
}

fn response_part<'a>(part: &Object<'a>, id: &str, response: &str) -> Part<'a> {
    Part::tool_call_response(part.non_null(id), part.non_null(response)).with_other_fields(part, &[id, response])
}

/// Parses a part of a Gemini message, whose type follows from its fields.
fn gemini_part<'a>(part: &Object<'a>) -> Part<'a> {
    const CALL: [&str; 2] = ["functionCall", "function_call"];
    const RESPONSE: [&str; 2] = ["functionResponse", "function_response"];
    let held = |names: &[&str]| part.first(names).and_then(Object::from_value);
    if let Some(called) = held(&CALL) {
        call_part(&called, &called, &["args"]).with_other_fields(part, &CALL)
    } else if let Some(response) = held(&RESPONSE) {
        response_part(&response, "id", "response").with_other_fields(part, &RESPONSE)
    } else if part.number("thought") == Some(true) {
        Part::reasoning(part.non_null("text")).with_other_fields(part, &["text", "thought"])
    } else if let Some(text) = part.non_null("text") {
        Part::text(text).with_other_fields(part, &["text"])
    } else {
        let kind = part.fields().find(|(_, value)| value.get() != "null").map_or("unknown", |(name, _)| name);
        Part::unmapped(kind, part)
    }
}
