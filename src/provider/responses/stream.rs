//! Puts streams of the Responses API together. The last event carries the whole response; of a stream that is cut
//! before it, the items that are done are whole, and the others are what their deltas say.

mod events;
mod item;
mod nested;

use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;

use crate::provider::assembler::{AssembledBody, Assembler, Event, Growing, GrowingObject, UnreadEvents, error_text};
use crate::provider::object::{Object, list};
use item::StreamedItem;

/// A response of which events have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedResponses {
    /// The members beside the output, of the latest event that has them.
    response: GrowingObject,
    /// The output in the last event. `None` if it has not arrived, or has no items.
    output: Option<String>,
    items: BTreeMap<u64, StreamedItem>,
    /// The places of the items in the output, by their id.
    indexes: HashMap<String, u64>,
    /// The places of the items whose index an earlier item has, by their index.
    places: BTreeMap<u64, u64>,
    is_complete: bool,
    error: Option<String>,
}

const PREFIX: &str = "response.";

/// Returns `true` if the event is of a stream of this API.
pub(super) fn is_event(event: &Event<'_>) -> bool {
    event.kind().starts_with(PREFIX)
}

impl Assembler for StreamedResponses {
    fn push(&mut self, event: &Event<'_>, unread: &mut UnreadEvents) {
        let data = &event.data;
        unread.compare(event.kind(), data, &events::SHAPES, &events::MEMBERS);
        let Some(kind) = event.kind().strip_prefix(PREFIX) else { return };
        if let Some(response) = data.object("response") {
            self.push_response(&response);
        }
        match kind {
            "completed" | "incomplete" | "failed" | "cancelled" => self.is_complete = true,
            "output_item.added" => self.set_item(event, StreamedItem::added),
            "output_item.done" => self.set_item(event, StreamedItem::done),
            kind if item::is_piece(kind) => match self.index_of(event) {
                Some(index) => {
                    let added = self.items.entry(index).or_default().push(kind, event);
                    unread.check(added, format_args!("events[{PREFIX}{kind}]"));
                }
                None => unread.add(format_args!("events[{PREFIX}{kind}]")),
            },
            // Events that are not about an item, such as `response.in_progress`, have no place in the output.
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { response: mut members, output, items, is_complete, error, .. } = *self;
        if !is_complete {
            // The status so far, `in_progress`, is none that a response ends with.
            members.remove("status");
        }
        let items = items.into_values().filter(|item| is_complete || !item.is_empty());
        let output = output.map_or_else(|| Growing::List(items.map(StreamedItem::finish).collect()), Growing::Json);
        members.insert("output", output);
        AssembledBody { members, is_complete, error }
    }
}

impl StreamedResponses {
    /// Adds the response that an event carries.
    fn push_response(&mut self, response: &Object<'_>) {
        for (name, value) in response.fields() {
            match name {
                "output" if list(value).is_some_and(|items| !items.is_empty()) => {
                    self.output = Some(value.get().to_owned());
                }
                "output" => {}
                "error" => self.set_error(value),
                name => self.response.set(name, value),
            }
        }
    }

    fn set_error(&mut self, error: &RawValue) {
        self.response.set("error", error);
        self.error = (error.get() != "null").then(|| error_text(error)).or(self.error.take());
    }

    /// Sets the item that an event carries. Some servers give each item the same index: an item with another id after
    /// one that is done is another one.
    fn set_item(&mut self, event: &Event<'_>, item: impl Fn(&RawValue) -> StreamedItem) {
        let Some(raw) = event.data.non_null("item") else { return };
        let next = self.items.last_key_value().map_or(0, |(index, _)| index.saturating_add(1));
        let id = Object::from_value(raw).and_then(|item| item.string("id"));
        let known = id.as_ref().and_then(|id| self.indexes.get(id)).copied();
        let by_index = self.place_of_index(event);
        let is_done = |place: u64| self.items.get(&place).is_some_and(StreamedItem::is_done);
        let is_free = |place: &u64| known == Some(*place) || !is_done(*place);
        let place = by_index.map_or(known, |place| Some(place).filter(is_free)).unwrap_or(next);
        if let Some(index) = event.data.number("output_index").filter(|index| *index != place) {
            self.places.insert(index, place);
        }
        if let Some(id) = id {
            self.indexes.insert(id, place);
        }
        self.items.insert(place, item(raw));
    }

    /// Returns the place in the output of the item that an event is about: the last item, if the event names none.
    fn index_of(&self, event: &Event<'_>) -> Option<u64> {
        let by_id = || match event.data.text("item_id") {
            Some(id) => self.indexes.get(&*id).copied(),
            None => self.items.last_key_value().map(|(index, _)| *index),
        };
        self.place_of_index(event).or_else(by_id)
    }

    /// Returns the place of the item with the index in an event. Returns `None` if the event has no index.
    fn place_of_index(&self, event: &Event<'_>) -> Option<u64> {
        let index = event.data.number("output_index")?;
        Some(self.places.get(&index).copied().unwrap_or(index))
    }
}
