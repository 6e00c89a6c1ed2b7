//! The elements of a conversation in a body: items or messages, not read yet.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::{Object, is_null, list, text};

/// The format of the elements of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryFormat {
    /// Items of the Responses API.
    Items,
    /// Messages.
    Messages,
    /// Messages in a span attribute. Attributes cannot hold lists, so some recorders store the messages as JSON text.
    AttributeMessages,
}

/// The elements of a conversation, not read yet.
#[derive(Debug)]
pub(crate) enum Entries<'a> {
    /// A list.
    List(Vec<&'a RawValue>),
    /// One message or item in place of a list.
    One(&'a RawValue),
    /// A text that stands for one message.
    Text(&'a RawValue),
    /// A list or a message as JSON in a text. The text is valid JSON.
    Embedded(Cow<'a, str>),
    /// Null in place of a list.
    Null,
    /// Any other value.
    Other(&'a RawValue),
}

impl<'a> Entries<'a> {
    /// Reads the value of a field that holds a conversation.
    pub(crate) fn read(value: &'a RawValue, format: EntryFormat) -> Self {
        if let Some(text) = text(value) {
            let is_json = format == EntryFormat::AttributeMessages
                && text.trim_start().starts_with(['[', '{'])
                && serde_json::from_str::<&RawValue>(&text).is_ok();
            return if is_json { Self::Embedded(text) } else { Self::Text(value) };
        }
        if is_null(value) {
            return Self::Null;
        }
        match list(value) {
            Some(list) => Self::List(list),
            None if Object::from_value(value).is_some() => Self::One(value),
            None => Self::Other(value),
        }
    }

    /// Returns the elements of a list or of JSON in a text, and a value in place of a list as the only element.
    pub(crate) fn elements(&self) -> Vec<&RawValue> {
        match self {
            Self::List(list) => list.clone(),
            Self::One(value) | Self::Text(value) | Self::Other(value) => vec![value],
            Self::Embedded(json) => serde_json::from_str::<Vec<&RawValue>>(json)
                .or_else(|_| serde_json::from_str::<&RawValue>(json).map(|value| vec![value]))
                .unwrap_or_default(),
            Self::Null => Vec::new(),
        }
    }
}
