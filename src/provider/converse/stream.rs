//! Puts streams of Converse together: JSON events, as SDKs show them. Each event is in the member that names it.

mod events;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::provider::assembler::{
    AssembledBody, Assembler, Event, Growing, GrowingObject, Mismatch, Places, UnreadEvents, error_text,
};
use crate::provider::object::{Object, is_null};

/// A response of which events have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedConverse {
    /// The members beside the message.
    members: GrowingObject,
    /// The members of the message beside its content.
    message: GrowingObject,
    blocks: BTreeMap<u64, StreamedBlock>,
    places: Places,
    is_complete: bool,
    error: Option<String>,
}

/// A content block of which pieces have arrived.
#[derive(Debug, Default)]
struct StreamedBlock {
    /// The members that arrive as a whole, such as the name of a tool.
    members: GrowingObject,
    text: Option<Growing>,
    tool_use: GrowingObject,
    /// The pieces of the input of a tool: JSON text.
    input: Option<Growing>,
    reasoning: GrowingObject,
    redacted: Option<Growing>,
    citations: Vec<Growing>,
    is_stopped: bool,
}

/// A member of each event that makes all events of a kind equally long.
const PADDING: &str = "p";

/// Returns `true` if the event is of a stream of this API.
pub(super) fn is_event(event: &Event<'_>) -> bool {
    event.data.first(&["messageStart", "contentBlockStart", "contentBlockDelta"]).is_some()
}

impl Assembler for StreamedConverse {
    fn push(&mut self, event: &Event<'_>, unread: &mut UnreadEvents) {
        for (name, value) in event.data.fields().filter(|(_, value)| !is_null(value)) {
            if name.ends_with("Exception") {
                self.error.get_or_insert_with(|| error_text(value));
                continue;
            }
            let data = Object::from_value(value).unwrap_or_default();
            unread.compare(name, &data, &events::SHAPES, &[PADDING]);
            let others = || data.fields().filter(|(name, _)| *name != PADDING);
            match name {
                "messageStart" => others().for_each(|(name, value)| self.message.set(name, value)),
                "contentBlockStart" => {
                    self.start_another(&data, |known| !known.is_empty());
                    self.push_block(&data, "start", unread);
                }
                "contentBlockDelta" => {
                    // Only blocks of tools have a start.
                    self.start_another(&data, |known| known.is_stopped);
                    self.push_block(&data, "delta", unread);
                }
                "contentBlockStop" => self.block(&data).is_stopped = true,
                "messageStop" => others().for_each(|(name, value)| self.members.set(name, value)),
                // The last event.
                "metadata" => {
                    self.is_complete = true;
                    others().for_each(|(name, value)| self.members.set(name, value));
                }
                // Events of later versions.
                _ => {}
            }
        }
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { mut members, mut message, blocks, places: _, is_complete, error } = *self;
        let content: Vec<_> = blocks.into_values().map(|block| Growing::Object(block.finish())).collect();
        if is_complete || !content.is_empty() {
            message.insert("content", Growing::List(content));
            members.edit_object("output", |output| output.insert("message", Growing::Object(message)));
        }
        AssembledBody { members, is_complete, error }
    }
}

impl StreamedConverse {
    /// Returns the content block that an event is about.
    fn block(&mut self, data: &Object<'_>) -> &mut StreamedBlock {
        self.blocks.entry(self.places.of_index(index_of(data))).or_default()
    }

    /// Starts another block at the index of an event if `is_other` returns `true` for the block that has the index: some
    /// servers give each block the same index.
    fn start_another(&mut self, data: &Object<'_>, is_other: impl FnOnce(&StreamedBlock) -> bool) {
        let index = index_of(data);
        if self.blocks.get(&self.places.of_index(index)).is_some_and(is_other) {
            let place = self.places.start_another(index, &self.blocks);
            self.blocks.insert(place, StreamedBlock::default());
        }
    }

    /// Adds the start of a content block, or a piece of it.
    fn push_block(&mut self, data: &Object<'_>, name: &str, unread: &mut UnreadEvents) {
        self.block(data).push(&data.object(name).unwrap_or_default(), unread);
    }
}

/// Returns the index of the content block that an event is about.
fn index_of(data: &Object<'_>) -> u64 {
    data.number("contentBlockIndex").unwrap_or(0)
}

impl StreamedBlock {
    /// Returns `true` if nothing of the block has arrived.
    fn is_empty(&self) -> bool {
        let Self { members, text, tool_use, input, reasoning, redacted, citations, is_stopped } = self;
        let has_text = text.is_some() || input.is_some() || redacted.is_some();
        let has_members = !members.is_empty() || !tool_use.is_empty() || !reasoning.is_empty();
        !has_text && !has_members && citations.is_empty() && !is_stopped
    }

    fn push(&mut self, piece: &Object<'_>, unread: &mut UnreadEvents) {
        for (name, value) in piece.fields().filter(|(_, value)| !is_null(value)) {
            let added = match (name, Object::from_value(value)) {
                ("text", _) => append(&mut self.text, value),
                ("toolUse", Some(tool_use)) => self.push_tool_use(&tool_use),
                ("reasoningContent", Some(reasoning)) => self.push_reasoning(&reasoning),
                ("toolUse" | "reasoningContent", None) => Err(Mismatch),
                ("citation", _) => {
                    self.citations.push(Growing::new(value));
                    Ok(())
                }
                (name, _) => self.members.merge(name, value),
            };
            unread.check(added, format_args!("events[contentBlockDelta].delta.{name}"));
        }
    }

    fn push_tool_use(&mut self, piece: &Object<'_>) -> Result<(), Mismatch> {
        let added = piece.fields().map(|(name, value)| {
            if name == "input" {
                return append(&mut self.input, value);
            }
            self.tool_use.set(name, value);
            Ok(())
        });
        Mismatch::of_all(added)
    }

    fn push_reasoning(&mut self, piece: &Object<'_>) -> Result<(), Mismatch> {
        let added = piece.fields().map(|(name, value)| match name {
            "redactedContent" => append(&mut self.redacted, value),
            "signature" => {
                self.reasoning.set(name, value);
                Ok(())
            }
            name => self.reasoning.append(name, value),
        });
        Mismatch::of_all(added)
    }

    /// Returns the members of the block: one, which tells its type.
    fn finish(self) -> GrowingObject {
        let Self { mut members, text, mut tool_use, input, reasoning, redacted, citations, is_stopped } = self;
        if !tool_use.is_empty() || input.is_some() {
            // The input of a tool is its JSON, or the text that arrived if that is cut.
            let missing = || if is_stopped { Growing::Json("{}".to_owned()) } else { Growing::text("") };
            let input = input.filter(|input| !input.is_empty_text()).map_or_else(missing, Growing::into_json);
            tool_use.insert("input", input);
            members.insert("toolUse", Growing::Object(tool_use));
        }
        if let Some(redacted) = redacted {
            members.edit_object("reasoningContent", |content| content.insert("redactedContent", redacted));
        }
        if !reasoning.is_empty() {
            members
                .edit_object("reasoningContent", |content| content.insert("reasoningText", Growing::Object(reasoning)));
        }
        match text {
            None if citations.is_empty() => {}
            Some(text) if citations.is_empty() => members.insert("text", text),
            text => members.edit_object("citationsContent", |content| {
                let mut generated = GrowingObject::default();
                generated.insert("text", text.unwrap_or_else(|| Growing::text("")));
                content.insert("content", Growing::List(vec![Growing::Object(generated)]));
                content.insert("citations", Growing::List(citations));
            }),
        }
        members
    }
}

/// Extends a text by a piece. Null changes nothing.
fn append(text: &mut Option<Growing>, piece: &RawValue) -> Result<(), Mismatch> {
    match text {
        Some(text) => text.append(piece),
        None => {
            *text = (!is_null(piece)).then(|| Growing::new(piece));
            Ok(())
        }
    }
}
