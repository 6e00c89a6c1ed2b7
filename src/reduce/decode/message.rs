//! Parses messages of all shapes other than the Responses API: Chat Completions, Anthropic Messages, Gemini and the
//! GenAI conventions. Their parts are self-describing and unambiguous, so one parser serves all of them, and the
//! provider need not be known.
//!
//! A message is parsed in this order: its reasoning (`reasoning_content`, `reasoning`), its parts (`parts`, else
//! `content`), `refusal` and `audio`, its calls (`tool_calls`, `function_call`). Reasoning, calls and outputs become
//! separate items, in place; a run of text and other parts between two of them is one message item. Empty text
//! adds no item, so that `null`, `""` and `[]` are equal beside a call: clients turn one into another when they repeat
//! a response as history. A message without any content is a message item with `empty_content`.
//!
//! Only content counts, and it counts equally in a response and in the history of the next request. So ids of messages,
//! names of speakers, citations, finish reasons and `cache_control` (which moves from request to request) are ignored.

mod builder;
mod call;
mod output;
mod part;
mod reasoning;

use serde_json::value::RawValue;

use super::decode_error::DecodeError;
use super::object::{Object, is_null, list, text};
use super::parsed_item::ItemResult;
use crate::event::CallId;
use crate::graph::Role;
use builder::MessageBuilder;

/// Parses one message into its items. `default_role` is the role of a message without a role.
pub(super) fn parse(json: &str, default_role: Option<Role>) -> Vec<ItemResult> {
    parse_message(json, default_role).unwrap_or_else(|error| vec![Err(error)])
}

/// Parses the content of a message with the given role into its items. Returns no items for empty content.
pub(super) fn parse_content(json: &str, role: Role) -> Vec<ItemResult> {
    let Ok(content) = serde_json::from_str::<&RawValue>(json) else { return vec![Err("it is not JSON")] };
    let mut builder = MessageBuilder::new(role, None);
    add_content(&mut builder, content);
    builder.finish()
}

/// Parses one message object into its items.
fn parse_message(json: &str, default_role: Option<Role>) -> Result<Vec<ItemResult>, DecodeError> {
    let message = Object::parse(json).ok_or("it is not an object")?;
    let mut builder = MessageBuilder::new(role(&message, default_role)?, id(&message, "tool_call_id"));
    add_reasoning(&mut builder, &message);
    if let Some(content) = message.first(&["parts", "content"]) {
        add_content(&mut builder, content);
    }
    add_refusal_and_audio(&mut builder, &message);
    add_calls(&mut builder, &message);
    Ok(builder.finish_message())
}

/// Returns the role of a message, or `default_role` if it has none.
fn role(message: &Object<'_>, default_role: Option<Role>) -> Result<Role, DecodeError> {
    if message.non_null("role").is_none() {
        return default_role.ok_or("it has no role");
    }
    match message.text("role").as_deref() {
        Some("system") => Ok(Role::System),
        Some("developer") => Ok(Role::Developer),
        Some("user") => Ok(Role::User),
        Some("assistant" | "model") => Ok(Role::Assistant),
        Some("tool" | "function") => Ok(Role::Tool),
        Some(_) | None => Err("its role is unknown"),
    }
}

/// Returns the id of a tool call in the field `name`. Returns `None` if it is absent or empty; an empty id would link
/// nothing.
fn id(object: &Object<'_>, name: &str) -> Option<CallId> {
    object.text(name).filter(|id| !id.is_empty()).map(|id| CallId::from(&*id))
}

/// Adds the reasoning in `reasoning_content` or `reasoning`, which servers compatible with Chat Completions put beside
/// the content.
fn add_reasoning(builder: &mut MessageBuilder, message: &Object<'_>) {
    let texts = ["reasoning_content", "reasoning"].into_iter().filter_map(|name| message.text(name));
    if let Some(text) = texts.into_iter().find(|text| !text.is_empty()) {
        builder.push_item(Ok(reasoning::from_text(&text)));
    }
}

/// Adds the content of a message: a text, a list of parts, or one part.
fn add_content(builder: &mut MessageBuilder, content: &RawValue) {
    if let Some(text) = text(content) {
        builder.push_text(&text);
        return;
    }
    match list(content).or_else(|| parts_of(content)) {
        Some(parts) => parts.into_iter().for_each(|part| part::add(builder, part)),
        None if is_null(content) => {}
        None => part::add(builder, content),
    }
}

/// Returns the parts of Gemini's `systemInstruction`, which is a message without a role.
fn parts_of(content: &RawValue) -> Option<Vec<&RawValue>> {
    Object::from_value(content).filter(|content| content.get("type").is_none())?.list("parts")
}

/// Adds the refusal and the audio that Chat Completions put beside the content. A part of type `refusal` is equal to
/// the field `refusal`. Audio is identified by its id, because the history repeats only that.
fn add_refusal_and_audio(builder: &mut MessageBuilder, message: &Object<'_>) {
    if let Some(refusal) = message.non_null("refusal") {
        builder.push_part(|draft| draft.push_reference("refusal", Some(refusal)));
    }
    if let Some(audio) = message.non_null("audio") {
        let identified_by = Object::from_value(audio).and_then(|audio| audio.non_null("id")).unwrap_or(audio);
        builder.push_part(|draft| draft.push_reference("audio", Some(identified_by)));
    }
}

/// Adds the tool calls that Chat Completions puts beside the content: `tool_calls` or `function_call`.
fn add_calls(builder: &mut MessageBuilder, message: &Object<'_>) {
    if let Some(calls) = message.non_null("tool_calls") {
        match list(calls) {
            Some(calls) => calls.into_iter().for_each(|part| builder.push_item(call::parse(part))),
            None => builder.push_item(Err("its `tool_calls` is not a list")),
        }
    }
    if let Some(call) = message.non_null("function_call") {
        builder.push_item(call::parse(call));
    }
}
