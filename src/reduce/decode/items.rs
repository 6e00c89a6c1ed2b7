//! Parses the lists of conversation items in request and response bodies.

use serde_json::value::RawValue;

use super::item_cache::ItemCache;
use super::item_format::ItemFormat;
use super::listed_item::ListedItem;
use crate::graph::Role;
use crate::provider::{Content, Entries, EntryFormat, Item, ItemContent, Source};

/// Parses a list of Responses API items, or one item. `null` counts as an empty list. Returns `None` for other values.
pub(super) fn responses(value: &RawValue, cache: &ItemCache) -> Option<Vec<ListedItem>> {
    let entries = Entries::read(value, EntryFormat::Items);
    if matches!(entries, Entries::Text(_)) { None } else { responses_input(entries, cache) }
}

/// Parses Responses API items from the elements of a list.
pub(super) fn responses_list(items: Vec<&RawValue>, cache: &ItemCache) -> Vec<ListedItem> {
    parse_all(items, ItemFormat::ResponsesItem, cache)
}

/// Parses the `input` of a Responses API request: a list of items, one item, or a string that stands for one user message.
/// Returns `None` for other values.
pub(super) fn responses_input(entries: Entries<'_>, cache: &ItemCache) -> Option<Vec<ListedItem>> {
    match entries {
        Entries::List(items) => Some(responses_list(items, cache)),
        Entries::Text(text) => Some(parse_all(vec![text], ItemFormat::ResponsesText, cache)),
        Entries::One(item) => Item::is_item(item).then(|| responses_list(vec![item], cache)),
        Entries::Null => Some(Vec::new()),
        Entries::Embedded(_) | Entries::Other(_) => None,
    }
}

/// Parses a list of messages, one message, or a string that stands for one message. `null` counts as an empty list.
/// Returns `None` for other values.
///
/// `default_role` is the role of messages without a role, `role` that of a string.
pub(super) fn messages(
    entries: Entries<'_>,
    default_role: Option<Role>,
    role: Role,
    cache: &ItemCache,
) -> Option<Vec<ListedItem>> {
    match entries {
        Entries::List(messages) => Some(message_list(messages, default_role, cache)),
        Entries::One(message) => Some(message_list(vec![message], default_role, cache)),
        Entries::Embedded(_) => Some(message_list(entries.elements(), default_role, cache)),
        Entries::Text(text) => Some(content(Content(text), role, cache)),
        Entries::Null => Some(Vec::new()),
        Entries::Other(_) => None,
    }
}

/// Parses messages from a span attribute, like [`messages`]. Attributes cannot contain lists, so some recorders store
/// the messages as JSON text.
pub(super) fn attribute(
    value: &RawValue,
    default_role: Option<Role>,
    role: Role,
    cache: &ItemCache,
) -> Option<Vec<ListedItem>> {
    messages(Entries::read(value, EntryFormat::AttributeMessages), default_role, role, cache)
}

/// Parses messages from the elements of a list.
pub(super) fn message_list(messages: Vec<&RawValue>, default_role: Option<Role>, cache: &ItemCache) -> Vec<ListedItem> {
    parse_all(messages, ItemFormat::Message { default_role }, cache)
}

/// Parses the message of a response, with the sources that stand beside it there. A message that the provider withheld
/// may still have sources, such as the text that it recited.
pub(super) fn answer(message: Option<&RawValue>, sources: &[Source<'_>], cache: &ItemCache) -> Vec<ListedItem> {
    if sources.is_empty() {
        return message_list(message.into_iter().collect(), Some(Role::Assistant), cache);
    }
    sourced(message, sources, ItemFormat::SourcedMessage, cache)
}

/// Parses an answer that is a text, with the reasoning that stands beside it: the message of which the body has these
/// members.
pub(super) fn reasoned_answer(text: &RawValue, reasoning: &RawValue, cache: &ItemCache) -> Vec<ListedItem> {
    let message = format!(r#"{{"thinking":{},"content":{}}}"#, reasoning.get(), text.get());
    cache.parse_all([&*message], ItemFormat::Message { default_role: Some(Role::Assistant) })
}

/// Parses the items of a response. Sources that stand beside them belong to the last message, else to the last item.
pub(super) fn answer_items(items: &[&RawValue], sources: &[Source<'_>], cache: &ItemCache) -> Vec<ListedItem> {
    let is_message =
        |item: &&RawValue| Item::read(item).is_some_and(|item| matches!(item.content, ItemContent::Message { .. }));
    let answer = match sources {
        [] => None,
        _ => items.iter().rposition(is_message).or(items.len().checked_sub(1)),
    };
    let Some((before, [answer, after @ ..])) = answer.map(|index| items.split_at(index)) else {
        return responses_list(items.to_vec(), cache);
    };
    let answer = sourced(Some(answer), sources, ItemFormat::SourcedItem, cache);
    [responses_list(before.to_vec(), cache), answer, responses_list(after.to_vec(), cache)].concat()
}

/// Parses a message or an item of a response in the given format, together with the sources that stand beside it.
fn sourced(
    answer: Option<&RawValue>,
    sources: &[Source<'_>],
    format: ItemFormat,
    cache: &ItemCache,
) -> Vec<ListedItem> {
    // The answer and the sources are valid JSON, so that this cannot fail.
    let text = serde_json::to_string(&(answer, sources)).unwrap_or_default();
    cache.parse_all([&*text], format)
}

/// Parses the documents that a request has for the model to read.
pub(super) fn documents(documents: &RawValue, cache: &ItemCache) -> Vec<ListedItem> {
    parse_all(vec![documents], ItemFormat::Documents, cache)
}

/// Parses the content of one message.
pub(super) fn content(content: Content<'_>, role: Role, cache: &ItemCache) -> Vec<ListedItem> {
    parse_all(vec![content.0], ItemFormat::Content(role), cache)
}

fn parse_all(texts: Vec<&RawValue>, format: ItemFormat, cache: &ItemCache) -> Vec<ListedItem> {
    cache.parse_all(texts.into_iter().map(RawValue::get), format)
}
