//! Parses tool calls in messages: `tool_calls`, `function_call`, `tool_use`, `tool_call`, `functionCall`.

use serde_json::value::RawValue;

use super::id;
use crate::graph::{Channel, ItemKind, Role};
use crate::reduce::decode::decode_error::DecodeError;
use crate::reduce::decode::draft::ItemDraft;
use crate::reduce::decode::object::{Object, text};

const NOT_AN_OBJECT: DecodeError = "it has a call that is not an object";

/// Parses a tool call from a JSON value. Returns an error if the value is not an object.
pub(super) fn parse(raw: &RawValue) -> Result<ItemDraft, DecodeError> {
    from_object(&Object::from_value(raw).ok_or(NOT_AN_OBJECT)?)
}

/// Parses a tool call. Its name and arguments are in the object `function` or `custom`, or beside the id.
pub(super) fn from_object(call: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    if let Some(custom) = call.object("custom") {
        return custom_call(call, &custom);
    }
    let function = call.object("function");
    let called = function.as_ref().unwrap_or(call);
    let mut draft = new(call, called)?;
    draft.push_arguments(arguments(called))?;
    Ok(draft)
}

/// Parses a tool call of Gemini. Gemini omits empty arguments, which become `{}` here, because other recorders of the
/// same history do not omit them.
pub(super) fn parse_gemini(raw: &RawValue) -> Result<ItemDraft, DecodeError> {
    let call = Object::from_value(raw).ok_or(NOT_AN_OBJECT)?;
    let mut draft = new(&call, &call)?;
    match arguments(&call) {
        None => draft.push_json_or_text("{}"),
        arguments => draft.push_arguments(arguments)?,
    }
    Ok(draft)
}

/// Parses a call of a custom tool, whose input is a text that is kept unparsed, even if it looks like JSON.
fn custom_call(call: &Object<'_>, custom: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = new(call, custom)?;
    match custom.non_null("input").map(|input| (input, text(input))) {
        Some((_, Some(text))) => draft.push_text(&text),
        Some((input, None)) => draft.push_json(input)?,
        None => draft.push_reference("payload", None)?,
    }
    Ok(draft)
}

/// Creates the item for a tool call: takes the id from `call` and the name from `called`.
fn new(call: &Object<'_>, called: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = ItemDraft::new(Role::Assistant, Some(Channel::Commentary), ItemKind::FunctionCall);
    draft.call_id = id(call, "id");
    draft.name = called.optional_text("name")?.map(Into::into);
    Ok(draft)
}

/// Returns the arguments of a tool call, from the field that its provider uses. Returns `None` if there are none.
fn arguments<'a>(called: &Object<'a>) -> Option<&'a RawValue> {
    called.first(&["arguments", "input", "args"])
}
