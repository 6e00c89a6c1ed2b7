//! Converts the parts of messages of any provider.

use std::iter;

use serde_json::value::RawValue;

use super::part::Part;
use crate::provider::{
    self, Cited, Content, Object, PartContent, Problem, REASONING_FIELDS, Reasoning, ToolCall, ToolResult, is_null,
    text,
};

/// Converts a message's content: a text, a list of parts, or one part.
pub(super) fn from_content<'a>(content: Content<'a>) -> Vec<Part<'a>> {
    from_parts(content.parts())
}

/// Converts parts.
pub(super) fn from_parts<'a>(parts: impl IntoIterator<Item = provider::Part<'a>>) -> Vec<Part<'a>> {
    parts.into_iter().flat_map(from_part).collect()
}

/// Converts one part of a message of any provider. Reasoning may become several parts.
pub(super) fn from_part<'a>(part: provider::Part<'a>) -> Vec<Part<'a>> {
    let label = part.label().map(str::to_owned);
    let provider::Part { raw, object, kind: _, signature, content, annotations: _, read_fields } = part;
    let mut converted = match content {
        PartContent::Value if text(raw).is_some() => Part::text(raw),
        PartContent::Value => Part::unknown(raw),
        PartContent::Text(Some(text)) | PartContent::SummaryText(Some(text)) => Part::text(text),
        PartContent::Text(None) | PartContent::SummaryText(None) => Part::new("text"),
        PartContent::Reasoning(entries) => return from_reasoning(entries, object.as_ref()),
        PartContent::ReasoningText(text) | PartContent::Thought(text) => Part::reasoning(text),
        PartContent::Call(call) => from_call(call),
        PartContent::Result(result) => from_result(result),
        PartContent::Refusal(refusal) => Part::new("refusal").with("refusal", refusal.filter(|_| object.is_none())),
        PartContent::Audio(audio) => Part::new("audio").with("audio", Some(audio)),
        PartContent::Image(image) => Part::image(image),
        PartContent::Annotation if object.is_none() => {
            Part::new(label.unwrap_or_else(|| "annotation".to_owned())).with("content", Some(raw))
        }
        PartContent::Annotation | PartContent::Compaction(_) | PartContent::Executed | PartContent::Instructions(_) => {
            Part::new(label.unwrap_or_else(|| "annotation".to_owned()))
        }
        PartContent::Cited(Cited { text, citations }) => {
            let citations = citations.into_iter().map(provider::Part::read_citation).flat_map(from_part);
            return iter::once(Part::new("text").with_pieces("content", &text)).chain(citations).collect();
        }
        PartContent::Json(value) => Part::new("json").with("content", Some(value)),
        PartContent::CachePoint => return Vec::new(),
        PartContent::Malformed(Problem::CallsNotAList) => return Vec::new(),
        PartContent::Malformed(Problem::CallNotAnObject | Problem::ResultNotAnObject) if object.is_none() => {
            Part::unknown(raw)
        }
        PartContent::Malformed(Problem::CallNotAnObject | Problem::ResultNotAnObject) | PartContent::Other => {
            let label = label.or_else(|| first_field(object.as_ref()?));
            Part::new(label.unwrap_or_else(|| "unknown".to_owned()))
        }
    };
    converted = match object {
        Some(object) => converted.with_other_fields(&object, read_fields),
        None => converted.with("thought_signature", signature),
    };
    vec![converted]
}

/// Converts the entries of a piece of reasoning: each text and each summary is a part. The other fields of an entry go
/// into its last part.
fn from_reasoning<'a>(entries: Vec<Reasoning<'a>>, part: Option<&Object<'a>>) -> Vec<Part<'a>> {
    entries.into_iter().flat_map(|entry| from_reasoning_entry(entry, part)).collect()
}

fn from_reasoning_entry<'a>(entry: Reasoning<'a>, part: Option<&Object<'a>>) -> Vec<Part<'a>> {
    let Reasoning { object, text, summary, signature, data, others } = entry;
    let texts = [text, summary].into_iter().filter(|text| !text.is_empty());
    let mut parts: Vec<_> = texts.map(|text| Part::new("reasoning").with_pieces("content", &text)).collect();
    let last = parts.pop().unwrap_or_else(|| Part::reasoning(None));
    let last = last.with("signature", signature).with_pieces("data", &data);
    let fields = object.as_ref().or(part);
    parts.push(fields.into_iter().fold(last, |last, fields| last.with_other_fields(fields, &REASONING_FIELDS)));
    parts.extend(others.into_iter().map(kept_whole));
    parts
}

/// Converts a part that is kept as it is. What is inside of it is not read, however deep it is.
fn kept_whole(raw: &RawValue) -> Part<'_> {
    let part = provider::Part::read(raw);
    match (part.label(), &part.object) {
        (Some(label), Some(object)) => Part::unmapped(label, object),
        (None, _) | (_, None) => Part::unknown(raw),
    }
}

/// Returns the name of the first field that is not null.
fn first_field(object: &Object<'_>) -> Option<String> {
    object.fields().find(|(_, value)| !is_null(value)).map(|(name, _)| name.to_owned())
}

fn from_call(call: ToolCall<'_>) -> Part<'_> {
    let ToolCall { id, name, arguments, called } = call;
    let part = Part::tool_call(id, name, arguments);
    match called {
        Some(called) => part.with_other_fields(&called, &provider::CALL_FIELDS),
        None => part,
    }
}

fn from_result(result: ToolResult<'_>) -> Part<'_> {
    // The other fields of the part, or of the response in it, have the name and the failure.
    let ToolResult { call_id, name: _, is_error: _, value, is_content: _, response } = result;
    let part = Part::tool_call_response(call_id, value);
    match response {
        Some(response) => part.with_other_fields(&response, &provider::RESULT_FIELDS),
        None => part,
    }
}
