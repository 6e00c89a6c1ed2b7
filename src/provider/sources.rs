//! Reads what a provider found for an answer: pages, documents, images and what it searched for.
//!
//! No API has one place for them. They stand in annotations of the text, beside the content of the message, in a member
//! that a gateway adds to the message, or beside the message in the response.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::object::{Object, list, list_or_one};
use super::part::Part;

/// Something that a provider found for an answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Source<'a> {
    /// Kind of the source, such as `search_result`. Values that have a type name it themselves.
    label: &'a str,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// Members of a message or of a response that hold sources, and the label of each source.
const FIELDS: [(&str, &str); 3] =
    [("citations", "citation"), ("search_results", "search_result"), ("web_search", "search_result")];

/// Members of a response that hold more of what the provider found.
const RESPONSE_FIELDS: [(&str, &str); 3] =
    [("images", "image"), ("videos", "video"), ("related_questions", "related_question")];

/// Members of a candidate of Gemini that tell what the answer rests on.
const CANDIDATE_FIELDS: [(&str, &str); 8] = [
    ("citationMetadata", "citation_metadata"),
    ("citation_metadata", "citation_metadata"),
    ("groundingAttributions", "grounding_attribution"),
    ("grounding_attributions", "grounding_attribution"),
    ("groundingMetadata", "grounding_metadata"),
    ("grounding_metadata", "grounding_metadata"),
    ("urlContextMetadata", "url_context_metadata"),
    ("url_context_metadata", "url_context_metadata"),
];

/// Members of the object in which Azure puts what it found in the user's data.
const CONTEXT_FIELDS: [(&str, &str); 3] =
    [("intent", "intent"), ("citations", "citation"), ("all_retrieved_documents", "retrieved_document")];

/// Members of the object in which LiteLLM puts what other providers found.
const GATEWAY_FIELDS: [(&str, &str); 3] =
    [("citations", "citation"), ("web_search_results", "search_result"), ("tool_results", "tool_result")];

/// Returns the sources beside the content of a message, except for `citations`, which are read with Cohere's.
pub(super) fn of_message<'a>(message: &Object<'a>) -> Vec<Source<'a>> {
    let mut sources = in_fields(message, &FIELDS[1..]);
    for (name, fields) in [("context", CONTEXT_FIELDS), ("provider_specific_fields", GATEWAY_FIELDS)] {
        sources.extend(message.object(name).into_iter().flat_map(|object| in_fields(&object, &fields)));
    }
    sources
}

/// Returns the sources that stand beside the message in a response.
pub(super) fn of_response<'a>(body: &Object<'a>) -> Vec<Source<'a>> {
    [&FIELDS[..], &RESPONSE_FIELDS].into_iter().flat_map(|fields| in_fields(body, fields)).collect()
}

/// Returns the sources of a candidate of Gemini.
pub(super) fn of_candidate<'a>(candidate: &Object<'a>) -> Vec<Source<'a>> {
    in_fields(candidate, &CANDIDATE_FIELDS)
}

/// Returns the sources in these members of an object. The sources of each part of the content may be a list of their own.
fn in_fields<'a>(object: &Object<'a>, fields: &[(&str, &'static str)]) -> Vec<Source<'a>> {
    let in_field = |&(name, label): &(&str, &'static str)| {
        let values = list_or_one(object, name).into_iter().flat_map(|value| list(value).unwrap_or_else(|| vec![value]));
        values.map(move |value| Source { label, value }).collect::<Vec<_>>()
    };
    fields.iter().flat_map(in_field).collect()
}

impl<'a> Source<'a> {
    /// Returns the source as a part that describes the text.
    pub(crate) fn part(self) -> Part<'a> {
        Part::of_source(self.value, self.label)
    }
}
