//! The error of the OTLP pipeline.

use std::fmt;

/// An invalid setting of the OTLP export, a failure to start it, or a flush that did not export all spans.
///
/// For an invalid setting, the text names the builder method or variable, its value and the valid values. Header values
/// are secrets and never part of the text.
#[derive(Clone, PartialEq, Eq)]
pub struct OtlpError(String);

impl OtlpError {
    /// Creates an error with the given text.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }

    /// Creates an error for an invalid value. `setting` is the name of a variable or of a builder method.
    pub(crate) fn invalid_value(setting: &str, value: impl fmt::Display, allowed: impl fmt::Display) -> Self {
        Self(format!("{setting} is `{value}`; expected {allowed}"))
    }
}

/// Formats like `Display`, because a `main` that returns the error prints its `Debug` form.
impl fmt::Debug for OtlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for OtlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OtlpError {}
