//! The settings of a request.

use std::borrow::Cow;

use super::object::Object;

/// The settings of a request.
#[derive(Debug, Default)]
pub(crate) struct Settings<'a> {
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) max_tokens: Option<f64>,
    pub(crate) stream: Option<bool>,
    pub(crate) reasoning_level: Option<Cow<'a, str>>,
}

impl Settings<'_> {
    /// Returns these settings, and the `other` ones where these have no value.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            temperature: self.temperature.or(other.temperature),
            top_p: self.top_p.or(other.top_p),
            max_tokens: self.max_tokens.or(other.max_tokens),
            stream: self.stream.or(other.stream),
            reasoning_level: self.reasoning_level.or(other.reasoning_level),
        }
    }
}

/// Returns the number in the first of these fields that is present and not null.
pub(super) fn number(object: &Object<'_>, names: &[&str]) -> Option<f64> {
    serde_json::from_str(object.first(names)?.get()).ok()
}
