//! Puts streams of Gemini together: each piece is a response with the next parts of each candidate.

mod partial_args;
mod parts;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::provider::assembler::{AssembledBody, Assembler, Event, Growing, GrowingObject, error_text};
use crate::provider::object::{Object, list};
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
    /// The members of the content beside its parts.
    content: GrowingObject,
    parts: StreamedParts,
}

/// Names of the reason why a candidate ended, in the spelling of JSON and of protocol buffers.
const FINISH_FIELDS: [&str; 2] = ["finishReason", "finish_reason"];

/// Returns `true` if the event is a piece of a response of this API.
pub(super) fn is_piece(event: &Event<'_>) -> bool {
    const FIELDS: [&str; 4] = ["candidates", "usageMetadata", "usage_metadata", "promptFeedback"];
    event.kind.is_none() && event.data.first(&FIELDS).is_some()
}

impl Assembler for StreamedGemini {
    fn push(&mut self, event: &Event<'_>) {
        for (name, value) in event.data.fields() {
            match name {
                "candidates" => self.push_candidates(list(value).unwrap_or_default()),
                name => self.members.set(name, value),
            }
        }
        if let Some(error) = event.data.non_null("error") {
            self.error = Some(error_text(error));
        }
    }

    fn push_end_marker(&mut self) {
        self.has_end_marker = true;
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { mut members, candidates, has_end_marker, error } = *self;
        let is_finished =
            |candidate: &StreamedCandidate| FINISH_FIELDS.iter().any(|name| candidate.members.get(name).is_some());
        // A prompt that was refused has no candidates.
        let is_finished = match candidates.is_empty() {
            true => members.get("promptFeedback").is_some(),
            false => candidates.values().all(is_finished),
        };
        let is_complete = is_finished || has_end_marker;
        if !candidates.is_empty() {
            let candidates = candidates.into_iter().map(|(index, candidate)| candidate.finish(index)).collect();
            members.insert("candidates", Growing::List(candidates));
        }
        AssembledBody { members, is_complete, error }
    }
}

impl StreamedGemini {
    fn push_candidates(&mut self, candidates: Vec<&RawValue>) {
        for candidate in candidates.into_iter().filter_map(Object::from_value) {
            let streamed = self.candidates.entry(candidate.number("index").unwrap_or(0)).or_default();
            for (name, value) in candidate.fields() {
                match name {
                    "content" => streamed.push_content(&Object::from_value(value).unwrap_or_default()),
                    "index" => {}
                    name => streamed.members.set(name, value),
                }
            }
        }
    }
}

impl StreamedCandidate {
    fn push_content(&mut self, content: &Object<'_>) {
        for (name, value) in content.fields() {
            match (name, list(value)) {
                ("parts", Some(parts)) => parts.into_iter().for_each(|part| self.parts.push(part)),
                // One part may stand in place of a list.
                ("parts", None) => self.parts.push(value),
                (name, _) => self.content.set(name, value),
            }
        }
    }

    fn finish(self, index: u64) -> Growing {
        let Self { mut members, mut content, parts } = self;
        members.insert("index", Growing::Json(index.to_string()));
        if !parts.is_empty() {
            content.insert("parts", parts.finish());
            members.insert("content", Growing::Object(content));
        }
        Growing::Object(members)
    }
}
