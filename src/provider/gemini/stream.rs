//! Puts streams of Gemini together: each piece is a response with the next parts of each candidate.

mod partial_args;
mod parts;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::FEEDBACK_FIELDS;
use crate::provider::assembler::{
    AssembledBody, Assembler, Event, Gathered, Growing, GrowingObject, UnreadEvents, error_text, with_index,
};
use crate::provider::object::{Object, is_null, list};
use crate::provider::wrapper;
use parts::StreamedParts;

/// A response of which pieces have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedGemini {
    /// The members beside the candidates. The last piece has those of the whole response.
    members: GrowingObject,
    candidates: BTreeMap<u64, StreamedCandidate>,
    has_end_marker: bool,
    error: Option<String>,
}

/// One of the alternative messages of a response.
#[derive(Debug, Default)]
struct StreamedCandidate {
    /// The members beside the content.
    members: GrowingObject,
    /// What the answer rests on, by the names of the members.
    sources: BTreeMap<&'static str, Gathered>,
    /// The members of the content beside its parts.
    content: GrowingObject,
    parts: StreamedParts,
}

/// Names of the reason why a candidate ended, in the spelling of JSON and of protocol buffers.
const FINISH_FIELDS: [&str; 2] = ["finishReason", "finish_reason"];

/// Members of a candidate with what the answer rests on. A piece has all of it so far, or what is new.
const SOURCE_FIELDS: [&str; 8] = [
    "citationMetadata",
    "citation_metadata",
    "groundingAttributions",
    "grounding_attributions",
    "groundingMetadata",
    "grounding_metadata",
    "urlContextMetadata",
    "url_context_metadata",
];

/// Members with token counts, of which later pieces may leave some out.
const USAGE_FIELDS: [&str; 2] = ["usageMetadata", "usage_metadata"];

/// Returns `true` if the event is a piece of a response of this API.
pub(super) fn is_piece(event: &Event<'_>) -> bool {
    !event.has_type() && (wrapper::is_response(&event.data) || wrapper::response(&event.data).is_some())
}

impl Assembler for StreamedGemini {
    fn push(&mut self, event: &Event<'_>, unread: &mut UnreadEvents) {
        let wrapped = wrapper::response(&event.data);
        if wrapped.is_some() {
            let others =
                event.data.fields().filter(|(name, value)| !wrapper::RESPONSE_WRAPPER.knows(name) && !is_null(value));
            others.for_each(|(name, _)| unread.add(format_args!("events[].{name}")));
        }
        let piece = wrapped.as_ref().unwrap_or(&event.data);
        for (name, value) in piece.fields().filter(|(_, value)| !is_null(value)) {
            match (name, list(value)) {
                ("candidates", Some(candidates)) => self.push_candidates(&candidates, unread),
                ("candidates", None) => unread.add(format_args!("events[].candidates")),
                ("error", _) => {
                    self.members.set_first(name, value);
                    self.error.get_or_insert_with(|| error_text(value));
                }
                (name, _) if USAGE_FIELDS.contains(&name) => self.members.edit_object(name, |usage| {
                    let counts = Object::from_value(value).unwrap_or_default();
                    counts.fields().for_each(|(name, count)| usage.set(name, count));
                }),
                (name, _) => self.members.set(name, value),
            }
        }
    }

    fn push_end_marker(&mut self) {
        self.has_end_marker = true;
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { mut members, mut candidates, has_end_marker, error } = *self;
        let is_finished =
            |candidate: &StreamedCandidate| FINISH_FIELDS.iter().any(|name| candidate.members.get(name).is_some());
        // A prompt that was refused has no candidates.
        let is_finished = match candidates.is_empty() {
            true => FEEDBACK_FIELDS.iter().any(|name| members.get(name).is_some()),
            false => candidates.values().all(is_finished),
        };
        let is_complete = is_finished || has_end_marker;
        // Without its first candidate, a response that was cut has no message with which the conversation could go on.
        if !is_complete && !candidates.contains_key(&0) {
            candidates.clear();
        }
        if !candidates.is_empty() {
            let candidates = candidates.into_iter().map(|(index, candidate)| candidate.finish(index)).collect();
            members.insert("candidates", Growing::List(candidates));
        }
        AssembledBody { members, is_complete, error }
    }
}

impl StreamedGemini {
    fn push_candidates(&mut self, candidates: &[&RawValue], unread: &mut UnreadEvents) {
        for (index, candidate) in with_index(candidates) {
            match candidate {
                Some(candidate) => self.candidates.entry(index).or_default().push(&candidate, unread),
                None => unread.add(format_args!("events[].candidates[]")),
            }
        }
    }
}

impl StreamedCandidate {
    fn push(&mut self, candidate: &Object<'_>, unread: &mut UnreadEvents) {
        for (name, value) in candidate.fields().filter(|(_, value)| !is_null(value)) {
            match (name, Object::from_value(value)) {
                ("content", Some(content)) => self.push_content(&content, unread),
                ("content", None) => unread.add(format_args!("events[].candidates[].content")),
                ("index", _) => {}
                (name, _) if FINISH_FIELDS.contains(&name) => self.members.set_finish_reason(name, value),
                (name, _) => match SOURCE_FIELDS.into_iter().find(|field| *field == name) {
                    Some(field) => self.push_sources(field, value),
                    None => self.members.set(name, value),
                },
            }
        }
    }

    fn push_sources(&mut self, field: &'static str, piece: &RawValue) {
        match self.sources.get_mut(field) {
            Some(sources) => sources.add(piece),
            None => drop(self.sources.insert(field, Gathered::new(piece))),
        }
    }

    fn push_content(&mut self, content: &Object<'_>, unread: &mut UnreadEvents) {
        for (name, value) in content.fields() {
            match (name, list(value)) {
                ("parts", Some(parts)) => parts.into_iter().for_each(|part| self.parts.push(part, unread)),
                // One part may stand in place of a list.
                ("parts", None) => self.parts.push(value, unread),
                (name, _) => self.content.set(name, value),
            }
        }
    }

    fn finish(self, index: u64) -> Growing {
        let Self { mut members, sources, mut content, parts } = self;
        sources.into_iter().for_each(|(name, sources)| members.insert(name, sources.finish()));
        members.insert("index", Growing::Json(index.to_string()));
        if !parts.is_empty() {
            content.insert("parts", parts.finish());
            members.insert("content", Growing::Object(content));
        }
        Growing::Object(members)
    }
}
