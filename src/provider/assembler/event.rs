//! One event of a stream.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::provider::object::{Object, text};

/// An event of a stream.
#[derive(Debug)]
pub(in crate::provider) struct Event<'a> {
    /// The type that the event contains, or else its name. `None` if it has neither.
    pub(in crate::provider) kind: Option<Cow<'a, str>>,
    pub(in crate::provider) data: Object<'a>,
}

impl<'a> Event<'a> {
    /// Creates an event. `name` is the name that a server-sent event has beside its data.
    pub(in crate::provider) fn new(name: Option<&'a str>, data: Object<'a>) -> Self {
        let kind = data.text("type").or_else(|| name.map(Cow::Borrowed));
        Self { kind, data }
    }

    /// Returns the type of the event, or an empty text.
    pub(in crate::provider) fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or_default()
    }

    /// Returns the index in a field, 0 if there is none.
    pub(in crate::provider) fn index(&self, name: &str) -> u64 {
        self.data.number(name).unwrap_or(0)
    }
}

/// Maximum length of an error that has no message, in bytes.
const MAX_ERROR_BYTES: usize = 500;

/// Returns the message of an error that a provider reports in a stream.
pub(in crate::provider) fn error_text(error: &RawValue) -> String {
    let message = Object::from_value(error).and_then(|error| error.string("message"));
    message.or_else(|| text(error).map(Cow::into_owned)).unwrap_or_else(|| {
        let json = error.get();
        json[..json.floor_char_boundary(MAX_ERROR_BYTES)].to_owned()
    })
}
