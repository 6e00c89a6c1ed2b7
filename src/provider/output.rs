//! The output of responses.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::{Object, text};
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
    /// The reasoning beside a message that is a text. Otherwise the message has it.
    pub(crate) reasoning: Option<&'a RawValue>,
    pub(crate) finish_reason: Option<&'a RawValue>,
}

/// Returns the message of an error, or its JSON if it has none.
pub(super) fn error_message(error: &RawValue) -> String {
    let message = text(error).or_else(|| Object::from_value(error)?.text("message"));
    message.map_or_else(|| error.get().to_owned(), Cow::into_owned)
}

/// Returns the reason why a provider stopped an answer, as a clause. `explanation` is the provider's own.
pub(super) fn stopped_answer(reason: &str, explanation: Option<&str>) -> String {
    match explanation {
        Some(explanation) => format!("the provider stopped the answer: {reason}: {explanation}"),
        None => format!("the provider stopped the answer: {reason}"),
    }
}
