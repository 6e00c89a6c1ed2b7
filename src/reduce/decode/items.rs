//! Parses the lists of conversation items in request and response bodies.

use serde_json::value::RawValue;

use super::item_cache::{ContentId, ItemCache};
use super::item_format::ItemFormat;
use super::object::{Object, list, text};
use crate::graph::Role;

/// Parses a list of Responses API items. `null` counts as an empty list. Returns `None` for other values.
pub(super) fn responses(value: &RawValue, cache: &ItemCache) -> Option<Vec<ContentId>> {
    let items = if value.get() == "null" { Vec::new() } else { list(value)? };
    Some(responses_list(items, cache))
}

/// Parses Responses API items from the elements of a list.
pub(super) fn responses_list(items: Vec<&RawValue>, cache: &ItemCache) -> Vec<ContentId> {
    parse_all(items, ItemFormat::ResponsesItem, cache)
}

/// Parses the `input` of a Responses API request: a list of items, or a string that stands for one user message.
/// Returns `None` for other values.
pub(super) fn responses_input(value: &RawValue, cache: &ItemCache) -> Option<Vec<ContentId>> {
    match text(value) {
        Some(_) => Some(parse_all(vec![value], ItemFormat::ResponsesText, cache)),
        None => responses(value, cache),
    }
}

/// Parses a list of messages, one message, or a string that stands for one message. `null` counts as an empty list.
/// Returns `None` for other values.
///
/// `default_role` is the role of messages without a role, `role` that of a string.
pub(super) fn messages(
    value: &RawValue,
    default_role: Option<Role>,
    role: Role,
    cache: &ItemCache,
) -> Option<Vec<ContentId>> {
    if text(value).is_some() {
        return Some(content(value, role, cache));
    }
    let messages = match value.get() {
        "null" => Vec::new(),
        _ => list(value).or_else(|| Object::from_value(value).map(|_| vec![value]))?,
    };
    Some(message_list(messages, default_role, cache))
}

/// Parses messages from a span attribute, like [`messages`]. Attributes cannot contain lists, so some recorders store
/// the messages as JSON text.
pub(super) fn attribute(
    value: &RawValue,
    default_role: Option<Role>,
    role: Role,
    cache: &ItemCache,
) -> Option<Vec<ContentId>> {
    let json = text(value).filter(|text| text.trim_start().starts_with(['[', '{']));
    match json.as_deref().map(serde_json::from_str) {
        Some(Ok(inner)) => messages(inner, default_role, role, cache),
        Some(Err(_)) | None => messages(value, default_role, role, cache),
    }
}

/// Parses messages from the elements of a list.
pub(super) fn message_list(messages: Vec<&RawValue>, default_role: Option<Role>, cache: &ItemCache) -> Vec<ContentId> {
    parse_all(messages, ItemFormat::Message { default_role }, cache)
}

/// Parses the content of one message with the given role, without the message object around it.
pub(super) fn content(value: &RawValue, role: Role, cache: &ItemCache) -> Vec<ContentId> {
    parse_all(vec![value], ItemFormat::Content(role), cache)
}

fn parse_all(texts: Vec<&RawValue>, format: ItemFormat, cache: &ItemCache) -> Vec<ContentId> {
    cache.parse_all(texts.into_iter().map(RawValue::get), format)
}
