//! Puts streams of Anthropic Messages together: content blocks start, are extended by deltas, and stop.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::provider::assembler::{AssembledBody, Assembler, Event, Growing, GrowingObject, error_text};
use crate::provider::object::{Object, is_null};

/// A message of which events have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedAnthropic {
    /// The members beside the content.
    message: GrowingObject,
    usage: GrowingObject,
    blocks: BTreeMap<u64, StreamedBlock>,
    is_complete: bool,
    error: Option<String>,
}

/// A content block of which deltas have arrived.
#[derive(Debug, Default)]
struct StreamedBlock {
    members: GrowingObject,
    /// The pieces of the input of a tool: JSON text.
    input: Option<Growing>,
    is_stopped: bool,
}

/// Returns `true` if the event starts a stream of this API.
pub(super) fn is_start(event: &Event<'_>) -> bool {
    event.kind() == "message_start" && event.data.get("message").is_some()
}

impl Assembler for StreamedAnthropic {
    fn push(&mut self, event: &Event<'_>) {
        let data = &event.data;
        match event.kind() {
            "message_start" => self.push_message(data.object("message").unwrap_or_default()),
            "content_block_start" => {
                let block = data.object("content_block").unwrap_or_default();
                let members = GrowingObject::from_object(&block);
                self.blocks.insert(event.index("index"), StreamedBlock { members, ..StreamedBlock::default() });
            }
            "content_block_delta" => {
                let block = self.blocks.entry(event.index("index")).or_default();
                block.push(&data.object("delta").unwrap_or_default());
            }
            "content_block_stop" => self.blocks.entry(event.index("index")).or_default().is_stopped = true,
            "message_delta" => {
                self.push_message(data.object("delta").unwrap_or_default());
                for (name, value) in data.fields().filter(|(name, _)| !matches!(*name, "type" | "delta")) {
                    self.push_member(name, value);
                }
            }
            "message_stop" => self.is_complete = true,
            "error" => self.error = data.non_null("error").map(error_text),
            // `ping`, and events of later versions.
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { message: mut members, usage, blocks, is_complete, error } = *self;
        members.insert("usage", Growing::Object(usage));
        let blocks = blocks.into_values().filter(|block| !block.is_empty()).map(StreamedBlock::finish);
        members.insert("content", Growing::List(blocks.map(Growing::Object).collect()));
        AssembledBody { members, is_complete, error }
    }
}

impl StreamedAnthropic {
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
            "content" => {}
            name => self.message.set(name, value),
        }
    }
}

impl StreamedBlock {
    /// Adds a delta: its members extend those of the block.
    fn push(&mut self, delta: &Object<'_>) {
        for (name, value) in delta.fields().filter(|(_, value)| !is_null(value)) {
            match name {
                "type" => {}
                "partial_json" => match &mut self.input {
                    Some(input) => input.append(value),
                    None => self.input = Some(Growing::new(value)),
                },
                "citation" => self.members.edit_list("citations", |citations| citations.push(Growing::new(value))),
                // Arrives as a whole.
                "signature" => self.members.set(name, value),
                name => self.members.merge(name, value),
            }
        }
    }

    /// Returns `true` if nothing of a text has arrived but its start.
    fn is_empty(&self) -> bool {
        const TEXTS: [(&str, &str); 3] = [("text", "text"), ("thinking", "thinking"), ("compaction", "content")];
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
