//! The error that fields of a span or an event report in words: `error`, `error.message`, `exception.message`.

use crate::layer::span::callsites::ERROR_FIELDS;

/// The text of an error, from the field that says most. Values that mean that there is no error are ignored: `false`,
/// `0`, `None` and empty text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct ErrorText(Option<(usize, String)>);

impl ErrorText {
    /// Records the value of a field, as text. Ignores fields of other names.
    pub(super) fn record(&mut self, name: &str, value: &str) {
        let Some(rank) = ERROR_FIELDS.iter().position(|field| *field == name) else { return };
        let Some(text) = meaning(value) else { return };
        if self.0.as_ref().is_none_or(|(known, _)| rank <= *known) {
            self.0 = Some((rank, text.to_owned()));
        }
    }

    /// Replaces the text by that of later fields, unless they have none or say less.
    pub(super) fn merge(&mut self, newer: Self) {
        let says_less = |known: &(usize, String), new: &(usize, String)| new.0 > known.0;
        match (&self.0, newer.0) {
            (Some(known), Some(new)) if says_less(known, &new) => {}
            (_, Some(new)) => self.0 = Some(new),
            (_, None) => {}
        }
    }

    /// Returns the text. Returns `None` if no field reports an error.
    pub(super) fn text(&self) -> Option<&str> {
        self.0.as_ref().map(|(_, text)| text.as_str())
    }

    /// Returns the text. Returns `None` if no field reports an error.
    pub(super) fn into_text(self) -> Option<String> {
        self.0.map(|(_, text)| text)
    }
}

/// Returns the error in a value. Returns `None` if the value means that there is none.
fn meaning(value: &str) -> Option<&str> {
    match value.trim() {
        "" | "false" | "0" | "None" => None,
        "true" => Some("error"),
        text => {
            let inside = text.strip_prefix("Some(").and_then(|rest| rest.strip_suffix(')'));
            let quoted = inside.and_then(|inside| inside.strip_prefix('"')?.strip_suffix('"'));
            Some(quoted.or(inside).unwrap_or(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_mean_no_error_are_ignored() {
        for none in ["", " ", "false", "0", "None"] {
            assert_eq!(meaning(none), None, "{none:?}");
        }
        let cases = [("true", "error"), ("1", "1"), ("Some(\"no route\")", "no route"), ("Some(3)", "3"), (" x ", "x")];
        for (value, expected) in cases {
            assert_eq!(meaning(value), Some(expected));
        }
    }

    #[test]
    fn field_that_says_most_wins_and_a_later_value_replaces_it() {
        let mut error = ErrorText::default();
        error.record("error", "a");
        error.record("exception.message", "b");
        error.record("error.message", "c");
        assert_eq!(error.text(), Some("b"));
        error.record("exception.message", "d");
        error.record("exception.message", "None");
        error.merge(ErrorText::default());
        let mut less = ErrorText::default();
        less.record("error", "e");
        error.merge(less);
        assert_eq!(error.into_text().as_deref(), Some("d"));
    }
}
