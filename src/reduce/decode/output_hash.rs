//! Compares the results that tools returned with the outputs in conversations.

use serde_json::value::RawValue;

use super::canonical_json::{canonical, canonical_text, integers, is_whole_summary};
use crate::graph::{Content, Part};
use crate::keyed_hash::keyed_hash;
use crate::provider::{Object, list, text};

/// The text of a tool's result, or of an output in a conversation, as a hash.
///
/// Programs and providers write one result in several forms: as a text, as a list of parts with texts, or as an object
/// with the text as its only member. All of them have one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::reduce) struct OutputHash(u128);

impl OutputHash {
    /// Hashes the content of an output. Returns `None` if it has no text, or is JSON of which only the start is kept.
    pub(in crate::reduce) fn of_content(content: &Content) -> Option<Self> {
        let text = |part: &'_ Part| match part {
            Part::Text(text) => Some(text.to_string()),
            Part::Json { summary } => is_whole_summary(summary).then(|| summary.to_string()),
            Part::LabelledText { .. }
            | Part::Summary(_)
            | Part::Encoded { .. }
            | Part::Code { .. }
            | Part::PayloadRef { .. } => None,
        };
        let texts: Vec<_> = content.parts.iter().filter_map(text).collect();
        Self::of_text(&texts.join("\n"))
    }

    /// Hashes the output in a value: a text, a list of parts, or other JSON. Returns `None` if it is empty.
    pub(super) fn of_value(value: &RawValue) -> Option<Self> {
        if let Some(text) = text(value) {
            return Self::of_text(&text);
        }
        let parts = list(value).unwrap_or_default().into_iter().filter_map(Object::from_value);
        let texts: Vec<_> = parts.filter_map(|part| part.string("text")).collect();
        if texts.is_empty() { Self::of_json(&canonical(value)?) } else { Self::of_text(&texts.join("\n")) }
    }

    /// Hashes a text. Space around it does not count.
    fn of_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let json = if text.starts_with(['{', '[']) { canonical_text(text) } else { None };
        match json {
            Some(json) => Self::of_json(&json),
            None => (!text.is_empty()).then(|| Self(keyed_hash(text.as_bytes()))),
        }
    }

    /// Hashes a canonical text. An object with a text as its only member is this text.
    fn of_json(canonical: &str) -> Option<Self> {
        let object = Object::parse(canonical);
        let mut members = object.iter().flat_map(Object::fields);
        let only = members.next().filter(|_| members.next().is_none()).and_then(|(_, value)| text(value));
        match only.as_deref().map(str::trim) {
            Some("") | None if canonical == "null" => None,
            Some(text) if !text.is_empty() => Some(Self(keyed_hash(text.as_bytes()))),
            Some(_) | None => Some(Self(keyed_hash(integers(canonical).as_bytes()))),
        }
    }
}
