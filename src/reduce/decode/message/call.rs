//! Parses tool calls in messages: `tool_calls`, `function_call`, `tool_use`, `tool_call`, `functionCall`.

use serde_json::value::RawValue;

use crate::event::CallId;
use crate::graph::{Channel, ItemKind, Role};
use crate::provider::{CallArguments, ToolCall, optional_text, text};
use crate::reduce::decode::decode_error::DecodeError;
use crate::reduce::decode::draft::ItemDraft;

/// Makes an item of a call.
pub(super) fn draft(call: &ToolCall<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = ItemDraft::new(Role::Assistant, Some(Channel::Commentary), ItemKind::FunctionCall);
    draft.call_id = id(call.id);
    draft.name = optional_text(call.name)?.map(Into::into);
    match call.arguments {
        CallArguments::Json(arguments) => draft.push_arguments(Some(arguments))?,
        CallArguments::Verbatim(input) => match text(input) {
            Some(text) => draft.push_text(&text),
            None => draft.push_json(input)?,
        },
        // Other recorders of the same history write the empty object.
        CallArguments::Empty => draft.push_json_or_text("{}"),
        CallArguments::Missing => draft.push_reference("payload", None)?,
    }
    Ok(draft)
}

/// Returns the name of an author or a tool. Returns `None` if it is empty.
pub(super) fn name(value: Option<&RawValue>) -> Option<Box<str>> {
    value.and_then(text).filter(|name| !name.is_empty()).map(Into::into)
}

/// Returns a call id. Returns `None` if it is empty, because it would link nothing.
pub(super) fn id(value: Option<&RawValue>) -> Option<CallId> {
    value.and_then(text).filter(|id| !id.is_empty()).map(|id| CallId::from(&*id))
}
