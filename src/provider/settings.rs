//! The settings of a request.

use std::borrow::Cow;

use super::object::{Object, text};

/// The settings of a request.
#[derive(Debug, Default)]
pub(crate) struct Settings<'a> {
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<f64>,
    pub(crate) max_tokens: Option<f64>,
    pub(crate) frequency_penalty: Option<f64>,
    pub(crate) presence_penalty: Option<f64>,
    /// Number of alternative answers.
    pub(crate) choice_count: Option<f64>,
    pub(crate) seed: Option<i64>,
    /// Texts at which the model stops. Empty if the request names none.
    pub(crate) stop_sequences: Vec<String>,
    pub(crate) stream: Option<bool>,
    /// Form of the output that the request asks for: `text`, `json`, `image` or `speech`.
    pub(crate) output_type: Option<Cow<'a, str>>,
    pub(crate) reasoning_level: Option<Cow<'a, str>>,
}

impl Settings<'_> {
    /// Returns these settings, and the `other` ones where these have no value.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            temperature: self.temperature.or(other.temperature),
            top_p: self.top_p.or(other.top_p),
            top_k: self.top_k.or(other.top_k),
            max_tokens: self.max_tokens.or(other.max_tokens),
            frequency_penalty: self.frequency_penalty.or(other.frequency_penalty),
            presence_penalty: self.presence_penalty.or(other.presence_penalty),
            choice_count: self.choice_count.or(other.choice_count),
            seed: self.seed.or(other.seed),
            stop_sequences: if self.stop_sequences.is_empty() { other.stop_sequences } else { self.stop_sequences },
            stream: self.stream.or(other.stream),
            output_type: self.output_type.or(other.output_type),
            reasoning_level: self.reasoning_level.or(other.reasoning_level),
        }
    }
}

/// Returns the number in the first of these fields that is present and not null.
pub(super) fn number(object: &Object<'_>, names: &[&str]) -> Option<f64> {
    serde_json::from_str(object.first(names)?.get()).ok()
}

/// Returns the texts in the first of these fields that is present and not null: a text, or a list of texts.
pub(super) fn texts(object: &Object<'_>, names: &[&str]) -> Vec<String> {
    let one = || Some(vec![text(object.first(names)?)?.into_owned()]);
    let list = || serde_json::from_str(object.first(names)?.get()).ok();
    one().or_else(list).unwrap_or_default()
}
