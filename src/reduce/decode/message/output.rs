//! Parses outputs of tool calls in messages: `tool_result`, `tool_call_response`, `functionResponse`.

use serde_json::value::RawValue;

use super::builder::output_draft;
use super::call;
use super::plain_part::add_plain;
use crate::provider::{ToolResult, text};
use crate::reduce::decode::decode_error::DecodeError;
use crate::reduce::decode::draft::ItemDraft;

/// Makes an item of the output of a tool call: of its parts if it is a list of parts, else of its text or JSON.
pub(super) fn draft(result: &ToolResult<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = output_draft(call::id(result.call_id));
    draft.name = call::name(result.name);
    draft.is_error = result.is_error;
    match result.content_parts() {
        Some(parts) => {
            for part in parts {
                add_plain(&mut draft, part)?;
            }
            draft.push_placeholder_if_empty();
        }
        None => push_value(&mut draft, result.value)?,
    }
    for part in result.parts_beside_value() {
        add_plain(&mut draft, part)?;
    }
    Ok(draft)
}

/// Adds a value to the output of a call: as text or JSON, or a reference if there is no value.
fn push_value(draft: &mut ItemDraft, value: Option<&RawValue>) -> Result<(), DecodeError> {
    match value.map(|value| (value, text(value))) {
        None => draft.push_reference("tool_output", None),
        Some((_, Some(text))) => {
            draft.push_text(&text);
            Ok(())
        }
        Some((value, None)) => draft.push_json(value),
    }
}
