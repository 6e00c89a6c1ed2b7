//! `inference_request` bodies.

use super::bodies::{NOT_AN_OBJECT, Shape};
use super::contents::{ContentId, Contents};
use super::{items, listing};
use crate::event::ResponseId;

/// What a model was sent.
#[derive(Debug)]
pub(in crate::reduce) struct Request {
    pub(in crate::reduce) items: RequestItems,
    /// The response it continues.
    pub(in crate::reduce) previous_response_id: Option<ResponseId>,
    /// Whether it has `instructions` of its own, beside the items.
    pub(in crate::reduce) has_instructions: bool,
    /// Whether it lists `tools`.
    pub(in crate::reduce) has_tools: bool,
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
        let (body, listed) = listing::parse(text, "input").ok_or(NOT_AN_OBJECT)?;
        // Other providers' shapes are told apart here, by the first field that only they have.
        let items = match (listed, body.get("input")) {
            (Some(items), _) => RequestItems::Listed(items::responses_list(items, contents)),
            (None, Some(input)) => {
                items::responses_input(input, contents).map_or(RequestItems::UnknownShape, RequestItems::Listed)
            }
            (None, None) if body.is_empty() => RequestItems::NotRecorded,
            (None, None) => RequestItems::UnknownShape,
        };
        Ok(Self {
            items,
            previous_response_id: body.string("previous_response_id").map(ResponseId::from),
            has_instructions: body.some("instructions").is_some(),
            has_tools: body.some("tools").is_some(),
        })
    }
}
