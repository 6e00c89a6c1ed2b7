//! Evidence without a meaning of its own in the graph.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::PayloadRef;

/// An event of the program's own protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolEventObserved {
    /// What the program calls it.
    pub event_type: String,
    /// A `protocol_event` body.
    pub event_payload: PayloadRef,
}

/// Anything else worth keeping. Older readers refuse it, so it is written only when there is something to say:
/// kind `recording_gap` for what could not be written, kind `orphan_span` for a window without surroundings, kind
/// `process_spawned` for an agent in another process ([`ProcessSpawned`](super::ProcessSpawned)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// What it is.
    pub kind: String,
    /// One line for a person.
    pub summary: String,
    /// Bodies.
    pub payloads: Vec<PayloadRef>,
    /// Any JSON.
    #[serde(default)]
    pub metadata: RawJson,
}

/// One JSON value as its text, so that any nesting and any number survives. On one line, whatever it was made of.
/// Compares by text.
#[derive(Debug, Clone)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// The JSON of `value`; `null` where it can't be serialised.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        serde_json::value::to_raw_value(value).map_or_else(|_| Self::default(), Self::on_one_line)
    }

    /// In JSON a line break is space between tokens, never part of one.
    fn on_one_line(value: Box<RawValue>) -> Self {
        let is_break = |c| matches!(c, '\n' | '\r');
        if !value.get().contains(is_break) {
            return Self(value);
        }
        let text = value.get().replace(is_break, " ");
        RawValue::from_string(text).map_or_else(|_| Self::default(), Self)
    }

    /// The same with its text as `change` gives it. What would no longer be JSON is a text.
    pub(crate) fn changed(self, change: impl FnOnce(&str) -> Cow<'_, str>) -> Self {
        match change(self.as_str()) {
            Cow::Borrowed(_) => self,
            Cow::Owned(text) => serde_json::from_str::<&RawValue>(&text).map_or_else(|_| Self::of(&text), Self::of),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl Default for RawJson {
    fn default() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RawJson {}

impl Serialize for RawJson {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::on_one_line)
    }
}
