//! What is wrong with what was asked for.

use std::fmt;

/// Why nothing can be exported: what was said by code or in a variable of the environment can't be done.
///
/// The text names the setting and its value, and says what it may be. A header's value is a secret and is not in it.
#[derive(Clone, PartialEq, Eq)]
pub struct OtlpError(String);

impl OtlpError {
    pub(super) fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }

    /// `setting` is the name of a variable or of a builder's method.
    pub(super) fn value(setting: &str, value: impl fmt::Display, allowed: impl fmt::Display) -> Self {
        Self(format!("{setting} is `{value}`: it can be {allowed}"))
    }
}

/// The same text: it is what a `main` prints that gives it back.
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
