//! Bodies that the program passes as text.

use std::io::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::bundle::{Body, BodyBuf, BodyError, Json};

/// A body that was passed as text: a JSON value if the text is valid JSON, else a string.
pub(super) enum JsonText<'a> {
    Value(&'a RawValue),
    Text(&'a str),
}

impl<'a> JsonText<'a> {
    /// Parses text as JSON. Text that is not valid JSON is kept as a string.
    pub(super) fn parse(text: &'a str) -> Self {
        serde_json::from_str(text).map_or(Self::Text(text), Self::Value)
    }
}

impl Serialize for JsonText<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
        }
    }
}

impl Body for JsonText<'_> {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        match self {
            Self::Value(value) => out.write_all(value.get().as_bytes()).map_err(BodyError::new),
            Self::Text(text) => Json(text).encode(out),
        }
    }
}
