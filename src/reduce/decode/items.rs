//! Lists of items in bodies.

use serde_json::value::RawValue;

use super::contents::{ContentId, Contents};
use super::object::{Object, list, text};
use super::read_as::ReadAs;
use crate::graph::Role;

/// The items of a list of Responses API items. `None` where the value is no list; null is an empty one.
pub(super) fn responses(value: &RawValue, contents: &Contents) -> Option<Vec<ContentId>> {
    let items = if value.get() == "null" { Vec::new() } else { list(value)? };
    Some(responses_list(items, contents))
}

/// The same, of a list that was told apart already.
pub(super) fn responses_list(items: Vec<&RawValue>, contents: &Contents) -> Vec<ContentId> {
    read_all(items, ReadAs::ResponsesItem, contents)
}

/// The items of a Responses API request: a list, or text that stands for one message of the user.
pub(super) fn responses_input(value: &RawValue, contents: &Contents) -> Option<Vec<ContentId>> {
    match text(value) {
        Some(_) => Some(read_all(vec![value], ReadAs::ResponsesText, contents)),
        None => responses(value, contents),
    }
}

/// The items of messages: a list, one message, or text that stands for one. `speaker` says so where nothing else tells
/// who speaks. `None` where the value is none of these; null is an empty list.
pub(super) fn messages(
    value: &RawValue,
    otherwise: Option<Role>,
    speaker: Role,
    contents: &Contents,
) -> Option<Vec<ContentId>> {
    if text(value).is_some() {
        return Some(content(value, speaker, contents));
    }
    let messages = match value.get() {
        "null" => Vec::new(),
        _ => list(value).or_else(|| Object::of(value).map(|_| vec![value]))?,
    };
    Some(message_list(messages, otherwise, contents))
}

/// The same, of an attribute of a span: those can't hold lists, so that some writers keep their JSON as text.
pub(super) fn attribute(
    value: &RawValue,
    otherwise: Option<Role>,
    speaker: Role,
    contents: &Contents,
) -> Option<Vec<ContentId>> {
    let json = text(value).filter(|text| text.trim_start().starts_with(['[', '{']));
    match json.as_deref().map(serde_json::from_str) {
        Some(Ok(inner)) => messages(inner, otherwise, speaker, contents),
        Some(Err(_)) | None => messages(value, otherwise, speaker, contents),
    }
}

/// The items of a list of messages.
pub(super) fn message_list(messages: Vec<&RawValue>, otherwise: Option<Role>, contents: &Contents) -> Vec<ContentId> {
    read_all(messages, ReadAs::Message { otherwise }, contents)
}

/// The items of a message's content alone.
pub(super) fn content(value: &RawValue, speaker: Role, contents: &Contents) -> Vec<ContentId> {
    read_all(vec![value], ReadAs::Content(speaker), contents)
}

fn read_all(texts: Vec<&RawValue>, read_as: ReadAs, contents: &Contents) -> Vec<ContentId> {
    contents.read_all(texts.into_iter().map(RawValue::get), read_as)
}
