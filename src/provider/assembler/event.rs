//! One event of a stream.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::provider::object::{Object, text};

/// An event of a stream.
#[derive(Debug)]
pub(in crate::provider) struct Event<'a> {
    /// The type that the data of the event contains. `None` if it contains none.
    own_type: Option<Cow<'a, str>>,
    /// The name that a server-sent event has beside its data. `None` if it has none.
    pub(in crate::provider) name: Option<&'a str>,
    pub(in crate::provider) data: Object<'a>,
}

impl<'a> Event<'a> {
    /// Creates an event. `name` is the name that a server-sent event has beside its data.
    pub(in crate::provider) fn new(name: Option<&'a str>, data: Object<'a>) -> Self {
        Self { own_type: data.text("type").or_else(|| data.text("event_type")), name, data }
    }

    /// Returns the type of the event: the one that its data contains, or else its name. Returns an empty text if it has
    /// neither.
    pub(in crate::provider) fn kind(&self) -> &str {
        self.own_type.as_deref().or(self.name).unwrap_or_default()
    }

    /// Returns `true` if the data of the event contains a type.
    pub(in crate::provider) fn has_type(&self) -> bool {
        self.own_type.is_some()
    }

    /// Returns the index in a field, 0 if there is none.
    pub(in crate::provider) fn index(&self, name: &str) -> u64 {
        self.data.number(name).unwrap_or(0)
    }

    /// Returns the message of an event that reports an error.
    pub(in crate::provider) fn error(&self) -> String {
        let error = self.data.first(&["error", "message", "code"]).map(error_text);
        error.unwrap_or_else(|| "an error without a message".to_owned())
    }
}

/// Returns the elements of a list of alternative messages, each with its index. An element that is no object is `None`.
/// Of elements without an index, which is 0 in the format of some servers, each has the next index that no other element
/// has.
pub(in crate::provider) fn with_index<'a>(elements: &[&'a RawValue]) -> Vec<(u64, Option<Object<'a>>)> {
    let elements: Vec<_> = elements.iter().map(|element| Object::from_value(element)).collect();
    let given = |element: &Option<Object<'a>>| element.as_ref()?.number::<u64>("index");
    let taken: BTreeSet<_> = elements.iter().filter_map(given).collect();
    let mut free = (0..).filter(|index| !taken.contains(index));
    let index = |element: Option<Object<'a>>| {
        let index = given(&element).or_else(|| free.next());
        (index.unwrap_or(0), element)
    };
    elements.into_iter().map(index).collect()
}

/// Maximum length of an error that has no message, in bytes.
const MAX_ERROR_BYTES: usize = 500;

/// Returns the message of an error that a provider reports in a stream.
pub(in crate::provider) fn error_text(error: &RawValue) -> String {
    let message = Object::from_value(error).and_then(|error| error.string("message"));
    message.or_else(|| text(error).map(Cow::into_owned)).unwrap_or_else(|| bounded_error(error.get()))
}

/// Returns the beginning of an error that has no message.
pub(in crate::provider) fn bounded_error(error: &str) -> String {
    error[..error.floor_char_boundary(MAX_ERROR_BYTES)].to_owned()
}
