//! Puts streams of Anthropic Messages together: content blocks start, are extended by deltas, and stop.

mod events;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::provider::assembler::{
    AssembledBody, Assembler, Event, Growing, GrowingObject, Places, UnreadEvents, text_content,
};
use crate::provider::object::{Object, is_null, list};

/// A message of which events have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedAnthropic {
    /// The members beside the content.
    message: GrowingObject,
    usage: GrowingObject,
    blocks: BTreeMap<u64, StreamedBlock>,
    places: Places,
    is_complete: bool,
}

/// A content block of which deltas have arrived.
#[derive(Debug, Default)]
struct StreamedBlock {
    members: GrowingObject,
    /// The pieces of the input of a tool: JSON text.
    input: Option<Growing>,
    is_stopped: bool,
}

/// Returns `true` if the event is of a stream of this API. The events that start the stream and its blocks may be
/// missing.
pub(super) fn is_event(event: &Event<'_>) -> bool {
    let member = match event.kind() {
        "message_start" => "message",
        "content_block_start" => "content_block",
        "content_block_delta" | "message_delta" => "delta",
        _ => return false,
    };
    event.data.object(member).is_some()
}

impl Assembler for StreamedAnthropic {
    fn push(&mut self, event: &Event<'_>, unread: &mut UnreadEvents) {
        let data = &event.data;
        unread.compare(event.kind(), data, &events::SHAPES, &["type"]);
        match event.kind() {
            "message_start" => self.push_message(data.object("message").unwrap_or_default()),
            "content_block_start" => {
                let block = data.object("content_block").unwrap_or_default();
                self.start(event.index("index"), StreamedBlock::started(&block));
            }
            "content_block_delta" => {
                let block = self.blocks.entry(self.place(event)).or_default();
                block.push(&data.object("delta").unwrap_or_default(), unread);
            }
            "content_block_stop" => {
                let place = self.place(event);
                self.blocks.get_mut(&place).into_iter().for_each(|block| block.is_stopped = true);
            }
            "message_delta" => {
                self.push_message(data.object("delta").unwrap_or_default());
                for (name, value) in data.fields().filter(|(name, _)| !matches!(*name, "type" | "delta")) {
                    self.push_member(name, value);
                }
            }
            "message_stop" => self.is_complete = true,
            // Events of later versions.
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { message: mut members, usage, blocks, is_complete, places: _ } = *self;
        members.insert("usage", Growing::Object(usage));
        let blocks = blocks.into_values().filter(|block| !block.is_empty()).map(StreamedBlock::finish);
        members.insert("content", Growing::List(blocks.map(Growing::Object).collect()));
        if members.get("role").is_none() {
            members.insert("role", Growing::text("assistant"));
        }
        AssembledBody { members, is_complete, error: None }
    }
}

impl StreamedAnthropic {
    /// Returns the place of the block that an event is about.
    fn place(&self, event: &Event<'_>) -> u64 {
        self.places.of_index(event.index("index"))
    }

    /// Adds a block. Some servers give each block the same index: a block after one that has stopped is another one.
    fn start(&mut self, index: u64, block: StreamedBlock) {
        let known = self.places.of_index(index);
        let is_other = self.blocks.get(&known).is_some_and(|known| known.is_stopped);
        let place = if is_other { self.places.start_another(index, &self.blocks) } else { known };
        self.blocks.insert(place, block);
    }

    /// Adds members of the message.
    fn push_message(&mut self, message: Object<'_>) {
        message.fields().for_each(|(name, value)| self.push_member(name, value));
    }

    /// Adds a member of the message. Its usage is cumulative, and a count may be absent from later events.
    fn push_member(&mut self, name: &str, value: &RawValue) {
        match name {
            "usage" => {
                let usage = Object::from_value(value).unwrap_or_default();
                usage.fields().for_each(|(name, count)| self.usage.set(name, count));
            }
            // The list in the first event is mostly empty.
            "content" => {
                let started = list(value).unwrap_or_default().into_iter().filter_map(Object::from_value);
                self.blocks.extend((0..).zip(started.map(|block| StreamedBlock::started(&block))));
            }
            name => self.message.set(name, value),
        }
    }
}

/// Types of deltas whose members are read.
const DELTA_TYPES: [&str; 7] = [
    "text_delta",
    "input_json_delta",
    "thinking_delta",
    "signature_delta",
    "citations_delta",
    "compaction_delta",
    "connector_text_delta",
];

/// Returns the type of the blocks that deltas of a type extend.
fn block_type(delta: &str) -> &str {
    match delta {
        "input_json_delta" => "tool_use",
        "signature_delta" => "thinking",
        "citations_delta" => "text",
        delta => delta.strip_suffix("_delta").unwrap_or(delta),
    }
}

impl StreamedBlock {
    /// Creates a block that has just started.
    fn started(block: &Object<'_>) -> Self {
        Self { members: GrowingObject::from_object(block), ..Self::default() }
    }

    /// Adds a delta: its members extend those of the block.
    fn push(&mut self, delta: &Object<'_>, unread: &mut UnreadEvents) {
        for (name, value) in delta.fields().filter(|(_, value)| !is_null(value)) {
            let added = match name {
                "type" => {
                    text_content(value).into_iter().for_each(|kind| self.push_type(kind, unread));
                    Ok(())
                }
                "partial_json" => self.input.get_or_insert_with(|| Growing::text("")).append(value),
                "citation" => {
                    self.members.edit_list("citations", |citations| citations.push(Growing::new(value)));
                    Ok(())
                }
                // Arrives as a whole.
                "signature" => {
                    self.members.set(name, value);
                    Ok(())
                }
                name => self.members.merge(name, value),
            };
            unread.check(added, format_args!("events[content_block_delta].delta.{name}"));
        }
    }

    /// Adds the type of a delta, which tells the type of a block whose start did not arrive.
    fn push_type(&mut self, delta: &str, unread: &mut UnreadEvents) {
        if !DELTA_TYPES.contains(&delta) {
            unread.add(format_args!("events[content_block_delta].delta[{delta}]"));
        }
        if self.members.get("type").is_none() {
            self.members.insert("type", Growing::text(block_type(delta)));
        }
    }

    /// Returns `true` if nothing of a text has arrived but its start.
    fn is_empty(&self) -> bool {
        const TEXTS: [(&str, &str); 4] = [
            ("text", "text"),
            ("thinking", "thinking"),
            ("compaction", "content"),
            ("connector_text", "connector_text"),
        ];
        let is_of_type = |kind: &str| matches!(self.members.get("type"), Some(Growing::Text(known)) if known == kind);
        let text = TEXTS.iter().find(|(kind, _)| is_of_type(kind));
        text.is_some_and(|(_, text)| !self.is_stopped && self.members.get(text).is_none_or(Growing::is_empty_text))
    }

    /// Returns the members of the block. The input of a tool is its JSON, or the text that arrived if that is cut.
    fn finish(self) -> GrowingObject {
        let Self { mut members, input, is_stopped } = self;
        let input = input.filter(|input| !input.is_empty_text());
        match input {
            Some(input) => members.insert("input", input.into_json()),
            None if !is_stopped && members.get("input").is_some() => members.insert("input", Growing::text("")),
            None => {}
        }
        members
    }
}
