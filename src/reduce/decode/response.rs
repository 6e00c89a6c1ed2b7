//! `inference_response` bodies.

use serde_json::value::RawValue;

use super::bodies::{NOT_AN_OBJECT, Shape};
use super::contents::{ContentId, Contents};
use super::items;
use super::object::Object;
use super::usage;
use crate::event::{ResponseId, Usage};
use crate::graph::Role;

/// What a model returned.
#[derive(Debug)]
pub(in crate::reduce) struct ResponseBody {
    pub(in crate::reduce) response_id: Option<ResponseId>,
    pub(in crate::reduce) items: ResponseItems,
    pub(in crate::reduce) usage: Option<Usage>,
}

/// The items of a response.
#[derive(Debug)]
pub(in crate::reduce) enum ResponseItems {
    /// These.
    Listed(Vec<ContentId>),
    /// The body is `{}`, or what a span says beside its content: the recorder did not know them.
    NotRecorded,
    /// The body is of no shape whose items are known.
    UnknownShape,
}

/// The fields that hold a response's id, by shape.
pub(crate) const IDS: [&str; 4] = ["response_id", "id", "responseId", "gen_ai.response.id"];

impl Shape for ResponseBody {
    fn read(text: &str, contents: &Contents) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        Ok(Self {
            response_id: IDS.iter().find_map(|name| body.string(name)).map(ResponseId::from),
            items: match items(&body, contents) {
                Some(items) => ResponseItems::Listed(items),
                None if is_bare(&body) => ResponseItems::NotRecorded,
                None => ResponseItems::UnknownShape,
            },
            usage: usage::read(&body),
        })
    }
}

/// The items, told by the first field that only one shape has. Where a shape has room for several answers, the first
/// is the one that goes on.
fn items(body: &Object<'_>, contents: &Contents) -> Option<Vec<ContentId>> {
    if let Some(output) = body.first(&["output_items", "output"]) {
        return items::responses(output, contents);
    }
    if let Some(choices) = body.list("choices") {
        let Some(choice) = choices.first() else { return Some(Vec::new()) };
        return Some(message(Object::of(choice)?.some("message")?, contents));
    }
    if let Some(content) = body.some("content") {
        return Some(items::content(content, Role::Assistant, contents));
    }
    if let Some(candidates) = body.list("candidates") {
        // One that was held back has no content.
        let content = candidates.first().and_then(|candidate| Object::of(candidate)?.some("content"));
        return Some(content.map(|content| message(content, contents)).unwrap_or_default());
    }
    if let Some(messages) = body.some("gen_ai.output.messages") {
        return items::attribute(messages, Some(Role::Assistant), Role::Assistant, contents);
    }
    says_nothing(body).then(Vec::new)
}

fn message(message: &RawValue, contents: &Contents) -> Vec<ContentId> {
    items::message_list(vec![message], Some(Role::Assistant), contents)
}

/// Whether the shape is known and there is just nothing in it: a null list, a prompt that Gemini refused.
fn says_nothing(body: &Object<'_>) -> bool {
    ["output_items", "output", "promptFeedback"].iter().any(|name| body.get(name).is_some())
}

/// Whether nothing is there, or nothing but what a span says beside its content: an id, counts.
pub(crate) fn is_bare(body: &Object<'_>) -> bool {
    body.fields().all(|(name, _)| name.starts_with("gen_ai.") && name != "gen_ai.output.messages")
}
