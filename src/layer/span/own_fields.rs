//! The fields of a span that no rule reads: [`OwnFields`].

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::debug_text::format_bounded;
use crate::event::RawJson;
use crate::semconv;

/// Maximum number of own fields that are kept of a span.
const MAX_FIELDS: usize = 64;

/// Maximum total length of the names and values that are kept of a span, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// The fields of a span that no rule reads and that are no content: attributes that only the program knows. A field that
/// exceeds a limit is left out as a whole: a part of a value could be a part of a secret.
#[derive(Debug, Default, Clone)]
pub(super) struct OwnFields(Vec<(&'static str, OwnValue)>);

/// The value of a field, in its type.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum OwnValue {
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
}

impl OwnValue {
    /// Returns the `Debug` output of a value as text. Returns `None` if it exceeds the limit, or if formatting panics.
    pub(super) fn from_debug(value: &dyn fmt::Debug) -> Option<Self> {
        format_bounded(value, MAX_BYTES).map(Self::Text)
    }

    fn len(&self) -> usize {
        match self {
            Self::Bool(_) | Self::Integer(_) | Self::Unsigned(_) | Self::Float(_) => size_of::<u64>(),
            Self::Text(text) => text.len(),
        }
    }
}

impl OwnFields {
    /// Returns `true` if the values of a field of this name are kept, if no rule reads the field.
    pub(super) fn has_name(name: &str) -> bool {
        !name.starts_with("otel.") && !semconv::is_content(name)
    }

    /// Records a value of a field, which replaces an earlier one.
    pub(super) fn record(&mut self, name: &'static str, value: OwnValue) {
        self.0.retain(|(known, _)| *known != name);
        let size: usize = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        if self.0.len() < MAX_FIELDS && size + name.len() + value.len() <= MAX_BYTES {
            self.0.push((name, value));
        }
    }

    /// Records the values of later fields.
    pub(super) fn merge(&mut self, newer: Self) {
        newer.0.into_iter().for_each(|(name, value)| self.record(name, value));
    }

    /// Returns the fields as a JSON object. Returns `None` if there are none.
    pub(super) fn to_json(&self) -> Option<RawJson> {
        (!self.0.is_empty()).then(|| RawJson::from_value(self))
    }
}

impl Serialize for OwnFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["a", "b", "c"];

    fn text(length: usize) -> OwnValue {
        OwnValue::Text("x".repeat(length))
    }

    #[test]
    fn later_value_replaces_an_earlier_one() {
        let mut fields = OwnFields::default();
        fields.record("a", OwnValue::Integer(-1));
        fields.record("b", OwnValue::Float(0.5));
        let mut newer = OwnFields::default();
        newer.record("a", OwnValue::Bool(true));
        fields.merge(newer);
        assert_eq!(fields.to_json().expect("fields").as_str(), r#"{"b":0.5,"a":true}"#);
        assert_eq!(OwnFields::default().to_json(), None);
    }

    #[test]
    fn fields_beyond_a_limit_are_left_out_as_a_whole() {
        let mut fields = OwnFields::default();
        fields.record("a", text(MAX_BYTES - 10));
        fields.record("b", text(9));
        fields.record("c", text(8));
        let json = fields.to_json().expect("fields");
        assert!(json.as_str().contains(r#""c":"xxxxxxxx""#) && !json.as_str().contains("\"b\""));
        // The value that it had no room for before fits now.
        fields.record("a", text(1));
        fields.record("b", text(9));
        assert_eq!(fields.0.len(), NAMES.len());

        let names: Vec<&'static str> = (0..=MAX_FIELDS).map(|n| &*Box::leak(n.to_string().into_boxed_str())).collect();
        let mut many = OwnFields::default();
        names.iter().for_each(|name| many.record(name, OwnValue::Unsigned(1)));
        assert_eq!(many.0.len(), MAX_FIELDS);
    }

    #[test]
    fn long_debug_output_is_not_formatted_to_its_end() {
        struct Endless;
        impl fmt::Debug for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("more ")?;
                }
            }
        }
        assert!(OwnValue::from_debug(&Endless).is_none());
        let OwnValue::Text(text) = OwnValue::from_debug(&Some("a")).expect("short") else { panic!("text") };
        assert_eq!(text, "Some(\"a\")");
    }
}
