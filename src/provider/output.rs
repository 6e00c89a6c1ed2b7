//! The output of responses.

use serde_json::value::RawValue;

use super::part::Content;

/// Fields of a response that may hold the items of its output.
pub(super) const ITEM_FIELDS: [&str; 2] = ["output_items", "output"];

/// The output of a response.
#[derive(Debug)]
pub(crate) enum Output<'a> {
    /// Items of the Responses API.
    Items(Vec<&'a RawValue>),
    /// Alternative messages. The conversation continues with the first one.
    Choices(Vec<Choice<'a>>),
    /// The content of one message; the response is the message.
    Content(Content<'a>),
    /// Messages in a span attribute.
    AttributeMessages(&'a RawValue),
    /// A response of a known API without output.
    Empty,
    /// The response contains no output, or output of an unknown type.
    Unknown,
}

/// One of the alternative messages of a response.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    /// The message. `None` if the provider returned none, for example because it was blocked.
    pub(crate) message: Option<&'a RawValue>,
    pub(crate) finish_reason: Option<&'a RawValue>,
}
