//! Decodes `inference_request` payloads.

use serde_json::value::RawValue;

use super::item_cache::{ContentId, ItemCache};
use super::object::Object;
use super::object_with_lists;
use super::payloads::{NOT_AN_OBJECT, PayloadShape};
use super::request_shape::{RequestShape, tools_pointer};
use crate::event::ResponseId;

/// The decoded body of an inference request.
#[derive(Debug)]
pub(in crate::reduce) struct Request {
    pub(in crate::reduce) items: RequestItems,
    /// Id of the response that the request continues. `None` if it continues none.
    pub(in crate::reduce) previous_response_id: Option<ResponseId>,
    /// JSON Pointer (RFC 6901) to the model's instructions in the body. `None` if there are none.
    pub(in crate::reduce) instructions: Option<&'static str>,
    /// JSON Pointer (RFC 6901) to the tool definitions in the body. `None` if there are none.
    pub(in crate::reduce) tools: Option<&'static str>,
}

/// The items of an inference request.
#[derive(Debug)]
pub(in crate::reduce) enum RequestItems {
    /// The items that the body lists.
    Listed(Vec<ContentId>),
    /// The body is `{}`, which stands for a body that was not recorded.
    NotRecorded,
    /// The body has no list of items in a known field.
    UnknownShape,
}

impl PayloadShape for Request {
    fn parse(text: &str, cache: &ItemCache) -> Result<Self, String> {
        let (body, mut lists) = object_with_lists::parse(text, &RequestShape::LIST_FIELDS).ok_or(NOT_AN_OBJECT)?;
        let is_there = |name: &str| lists.contains_key(name) || body.non_null(name).is_some();
        // A null list counts as an empty one if the body has no other list.
        let shape = RequestShape::detect(is_there).or_else(|| RequestShape::detect(|name| body.get(name).is_some()));
        let items = match shape {
            Some(shape) => items(shape, &body, lists.remove(shape.list_field()), cache),
            None if body.is_empty() => RequestItems::NotRecorded,
            None => RequestItems::UnknownShape,
        };
        Ok(Self {
            items,
            previous_response_id: body.string("previous_response_id").map(ResponseId::from),
            instructions: shape.unwrap_or(RequestShape::Responses).instructions_pointer(&body),
            tools: tools_pointer(&body),
        })
    }
}

/// Returns the items of a request, those of its instructions first.
fn items(shape: RequestShape, body: &Object<'_>, list: Option<Vec<&RawValue>>, cache: &ItemCache) -> RequestItems {
    let items = match list {
        Some(list) => Some(shape.parse_list(list, cache)),
        None => body.get(shape.list_field()).and_then(|value| shape.parse_value(value, cache)),
    };
    items.map_or(RequestItems::UnknownShape, |items| {
        let system = shape.system_items(body, cache);
        // Some frameworks record the instructions twice: beside the messages, and as the first of them.
        let is_repeated = items.starts_with(&system);
        RequestItems::Listed(if is_repeated { items } else { [system, items].concat() })
    })
}
