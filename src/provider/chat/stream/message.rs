//! The message of a choice.

use serde_json::value::RawValue;

use super::calls::{StreamedCalls, extend_function};
use super::content::StreamedContent;
use super::details::StreamedDetails;
use crate::provider::assembler::{Growing, GrowingObject, Mismatch, UnreadEvents};
use crate::provider::object::{Object, is_null, list};

/// A message of which deltas have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedMessage {
    /// The members that have no field of their own.
    members: GrowingObject,
    content: StreamedContent,
    reasoning_details: StreamedDetails,
    tool_calls: StreamedCalls,
}

impl StreamedMessage {
    /// Adds a delta. Texts of unknown members are joined, because every text of a delta is a piece.
    pub(super) fn push(&mut self, delta: &Object<'_>, unread: &mut UnreadEvents) {
        for (name, value) in delta.fields().filter(|(_, value)| !is_null(value)) {
            let added = match (name, list(value)) {
                ("content", _) => self.content.push(value),
                ("reasoning_details", Some(entries)) => self.reasoning_details.push_all(entries),
                ("tool_calls", Some(calls)) => self.tool_calls.push_all(calls),
                ("reasoning_details" | "tool_calls", None) => Err(Mismatch),
                ("function_call", _) => self.members.edit_object(name, |function| extend_function(function, value)),
                ("audio", _) => self.members.edit_object(name, |audio| extend_audio(audio, value)),
                // The same in every delta that has it.
                ("role" | "name" | "id", _) => {
                    self.members.set_first(name, value);
                    Ok(())
                }
                (name, _) => self.members.merge(name, value),
            };
            unread.check(added, format_args!("events[].choices[].delta.{name}"));
        }
    }

    /// Returns `true` if nothing of the message has arrived but its role.
    pub(super) fn is_empty(&self) -> bool {
        let is_empty = |(name, value): (&str, &Growing)| name == "role" || value.is_empty_text();
        self.content.is_empty()
            && self.reasoning_details.is_empty()
            && self.tool_calls.is_empty()
            && self.members.iter().all(is_empty)
    }

    /// Returns the members of the message.
    pub(super) fn finish(self) -> GrowingObject {
        let Self { mut members, content, reasoning_details, tool_calls } = self;
        if members.get("role").is_none_or(Growing::is_empty_text) {
            members.insert("role", Growing::text("assistant"));
        }
        members.insert("content", content.finish());
        if !reasoning_details.is_empty() {
            members.insert("reasoning_details", reasoning_details.finish());
        }
        if !tool_calls.is_empty() {
            members.insert("tool_calls", tool_calls.finish());
        }
        members
    }
}

/// Adds a piece of audio.
fn extend_audio(audio: &mut GrowingObject, piece: &RawValue) -> Result<(), Mismatch> {
    let piece = Object::from_value(piece).ok_or(Mismatch)?;
    let added = piece.fields().map(|(name, value)| match name {
        "data" | "transcript" => audio.append(name, value),
        name => {
            audio.set(name, value);
            Ok(())
        }
    });
    Mismatch::of_all(added)
}
