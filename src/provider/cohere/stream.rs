//! Puts streams of Cohere's chat together: each event has in its `delta` a piece of the response.

mod events;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::provider::assembler::{
    AssembledBody, Assembler, Event, Growing, GrowingObject, Mismatch, Places, UnreadEvents, error_text,
};
use crate::provider::object::{Object, is_null, list};

/// A response of which events have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedCohere {
    /// The members beside the message.
    members: GrowingObject,
    /// The members of the message that are no lists.
    message: GrowingObject,
    /// The elements of each list in the message, by their index.
    lists: BTreeMap<&'static str, StreamedList>,
    is_complete: bool,
    error: Option<String>,
}

/// A list of which elements have arrived.
#[derive(Debug, Default)]
struct StreamedList {
    /// The elements by their places.
    elements: BTreeMap<u64, GrowingObject>,
    places: Places,
}

impl StreamedList {
    /// Returns the element that an event is about. Some servers give each element the same index, so an event that
    /// starts one starts another one if the index is in use.
    fn element(&mut self, index: u64, is_start: bool) -> &mut GrowingObject {
        let known = self.places.of_index(index);
        let is_other = is_start && self.elements.get(&known).is_some_and(|known| !known.is_empty());
        let place = if is_other { self.places.start_another(index, &self.elements) } else { known };
        self.elements.entry(place).or_default()
    }
}

/// The lists in a message, of which an event has one element.
const LISTS: [&str; 3] = ["content", "tool_calls", "citations"];

/// Returns `true` if the event is of a stream of this API. The events that start the stream and its parts may be
/// missing.
pub(super) fn is_event(event: &Event<'_>) -> bool {
    event.kind() == "message-start" || (events::has_piece(event.kind()) && event.data.object("delta").is_some())
}

impl Assembler for StreamedCohere {
    fn push(&mut self, event: &Event<'_>, unread: &mut UnreadEvents) {
        unread.compare(event.kind(), &event.data, &events::SHAPES, &["type", "id"]);
        let delta = event.data.object("delta").unwrap_or_default();
        event.data.get("id").into_iter().for_each(|id| self.members.set_first("id", id));
        for (name, value) in delta.fields() {
            match (name, Object::from_value(value)) {
                ("message", Some(message)) => self.push_message(event, &message, unread),
                ("error", _) if !is_null(value) => self.error = Some(error_text(value)),
                (name, _) => self.members.set(name, value),
            }
        }
        self.is_complete |= event.kind() == "message-end";
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { mut members, mut message, mut lists, is_complete, error } = *self;
        for list in lists.values_mut() {
            list.elements.retain(|_, element| is_complete || !is_start_of_text(element));
        }
        lists.retain(|_, list| !list.elements.is_empty());
        let is_empty = lists.is_empty() && message.iter().all(|(name, value)| name == "role" || value.is_empty_text());
        for (name, list) in lists {
            let elements = list.elements.into_values().map(|element| finished(name, element));
            message.insert(name, Growing::List(elements.collect()));
        }
        if is_complete || !is_empty {
            members.insert("message", Growing::Object(message));
        }
        AssembledBody { members, is_complete, error }
    }
}

impl StreamedCohere {
    /// Adds a piece of the message.
    fn push_message(&mut self, event: &Event<'_>, piece: &Object<'_>, unread: &mut UnreadEvents) {
        let (index, is_start) = (event.index("index"), event.kind().ends_with("-start"));
        for (name, value) in piece.fields().filter(|(_, value)| !is_null(value)) {
            let added = match LISTS.into_iter().find(|list| *list == name) {
                // The first event has empty lists.
                Some(_) if list(value).is_some_and(|elements| elements.is_empty()) => Ok(()),
                Some(list) => {
                    let element = self.lists.entry(list).or_default().element(index, is_start);
                    Object::from_value(value).map_or(Err(Mismatch), |piece| push_element(element, &piece))
                }
                None if name == "role" => {
                    self.message.set_first(name, value);
                    Ok(())
                }
                None => self.message.merge(name, value),
            };
            unread.check(added, format_args!("events[].delta.message.{name}"));
        }
    }
}

/// Returns an element of a list. A part of the content whose start did not arrive has the type of the text in it.
fn finished(list: &str, mut element: GrowingObject) -> Growing {
    if list == "content" && element.get("type").is_none() {
        let kind = if element.get("thinking").is_some() { "thinking" } else { "text" };
        element.insert("type", Growing::text(kind));
    }
    Growing::Object(element)
}

/// Adds a piece of an element of a list. Its texts are pieces, except for those that name something.
fn push_element(element: &mut GrowingObject, piece: &Object<'_>) -> Result<(), Mismatch> {
    let added = piece.fields().map(|(name, value)| match name {
        "id" | "type" => {
            element.set_first(name, value);
            Ok(())
        }
        "function" => element.edit_object(name, |function| push_function(function, value)),
        name => element.merge(name, value),
    });
    Mismatch::of_all(added)
}

/// Returns `true` if the element is a text of which nothing has arrived but its start.
fn is_start_of_text(element: &GrowingObject) -> bool {
    element.iter().all(|(name, value)| name == "type" || value.is_empty_text())
}

/// Adds a piece of a called function.
fn push_function(function: &mut GrowingObject, piece: &RawValue) -> Result<(), Mismatch> {
    let piece = Object::from_value(piece).unwrap_or_default();
    let added = piece.fields().map(|(name, value)| {
        if name != "name" {
            return function.append(name, value);
        }
        function.set_first(name, value);
        Ok(())
    });
    Mismatch::of_all(added)
}
