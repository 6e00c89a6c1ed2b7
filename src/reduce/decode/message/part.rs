//! Parses the parts of a message by their types; Gemini's parts have no type and are recognized by their fields.

use serde_json::value::RawValue;

use super::builder::MessageBuilder;
use super::{call, output, reasoning};
use crate::reduce::decode::decode_error::{DecodeError, UNREADABLE_VALUE};
use crate::reduce::decode::draft::ItemDraft;
use crate::reduce::decode::object::{Object, is_null, text};

/// Fields of Gemini's parts that contain no content.
const METADATA_FIELDS: [&str; 9] = [
    "type",
    "thought",
    "thoughtSignature",
    "thought_signature",
    "partMetadata",
    "videoMetadata",
    "video_metadata",
    "mediaResolution",
    "media_resolution",
];

/// Fields that are ignored when parts are compared. A cache breakpoint moves from request to request, and a signature
/// becomes part of the reasoning.
const IGNORED_FIELDS: [&str; 3] = ["cache_control", "thoughtSignature", "thought_signature"];

/// Adds a part of a message: as a separate item, such as a tool call, or to the item in progress.
pub(super) fn add(builder: &mut MessageBuilder, raw: &RawValue) {
    let Some(part) = Object::from_value(raw) else {
        match text(raw) {
            Some(text) => builder.push_text(&text),
            None => builder.push_part(|draft| draft.push_reference("content", Some(raw))),
        }
        return;
    };
    match part.text("type").as_deref() {
        Some("text" | "input_text" | "output_text") => add_text(builder, part.first(&["text", "content"])),
        Some("thinking" | "redacted_thinking" | "reasoning") => builder.push_item(reasoning::parse(&part)),
        Some("tool_use" | "tool_call") => builder.push_item(call::from_object(&part)),
        Some("tool_result") => builder.push_item(output::from_content(&part)),
        Some("tool_call_response") => builder.push_item(output::from_value(&part)),
        Some("refusal") => builder.push_part(|draft| draft.push_reference("refusal", part.non_null("refusal"))),
        Some(label) => {
            let label = label.to_owned();
            builder.push_part(|draft| push_part_reference(draft, &label, part));
        }
        None => add_untyped(builder, part),
    }
}

/// Adds a part to the output of a call, in which a part cannot be a separate item.
pub(super) fn add_plain(draft: &mut ItemDraft, raw: &RawValue) -> Result<(), DecodeError> {
    let Some(part) = Object::from_value(raw) else {
        return match text(raw) {
            Some(text) => {
                draft.push_text(&text);
                Ok(())
            }
            None => draft.push_reference("content", Some(raw)),
        };
    };
    let label = match part.text("type").as_deref() {
        Some("text" | "input_text" | "output_text") => {
            let content =
                part.first(&["text", "content"]).map(|content| text(content).ok_or(UNREADABLE_VALUE)).transpose()?;
            content.filter(|content| !content.is_empty()).into_iter().for_each(|content| draft.push_text(&content));
            return Ok(());
        }
        Some(label) => label.to_owned(),
        None => content_field(&part).unwrap_or("content").to_owned(),
    };
    push_part_reference(draft, &label, part)
}

/// Adds the text of a part to the item in progress.
fn add_text(builder: &mut MessageBuilder, content: Option<&RawValue>) {
    match content.map(text) {
        None => {}
        Some(Some(text)) => builder.push_text(&text),
        Some(None) => builder.push_item(Err(UNREADABLE_VALUE)),
    }
}

/// Adds a part without `type`, as Gemini writes them: with field names in the spelling of its JSON (`functionCall`) or
/// of its protocol buffers (`function_call`).
fn add_untyped(builder: &mut MessageBuilder, part: Object<'_>) {
    let signature = part.first(&["thoughtSignature", "thought_signature"]).and_then(text);
    let signature = signature.filter(|signature| !signature.is_empty());
    if let Some(called) = part.first(&["functionCall", "function_call"]) {
        builder.push_signed_item(signature.as_deref(), call::parse_gemini(called));
    } else if let Some(response) = part.first(&["functionResponse", "function_response"]) {
        builder.push_signed_item(signature.as_deref(), output::parse_gemini(response));
    } else if part.number("thought") == Some(true) {
        builder.push_item(parse_thought(part, signature.as_deref()));
    } else {
        signature.iter().for_each(|signature| builder.push_signature(signature));
        match (part.non_null("text"), content_field(&part).map(str::to_owned)) {
            (Some(content), _) => add_text(builder, Some(content)),
            (None, Some(label)) => builder.push_part(|draft| push_part_reference(draft, &label, part)),
            (None, None) if signature.is_some() => {}
            (None, None) => builder.push_part(|draft| push_part_reference(draft, "content", part)),
        }
    }
}

/// Parses a thought of Gemini into a reasoning item.
fn parse_thought(part: Object<'_>, signature: Option<&str>) -> Result<ItemDraft, DecodeError> {
    let mut draft = reasoning::new();
    match (part.non_null("text").map(text), content_field(&part).map(str::to_owned)) {
        (Some(Some(content)), _) => reasoning::push_text(&mut draft, &content),
        (Some(None), _) => return Err(UNREADABLE_VALUE),
        (None, Some(label)) => push_part_reference(&mut draft, &label, part)?,
        (None, None) => {}
    }
    signature.into_iter().for_each(|signature| reasoning::push_signature(&mut draft, signature));
    draft.push_placeholder_if_empty();
    Ok(draft)
}

/// Returns the name of the field that contains the content of a part without `type`. Returns `None` if there is no such
/// field.
fn content_field<'p>(part: &'p Object<'_>) -> Option<&'p str> {
    let is_content = |name: &str| !METADATA_FIELDS.contains(&name) && !IGNORED_FIELDS.contains(&name);
    part.fields().find(|(name, value)| is_content(name) && !is_null(value)).map(|(name, _)| name)
}

/// Adds a reference to a part that remains in the payload. Null fields are ignored: clients drop them when they repeat
/// a response.
fn push_part_reference(draft: &mut ItemDraft, label: &str, part: Object<'_>) -> Result<(), DecodeError> {
    draft.push_object_reference(label, part, |name, value| !IGNORED_FIELDS.contains(&name) && !is_null(value))
}
