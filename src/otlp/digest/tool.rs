//! Bodies of tool calls: `tool_invocation`, `tool_runtime_event`, `tool_result`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{InvocationDigest, ResultDigest, RuntimeDigest};
use crate::otlp::ContentPolicy;
use crate::reduce::{Object, list, text};

impl InvocationDigest {
    /// Of the bytes of a body; of anything that can't be read, the default.
    pub(crate) fn of(bytes: &[u8], content: ContentPolicy) -> Self {
        if !content.captures() {
            return Self::default();
        }
        Self { arguments: object(bytes).and_then(|body| arguments(&body)) }
    }
}

impl RuntimeDigest {
    /// Of the bytes of a body; of anything that can't be read, the default.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let Some(body) = object(bytes) else { return Self::default() };
        Self { executable: executable(&body), exit_code: body.number("exit_code") }
    }
}

impl ResultDigest {
    /// Of the bytes of a body; of anything that can't be read, the default.
    pub(crate) fn of(bytes: &[u8], content: ContentPolicy) -> Self {
        if !content.captures() {
            return Self::default();
        }
        Self { result: object(bytes).and_then(|body| result(&body)).or_else(|| whole(bytes)) }
    }
}

fn object(bytes: &[u8]) -> Option<Object<'_>> {
    Object::parse(str::from_utf8(bytes).ok()?)
}

/// A body of no known type, as it is.
fn whole(bytes: &[u8]) -> Option<String> {
    serde_json::from_slice::<&RawValue>(bytes).ok().map(as_text)
}

/// What is text as it is, anything else as JSON.
fn as_text(value: &RawValue) -> String {
    text(value).map_or_else(|| value.get().to_owned(), Cow::into_owned)
}

/// What the tool was given, without what says how it came: an invocation of no known type is given as it is.
fn arguments(body: &Object<'_>) -> Option<String> {
    let payload = body.some("payload")?;
    let known = Object::of(payload).and_then(|payload| match payload.text("type").as_deref() {
        Some("function" | "tool_search") => payload.some("arguments").map(as_text),
        Some("custom") => payload.some("input").map(as_text),
        Some("mcp") => payload.some("raw_arguments").map(as_text),
        Some(_) | None => None,
    });
    Some(known.unwrap_or_else(|| payload.get().to_owned()))
}

/// The result itself, without what says how it came.
fn result(body: &Object<'_>) -> Option<String> {
    match body.text("type").as_deref() {
        Some("direct_response") => body.some("response_item").map(response_item),
        Some("code_mode_response") => body.some("value").map(as_text),
        Some("error") => body.some("error").map(as_text),
        Some(_) | None => None,
    }
}

/// What a model is told of it.
fn response_item(item: &RawValue) -> String {
    let output = Object::of(item).and_then(|item| item.first(&["output", "content"]));
    as_text(output.unwrap_or(item))
}

/// The file name of the first word of a command, whatever the system writes paths with. What follows it was said, and is
/// content, also where all of it is one text.
fn executable(body: &Object<'_>) -> Option<String> {
    let command = body.some("command")?;
    let word = list(command).map_or(Some(command), |words| words.first().copied())?;
    let words = text(word)?;
    let word = words.split_whitespace().next()?;
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    Some(name.to_owned()).filter(|name| !name.is_empty())
}
