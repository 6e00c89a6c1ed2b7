//! Lists of items in bodies.

use serde_json::value::RawValue;

use super::contents::{ContentId, Contents};
use super::object::{list, text};
use super::responses_item;

/// The items of a list of Responses API items. `None` where the value is no list; null is an empty one.
pub(super) fn responses(value: &RawValue, contents: &Contents) -> Option<Vec<ContentId>> {
    let items = if value.get() == "null" { Vec::new() } else { list(value)? };
    Some(responses_list(items, contents))
}

/// The same, of a list that was told apart already.
pub(super) fn responses_list(items: Vec<&RawValue>, contents: &Contents) -> Vec<ContentId> {
    contents.read_all(items.into_iter().map(RawValue::get), responses_item::read)
}

/// The items of a Responses API request: a list, or text that stands for one message of the user.
pub(super) fn responses_input(value: &RawValue, contents: &Contents) -> Option<Vec<ContentId>> {
    match text(value) {
        Some(_) => Some(contents.read_all([value.get()], responses_item::read_user_text)),
        None => responses(value, contents),
    }
}
