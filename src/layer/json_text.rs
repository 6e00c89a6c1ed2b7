//! Bodies that programs give as text.

use std::io::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::bundle::{Body, BodyBuf, BodyError, Json};

/// JSON text as the value it stands for; text that is none, as a string.
pub(super) enum JsonText<'a> {
    Value(&'a RawValue),
    Text(&'a str),
}

impl<'a> JsonText<'a> {
    pub(super) fn of(text: &'a str) -> Self {
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
