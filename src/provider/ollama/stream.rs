//! Puts streams of Ollama together: each line is a response with the next piece of the message.

use crate::provider::assembler::{AssembledBody, Assembler, Event, Growing, GrowingObject, error_text};
use crate::provider::object::{Object, list_or_one};

/// A response of which lines have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedOllama {
    /// The members beside the message. The last line has those of the whole response.
    members: GrowingObject,
    message: GrowingObject,
    is_complete: bool,
    error: Option<String>,
}

/// Returns `true` if the event is a line of a stream of this API.
pub(super) fn is_line(event: &Event<'_>) -> bool {
    event.data.object("message").is_some() && event.data.number::<bool>("done").is_some()
}

impl Assembler for StreamedOllama {
    fn push(&mut self, event: &Event<'_>) {
        for (name, value) in event.data.fields() {
            match name {
                "message" => self.push_message(&Object::from_value(value).unwrap_or_default()),
                name => self.members.set(name, value),
            }
        }
        self.is_complete |= event.data.number("done") == Some(true);
        if let Some(error) = event.data.non_null("error") {
            self.error = Some(error_text(error));
        }
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { mut members, message, is_complete, error } = *self;
        let is_empty = message.iter().all(|(name, value)| name == "role" || value.is_empty_text());
        if is_complete || !is_empty {
            members.insert("message", Growing::Object(message));
        }
        AssembledBody { members, is_complete, error }
    }
}

impl StreamedOllama {
    /// Adds a piece of the message. Calls and images arrive whole.
    fn push_message(&mut self, piece: &Object<'_>) {
        for (name, value) in piece.fields() {
            match name {
                "role" => self.message.set_first(name, value),
                "tool_calls" | "images" => self.message.edit_list(name, |list| {
                    list.extend(list_or_one(piece, name).into_iter().map(Growing::new));
                }),
                name => self.message.merge(name, value),
            }
        }
    }
}
