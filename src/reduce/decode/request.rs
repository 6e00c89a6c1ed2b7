//! `inference_request` bodies.

use serde_json::value::RawValue;

use super::bodies::{NOT_AN_OBJECT, Shape};
use super::contents::{ContentId, Contents};
use super::listing;
use super::object::Object;
use super::request_shape::{RequestShape, tools_of};
use crate::event::ResponseId;

/// What a model was sent.
#[derive(Debug)]
pub(in crate::reduce) struct Request {
    pub(in crate::reduce) items: RequestItems,
    /// The response it continues.
    pub(in crate::reduce) previous_response_id: Option<ResponseId>,
    /// Where it says what the model shall do, as in RFC 6901.
    pub(in crate::reduce) instructions: Option<&'static str>,
    /// Where it lists tools.
    pub(in crate::reduce) tools: Option<&'static str>,
}

/// The items of a request.
#[derive(Debug)]
pub(in crate::reduce) enum RequestItems {
    /// These.
    Listed(Vec<ContentId>),
    /// The body is `{}`: the recorder did not know them.
    NotRecorded,
    /// The body is of no shape whose items are known.
    UnknownShape,
}

impl Shape for Request {
    fn read(text: &str, contents: &Contents) -> Result<Self, String> {
        let (body, mut lists) = listing::parse(text, &RequestShape::LISTS).ok_or(NOT_AN_OBJECT)?;
        let is_there = |name: &str| lists.contains_key(name) || body.some(name).is_some();
        // A null list is an empty one, where nothing else is there.
        let shape = RequestShape::of(is_there).or_else(|| RequestShape::of(|name| body.get(name).is_some()));
        let items = match shape {
            Some(shape) => items(shape, &body, lists.remove(shape.list()), contents),
            None if body.is_empty() => RequestItems::NotRecorded,
            None => RequestItems::UnknownShape,
        };
        Ok(Self {
            items,
            previous_response_id: body.string("previous_response_id").map(ResponseId::from),
            instructions: shape.unwrap_or(RequestShape::Responses).instructions_of(&body),
            tools: tools_of(&body),
        })
    }
}

fn items(shape: RequestShape, body: &Object<'_>, list: Option<Vec<&RawValue>>, contents: &Contents) -> RequestItems {
    let said = match list {
        Some(list) => Some(shape.items_of_list(list, contents)),
        None => body.get(shape.list()).and_then(|value| shape.items_of(value, contents)),
    };
    said.map_or(RequestItems::UnknownShape, |said| {
        let system = shape.system(body, contents);
        // Frameworks tell the same twice: beside the messages, and as the first of them.
        let is_repeated = said.starts_with(&system);
        RequestItems::Listed(if is_repeated { said } else { [system, said].concat() })
    })
}
