//! Puts streams of Ollama together: each line is a response with the next piece of the message.

use crate::provider::assembler::{AssembledBody, Assembler, Event, Growing, GrowingObject, UnreadEvents, error_text};
use crate::provider::object::{Object, is_null, list_or_one};

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
    fn push(&mut self, event: &Event<'_>, unread: &mut UnreadEvents) {
        for (name, value) in event.data.fields().filter(|(_, value)| !is_null(value)) {
            match (name, Object::from_value(value)) {
                ("message", Some(message)) => self.push_message(&message, unread),
                ("message", None) => unread.add(format_args!("events[].message")),
                ("done_reason", _) => self.members.set_finish_reason(name, value),
                ("error", _) => {
                    self.members.set_first(name, value);
                    self.error.get_or_insert_with(|| error_text(value));
                }
                // The pieces of a completion.
                ("response" | "thinking", _) => {
                    unread.check(self.members.append(name, value), format_args!("events[].{name}"));
                }
                (name, _) => self.members.set(name, value),
            }
        }
        self.is_complete |= event.data.number("done") == Some(true);
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { mut members, message, is_complete, error } = *self;
        let is_empty = message.iter().all(|(name, value)| name == "role" || value.is_empty_text());
        let is_completion = members.get("response").is_some();
        if (is_complete && !is_completion) || !is_empty {
            members.insert("message", Growing::Object(message));
        }
        AssembledBody { members, is_complete, error }
    }
}

impl StreamedOllama {
    /// Adds a piece of the message. Calls and images arrive whole.
    fn push_message(&mut self, piece: &Object<'_>, unread: &mut UnreadEvents) {
        for (name, value) in piece.fields() {
            match name {
                "role" => self.message.set_first(name, value),
                "tool_calls" | "images" => self.message.edit_list(name, |list| {
                    list.extend(list_or_one(piece, name).into_iter().map(Growing::new));
                }),
                name => unread.check(self.message.merge(name, value), format_args!("events[].message.{name}")),
            }
        }
    }
}
