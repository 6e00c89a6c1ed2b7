//! Events that the reducer does not interpret: those of the host program's protocol, and observations of other kinds.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::PayloadRef;

/// An event of a protocol that only the host program defines was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolEventObserved {
    /// Type of the event, as the program names it.
    pub event_type: String,
    /// Payload of kind `protocol_event`: the body of the event.
    pub event_payload: PayloadRef,
}

/// Any other observation, distinguished by its kind. Among the kinds that the recorder writes are `recording_gap` for
/// lines and payloads that could not be written, `orphan_span` for an operation without a parent,
/// `orphan_event` for an event of the program about no recorded operation, and `process_spawned`
/// for an agent in another process ([`ProcessSpawned`](super::ProcessSpawned)). Older readers reject this event, so it
/// is only written if there is something to report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// Kind of the observation.
    pub kind: String,
    /// Description of the observation for a person, on one line.
    pub summary: String,
    /// Payloads of the observation.
    pub payloads: Vec<PayloadRef>,
    /// Details, as any JSON value.
    #[serde(default)]
    pub metadata: RawJson,
}

impl Other {
    /// Kind of an observation that holds a payload for which no event has a field, such as a chunk of a response.
    pub(crate) const PAYLOAD: &str = "payload";
    /// Kind of an observation of an event that names no recorded operation.
    pub(crate) const ORPHAN_EVENT: &str = "orphan_event";
}

/// A JSON value that is kept as its text, so that nesting of any depth and numbers of any size are preserved. The text
/// is always on one line. Values compare by their text.
#[derive(Debug, Clone)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// Serializes `value` to JSON. Returns `null` if it cannot be serialized.
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Self {
        serde_json::value::to_raw_value(value).map_or_else(|_| Self::default(), Self::on_one_line)
    }

    /// Replaces line breaks with spaces. In JSON, a line break only occurs between tokens, never inside one.
    fn on_one_line(value: Box<RawValue>) -> Self {
        let is_break = |c| matches!(c, '\n' | '\r');
        if !value.get().contains(is_break) {
            return Self(value);
        }
        let text = value.get().replace(is_break, " ");
        RawValue::from_string(text).map_or_else(|_| Self::default(), Self)
    }

    /// Replaces the JSON text with the result of `change`. A result that is not valid JSON becomes a JSON string.
    pub(crate) fn map_text(self, change: impl FnOnce(&str) -> Cow<'_, str>) -> Self {
        match change(self.as_str()) {
            Cow::Borrowed(_) => self,
            Cow::Owned(text) => {
                serde_json::from_str::<&RawValue>(&text).map_or_else(|_| Self::from_value(&text), Self::from_value)
            }
        }
    }

    /// Returns the JSON text.
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
