//! The parts of a candidate. A response without streaming has one part for each run of text or of thoughts.

use serde_json::value::RawValue;

use super::super::CALL_FIELDS;
use super::partial_args::StreamedCall;
use crate::provider::assembler::{Growing, GrowingObject, UnreadEvents, text_content};
use crate::provider::object::{Object, is_null};

/// Parts of which pieces have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedParts(Vec<StreamedPart>);

/// A part that may be extended by the next piece.
#[derive(Debug)]
enum StreamedPart {
    /// A text or a thought.
    Text { members: GrowingObject, is_thought: bool },
    /// A call whose arguments arrive in pieces, and the members beside it.
    Call { members: GrowingObject, field: &'static str, call: StreamedCall },
    /// A part that arrives as a whole.
    Whole(Growing),
}

/// Names of the signature of a part, in the spelling of JSON and of protocol buffers.
const SIGNATURE_FIELDS: [&str; 2] = ["thoughtSignature", "thought_signature"];

impl StreamedParts {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a part, or extends the last one by it.
    pub(super) fn push(&mut self, raw: &RawValue, unread: &mut UnreadEvents) {
        if is_null(raw) {
            return;
        }
        let Some(part) = Object::from_value(raw) else { return self.0.push(StreamedPart::Whole(Growing::new(raw))) };
        if let Some(field) = CALL_FIELDS.into_iter().find(|field| part.object(field).is_some()) {
            return self.push_call(raw, &part, field, unread);
        }
        match part.non_null("text") {
            None => return self.0.push(StreamedPart::Whole(Growing::new(raw))),
            Some(text) if text_content(text).is_none() => {
                return unread.add(format_args!("events[].candidates[].content.parts[].text"));
            }
            Some(_) => {}
        }
        let is_thought = part.number("thought") == Some(true);
        if !matches!(self.0.last(), Some(last) if last.is_extended_by(is_thought)) {
            self.0.push(StreamedPart::Text { members: GrowingObject::default(), is_thought });
        }
        if let Some(StreamedPart::Text { members, .. }) = self.0.last_mut() {
            for (name, value) in part.fields() {
                match name {
                    "text" => unread
                        .check(members.append(name, value), format_args!("events[].candidates[].content.parts[].text")),
                    name => members.set(name, value),
                }
            }
        }
    }

    fn push_call(&mut self, raw: &RawValue, part: &Object<'_>, field: &'static str, unread: &mut UnreadEvents) {
        let piece = part.object(field).unwrap_or_default();
        let continues = matches!(self.0.last(), Some(StreamedPart::Call { call, .. }) if call.continues_with(&piece));
        if !continues && !StreamedCall::begins(&piece) {
            return self.0.push(StreamedPart::Whole(Growing::new(raw)));
        }
        if !continues {
            self.0.push(StreamedPart::Call { members: GrowingObject::default(), field, call: StreamedCall::default() });
        }
        if let Some(StreamedPart::Call { members, call, .. }) = self.0.last_mut() {
            call.push(&piece, unread);
            part.fields().filter(|(name, _)| *name != field).for_each(|(name, value)| members.set(name, value));
        }
    }

    /// Returns the list of the parts.
    pub(super) fn finish(self) -> Growing {
        let parts = self.0.into_iter().filter(|part| !part.is_empty_thought());
        Growing::List(parts.map(StreamedPart::finish).collect())
    }
}

impl StreamedPart {
    /// Returns `true` if a text, or a thought, is a piece of this part. A signature ends a part.
    fn is_extended_by(&self, thought: bool) -> bool {
        match self {
            Self::Text { members, is_thought } => *is_thought == thought && !has_signature(members),
            Self::Call { .. } | Self::Whole(_) => false,
        }
    }

    /// Returns `true` if the part is a thought of which neither a text nor a signature has arrived.
    fn is_empty_thought(&self) -> bool {
        match self {
            Self::Text { members, is_thought } => {
                let is_empty = members.get("text").is_none_or(Growing::is_empty_text);
                *is_thought && is_empty && !has_signature(members)
            }
            Self::Call { .. } | Self::Whole(_) => false,
        }
    }

    fn finish(self) -> Growing {
        match self {
            Self::Text { members, .. } => Growing::Object(members),
            Self::Call { mut members, field, call } => {
                members.insert(field, Growing::Object(call.finish()));
                Growing::Object(members)
            }
            Self::Whole(part) => part,
        }
    }
}

fn has_signature(part: &GrowingObject) -> bool {
    SIGNATURE_FIELDS.iter().any(|name| part.get(name).is_some())
}
