//! Puts streams of Converse together: JSON events, as SDKs show them. Each event is in the member that names it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::provider::assembler::{AssembledBody, Assembler, Event, Growing, GrowingObject, error_text};
use crate::provider::object::Object;

/// A response of which events have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedConverse {
    /// The members beside the message.
    members: GrowingObject,
    /// The members of the message beside its content.
    message: GrowingObject,
    blocks: BTreeMap<u64, StreamedBlock>,
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

/// Returns `true` if the event is of a stream of this API.
pub(super) fn is_event(event: &Event<'_>) -> bool {
    event.data.first(&["messageStart", "contentBlockStart", "contentBlockDelta"]).is_some()
}

impl Assembler for StreamedConverse {
    fn push(&mut self, event: &Event<'_>) {
        for (name, value) in event.data.fields() {
            let data = Object::from_value(value).unwrap_or_default();
            match name {
                "messageStart" => data.fields().for_each(|(name, value)| self.message.set(name, value)),
                "contentBlockStart" => self.push_block(&data, "start"),
                "contentBlockDelta" => self.push_block(&data, "delta"),
                "contentBlockStop" => self.block(&data).is_stopped = true,
                "messageStop" => data.fields().for_each(|(name, value)| self.members.set(name, value)),
                // The last event.
                "metadata" => {
                    self.is_complete = true;
                    data.fields().for_each(|(name, value)| self.members.set(name, value));
                }
                name if name.ends_with("Exception") => self.error = Some(error_text(value)),
                // Events of later versions.
                _ => {}
            }
        }
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { mut members, mut message, blocks, is_complete, error } = *self;
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
        self.blocks.entry(data.number("contentBlockIndex").unwrap_or(0)).or_default()
    }

    /// Adds the start of a content block, or a piece of it.
    fn push_block(&mut self, data: &Object<'_>, name: &str) {
        self.block(data).push(&data.object(name).unwrap_or_default());
    }
}

impl StreamedBlock {
    fn push(&mut self, piece: &Object<'_>) {
        for (name, value) in piece.fields() {
            match name {
                "text" => append(&mut self.text, value),
                "toolUse" => self.push_tool_use(&Object::from_value(value).unwrap_or_default()),
                "reasoningContent" => self.push_reasoning(&Object::from_value(value).unwrap_or_default()),
                "citation" => self.citations.push(Growing::new(value)),
                name => self.members.merge(name, value),
            }
        }
    }

    fn push_tool_use(&mut self, piece: &Object<'_>) {
        for (name, value) in piece.fields() {
            if name == "input" { append(&mut self.input, value) } else { self.tool_use.set(name, value) }
        }
    }

    fn push_reasoning(&mut self, piece: &Object<'_>) {
        for (name, value) in piece.fields() {
            match name {
                "redactedContent" => append(&mut self.redacted, value),
                "signature" => self.reasoning.set(name, value),
                name => self.reasoning.append(name, value),
            }
        }
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

/// Extends a text by a piece.
fn append(text: &mut Option<Growing>, piece: &RawValue) {
    match text {
        Some(text) => text.append(piece),
        None => *text = Some(Growing::new(piece)),
    }
}
