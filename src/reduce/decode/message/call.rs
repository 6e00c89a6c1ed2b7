//! Calls of tools: `tool_calls`, `function_call`, `tool_use`, `tool_call`, `functionCall`.

use serde_json::value::RawValue;

use super::id;
use crate::graph::{Channel, ItemKind, Role};
use crate::reduce::decode::draft::Draft;
use crate::reduce::decode::object::{Object, text};
use crate::reduce::decode::why::Why;

const NOT_AN_OBJECT: Why = "it has a call that is not an object";

/// A call that stands beside the parts of a message.
pub(super) fn read(raw: &RawValue) -> Result<Draft, Why> {
    of(&Object::of(raw).ok_or(NOT_AN_OBJECT)?)
}

/// A call. What is called stands inside `function` or `custom`, or beside the id.
pub(super) fn of(call: &Object<'_>) -> Result<Draft, Why> {
    if let Some(custom) = call.object("custom") {
        return custom_call(call, &custom);
    }
    let function = call.object("function");
    let called = function.as_ref().unwrap_or(call);
    let mut draft = new(call, called)?;
    draft.arguments(arguments(called))?;
    Ok(draft)
}

/// Gemini leaves out arguments where there are none; other writers of the same history don't.
pub(super) fn read_gemini(raw: &RawValue) -> Result<Draft, Why> {
    let call = Object::of(raw).ok_or(NOT_AN_OBJECT)?;
    let mut draft = new(&call, &call)?;
    match arguments(&call) {
        None => draft.json_or_text("{}"),
        arguments => draft.arguments(arguments)?,
    }
    Ok(draft)
}

/// A custom tool is given any text, whatever it looks like.
fn custom_call(call: &Object<'_>, custom: &Object<'_>) -> Result<Draft, Why> {
    let mut draft = new(call, custom)?;
    match custom.some("input").map(|input| (input, text(input))) {
        Some((_, Some(text))) => draft.text(&text),
        Some((input, None)) => draft.json(input)?,
        None => draft.reference("payload", None)?,
    }
    Ok(draft)
}

fn new(call: &Object<'_>, called: &Object<'_>) -> Result<Draft, Why> {
    let mut draft = Draft::new(Role::Assistant, Some(Channel::Commentary), ItemKind::FunctionCall);
    draft.call_id = id(call, "id");
    draft.name = called.said("name")?.map(Into::into);
    Ok(draft)
}

fn arguments<'a>(called: &Object<'a>) -> Option<&'a RawValue> {
    called.first(&["arguments", "input", "args"])
}
