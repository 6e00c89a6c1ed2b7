//! Parts of messages of any provider. They say what they are and never mean two things, so one reading serves all.

use serde_json::value::RawValue;

use super::part::Part;
use crate::reduce::{Object, list, text};

/// The parts of a message's content: text, parts, or one part.
pub(super) fn of_content(content: &RawValue) -> Vec<Part<'_>> {
    if content.get() == "null" {
        return Vec::new();
    }
    match list(content).or_else(|| inside(content)) {
        Some(parts) => parts.into_iter().map(of).collect(),
        None => vec![of(content)],
    }
}

/// The parts of Gemini's `systemInstruction`, which is a message without a role.
fn inside(content: &RawValue) -> Option<Vec<&RawValue>> {
    Object::of(content).filter(|content| content.get("type").is_none())?.list("parts")
}

/// One part.
pub(super) fn of(raw: &RawValue) -> Part<'_> {
    let Some(part) = Object::of(raw) else {
        return if text(raw).is_some() { Part::text(raw) } else { Part::unknown(raw) };
    };
    match part.text("type").as_deref() {
        Some("text" | "input_text" | "output_text" | "summary_text") => said(&part, &["text", "content"], Part::text),
        Some("thinking" | "redacted_thinking" | "reasoning" | "reasoning_text") => thought(&part),
        Some("tool_use" | "tool_call") => call(&part, &part, &["arguments", "input", "args"]),
        Some("tool_result") => answer(&part, "tool_use_id", "content"),
        Some("tool_call_response") => answer(&part, "id", "response"),
        Some(kind) => Part::as_it_was(kind, &part),
        None => of_gemini(&part),
    }
}

fn said<'a>(part: &Object<'a>, names: &[&str], make: impl FnOnce(&'a RawValue) -> Part<'a>) -> Part<'a> {
    match part.first(names) {
        Some(said) => make(said).with_rest_of(part, names),
        None => Part::as_it_was("text", part),
    }
}

fn thought<'a>(part: &Object<'a>) -> Part<'a> {
    const NAMES: [&str; 3] = ["thinking", "content", "text"];
    Part::reasoning(part.first(&NAMES)).with_rest_of(part, &NAMES)
}

/// A call whose name and arguments stand in one object and its id in another, which may be the same.
pub(super) fn call<'a>(call: &Object<'a>, called: &Object<'a>, arguments: &[&str]) -> Part<'a> {
    let part = Part::tool_call(call.some("id"), called.some("name"), called.first(arguments));
    part.with_rest_of(called, arguments)
}

fn answer<'a>(part: &Object<'a>, id: &str, response: &str) -> Part<'a> {
    Part::tool_call_response(part.some(id), part.some(response)).with_rest_of(part, &[id, response])
}

/// A part of Gemini's, which is known by what it holds.
fn of_gemini<'a>(part: &Object<'a>) -> Part<'a> {
    const CALL: [&str; 2] = ["functionCall", "function_call"];
    const ANSWER: [&str; 2] = ["functionResponse", "function_response"];
    let held = |names: &[&str]| part.first(names).and_then(Object::of);
    if let Some(called) = held(&CALL) {
        call(&called, &called, &["args"]).with_rest_of(part, &CALL)
    } else if let Some(answered) = held(&ANSWER) {
        answer(&answered, "id", "response").with_rest_of(part, &ANSWER)
    } else if part.number("thought") == Some(true) {
        Part::reasoning(part.some("text")).with_rest_of(part, &["text", "thought"])
    } else if let Some(text) = part.some("text") {
        Part::text(text).with_rest_of(part, &["text"])
    } else {
        let kind = part.fields().find(|(_, value)| value.get() != "null").map_or("unknown", |(name, _)| name);
        Part::as_it_was(kind, part)
    }
}
