//! The settings of a request in the fields of a span, such as the temperature.

use serde_json::{Map, Value};

use crate::semconv;

/// The settings of a request, by the names of their fields, in the order in which they were recorded.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct SettingFields(Vec<(&'static str, Value)>);

/// Returns the name of a setting as the conventions define it. Returns `None` for any other field.
fn setting_name(field: &str) -> Option<&'static str> {
    // Most fields of a span are none: they cost one comparison or two.
    let may_be = field.starts_with("gen_ai.request.") || field == semconv::OUTPUT_TYPE;
    semconv::REQUEST_SETTINGS.into_iter().find(|name| may_be && *name == field)
}

impl SettingFields {
    /// Returns `true` if the field of this name is a setting.
    pub(super) fn has_name(field: &str) -> bool {
        setting_name(field).is_some()
    }

    /// Records the value of a field. Returns `false` if the field is no setting.
    pub(super) fn record(&mut self, field: &str, value: impl Into<Value>) -> bool {
        let Some(name) = setting_name(field) else { return false };
        self.set(name, value.into());
        true
    }

    /// Records the value of a field that was recorded as text: a number, a boolean or a list if the text is one, unless
    /// the setting is a word. Returns `false` if the field is no setting.
    pub(super) fn record_text(&mut self, field: &str, text: &str) -> bool {
        let is_word = matches!(field, semconv::REQUEST_REASONING_LEVEL | semconv::OUTPUT_TYPE);
        let value = serde_json::from_str(text).ok().filter(|value: &Value| !is_word && !value.is_object());
        self.record(field, value.unwrap_or_else(|| text.into()))
    }

    /// Replaces the values of all settings that are set in `newer`.
    pub(super) fn merge(&mut self, newer: Self) {
        newer.0.into_iter().for_each(|(name, value)| self.set(name, value));
    }

    /// Returns `true` if there are no settings.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the settings by name.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        self.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// Iterates over the settings.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    fn set(&mut self, name: &'static str, value: Value) {
        // Null says nothing, as no value at all.
        if value.is_null() {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }
}
