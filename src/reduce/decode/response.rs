//! Decodes `inference_response` payloads.

use serde_json::value::RawValue;

use super::item_cache::{ContentId, ItemCache};
use super::items;
use super::object::Object;
use super::payloads::{NOT_AN_OBJECT, PayloadShape};
use super::usage;
use crate::event::{ResponseId, Usage};
use crate::graph::Role;

/// The decoded body of an inference response.
#[derive(Debug)]
pub(in crate::reduce) struct ResponseBody {
    pub(in crate::reduce) response_id: Option<ResponseId>,
    pub(in crate::reduce) items: ResponseItems,
    pub(in crate::reduce) usage: Option<Usage>,
}

/// The items of an inference response.
#[derive(Debug)]
pub(in crate::reduce) enum ResponseItems {
    /// The items that the body lists.
    Listed(Vec<ContentId>),
    /// The body is `{}`, or has only span attributes other than the output: the response was recorded without its
    /// content.
    NotRecorded,
    /// The body has no list of items in a known field.
    UnknownShape,
}

/// The fields that contain the id of a response, one for each API.
pub(crate) const ID_FIELDS: [&str; 4] = ["response_id", "id", "responseId", "gen_ai.response.id"];

impl PayloadShape for ResponseBody {
    fn parse(text: &str, cache: &ItemCache) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        Ok(Self {
            response_id: ID_FIELDS.iter().find_map(|name| body.string(name)).map(ResponseId::from),
            items: match items(&body, cache) {
                Some(items) => ResponseItems::Listed(items),
                None if is_bare(&body) => ResponseItems::NotRecorded,
                None => ResponseItems::UnknownShape,
            },
            usage: usage::parse(&body),
        })
    }
}

/// Returns the items of a response, from the field of its API. Of several alternative answers only the first is taken,
/// because it is the one that the conversation continues with. Returns `None` if no field of a known API is present.
fn items(body: &Object<'_>, cache: &ItemCache) -> Option<Vec<ContentId>> {
    if let Some(output) = body.first(&["output_items", "output"]) {
        return items::responses(output, cache);
    }
    if let Some(choices) = body.list("choices") {
        let Some(choice) = choices.first() else { return Some(Vec::new()) };
        return Some(message(Object::from_value(choice)?.non_null("message")?, cache));
    }
    if let Some(content) = body.non_null("content") {
        return Some(items::content(content, Role::Assistant, cache));
    }
    if let Some(candidates) = body.list("candidates") {
        // A candidate that was blocked has no content.
        let content = candidates.first().and_then(|candidate| Object::from_value(candidate)?.non_null("content"));
        return Some(content.map(|content| message(content, cache)).unwrap_or_default());
    }
    if let Some(messages) = body.non_null("gen_ai.output.messages") {
        return items::attribute(messages, Some(Role::Assistant), Role::Assistant, cache);
    }
    is_empty_response(body).then(Vec::new)
}

/// Returns the items of one message object of the assistant.
fn message(message: &RawValue, cache: &ItemCache) -> Vec<ContentId> {
    items::message_list(vec![message], Some(Role::Assistant), cache)
}

/// Returns `true` if the response has no items although its API is known: a null list, or a prompt that Gemini refused.
fn is_empty_response(body: &Object<'_>) -> bool {
    ["output_items", "output", "promptFeedback"].iter().any(|name| body.get(name).is_some())
}

/// Returns `true` if the body is empty or has only span attributes other than the output, such as an id and token
/// counts.
pub(crate) fn is_bare(body: &Object<'_>) -> bool {
    body.fields().all(|(name, _)| name.starts_with("gen_ai.") && name != "gen_ai.output.messages")
}
