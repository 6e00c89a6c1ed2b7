//! Parses outputs of tool calls in messages: `tool_result`, `tool_call_response`, `functionResponse`.

use serde_json::value::RawValue;

use super::builder::output_draft;
use super::{id, part};
use crate::reduce::decode::decode_error::DecodeError;
use crate::reduce::decode::draft::ItemDraft;
use crate::reduce::decode::object::{Object, list, text};

/// Parses a `tool_result` of Anthropic, whose `content` is a text or a list of parts.
pub(super) fn from_content(result: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = output_draft(id(result, "tool_use_id"));
    match result.non_null("content").map(|content| (content, list(content))) {
        Some((_, Some(parts))) => {
            for part in parts {
                part::add_plain(&mut draft, part)?;
            }
            draft.push_placeholder_if_empty();
        }
        Some((content, None)) => value(&mut draft, Some(content))?,
        None => value(&mut draft, None)?,
    }
    Ok(draft)
}

/// Parses an output whose `response` or `result` may be any JSON value, as in a `tool_call_response`.
pub(super) fn from_value(response: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = output_draft(id(response, "id"));
    value(&mut draft, response.first(&["response", "result"]))?;
    Ok(draft)
}

/// Parses a `functionResponse` of Gemini: a JSON value, and parts for what JSON cannot express, such as images.
pub(super) fn parse_gemini(raw: &RawValue) -> Result<ItemDraft, DecodeError> {
    let response = Object::from_value(raw).ok_or("it has a function response that is not an object")?;
    let mut draft = from_value(&response)?;
    for part in response.list("parts").unwrap_or_default() {
        part::add_plain(&mut draft, part)?;
    }
    Ok(draft)
}

/// Adds a value to the output of a call: as text or JSON, or a reference if there is no value.
fn value(draft: &mut ItemDraft, value: Option<&RawValue>) -> Result<(), DecodeError> {
    match value.map(|value| (value, text(value))) {
        None => draft.push_reference("tool_output", None),
        Some((_, Some(text))) => {
            draft.push_text(&text);
            Ok(())
        }
        Some((value, None)) => draft.push_json(value),
    }
}
