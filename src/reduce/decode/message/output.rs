//! Answers of tools: `tool_result`, `tool_call_response`, `functionResponse`.

use serde_json::value::RawValue;

use super::pieces::answer;
use super::{id, part};
use crate::reduce::decode::draft::Draft;
use crate::reduce::decode::object::{Object, list, text};
use crate::reduce::decode::why::Why;

/// An answer that is content: text or parts.
pub(super) fn of_content(result: &Object<'_>) -> Result<Draft, Why> {
    let mut draft = answer(id(result, "tool_use_id"));
    match result.some("content").map(|content| (content, list(content))) {
        Some((_, Some(parts))) => {
            for part in parts {
                part::add_plain(&mut draft, part)?;
            }
            draft.or_empty();
        }
        Some((content, None)) => value(&mut draft, Some(content))?,
        None => value(&mut draft, None)?,
    }
    Ok(draft)
}

/// An answer that is any value.
pub(super) fn of_value(response: &Object<'_>) -> Result<Draft, Why> {
    let mut draft = answer(id(response, "id"));
    value(&mut draft, response.first(&["response", "result"]))?;
    Ok(draft)
}

/// Gemini's answer: a value, and parts that are no JSON.
pub(super) fn read_gemini(raw: &RawValue) -> Result<Draft, Why> {
    let response = Object::of(raw).ok_or("it has an answer that is not an object")?;
    let mut draft = of_value(&response)?;
    for part in response.list("parts").unwrap_or_default() {
        part::add_plain(&mut draft, part)?;
    }
    Ok(draft)
}

fn value(draft: &mut Draft, value: Option<&RawValue>) -> Result<(), Why> {
    match value.map(|value| (value, text(value))) {
        None => draft.reference("tool_output", None),
        Some((_, Some(text))) => {
            draft.text(&text);
            Ok(())
        }
        Some((value, None)) => draft.json(value),
    }
}
