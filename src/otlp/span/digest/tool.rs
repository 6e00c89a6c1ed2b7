//! Digests the payloads of tool calls: `tool_invocation`, `tool_runtime_event` and `tool_result`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{InvocationDigest, ResultDigest, RuntimeDigest};
use crate::otlp::ContentPolicy;
use crate::provider::{Object, list, text};

impl InvocationDigest {
    /// Digests the payload of a tool invocation. Returns the default for bytes that can't be parsed.
    pub(crate) fn parse(bytes: &[u8], content: ContentPolicy) -> Self {
        if !content.captures() {
            return Self::default();
        }
        Self { arguments: object(bytes).and_then(|body| arguments(&body)) }
    }
}

impl RuntimeDigest {
    /// Digests the payload of a runtime event of a tool. Returns the default for bytes that can't be parsed.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let Some(body) = object(bytes) else { return Self::default() };
        Self { executable: executable(&body), exit_code: body.number("exit_code") }
    }
}

impl ResultDigest {
    /// Digests the payload of a tool result. Returns the default for bytes that can't be parsed.
    pub(crate) fn parse(bytes: &[u8], content: ContentPolicy) -> Self {
        if !content.captures() {
            return Self::default();
        }
        Self { result: object(bytes).and_then(|body| result(&body)).or_else(|| whole_body(bytes)) }
    }
}

fn object(bytes: &[u8]) -> Option<Object<'_>> {
    Object::parse(str::from_utf8(bytes).ok()?)
}

/// Returns a payload of unknown type as text.
fn whole_body(bytes: &[u8]) -> Option<String> {
    serde_json::from_slice::<&RawValue>(bytes).ok().map(as_text)
}

/// Returns the content of a JSON string, or the JSON text of any other value.
fn as_text(value: &RawValue) -> String {
    text(value).map_or_else(|| value.get().to_owned(), Cow::into_owned)
}

/// Returns the arguments of an invocation, without the envelope. An invocation of unknown type is returned whole.
fn arguments(body: &Object<'_>) -> Option<String> {
    let payload = body.non_null("payload")?;
    let known = Object::from_value(payload).and_then(|payload| match payload.text("type").as_deref() {
        Some("function" | "tool_search") => payload.non_null("arguments").map(as_text),
        Some("custom") => payload.non_null("input").map(as_text),
        Some("mcp") => payload.non_null("raw_arguments").map(as_text),
        Some(_) | None => None,
    });
    Some(known.unwrap_or_else(|| payload.get().to_owned()))
}

/// Returns the result, without the envelope. Returns `None` for a result of unknown type.
fn result(body: &Object<'_>) -> Option<String> {
    match body.text("type").as_deref() {
        Some("direct_response") => body.non_null("response_item").map(response_item),
        Some("code_mode_response") => body.non_null("value").map(as_text),
        Some("error") => body.non_null("error").map(as_text),
        Some(_) | None => None,
    }
}

/// Returns the part of a response item that the model sees.
fn response_item(item: &RawValue) -> String {
    let output = Object::from_value(item).and_then(|item| item.first(&["output", "content"]));
    as_text(output.unwrap_or(item))
}

/// Returns the file name of the first word of a command, with the path separators of any system. The words after it are
/// content, also where the whole command is one text.
fn executable(body: &Object<'_>) -> Option<String> {
    let command = body.non_null("command")?;
    let word = list(command).map_or(Some(command), |words| words.first().copied())?;
    let words = text(word)?;
    let word = words.split_whitespace().next()?;
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    Some(name.to_owned()).filter(|name| !name.is_empty())
}
